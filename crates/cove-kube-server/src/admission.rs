//! Admission: the plug-ins in upstream's order, first what changes an object, then what judges it.
//!
//! The generic verbs call [`mutate`] and [`validate`]; a plug-in is a file and a line in [`PLUGINS`].

pub mod namespace_lifecycle;
pub mod node_restriction;
pub mod pods;
pub mod service_account;

use async_trait::async_trait;
use cove_kube_api::door::UserInfo;
use cove_kube_api::status::Status;
use serde_json::Value;

use crate::api::kinds::Kind;
use crate::authorization::escalation;
use crate::chain::call::Call;
use crate::kind_rules;
use crate::server::ApiServer;

/// What is about to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// An object is made.
    Create,
    /// An object is changed.
    Update,
    /// An object is deleted.
    Delete,
}

/// What a plug-in may know of the call.
pub struct Review<'a> {
    /// Who calls.
    pub user: &'a UserInfo,
    /// The kind, in the version that is stored.
    pub kind: &'static Kind,
    /// The subresource, empty for the object itself.
    pub subresource: &'a str,
    /// The namespace.
    pub namespace: &'a str,
    /// The name.
    pub name: &'a str,
    /// What is about to happen.
    pub operation: Operation,
    /// The object before.
    pub old: Option<&'a Value>,
    /// Whether nothing is stored.
    pub dry_run: bool,
    /// Texts for `Warning` headers.
    pub warnings: &'a mut Vec<String>,
}

impl<'a> Review<'a> {
    /// From a call.
    pub fn of(call: &'a mut Call, operation: Operation, old: Option<&'a Value>) -> Self {
        Self {
            user: &call.user,
            kind: call.storage,
            subresource: call.subresource.map_or("", |sub| sub.name),
            namespace: &call.namespace,
            name: &call.name,
            operation,
            old,
            dry_run: call.options.dry_run,
            warnings: &mut call.warnings,
        }
    }

    /// Whether this is about a kind (`subresource` empty: about the object itself).
    pub fn is(&self, group: &str, plural: &str, subresource: &str) -> bool {
        kind_rules::is(self.kind, group, plural) && self.subresource == subresource
    }

    /// 403 in the plug-in's words.
    pub fn forbidden(&self, why: &str) -> Status {
        let name = if self.name.is_empty() { "Unknown" } else { self.name };
        Status::forbidden(self.kind.group, self.kind.plural, name, why)
    }
}

/// An admission plug-in.
#[async_trait]
pub trait Plugin: Send + Sync {
    /// May change the object.
    async fn mutate(&self, _server: &ApiServer, _review: &mut Review<'_>, _object: &mut Value) -> Result<(), Status> {
        Ok(())
    }

    /// May refuse. For a deletion `object` is null.
    async fn validate(&self, _server: &ApiServer, _review: &mut Review<'_>, _object: &Value) -> Result<(), Status> {
        Ok(())
    }
}

/// The plug-ins that are on, in upstream's order (`admission.csv`).
static PLUGINS: &[&dyn Plugin] = &[
    &namespace_lifecycle::NamespaceLifecycle,
    &service_account::ServiceAccount,
    &node_restriction::NodeRestriction,
    &pods::TaintNodesByCondition,
    &pods::Priority,
    &pods::DefaultTolerationSeconds,
];

/// Lets every plug-in change the object.
pub async fn mutate(server: &ApiServer, review: &mut Review<'_>, object: &mut Value) -> Result<(), Status> {
    for plugin in PLUGINS {
        plugin.mutate(server, review, object).await?;
    }
    Ok(())
}

/// Lets every plug-in refuse.
pub async fn validate(server: &ApiServer, review: &mut Review<'_>, object: &Value) -> Result<(), Status> {
    for plugin in PLUGINS {
        plugin.validate(server, review, object).await?;
    }
    if review.operation == Operation::Delete || !review.subresource.is_empty() {
        return Ok(());
    }
    escalation::check(server, review, object).await
}
