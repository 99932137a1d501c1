//! What defaults of every kind are written with: defaults of members, and a walker for paths with lists.

use serde_json::{Map, Value, json};

use super::rules::is_zero;

/// A default.
#[derive(Clone, Copy)]
pub(crate) enum Fill {
    /// A number that replaces absent and 0.
    Number(i64),
    /// Text that replaces only absent.
    NullText(&'static str),
    /// A number that replaces only absent.
    NullNumber(i64),
    /// A bool that replaces only absent.
    NullFlag(bool),
}

impl Fill {
    fn applies(self, present: Option<&Value>) -> bool {
        match self {
            Self::Number(_) => present.is_none_or(is_zero),
            _ => present.is_none_or(Value::is_null),
        }
    }

    fn value(self) -> Value {
        match self {
            Self::NullText(text) => text.into(),
            Self::Number(number) | Self::NullNumber(number) => number.into(),
            Self::NullFlag(flag) => flag.into(),
        }
    }
}

/// Applies one default.
pub(crate) fn set(map: &mut Map<String, Value>, member: &str, default: Fill) {
    if default.applies(map.get(member)) {
        map.insert(member.to_string(), default.value());
    }
}

/// Calls `visit` with every object at a path.
pub(crate) fn each(value: &mut Value, path: &str, visit: &mut dyn FnMut(&mut Map<String, Value>)) {
    if path.is_empty() {
        if let Value::Object(map) = value {
            visit(map);
        }
        return;
    }
    let (step, rest) = path.split_once('.').unwrap_or((path, ""));
    match step.strip_suffix("[]") {
        Some(member) => {
            for item in value.get_mut(member).and_then(Value::as_array_mut).into_iter().flatten() {
                each(item, rest, visit);
            }
        }
        None => {
            if let Some(next) = value.get_mut(step) {
                each(next, rest, visit);
            }
        }
    }
}

/// The member as an object, made if it is absent.
pub(crate) fn object<'a>(value: &'a mut Value, member: &str) -> Option<&'a mut Map<String, Value>> {
    let map = value.as_object_mut()?;
    if map.get(member).is_none_or(Value::is_null) {
        map.insert(member.to_string(), json!({}));
    }
    map.get_mut(member)?.as_object_mut()
}
