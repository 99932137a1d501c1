//! NamespaceLifecycle: nothing is made in a namespace that is missing or going, and three namespaces stay.

use async_trait::async_trait;
use cove_kube_api::status::Status;
use serde_json::Value;

use crate::admission::{Operation, Plugin, Review};
use crate::server::ApiServer;
use crate::value::is_deleting;

/// The plug-in.
pub struct NamespaceLifecycle;

const IMMORTAL: &[&str] = &["default", "kube-system", "kube-public"];

#[async_trait]
impl Plugin for NamespaceLifecycle {
    async fn mutate(&self, server: &ApiServer, review: &mut Review<'_>, _object: &mut Value) -> Result<(), Status> {
        check(server, review).await
    }

    async fn validate(&self, _server: &ApiServer, review: &mut Review<'_>, _object: &Value) -> Result<(), Status> {
        if review.operation == Operation::Delete && review.is("", "namespaces", "") && IMMORTAL.contains(&review.name) {
            return Err(review.forbidden("this namespace may not be deleted"));
        }
        Ok(())
    }
}

async fn check(server: &ApiServer, review: &Review<'_>) -> Result<(), Status> {
    if !review.kind.namespaced || review.operation == Operation::Delete || review.kind.etcd_prefix.is_empty() {
        return Ok(());
    }
    let key = format!("/registry/namespaces/{}", review.namespace);
    let Some(namespace) = server.storage.get(&key).await? else {
        return Err(Status::not_found("", "namespaces", review.namespace));
    };
    if review.operation == Operation::Create && is_deleting(namespace.object.value()) {
        let text = format!("namespace {} is being terminated", review.namespace);
        let why =
            format!("unable to create new content in namespace {} because it is being terminated", review.namespace);
        return Err(review.forbidden(&why).cause("NamespaceTerminating", text, "metadata.namespace"));
    }
    Ok(())
}
