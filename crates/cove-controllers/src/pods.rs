//! What controllers ask of pods, and how they make them from a template.

use std::time::Duration;

use cove_base::Timestamp;
use cove_kube_api::object::Object;
use cove_kube_client::cache::Index;
use serde_json::{Value, json};

use crate::conditions;
use crate::view::{controller_uid, deleting, items, text, time};

/// Objects by the uid of their controller; those without one under `orphan/NAMESPACE`.
pub const BY_CONTROLLER: Index = Index { name: "controller", values: controllers };

fn controllers(object: &Object) -> Vec<String> {
    match controller_uid(object.value()) {
        "" => vec![orphans(object.namespace())],
        uid => vec![uid.into()],
    }
}

/// The value of [`BY_CONTROLLER`] for the orphans of a namespace.
pub fn orphans(namespace: &str) -> String {
    format!("orphan/{namespace}")
}

/// Whether the pod has ended.
pub fn is_terminal(pod: &Object) -> bool {
    matches!(text(pod.value(), "/status/phase"), "Succeeded" | "Failed")
}

/// Whether the pod counts: not ended and not being deleted.
pub fn is_active(pod: &Object) -> bool {
    !is_terminal(pod) && !deleting(pod)
}

/// Since when the pod is ready.
pub fn ready_since(pod: &Object) -> Option<Timestamp> {
    let condition = conditions::find(items(pod.value(), "/status/conditions"), "Ready")?;
    (text(condition, "/status") == "True").then(|| time(condition, "/lastTransitionTime").unwrap_or_default())
}

/// Whether the pod is ready.
pub fn is_ready(pod: &Object) -> bool {
    ready_since(pod).is_some()
}

/// Whether the pod has been ready for long enough.
pub fn is_available(pod: &Object, min_ready_seconds: i64, now: Timestamp) -> bool {
    available_in(pod, min_ready_seconds, now).is_some_and(|wait| wait.is_zero())
}

/// How long until the pod is available if it stays ready; `None` if it is not ready.
pub fn available_in(pod: &Object, min_ready_seconds: i64, now: Timestamp) -> Option<Duration> {
    let since = ready_since(pod)?;
    if min_ready_seconds <= 0 {
        return Some(Duration::ZERO);
    }
    let at = since + Duration::from_secs(min_ready_seconds.unsigned_abs());
    Some(at.since(now))
}

/// The reference by which a controller owns what it makes.
pub fn controller_reference(owner: &Object) -> Value {
    json!({
        "apiVersion": owner.value()["apiVersion"],
        "kind": owner.value()["kind"],
        "name": owner.name(),
        "uid": owner.uid(),
        "controller": true,
        "blockOwnerDeletion": true,
    })
}

/// A pod of a template, owned by `owner`, with a generated name.
pub fn from_template(template: &Value, owner: &Object) -> Value {
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "generateName": format!("{}-", owner.name()), "namespace": owner.namespace() },
        "spec": template["spec"],
    });
    for member in ["labels", "annotations", "finalizers"] {
        if let Some(value) = template["metadata"].get(member) {
            pod["metadata"][member] = value.clone();
        }
    }
    pod["metadata"]["ownerReferences"] = json!([controller_reference(owner)]);
    pod
}
