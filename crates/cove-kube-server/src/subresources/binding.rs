//! `pods/binding`: the scheduler's one write.

use cove_kube_api::door::{Body, Response};
use cove_kube_api::status::Status;
use serde_json::{Value, json};

use crate::chain::body;
use crate::chain::call::Call;
use crate::chain::update::{uid_mismatch, write};
use crate::server::ApiServer;
use crate::subresources::success;
use crate::value::{at, child_mut, is_deleting, is_empty, items, meta, meta_mut, meta_text, text};

/// Labels that a pod gets from its node (admission plug-in PodTopologyLabels).
const TOPOLOGY: &[&str] = &["topology.kubernetes.io/zone", "topology.kubernetes.io/region"];

/// Binds a pod to a node.
pub async fn bind(server: &ApiServer, call: &mut Call, request: &Body) -> Result<Response, Status> {
    let how = body::strictness(call)?;
    let decoded = body::read(request, "", "v1", "Binding", how)?;
    call.warnings.extend(decoded.warnings);
    let binding = decoded.value;
    if call.sub().is_empty() {
        // The legacy form names the pod in the body only.
        *call = Call::internal(server, call, "", "v1", "pods", "binding", meta_text(&binding, "name"))?;
    }
    check(call, &binding)?;
    let node = text(&binding, &["target", "name"]).to_string();
    let labels = topology(server, &node).await?;
    let now = server.rt.now().rfc3339();
    write(server, call, &mut |call, old| bound(call, old, &binding, &node, &labels, &now)).await?;
    Ok(success(call))
}

fn check(call: &Call, binding: &Value) -> Result<(), Status> {
    let name = meta_text(binding, "name");
    if !name.is_empty() && name != call.name {
        return Err(Status::bad_request("name in URL does not match name in Binding object"));
    }
    let plain = |text: String| Err(Status::new(500, "", text));
    match text(binding, &["target", "kind"]) {
        "" | "Node" => {}
        kind => {
            return plain(format!("target.kind: Unsupported value: {kind:?}: supported values: \"Node\", \"<empty>\""));
        }
    }
    match text(binding, &["target", "name"]) {
        "" => plain("target.name: Required value".into()),
        _ => Ok(()),
    }
}

async fn topology(server: &ApiServer, node: &str) -> Result<Vec<(String, Value)>, Status> {
    let stored = server.storage.get(&format!("/registry/minions/{node}")).await?;
    let Some(stored) = stored else { return Ok(Vec::new()) };
    let labels = meta(stored.object.value()).get("labels").cloned().unwrap_or_default();
    let found = TOPOLOGY.iter().filter_map(|key| Some(((*key).to_string(), labels.get(*key)?.clone())));
    Ok(found.collect())
}

fn bound(
    call: &Call,
    old: &Value,
    binding: &Value,
    node: &str,
    labels: &[(String, Value)],
    now: &str,
) -> Result<Value, Status> {
    let conflict = |why: String| Err(Status::conflict("", "pods/binding", &call.name, &why));
    let uid = meta_text(binding, "uid");
    if !uid.is_empty() && uid != meta_text(old, "uid") {
        return conflict(uid_mismatch(&call.key(), uid, meta_text(old, "uid")));
    }
    if is_deleting(old) {
        return conflict(format!("pod {} is being deleted, cannot be assigned to a host", call.name));
    }
    let already = text(old, &["spec", "nodeName"]);
    if !already.is_empty() {
        return conflict(format!("pod {} is already assigned to node {already:?}", call.name));
    }
    if !is_empty(at(old, &["spec", "schedulingGates"])) {
        return conflict(format!("pod {} has non-empty .spec.schedulingGates", call.name));
    }
    let mut new = old.clone();
    child_mut(&mut new, "spec").insert("nodeName".into(), node.into());
    if let Some(annotations) = meta(binding).get("annotations").and_then(Value::as_object) {
        let target = meta_mut(&mut new).entry("annotations").or_insert_with(|| json!({}));
        for (key, value) in annotations {
            target[key] = value.clone();
        }
    }
    for (key, value) in labels {
        meta_mut(&mut new).entry("labels").or_insert_with(|| json!({}))[key] = value.clone();
    }
    set_scheduled(&mut new, now);
    Ok(new)
}

fn set_scheduled(pod: &mut Value, now: &str) {
    let scheduled = json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now});
    set_condition(pod, scheduled);
    child_mut(pod, "status").shift_remove("nominatedNodeName");
}

/// Sets a condition of a pod, in the place of one of the same type. The time of a status that stays is kept.
pub fn set_condition(pod: &mut Value, mut condition: Value) {
    let mut conditions = items(pod, &["status", "conditions"]).to_vec();
    match conditions.iter_mut().find(|known| known["type"] == condition["type"]) {
        Some(known) => {
            if known["status"] == condition["status"] {
                condition["lastTransitionTime"] = known["lastTransitionTime"].clone();
            }
            *known = condition;
        }
        None => conditions.push(condition),
    }
    child_mut(pod, "status").insert("conditions".into(), conditions.into());
}
