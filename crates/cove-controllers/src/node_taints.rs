//! The taints that follow from a node's conditions.

use cove_base::Timestamp;
use cove_kube_api::door::PatchKind;
use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use cove_kube_client::{Context, Key};
use serde_json::{Value, json};

use crate::conditions;
use crate::resources::NODES;
use crate::shared::Shared;
use crate::view::{flag, items, text};

pub const NOT_READY: &str = "node.kubernetes.io/not-ready";
pub const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
pub const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";
pub const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";
pub const NO_SCHEDULE: &str = "NoSchedule";
pub const NO_EXECUTE: &str = "NoExecute";

/// Condition, status, taint.
const BY_CONDITION: [(&str, &str, &str); 6] = [
    ("Ready", "False", NOT_READY),
    ("Ready", "Unknown", UNREACHABLE),
    ("MemoryPressure", "True", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "True", "node.kubernetes.io/disk-pressure"),
    ("NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"),
    ("PIDPressure", "True", "node.kubernetes.io/pid-pressure"),
];

/// The keys of the taints that a node should have now.
pub fn condition_taints(node: &Object) -> Vec<&'static str> {
    let list = items(node.value(), "/status/conditions");
    let holds = |kind: &str, status: &str| conditions::find(list, kind).is_some_and(|c| text(c, "/status") == status);
    let mut keys: Vec<&str> = BY_CONDITION.iter().filter(|(k, s, _)| holds(k, s)).map(|(_, _, key)| *key).collect();
    if flag(node.value(), "/spec/unschedulable") {
        keys.push(UNSCHEDULABLE);
    }
    keys
}

/// A node's taints, to be changed and written at once.
pub struct Taints {
    list: Vec<Value>,
    changed: bool,
}

impl Taints {
    /// As they are.
    pub fn of(node: &Object) -> Self {
        Self { list: items(node.value(), "/spec/taints").to_vec(), changed: false }
    }

    fn place(&self, key: &str, effect: &str) -> Option<usize> {
        self.list.iter().position(|taint| text(taint, "/key") == key && text(taint, "/effect") == effect)
    }

    /// Adds one, if it is not there.
    pub fn add(&mut self, key: &str, effect: &str, now: Timestamp) {
        if self.place(key, effect).is_none() {
            self.list.push(json!({ "key": key, "effect": effect, "timeAdded": now.rfc3339() }));
            self.changed = true;
        }
    }

    /// Removes one; true if it was there.
    pub fn remove(&mut self, key: &str, effect: &str) -> bool {
        let place = self.place(key, effect);
        if let Some(place) = place {
            self.list.remove(place);
            self.changed = true;
        }
        place.is_some()
    }

    /// Of the taints that stand for conditions, keeps exactly these.
    pub fn set_condition_taints(&mut self, effect: &str, wanted: &[&str], now: Timestamp) {
        let all = BY_CONDITION.iter().map(|(_, _, key)| *key).chain([UNSCHEDULABLE]);
        for key in all {
            if wanted.contains(&key) {
                self.add(key, effect, now);
            } else {
                self.remove(key, effect);
            }
        }
    }

    /// Writes them against exactly this version of the node, if they changed.
    pub async fn write(self, cx: &Context<Shared>, node: &Object) -> Result<(), Status> {
        if !self.changed {
            return Ok(());
        }
        let taints = if self.list.is_empty() { Value::Null } else { Value::Array(self.list) };
        let patch = json!({
            "metadata": { "resourceVersion": node.revision().to_string(), "uid": node.uid() },
            "spec": { "taints": taints },
        });
        match cx.patch(NODES, &Key::of(node), "", PatchKind::Merge, patch).await {
            Err(status) if !status.is_not_found() => Err(status),
            _ => Ok(()),
        }
    }
}
