//! The pod garbage collector: removes pods that nobody will remove otherwise: of nodes that are gone or out of service,
//! never scheduled ones that are to be deleted, and ended ones beyond a limit.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use cove_base::Timestamp;
use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use cove_kube_client::{Context, Controller, Key, Requeue, Watch};
use serde_json::json;

use crate::node_lifecycle::readiness;
use crate::node_taints::OUT_OF_SERVICE;
use crate::resources::{NODES, PODS};
use crate::shared::Shared;
use crate::taint_eviction::mark_disrupted;
use crate::view::{created, deleting, items, text};
use crate::{limits, pods};

/// The declaration. One key, at a fixed period.
pub const CONTROLLER: Controller<Shared> = Controller {
    name: "pod-garbage-collector",
    component: "pod-garbage-collector",
    watches: |_| vec![Watch::cached(PODS), Watch::cached(NODES)],
    singleton: true,
    workers: 1,
    reconcile: |cx, _| Box::pin(reconcile(cx)),
};

/// Since when which node is missing.
#[derive(Default)]
pub struct MissingNodes {
    /// A lock, not messages: only the one reconcile takes it.
    since: Mutex<BTreeMap<String, Timestamp>>,
}

impl MissingNodes {
    /// Of the nodes that pods name and nobody knows, those that have been missing for long enough.
    fn update(&self, missing: &[&str], now: Timestamp) -> Vec<String> {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.retain(|node, _| missing.contains(&node.as_str()));
        for node in missing {
            since.entry((*node).to_string()).or_insert(now);
        }
        let long = |at: &Timestamp| now.since(*at) >= limits::MISSING_NODE_QUARANTINE;
        since.iter().filter(|(_, at)| long(at)).map(|(node, _)| node.clone()).collect()
    }
}

async fn reconcile(cx: Arc<Context<Shared>>) -> Result<Requeue, Status> {
    let all = cx.cache(PODS).list("");
    remove_terminated(&cx, &all).await?;
    remove_out_of_service(&cx, &all).await?;
    remove_orphaned(&cx, &all).await?;
    for pod in all.iter().filter(|pod| deleting(pod) && text(pod.value(), "/spec/nodeName").is_empty()) {
        remove(&cx, pod).await?;
    }
    Ok(Requeue::After(limits::POD_GC_PERIOD))
}

/// Deletes a pod at once.
async fn remove(cx: &Context<Shared>, pod: &Object) -> Result<(), Status> {
    let options = json!({ "gracePeriodSeconds": 0, "preconditions": { "uid": pod.uid() } });
    match cx.client.delete(PODS, pod.namespace(), pod.name(), options).await {
        Err(status) if !status.is_not_found() && !status.is_conflict() => Err(status),
        _ => Ok(()),
    }
}

async fn remove_terminated(cx: &Context<Shared>, all: &[Arc<Object>]) -> Result<(), Status> {
    let mut ended: Vec<&Arc<Object>> = all.iter().filter(|pod| pods::is_terminal(pod)).collect();
    let surplus = ended.len().saturating_sub(limits::TERMINATED_PODS);
    if surplus == 0 {
        return Ok(());
    }
    let evicted = |pod: &Object| text(pod.value(), "/status/reason") == "Evicted";
    ended.sort_by_key(|pod| (!evicted(pod), created(pod), Key::of(pod)));
    for pod in &ended[..surplus] {
        remove(cx, pod).await?;
    }
    Ok(())
}

async fn remove_out_of_service(cx: &Context<Shared>, all: &[Arc<Object>]) -> Result<(), Status> {
    for pod in all.iter().filter(|pod| deleting(pod)) {
        let node = cx.cache(NODES).find("", text(pod.value(), "/spec/nodeName"));
        let out = node.is_some_and(|node| {
            let taints = items(node.value(), "/spec/taints");
            readiness(&node) != "True" && taints.iter().any(|taint| text(taint, "/key") == OUT_OF_SERVICE)
        });
        if out {
            mark_disrupted(cx, pod, "DeletionByPodGC", "PodGC: node out of service", true).await?;
            remove(cx, pod).await?;
        }
    }
    Ok(())
}

async fn remove_orphaned(cx: &Context<Shared>, all: &[Arc<Object>]) -> Result<(), Status> {
    let nodes = cx.cache(NODES);
    let named = all.iter().map(|pod| text(pod.value(), "/spec/nodeName")).filter(|node| !node.is_empty());
    let missing: Vec<&str> = named.filter(|node| nodes.find("", node).is_none()).collect();
    for node in cx.shared.missing_nodes.update(&missing, cx.rt.now()) {
        if cx.client.find(NODES, "", &node).await?.is_some() {
            continue;
        }
        for pod in all.iter().filter(|pod| text(pod.value(), "/spec/nodeName") == node) {
            mark_disrupted(cx, pod, "DeletionByPodGC", "PodGC: node no longer exists", true).await?;
            remove(cx, pod).await?;
        }
    }
    Ok(())
}
