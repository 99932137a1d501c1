//! Authorization: a list of authorizers, the first that has an opinion decides.
//!
//! Order: `system:masters`, the region's own (EKS access policies), the node authorizer, RBAC.

pub mod escalation;
pub mod node;
pub mod rbac;

use std::sync::Arc;

use async_trait::async_trait;
use cove_kube_api::door::{Request, UserInfo, Verb};
use cove_kube_api::status::{Status, group_resource};

use crate::server::ApiServer;

/// The group that may do everything.
pub const MASTERS: &str = "system:masters";

/// What is to be decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Who asks.
    pub user: UserInfo,
    /// The verb, in RBAC's spelling (for a path: the method in lower case).
    pub verb: String,
    /// Whether it is about a resource, not a path.
    pub is_resource: bool,
    /// The group of the resource.
    pub group: String,
    /// The version of the resource.
    pub version: String,
    /// The plural resource.
    pub resource: String,
    /// The subresource.
    pub subresource: String,
    /// The namespace, empty for none or all.
    pub namespace: String,
    /// The name, empty for none.
    pub name: String,
    /// The path, if it is not about a resource.
    pub path: String,
    /// The field selector of a list, watch or deletecollection.
    pub field_selector: String,
}

/// What an authorizer thinks. The text is its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may.
    Allow(String),
    /// It may not, whatever others think.
    Deny(String),
    /// Somebody else has to decide.
    NoOpinion(String),
}

/// A port: somebody who may decide.
#[async_trait]
pub trait Authorizer: Send + Sync {
    /// Decides.
    async fn authorize(&self, attributes: &Attributes) -> Decision;
}

/// The authorizers of one server.
pub struct Authorization {
    others: Vec<Arc<dyn Authorizer>>,
    rbac: rbac::Rbac,
}

impl Authorization {
    /// With the region's own authorizers.
    pub fn new(others: Vec<Arc<dyn Authorizer>>) -> Self {
        Self { others, rbac: rbac::Rbac::default() }
    }

    /// RBAC alone, for escalation checks and rule reviews.
    pub fn rbac(&self) -> &rbac::Rbac {
        &self.rbac
    }
}

/// Asks the authorizers in order. `NoOpinion` at the end carries all their reasons.
pub async fn decide(server: &ApiServer, attributes: &Attributes) -> Result<Decision, Status> {
    if attributes.user.groups.iter().any(|group| group == MASTERS) {
        return Ok(Decision::Allow(String::new()));
    }
    let mut reasons = Vec::new();
    for other in &server.authorization.others {
        match other.authorize(attributes).await {
            Decision::NoOpinion(reason) => reasons.push(reason),
            decided => return Ok(decided),
        }
    }
    match node::authorize(server, attributes).await? {
        Decision::NoOpinion(reason) => reasons.push(reason),
        decided => return Ok(decided),
    }
    match server.authorization.rbac.authorize(server, attributes).await? {
        Decision::NoOpinion(reason) => reasons.push(reason),
        decided => return Ok(decided),
    }
    reasons.retain(|reason| !reason.is_empty());
    Ok(Decision::NoOpinion(reasons.join(" ")))
}

/// Refuses what nobody allows.
pub async fn require(server: &ApiServer, attributes: &Attributes) -> Result<(), Status> {
    match decide(server, attributes).await? {
        Decision::Allow(_) => Ok(()),
        Decision::Deny(reason) | Decision::NoOpinion(reason) => Err(forbidden(attributes, &reason)),
    }
}

/// Authorizes a request of the door.
pub async fn check(server: &ApiServer, request: &Request) -> Result<(), Status> {
    require(server, &attributes_of(request)).await
}

/// The one name that a field selector asks for: upstream lets such a list count as one of that name.
fn selected_name(request: &Request) -> String {
    let many = matches!(request.verb, Verb::List | Verb::Watch | Verb::DeleteCollection);
    let mut terms = request.options.field_selector.split(',').filter_map(|term| {
        let (label, value) = term.split_once("==").or_else(|| term.split_once('='))?;
        (label == "metadata.name").then(|| value.to_string())
    });
    if many { terms.next().unwrap_or_default() } else { String::new() }
}

/// What a request of the door asks for.
pub fn attributes_of(request: &Request) -> Attributes {
    let target = &request.target;
    let name = if target.name.is_empty() { selected_name(request) } else { target.name.clone() };
    Attributes {
        user: request.user.clone(),
        verb: request.verb.as_str().into(),
        is_resource: true,
        group: target.group.clone(),
        version: target.version.clone(),
        resource: target.resource.clone(),
        subresource: target.subresource.clone(),
        // Upstream: a namespace lies in itself, so that its own roles count.
        namespace: if target.resource == "namespaces" { target.name.clone() } else { target.namespace.clone() },
        name,
        path: String::new(),
        field_selector: request.options.field_selector.clone(),
    }
}

/// Upstream's refusal.
pub fn forbidden(attributes: &Attributes, reason: &str) -> Status {
    let because = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    let user = &attributes.user.username;
    if !attributes.is_resource {
        let text = format!("forbidden: User {user:?} cannot {} path {:?}{because}", attributes.verb, attributes.path);
        return Status::new(403, "Forbidden", text).about("", "", "");
    }
    let resource = match attributes.subresource.as_str() {
        "" => attributes.resource.clone(),
        subresource => format!("{}/{subresource}", attributes.resource),
    };
    let place = match attributes.namespace.as_str() {
        "" => "at the cluster scope".to_string(),
        namespace => format!("in the namespace {namespace:?}"),
    };
    let text = format!(
        "User {user:?} cannot {} resource {resource:?} in API group {:?} {place}{because}",
        attributes.verb, attributes.group
    );
    let (group, plural, name) = (&attributes.group, &attributes.resource, &attributes.name);
    let message = match name.as_str() {
        "" => format!("{} is forbidden: {text}", group_resource(group, plural)),
        name => format!("{} {name:?} is forbidden: {text}", group_resource(group, plural)),
    };
    Status::new(403, "Forbidden", message).about(group, plural, name)
}
