//! Texts that several kinds print.

use serde_json::Value;

use crate::selector::LabelSelector;

use super::cell::items_at;

/// `k=v,k=v`, or `<none>`.
pub(super) fn labels(map: &Value) -> String {
    let mut all: Vec<String> = map
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    all.sort();
    if all.is_empty() { "<none>".into() } else { all.join(",") }
}

/// A selector object as text; `<none>` when it is empty or absent.
pub(super) fn selector(selector: &Value) -> String {
    match LabelSelector::from_json(selector) {
        Err(_) => "<invalid>".into(),
        Ok(selector) if selector.requirements.is_empty() => "<none>".into(),
        Ok(selector) => selector.to_string(),
    }
}

/// A member of all containers of a pod spec.
pub(super) fn containers(spec: &Value, member: &str) -> String {
    let all = items_at(spec, "containers").map(|c| c.get(member).and_then(Value::as_str).unwrap_or_default());
    all.collect::<Vec<_>>().join(",")
}

/// The first three, and how many more there are.
pub(super) fn first_three(all: &[String]) -> String {
    let shown = all.iter().take(3).cloned().collect::<Vec<_>>().join(",");
    if all.len() > 3 { format!("{shown} + {} more...", all.len() - 3) } else { shown }
}

/// The status of a condition by its type.
pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a str> {
    let found = items_at(object, "status.conditions").find(|c| c.get("type").and_then(Value::as_str) == Some(kind));
    found.and_then(|c| c.get("status")).and_then(Value::as_str)
}
