//! Status conditions: a list of maps with unique `type`.

use serde_json::{Value, json};

use crate::view::text;

/// The condition of a type.
pub fn find<'a>(conditions: &'a [Value], kind: &str) -> Option<&'a Value> {
    conditions.iter().find(|c| text(c, "/type") == kind)
}

/// A condition with its transition at `now`.
pub fn new(kind: &str, status: &str, now: &str, reason: &str, message: &str) -> Value {
    json!({ "type": kind, "status": status, "lastTransitionTime": now, "reason": reason, "message": message })
}

/// Puts a condition in place of that of its type; the transition's time stays if `status` does. Nothing happens if
/// status and reason (and, with `by_message`, the message) are as they were.
pub fn set(conditions: &mut Vec<Value>, mut condition: Value, by_message: bool) {
    let kind = text(&condition, "/type").to_string();
    if let Some(old) = find(conditions, &kind) {
        let same = |member: &str| old.get(member) == condition.get(member);
        if same("status") && same("reason") && (!by_message || same("message")) {
            return;
        }
        if same("status") {
            condition["lastTransitionTime"] = old["lastTransitionTime"].clone();
        }
    }
    let place = conditions.iter().position(|c| text(c, "/type") == kind);
    match place {
        Some(place) => conditions[place] = condition,
        None => conditions.push(condition),
    }
}

/// Puts a condition last (upstream's controllers of `apps` remove and append); otherwise as [`set`].
pub fn set_last(conditions: &mut Vec<Value>, condition: Value) {
    let kind = text(&condition, "/type").to_string();
    let before = conditions.clone();
    set(conditions, condition, false);
    if *conditions == before {
        return;
    }
    if let Some(place) = conditions.iter().position(|c| text(c, "/type") == kind) {
        let condition = conditions.remove(place);
        conditions.push(condition);
    }
}

/// Removes the condition of a type.
pub fn remove(conditions: &mut Vec<Value>, kind: &str) {
    conditions.retain(|c| text(c, "/type") != kind);
}
