//! The small language that most cells are written in.

use cove_base::time::Timestamp;
use serde_json::Value;

use super::duration::age;
use super::text::{containers, labels, selector};

static NULL: Value = Value::Null;

/// A value by its dotted path.
pub(super) fn at<'a>(object: &'a Value, path: &str) -> &'a Value {
    path.split('.').try_fold(object, |v, member| v.get(member)).unwrap_or(&NULL)
}

/// Text by its dotted path, empty if absent.
pub(super) fn text_at<'a>(object: &'a Value, path: &str) -> &'a str {
    at(object, path).as_str().unwrap_or_default()
}

/// A number by its dotted path, 0 if absent.
pub(super) fn number_at(object: &Value, path: &str) -> i64 {
    at(object, path).as_i64().unwrap_or_default()
}

/// The items of a list by its dotted path.
pub(super) fn items_at<'a>(object: &'a Value, path: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    at(object, path).as_array().into_iter().flatten()
}

/// How a cell is made of an object.
#[derive(Clone, Copy)]
pub(super) enum Cell {
    /// Text or a number at a path, as text; the second text where there is none.
    Text(&'static str, &'static str),
    /// The number at a path.
    Number(&'static str),
    /// The bool at a path, with what absent means.
    Flag(&'static str, bool),
    /// How many items or entries there are.
    Count(&'static str),
    /// Since when the object exists.
    Age,
    /// How long ago a time was, with the text where there is none.
    AgeOf(&'static str, &'static str),
    /// A time as it is.
    Date(&'static str),
    /// Texts of a list, joined; the last text where there are none.
    Joined(&'static str, &'static str, &'static str),
    /// The member `name` or `image` of a template's containers.
    Containers(&'static str, &'static str),
    /// A label selector object.
    Selector(&'static str),
    /// A map of labels.
    Labels(&'static str),
    /// Anything else.
    Own(fn(&Value, Timestamp) -> Value),
}

impl Cell {
    /// The cell of an object.
    pub(super) fn of(self, object: &Value, now: Timestamp) -> Value {
        match self {
            Self::Text(path, otherwise) => text(at(object, path), otherwise).into(),
            Self::Number(path) => number_at(object, path).into(),
            Self::Flag(path, absent) => at(object, path).as_bool().unwrap_or(absent).into(),
            Self::Count(path) => count(at(object, path)).into(),
            Self::Age => age(at(object, "metadata.creationTimestamp"), now).into(),
            Self::AgeOf(path, otherwise) => match at(object, path) {
                Value::Null => otherwise.into(),
                time => age(time, now).into(),
            },
            Self::Date(path) => at(object, path).clone(),
            Self::Joined(path, separator, otherwise) => {
                let all: Vec<&str> = items_at(object, path).filter_map(Value::as_str).collect();
                if all.is_empty() { otherwise.into() } else { all.join(separator).into() }
            }
            Self::Containers(path, member) => containers(at(object, path), member).into(),
            Self::Selector(path) => selector(at(object, path)).into(),
            Self::Labels(path) => labels(at(object, path)).into(),
            Self::Own(make) => make(object, now),
        }
    }
}

fn text(value: &Value, otherwise: &str) -> String {
    match value {
        Value::String(text) if !text.is_empty() => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        _ => otherwise.to_string(),
    }
}

/// How many items or entries a value has.
pub(super) fn count(value: &Value) -> usize {
    value.as_array().map_or_else(|| value.as_object().map_or(0, |m| m.len()), Vec::len)
}
