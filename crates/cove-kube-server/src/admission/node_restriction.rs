//! NodeRestriction: a node changes itself, its lease and the pods that are bound to it, nothing else.

use async_trait::async_trait;
use cove_kube_api::status::Status;
use serde_json::Value;

use crate::admission::{Operation, Plugin, Review};
use crate::authorization::node::node_of;
use crate::server::ApiServer;
use crate::value::{at, items, meta, meta_text, text};

/// The plug-in.
pub struct NodeRestriction;

const MIRROR: &str = "kubernetes.io/config.mirror";

/// Labels of the `kubernetes.io` and `k8s.io` name spaces that a kubelet may set on its node.
const KUBELET_LABELS: &[&str] = &[
    "kubernetes.io/hostname",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "node.kubernetes.io/instance-type",
    "beta.kubernetes.io/instance-type",
    "kubernetes.io/os",
    "beta.kubernetes.io/os",
    "kubernetes.io/arch",
    "beta.kubernetes.io/arch",
    "node.kubernetes.io/windows-build",
];
const KUBELET_NAMESPACES: &[&str] = &["kubelet.kubernetes.io", "node.kubernetes.io"];

#[async_trait]
impl Plugin for NodeRestriction {
    async fn validate(&self, server: &ApiServer, review: &mut Review<'_>, object: &Value) -> Result<(), Status> {
        let node = match node_of(review.user) {
            None => return Ok(()),
            Some("") => {
                let user = &review.user.username;
                return Err(review.forbidden(&format!("could not determine node from user {user:?}")));
            }
            Some(node) => node.to_string(),
        };
        match (review.kind.group, review.kind.plural, review.subresource) {
            ("", "pods", sub) => pod(server, review, object, &node, sub).await,
            ("", "nodes", _) => node_itself(review, object, &node),
            ("", "persistentvolumeclaims", sub) if sub != "status" => {
                Err(review.forbidden("may only update PVC status"))
            }
            ("", "serviceaccounts", "token") => token(server, review, object, &node).await,
            ("coordination.k8s.io", "leases", _) => lease(review, object, &node),
            ("storage.k8s.io", "csinodes", _) if name_of(review, object) != node => {
                Err(review.forbidden("can only access CSINode with the same name as the requesting node"))
            }
            ("resource.k8s.io", "resourceslices", _) => slice(review, object, &node),
            _ => Ok(()),
        }
    }
}

fn name_of<'a>(review: &'a Review<'_>, object: &'a Value) -> &'a str {
    if review.name.is_empty() { meta_text(object, "name") } else { review.name }
}

async fn pod(
    server: &ApiServer,
    review: &Review<'_>,
    object: &Value,
    node: &str,
    subresource: &str,
) -> Result<(), Status> {
    let refuse = |why: String| Err(review.forbidden(&why));
    let bound = review.old.is_some_and(|old| text(old, &["spec", "nodeName"]) == node);
    match (subresource, review.operation) {
        ("", Operation::Create) => mirror(server, review, object, node).await,
        ("", Operation::Delete) if !bound => {
            refuse(format!("node {node:?} can only delete pods with spec.nodeName set to itself"))
        }
        ("", Operation::Delete) => Ok(()),
        ("status", _) if !bound => {
            refuse(format!("node {node:?} can only update pod status for pods with spec.nodeName set to itself"))
        }
        ("status", _) => {
            let labels = |pod: &Value| meta(pod).get("labels").cloned().unwrap_or_default();
            if review.old.is_some_and(|old| labels(old) != labels(object)) {
                return refuse(format!("node {node:?} cannot update labels through pod status"));
            }
            Ok(())
        }
        ("eviction", _) if !bound => {
            refuse(format!("node {node} can only evict pods with spec.nodeName set to itself"))
        }
        ("eviction", _) => Ok(()),
        ("", _) => {
            refuse(format!("unexpected operation \"UPDATE\", node {node:?} can only create and delete mirror pods"))
        }
        (other, _) => refuse(format!("unexpected pod subresource {other:?}, only 'status' and 'eviction' are allowed")),
    }
}

/// A node makes mirror pods of itself only.
async fn mirror(server: &ApiServer, review: &Review<'_>, pod: &Value, node: &str) -> Result<(), Status> {
    let refuse = |why: String| Err(review.forbidden(&why));
    if at(pod, &["metadata", "annotations", MIRROR]).is_null() {
        return refuse(format!("pod does not have {MIRROR:?} annotation, node {node:?} can only create mirror pods"));
    }
    if text(pod, &["spec", "nodeName"]) != node {
        return refuse(format!("node {node:?} can only create pods with spec.nodeName set to itself"));
    }
    let owner = match items(pod, &["metadata", "ownerReferences"]) {
        [] => return refuse(format!("node {node:?} can only create pods with an owner reference set to itself")),
        [one] => one,
        _ => return refuse(format!("node {node:?} can only create pods with a single owner reference set to itself")),
    };
    if text(owner, &["kind"]) != "Node" || text(owner, &["name"]) != node {
        return refuse(format!("node {node:?} can only create pods with an owner reference set to itself"));
    }
    if owner.get("controller") != Some(&Value::Bool(true)) {
        return refuse(format!("node {node:?} can only create pods with a controller owner reference set to itself"));
    }
    if owner.get("blockOwnerDeletion") == Some(&Value::Bool(true)) {
        return refuse(format!("node {node:?} must not set blockOwnerDeletion on an owner reference"));
    }
    let stored = server.storage.get(&format!("/registry/minions/{node}")).await?;
    let uid = stored.map(|stored| stored.object.uid().to_string()).unwrap_or_default();
    if uid != text(owner, &["uid"]) {
        return refuse(format!("node {node} UID mismatch: expected {uid} got {}", text(owner, &["uid"])));
    }
    Ok(())
}

fn node_itself(review: &Review<'_>, object: &Value, node: &str) -> Result<(), Status> {
    let refuse = |why: String| Err(review.forbidden(&why));
    let requested = name_of(review, object);
    if requested != node {
        return refuse(format!("node {node:?} is not allowed to modify node {requested:?}"));
    }
    match (review.operation, review.old) {
        (Operation::Create, _) => {
            let forbidden = forbidden_labels(object, None);
            if forbidden.is_empty() {
                return Ok(());
            }
            refuse(format!("node {node:?} is not allowed to set the following labels: {}", forbidden.join(", ")))
        }
        (Operation::Update, Some(old)) => {
            if at(old, &["spec", "taints"]) != at(object, &["spec", "taints"]) {
                return refuse(format!("node {node:?} is not allowed to modify taints"));
            }
            let owners = ["metadata", "ownerReferences"];
            if at(old, &owners) != at(object, &owners) {
                return refuse(format!("node {node:?} is not allowed to modify ownerReferences"));
            }
            let forbidden = forbidden_labels(object, Some(old));
            if forbidden.is_empty() {
                return Ok(());
            }
            refuse(format!("is not allowed to modify labels: {}", forbidden.join(", ")))
        }
        _ => Ok(()),
    }
}

/// The labels that were set or changed and are not a kubelet's to set.
fn forbidden_labels(object: &Value, old: Option<&Value>) -> Vec<String> {
    let labels = |object: &Value| meta(object).get("labels").and_then(Value::as_object).cloned().unwrap_or_default();
    let (new, old) = (labels(object), old.map(labels).unwrap_or_default());
    let mut changed: Vec<&String> = new.keys().chain(old.keys()).filter(|key| new.get(*key) != old.get(*key)).collect();
    changed.sort();
    changed.dedup();
    changed.into_iter().filter(|key| is_forbidden(key)).cloned().collect()
}

fn is_forbidden(key: &str) -> bool {
    let Some((namespace, _)) = key.split_once('/') else { return false };
    let within = |root: &str| namespace == root || namespace.ends_with(&format!(".{root}"));
    if within("node-restriction.kubernetes.io") {
        return true;
    }
    (within("kubernetes.io") || within("k8s.io"))
        && !KUBELET_LABELS.contains(&key)
        && !KUBELET_NAMESPACES.iter().any(|allowed| within(allowed))
}

async fn token(server: &ApiServer, review: &Review<'_>, request: &Value, node: &str) -> Result<(), Status> {
    let reference = |member: &str| text(request, &["spec", "boundObjectRef", member]);
    if reference("kind") != "Pod" || reference("name").is_empty() {
        return Err(review.forbidden("node requested token not bound to a pod"));
    }
    if reference("uid").is_empty() {
        return Err(review.forbidden("node requested token with a pod binding without a uid"));
    }
    let key = format!("/registry/pods/{}/{}", review.namespace, reference("name"));
    let Some(pod) = server.storage.get(&key).await? else {
        return Err(Status::not_found("", "pods", reference("name")));
    };
    if text(pod.object.value(), &["spec", "nodeName"]) != node {
        return Err(review.forbidden("node requested token bound to a pod scheduled on a different node"));
    }
    Ok(())
}

fn lease(review: &Review<'_>, lease: &Value, node: &str) -> Result<(), Status> {
    if review.namespace != "kube-node-lease" {
        return Err(review.forbidden("can only access leases in the \"kube-node-lease\" system namespace"));
    }
    if name_of(review, lease) != node {
        return Err(review.forbidden("can only access node lease with the same name as the requesting node"));
    }
    Ok(())
}

fn slice(review: &Review<'_>, slice: &Value, node: &str) -> Result<(), Status> {
    let of = if review.operation == Operation::Delete { review.old.unwrap_or(slice) } else { slice };
    if text(of, &["spec", "nodeName"]) == node {
        return Ok(());
    }
    Err(review.forbidden("can only create ResourceSlice with the same NodeName as the requesting node"))
}
