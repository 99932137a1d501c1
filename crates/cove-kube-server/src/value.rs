//! Reading and writing members of JSON objects by path, without panics on shapes that are not as expected.

use cove_base::time::Timestamp;
use serde_json::{Map, Value};

static NULL: Value = Value::Null;

/// `metadata`, or null.
pub fn meta(object: &Value) -> &Value {
    object.get("metadata").unwrap_or(&NULL)
}

/// `metadata` as a map, made if it is not there.
pub fn meta_mut(object: &mut Value) -> &mut Map<String, Value> {
    child_mut(object, "metadata")
}

/// A member as a map, made if it is not one.
pub fn child_mut<'a>(object: &'a mut Value, member: &str) -> &'a mut Map<String, Value> {
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    let slot = match object {
        Value::Object(map) => map.entry(member).or_insert(Value::Null),
        _ => unreachable!("made an object above"),
    };
    if !slot.is_object() {
        *slot = Value::Object(Map::new());
    }
    match slot {
        Value::Object(map) => map,
        _ => unreachable!("made an object above"),
    }
}

/// The member at a path of names, or null.
pub fn at<'a>(object: &'a Value, path: &[&str]) -> &'a Value {
    path.iter().fold(object, |value, member| value.get(member).unwrap_or(&NULL))
}

/// The text at a path, or an empty one.
pub fn text<'a>(object: &'a Value, path: &[&str]) -> &'a str {
    at(object, path).as_str().unwrap_or("")
}

/// A member of `metadata` as text, or an empty one.
pub fn meta_text<'a>(object: &'a Value, member: &str) -> &'a str {
    meta(object).get(member).and_then(Value::as_str).unwrap_or("")
}

/// The whole number at a path.
pub fn number(object: &Value, path: &[&str]) -> Option<i64> {
    at(object, path).as_i64()
}

/// The items of the list at a path; none if there is no list.
pub fn items<'a>(object: &'a Value, path: &[&str]) -> &'a [Value] {
    at(object, path).as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The texts of the list at a path.
pub fn texts<'a>(object: &'a Value, path: &[&str]) -> Vec<&'a str> {
    items(object, path).iter().filter_map(Value::as_str).collect()
}

/// Whether a member is absent, null or an empty text, list or map.
pub fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// Whether the object is being deleted.
pub fn is_deleting(object: &Value) -> bool {
    !is_empty(at(object, &["metadata", "deletionTimestamp"]))
}

/// A point in time at a path.
pub fn time(object: &Value, path: &[&str]) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(text(object, path))
}

/// Sets a member, or removes it if `value` is null.
pub fn set_or_remove(map: &mut Map<String, Value>, member: &str, value: Value) {
    if value.is_null() {
        map.remove(member);
    } else {
        map.insert(member.into(), value);
    }
}
