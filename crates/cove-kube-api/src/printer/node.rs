//! The cells of nodes.

use std::collections::BTreeSet;

use cove_base::time::Timestamp;
use serde_json::Value;

use super::cell::{at, items_at, text_at};
use super::text::condition;

/// `Ready`, `NotReady,SchedulingDisabled`.
pub(super) fn status(node: &Value, _now: Timestamp) -> Value {
    let mut status = match condition(node, "Ready") {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }
    .to_string();
    if at(node, "spec.unschedulable").as_bool() == Some(true) {
        status.push_str(",SchedulingDisabled");
    }
    status.into()
}

/// The roles that labels give.
pub(super) fn roles(node: &Value, _now: Timestamp) -> Value {
    let labels = at(node, "metadata.labels").as_object().into_iter().flatten();
    let roles: BTreeSet<&str> = labels
        .filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => Some(role),
            None if key == "kubernetes.io/role" => value.as_str(),
            None => None,
        })
        .filter(|role| !role.is_empty())
        .collect();
    if roles.is_empty() { "<none>".into() } else { roles.into_iter().collect::<Vec<_>>().join(",").into() }
}

fn address(node: &Value, kind: &str) -> Value {
    let found = items_at(node, "status.addresses").find(|a| text_at(a, "type") == kind);
    found.map_or("<none>", |a| text_at(a, "address")).into()
}

/// The address inside.
pub(super) fn internal_ip(node: &Value, _now: Timestamp) -> Value {
    address(node, "InternalIP")
}

/// The address outside.
pub(super) fn external_ip(node: &Value, _now: Timestamp) -> Value {
    address(node, "ExternalIP")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nodes() {
        let node = json!({"metadata": {"labels": {"node-role.kubernetes.io/worker": "", "kubernetes.io/role": "infra"}},
            "spec": {"unschedulable": true}, "status": {"conditions": [{"type": "Ready", "status": "Unknown"}],
            "addresses": [{"type": "InternalIP", "address": "172.31.0.5"}]}});
        let now = Timestamp::EPOCH;
        assert_eq!(
            (status(&node, now), roles(&node, now)),
            ("NotReady,SchedulingDisabled".into(), "infra,worker".into())
        );
        assert_eq!((internal_ip(&node, now), external_ip(&node, now)), ("172.31.0.5".into(), "<none>".into()));
    }
}
