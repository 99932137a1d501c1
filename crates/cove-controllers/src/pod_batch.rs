//! Making and deleting many pods for one owner, with upstream's slow start and events.

use std::sync::Arc;

use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use cove_kube_client::Context;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::limits;
use crate::resources::PODS;
use crate::shared::Shared;

/// Makes pods in batches of 1, 2, 4, ... and stops after the first batch in which one failed, so that a quota that is
/// used up is not hit again and again. Returns the first error.
pub async fn create(cx: &Context<Shared>, owner: &Object, pods: Vec<Value>) -> Result<(), Status> {
    let mut batch = limits::SLOW_START_INITIAL;
    let mut pods = pods.into_iter().peekable();
    while pods.peek().is_some() {
        let results = join_all(pods.by_ref().take(batch).map(|pod| create_one(cx, owner, pod))).await;
        results.into_iter().collect::<Result<Vec<()>, Status>>()?;
        batch *= 2;
    }
    Ok(())
}

async fn create_one(cx: &Context<Shared>, owner: &Object, pod: Value) -> Result<(), Status> {
    match cx.create(PODS, owner.namespace(), pod).await {
        Ok(made) => cx.events.normal(owner, "SuccessfulCreate", format!("Created pod: {}", made.name())),
        Err(status) if in_terminating_namespace(&status) => {}
        Err(status) => {
            cx.events.warning(owner, "FailedCreate", format!("Error creating: {status}"));
            return Err(status);
        }
    }
    Ok(())
}

/// Whether a creation failed since its namespace goes away: then there is nothing to complain about.
pub fn in_terminating_namespace(status: &Status) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating")
}

/// Deletes pods; returns the first error after all have been tried.
pub async fn delete(cx: &Context<Shared>, owner: &Object, pods: &[Arc<Object>]) -> Result<(), Status> {
    let results = join_all(pods.iter().map(|pod| delete_one(cx, owner, pod))).await;
    results.into_iter().collect()
}

async fn delete_one(cx: &Context<Shared>, owner: &Object, pod: &Object) -> Result<(), Status> {
    match cx.delete(PODS, pod, json!({})).await {
        Ok(()) => cx.events.normal(owner, "SuccessfulDelete", format!("Deleted pod: {}", pod.name())),
        Err(status) => {
            cx.events.warning(owner, "FailedDelete", format!("Error deleting: {status}"));
            return Err(status);
        }
    }
    Ok(())
}
