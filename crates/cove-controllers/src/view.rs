//! Narrow views of objects: members by JSON pointer, with Kubernetes' meaning of an absent one.

use cove_base::Timestamp;
use cove_kube_api::object::Object;
use serde_json::{Map, Value};

/// The value at a JSON pointer without escapes. `Value::pointer` makes a string of every member's name on its way, which
/// these views, called for every pod of every reconcile, cannot afford.
fn at<'a>(value: &'a Value, pointer: &str) -> Option<&'a Value> {
    pointer.split('/').skip(1).try_fold(value, |value, member| match value {
        Value::Object(members) => members.get(member),
        Value::Array(items) => items.get(member.parse::<usize>().ok()?),
        _ => None,
    })
}

/// A text, empty if absent.
pub fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    at(value, pointer).and_then(Value::as_str).unwrap_or("")
}

/// A number, if present.
pub fn int(value: &Value, pointer: &str) -> Option<i64> {
    at(value, pointer).and_then(Value::as_i64)
}

/// A number, 0 if absent.
pub fn count(value: &Value, pointer: &str) -> i64 {
    int(value, pointer).unwrap_or(0)
}

/// A truth value, false if absent.
pub fn flag(value: &Value, pointer: &str) -> bool {
    at(value, pointer).and_then(Value::as_bool).unwrap_or(false)
}

/// A list, empty if absent.
pub fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    at(value, pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A point in time, if present and readable.
pub fn time(value: &Value, pointer: &str) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(text(value, pointer))
}

/// A label's value, empty if absent.
pub fn label<'a>(value: &'a Value, key: &str) -> &'a str {
    at(value, "/metadata/labels").and_then(|l| l.get(key)).and_then(Value::as_str).unwrap_or("")
}

/// An annotation's value.
pub fn annotation<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    at(value, "/metadata/annotations").and_then(|a| a.get(key)).and_then(Value::as_str)
}

/// The labels, or null.
pub fn labels(value: &Value) -> &Value {
    at(value, "/metadata/labels").unwrap_or(&Value::Null)
}

/// The object at `pointer` (a path of member names), made if it is missing.
pub fn object_mut<'a>(value: &'a mut Value, path: &[&str]) -> &'a mut Map<String, Value> {
    let mut at = value;
    for member in path {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        at = &mut at[*member];
    }
    if !at.is_object() {
        *at = Value::Object(Map::new());
    }
    match at {
        Value::Object(map) => map,
        _ => unreachable!("it was just made an object"),
    }
}

/// Whether the object is being deleted.
pub fn deleting(object: &Object) -> bool {
    !object.meta("deletionTimestamp").is_empty()
}

/// The reference to the controller that owns the object.
pub fn controller_of(value: &Value) -> Option<&Value> {
    items(value, "/metadata/ownerReferences").iter().find(|owner| flag(owner, "/controller"))
}

/// The uid of the controller that owns the object, empty if there is none.
pub fn controller_uid(value: &Value) -> &str {
    controller_of(value).map_or("", |owner| text(owner, "/uid"))
}

/// When the object was made.
pub fn created(object: &Object) -> Timestamp {
    time(object.value(), "/metadata/creationTimestamp").unwrap_or(Timestamp::EPOCH)
}

/// Sets a member unless it is zero, as `omitempty` encodes a number.
pub fn put_count(map: &mut Map<String, Value>, member: &str, number: i64) {
    if number != 0 {
        map.insert(member.into(), number.into());
    }
}

/// An int-or-percent against a total (upstream's `GetScaledValueFromIntOrPercent`); `default` if absent or unreadable.
pub fn scaled(value: Option<&Value>, total: i64, round_up: bool, default: i64) -> i64 {
    match value {
        Some(Value::Number(number)) => number.as_i64().unwrap_or(default),
        Some(Value::String(text)) => {
            let percent = text.strip_suffix('%').and_then(|p| p.parse::<i64>().ok());
            percent.map_or(default, |percent| {
                let product = percent.saturating_mul(total);
                if round_up { (product + 99).div_euclid(100) } else { product.div_euclid(100) }
            })
        }
        _ => default,
    }
}
