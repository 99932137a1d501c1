//! What the scheduler writes: bindings and the condition of pods that could not be placed.

use std::sync::Arc;

use cove_base::Timestamp;
use cove_kube_api::door::PatchKind;
use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use cove_kube_client::{Client, Resource};
use serde_json::{Value, json};

use crate::framework::PodView;
use crate::limits;

/// The resource.
pub const PODS: Resource = Resource::core("pods");

/// Binds a pod to a node.
pub async fn bind(client: &Client, pod: &PodView, node: &str) -> Result<(), Status> {
    let (namespace, name) = (pod.namespace(), &pod.key.name);
    let binding = json!({
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": { "name": name, "namespace": namespace, "uid": pod.uid },
        "target": { "kind": "Node", "name": node },
    });
    client.create_sub(PODS, namespace, name, "binding", binding).await.map(drop)
}

/// The patch that says why a pod is not placed, and for which node room is being made; `None` if the pod says so
/// already.
pub fn unplaced(pod: &Object, reason: &str, message: &str, nominated: Option<&str>, now: Timestamp) -> Option<Value> {
    let value = pod.value();
    let same_node = value["status"]["nominatedNodeName"].as_str() == nominated;
    let conditions = value["status"]["conditions"].as_array();
    let old = conditions.into_iter().flatten().find(|condition| condition["type"] == "PodScheduled");
    let same = |member: &str, text: &str| old.is_some_and(|old| old[member] == text);
    if same("status", "False") && same("reason", reason) && same("message", message) && same_node {
        return None;
    }
    let since = match old {
        Some(old) if same("status", "False") => old["lastTransitionTime"].clone(),
        _ => now.rfc3339().into(),
    };
    let mut condition = json!({
        "type": "PodScheduled",
        "status": "False",
        "lastProbeTime": null,
        "lastTransitionTime": since,
        "reason": reason,
        "message": message,
    });
    if let Some(generation) = value["metadata"].get("generation") {
        condition["observedGeneration"] = generation.clone();
    }
    let mut patch = json!({ "status": { "conditions": [condition] } });
    if !same_node {
        patch["status"]["nominatedNodeName"] = nominated.into();
    }
    Some(patch)
}

/// Writes such a patch. Somebody else's deletion or binding in between is no error.
pub async fn patch_status(client: Client, pod: Arc<Object>, patch: Value) {
    let kind = PatchKind::Strategic;
    if let Err(status) = client.patch(PODS, pod.namespace(), pod.name(), "status", kind, patch).await
        && !status.is_not_found()
    {
        tracing::warn!(pod = ?pod, "writing the condition of a pod: {status}");
    }
}

/// Makes a pod leave for one of higher priority.
pub async fn evict(client: &Client, victim: &Object, now: Timestamp) {
    let condition = json!({
        "type": "DisruptionTarget",
        "status": "True",
        "lastProbeTime": null,
        "lastTransitionTime": now.rfc3339(),
        "reason": "PreemptionByScheduler",
        "message": "default-scheduler: preempting to accommodate a higher priority pod",
    });
    let (namespace, name) = (victim.namespace(), victim.name());
    let patch = json!({ "metadata": { "uid": victim.uid() }, "status": { "conditions": [condition] } });
    let marked = client.patch(PODS, namespace, name, "status", PatchKind::Strategic, patch).await;
    let ended = match marked {
        Ok(_) => client.delete(PODS, namespace, name, json!({ "preconditions": { "uid": victim.uid() } })).await,
        Err(status) => Err(status),
    };
    if let Err(status) = ended
        && !status.is_not_found()
    {
        tracing::warn!(pod = ?victim, "preempting a pod: {status}");
    }
}

/// A message as an event may carry it.
pub fn event_message(message: &str) -> String {
    const CUT: &str = " ...";
    if message.len() <= limits::EVENT_MESSAGE {
        return message.into();
    }
    let mut end = limits::EVENT_MESSAGE - CUT.len();
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{CUT}", &message[..end])
}
