//! The node authorizer: what a kubelet may see and do follows from the pods that are bound to its node.
//!
//! A user of the group `system:nodes` named `system:node:NAME`. Rules come from the bootstrap role `system:node`; for
//! what holds secrets of others, only objects that a pod of this node refers to are readable.

use std::sync::Arc;

use cove_kube_api::door::UserInfo;
use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use serde_json::Value;

use crate::authorization::{Attributes, Decision};
use crate::server::ApiServer;
use crate::value::{items, text};

/// The group of all nodes.
pub const NODES: &str = "system:nodes";
const PREFIX: &str = "system:node:";

/// The node's name of a user that is a node; empty if its name does not say which. `None` for anybody else.
pub fn node_of(user: &UserInfo) -> Option<&str> {
    let is_node = user.groups.iter().any(|group| group == NODES);
    is_node.then(|| user.username.strip_prefix(PREFIX).unwrap_or(""))
}

/// Decides for nodes; no opinion on anybody else.
pub async fn authorize(server: &ApiServer, attributes: &Attributes) -> Result<Decision, Status> {
    let nothing = |reason: &str| Ok(Decision::NoOpinion(reason.to_string()));
    let node = match node_of(&attributes.user) {
        None => return nothing(""),
        Some("") => return nothing(&format!("unknown node for user {:?}", attributes.user.username)),
        Some(node) => node,
    };
    if attributes.is_resource {
        let sub = attributes.subresource.as_str();
        match (attributes.group.as_str(), attributes.resource.as_str()) {
            ("", "secrets" | "configmaps" | "persistentvolumes") => return reads(server, attributes, node).await,
            ("", "persistentvolumeclaims") if sub == "status" => return claim_status(server, attributes, node).await,
            ("", "persistentvolumeclaims") => return reads(server, attributes, node).await,
            ("", "serviceaccounts") if sub == "token" => return token(server, attributes, node).await,
            ("coordination.k8s.io", "leases") => return Ok(lease(attributes, node)),
            ("storage.k8s.io", "csinodes") => return Ok(csi_node(attributes, node)),
            ("storage.k8s.io", "volumeattachments") => return attachment(server, attributes, node).await,
            ("", "nodes") if matches!(attributes.verb.as_str(), "get" | "list" | "watch") => {
                return Ok(own_node(attributes, node));
            }
            ("", "pods") if matches!(attributes.verb.as_str(), "get" | "list" | "watch") && sub.is_empty() => {
                return pods(server, attributes, node).await;
            }
            _ => {}
        }
    }
    let policy = server.authorization.rbac().policy(server).await?;
    let allowed = policy
        .role("ClusterRole", "", "system:node")
        .is_some_and(|rules| rules.iter().any(|rule| rule.allows(attributes)));
    Ok(if allowed { Decision::Allow(String::new()) } else { Decision::NoOpinion(String::new()) })
}

fn allow_if(allowed: bool, otherwise: impl FnOnce() -> String) -> Decision {
    if allowed { Decision::Allow(String::new()) } else { Decision::NoOpinion(otherwise()) }
}

fn unrelated(node: &str) -> String {
    format!("no relationship found between node '{node}' and this object")
}

/// Reads of what pods refer to: single objects only, list and watch by their name.
async fn reads(server: &ApiServer, attributes: &Attributes, node: &str) -> Result<Decision, Status> {
    let no = |reason: &str| Ok(Decision::NoOpinion(reason.to_string()));
    if !matches!(attributes.verb.as_str(), "get" | "list" | "watch") {
        return no("can only read resources of this type");
    }
    if !attributes.subresource.is_empty() {
        return no("cannot read subresource");
    }
    if attributes.name.is_empty() {
        return no(&format!("No Object name found: {}", unrelated(node)));
    }
    let found = refers(server, attributes, node).await?;
    Ok(allow_if(found, || unrelated(node)))
}

/// Whether a pod of the node refers to the object.
async fn refers(server: &ApiServer, attributes: &Attributes, node: &str) -> Result<bool, Status> {
    let name = attributes.name.as_str();
    let (prefix, plural) = match attributes.resource.as_str() {
        "persistentvolumes" => ("/registry/pods/".to_string(), "persistentvolumeclaims"),
        resource => (format!("/registry/pods/{}/", attributes.namespace), resource),
    };
    for pod in pods_of(server, &prefix, node).await? {
        for reference in references(pod.value(), plural) {
            if attributes.resource != "persistentvolumes" {
                if reference == name {
                    return Ok(true);
                }
                continue;
            }
            let key = format!("/registry/persistentvolumeclaims/{}/{reference}", pod.namespace());
            let claim = server.storage.get(&key).await?;
            if claim.is_some_and(|claim| text(claim.object.value(), &["spec", "volumeName"]) == name) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

async fn pods_of(server: &ApiServer, prefix: &str, node: &str) -> Result<Vec<Arc<Object>>, Status> {
    let mut pods = server.storage.all(prefix).await?;
    pods.retain(|pod| text(pod.value(), &["spec", "nodeName"]) == node);
    Ok(pods)
}

/// The names of objects of a resource that a pod refers to.
fn references<'a>(pod: &'a Value, plural: &str) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    let volumes = items(pod, &["spec", "volumes"]);
    let containers = ["containers", "initContainers", "ephemeralContainers"];
    let containers: Vec<&Value> = containers.iter().flat_map(|member| items(pod, &["spec", member])).collect();
    let (source, from, reference, member) = match plural {
        "secrets" => ("secret", "secretRef", "secretKeyRef", "secretName"),
        "configmaps" => ("configMap", "configMapRef", "configMapKeyRef", "name"),
        _ => {
            names.extend(volumes.iter().map(|volume| text(volume, &["persistentVolumeClaim", "claimName"])));
            names.retain(|name| !name.is_empty());
            return names;
        }
    };
    for volume in volumes {
        names.push(text(volume, &[source, member]));
        names.extend(items(volume, &["projected", "sources"]).iter().map(|s| text(s, &[source, "name"])));
    }
    for container in containers {
        names.extend(items(container, &["envFrom"]).iter().map(|s| text(s, &[from, "name"])));
        names.extend(items(container, &["env"]).iter().map(|e| text(e, &["valueFrom", reference, "name"])));
    }
    if plural == "secrets" {
        names.extend(items(pod, &["spec", "imagePullSecrets"]).iter().map(|s| text(s, &["name"])));
    }
    names.retain(|name| !name.is_empty());
    names
}

async fn claim_status(server: &ApiServer, attributes: &Attributes, node: &str) -> Result<Decision, Status> {
    if !matches!(attributes.verb.as_str(), "get" | "update" | "patch") {
        return Ok(Decision::NoOpinion("can only get/update/patch this type".into()));
    }
    let found = refers(server, attributes, node).await?;
    Ok(allow_if(found, || unrelated(node)))
}

/// Tokens for the accounts of the node's own pods.
async fn token(server: &ApiServer, attributes: &Attributes, node: &str) -> Result<Decision, Status> {
    if attributes.verb != "create" || attributes.name.is_empty() {
        return Ok(Decision::NoOpinion("can only create tokens for individual service accounts".into()));
    }
    let prefix = format!("/registry/pods/{}/", attributes.namespace);
    let pods = pods_of(server, &prefix, node).await?;
    let found = pods.iter().any(|pod| text(pod.value(), &["spec", "serviceAccountName"]) == attributes.name);
    Ok(allow_if(found, || unrelated(node)))
}

fn lease(attributes: &Attributes, node: &str) -> Decision {
    let verbs = ["get", "create", "update", "patch", "delete"];
    if !verbs.contains(&attributes.verb.as_str()) {
        return Decision::NoOpinion("can only get, create, update, patch, or delete a node lease".into());
    }
    let place = attributes.namespace == "kube-node-lease";
    let named = attributes.name == node || attributes.verb == "create";
    allow_if(place && named, || "can only access leases in the \"kube-node-lease\" system namespace".into())
}

fn csi_node(attributes: &Attributes, node: &str) -> Decision {
    let verbs = ["get", "create", "update", "patch", "delete"];
    if !verbs.contains(&attributes.verb.as_str()) {
        return Decision::NoOpinion("can only get, create, update, patch, or delete a CSINode".into());
    }
    let named = attributes.name == node || attributes.verb == "create";
    allow_if(named, || "can only access CSINode with the same name as the requesting node".into())
}

async fn attachment(server: &ApiServer, attributes: &Attributes, node: &str) -> Result<Decision, Status> {
    if attributes.verb != "get" {
        return Ok(Decision::NoOpinion("can only get individual resources of this type".into()));
    }
    let stored = server.storage.get(&format!("/registry/volumeattachments/{}", attributes.name)).await?;
    let own = stored.is_some_and(|stored| text(stored.object.value(), &["spec", "nodeName"]) == node);
    Ok(allow_if(own, || unrelated(node)))
}

/// A node sees itself only: by name, or by a selector of its name.
fn own_node(attributes: &Attributes, node: &str) -> Decision {
    let own = attributes.name == node || selects(&attributes.field_selector, "metadata.name", node);
    allow_if(own, || format!("node '{node}' cannot read '{}', only its own Node object", attributes.name))
}

/// Pods of the node only: a list says so by its selector, a get is checked against the pod.
async fn pods(server: &ApiServer, attributes: &Attributes, node: &str) -> Result<Decision, Status> {
    if attributes.name.is_empty() {
        let own = selects(&attributes.field_selector, "spec.nodeName", node);
        return Ok(allow_if(own, || "can only list/watch pods with spec.nodeName field selector".into()));
    }
    let key = format!("/registry/pods/{}/{}", attributes.namespace, attributes.name);
    let stored = server.storage.get(&key).await?;
    // A pod that is gone tells nothing: the read itself says 404.
    let own = stored.is_none_or(|stored| text(stored.object.value(), &["spec", "nodeName"]) == node);
    Ok(allow_if(own, || unrelated(node)))
}

fn selects(selector: &str, label: &str, value: &str) -> bool {
    selector.split(',').any(|term| {
        let pair = term.split_once("==").or_else(|| term.split_once('='));
        pair.is_some_and(|(l, v)| l == label && v == value)
    })
}
