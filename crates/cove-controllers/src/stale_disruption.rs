//! Takes back the announcement that a pod is about to go (condition `DisruptionTarget`) if it is still there after two
//! minutes. Part of upstream's disruption controller.

use std::sync::Arc;

use cove_kube_api::door::PatchKind;
use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use cove_kube_client::{Context, Controller, Key, Requeue, Watch};
use serde_json::{Value, json};

use crate::resources::PODS;
use crate::shared::Shared;
use crate::view::{deleting, items, text, time};
use crate::{conditions, limits, pods};

const KIND: &str = "DisruptionTarget";

/// The declaration. Keys are pods that were announced to go.
pub const CONTROLLER: Controller<Shared> = Controller {
    name: "stale-pod-disruption",
    component: "controllermanager",
    watches: |_| {
        vec![Watch::mapped(PODS, |_, change| {
            change.new.as_ref().filter(|pod| announced(pod).is_some()).map(|pod| Key::of(pod)).into_iter().collect()
        })]
    },
    singleton: false,
    workers: 1,
    reconcile: |cx, key| Box::pin(reconcile(cx, key)),
};

/// The condition that may be stale. What a node agent announced is never stale, nor is that of an ended pod.
fn announced(pod: &Object) -> Option<&Value> {
    let condition = conditions::find(items(pod.value(), "/status/conditions"), KIND)?;
    let stands = text(condition, "/status") == "True" && text(condition, "/reason") != "TerminationByKubelet";
    (stands && !deleting(pod) && !pods::is_terminal(pod)).then_some(condition)
}

async fn reconcile(cx: Arc<Context<Shared>>, key: Key) -> Result<Requeue, Status> {
    let Some(pod) = cx.cache(PODS).get(&key) else { return Ok(Requeue::Done) };
    let Some(condition) = announced(&pod) else { return Ok(Requeue::Done) };
    let now = cx.rt.now();
    let until = time(condition, "/lastTransitionTime").unwrap_or(now) + limits::DISRUPTION_TIMEOUT;
    if until > now {
        return Ok(Requeue::After(until.since(now)));
    }
    let withdrawn = json!({ "type": KIND, "status": "False", "lastTransitionTime": now.rfc3339() });
    let mut list = items(pod.value(), "/status/conditions").to_vec();
    list.iter_mut().filter(|c| text(c, "/type") == KIND).for_each(|c| *c = withdrawn.clone());
    let patch = json!({
        "metadata": { "uid": pod.uid(), "resourceVersion": pod.revision().to_string() },
        "status": { "conditions": list },
    });
    match cx.patch(PODS, &key, "status", PatchKind::Merge, patch).await {
        Err(status) if status.is_not_found() => Ok(Requeue::Done),
        result => result.map(|_| Requeue::Done),
    }
}
