//! The taint eviction controller: pods that do not bear a `NoExecute` taint of their node go, at once or after the time
//! that they tolerate.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cove_base::Timestamp;
use cove_kube_api::door::PatchKind;
use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use cove_kube_client::cache::BY_NODE;
use cove_kube_client::{Context, Controller, Key, Requeue, Watch};
use serde_json::{Value, json};

use crate::node_taints::NO_EXECUTE;
use crate::resources::{NODES, PODS};
use crate::shared::Shared;
use crate::tolerations::tolerates;
use crate::view::{created, deleting, int, items, text, time};
use crate::{conditions, limits};

/// The declaration. Keys are bound pods. It acts as the node controller, as upstream.
pub const CONTROLLER: Controller<Shared> = Controller {
    name: "taint-eviction-controller",
    component: "taint-eviction-controller",
    watches: |_| {
        vec![
            Watch::mapped(PODS, |_, change| {
                let bound = |pod: &Arc<Object>| !text(pod.value(), "/spec/nodeName").is_empty();
                let view = |pod: &Arc<Object>| (bound(pod), pod.value()["spec"]["tolerations"].clone());
                let same = change.old.as_ref().map(view) == change.new.as_ref().map(view);
                if same || !change.states().any(bound) { Vec::new() } else { vec![Key::of(change.latest())] }
            }),
            Watch::mapped(NODES, |cx, change| {
                let taints = |node: &Arc<Object>| evicting(node.value()).cloned().collect::<Vec<Value>>();
                let old = change.old.as_ref().map(taints).unwrap_or_default();
                if change.new.as_ref().map(taints).unwrap_or_default() == old {
                    return Vec::new();
                }
                let pods = cx.cache(PODS).indexed(BY_NODE, change.latest().name());
                pods.iter().map(|pod| Key::of(pod)).collect()
            }),
        ]
    },
    singleton: false,
    workers: limits::WORKERS,
    reconcile: |cx, key| Box::pin(reconcile(cx, key)),
};

fn evicting(node: &Value) -> impl Iterator<Item = &Value> {
    items(node, "/spec/taints").iter().filter(|taint| text(taint, "/effect") == NO_EXECUTE)
}

async fn reconcile(cx: Arc<Context<Shared>>, key: Key) -> Result<Requeue, Status> {
    let pod = cx.cache(PODS).get(&key).filter(|pod| !deleting(pod));
    let node = pod.as_ref().and_then(|pod| cx.cache(NODES).find("", text(pod.value(), "/spec/nodeName")));
    let (Some(pod), Some(node)) = (pod, node) else {
        cx.shared.evictions.forget(&key);
        return Ok(Requeue::Done);
    };
    let now = cx.rt.now();
    let Some(at) = eviction_time(&cx.shared.evictions, &pod, &node, now) else {
        if cx.shared.evictions.cancel(&key) {
            cx.events.normal(&pod, "TaintManagerEviction", format!("Cancelling deletion of Pod {key}"));
        }
        return Ok(Requeue::Done);
    };
    if at > now {
        cx.shared.evictions.schedule(&key);
        return Ok(Requeue::After(at.since(now)));
    }
    cx.events.normal(&pod, "TaintManagerEviction", format!("Marking for deletion Pod {key}"));
    let message = "Taint manager: deleting due to NoExecute taint";
    mark_disrupted(&cx, &pod, "DeletionByTaintManager", message, false).await?;
    cx.delete(PODS, &pod, json!({})).await?;
    cx.shared.evictions.forget(&key);
    Ok(Requeue::Done)
}

/// When the pod must go; `None` if it may stay.
fn eviction_time(evictions: &Evictions, pod: &Object, node: &Object, now: Timestamp) -> Option<Timestamp> {
    let tolerations = items(pod.value(), "/spec/tolerations");
    let mut shortest: Option<Duration> = None;
    let mut since = Timestamp::EPOCH;
    for taint in evicting(node.value()) {
        let Some(used) = tolerations.iter().find(|toleration| tolerates(toleration, taint)) else { return Some(now) };
        if let Some(seconds) = int(used, "/tolerationSeconds") {
            let wait = Duration::from_secs(seconds.max(0).unsigned_abs());
            shortest = Some(shortest.map_or(wait, |known| known.min(wait)));
            since = since.max(evictions.tainted_since(node, taint, now));
        }
    }
    let bound = conditions::find(items(pod.value(), "/status/conditions"), "PodScheduled");
    let bound = bound.and_then(|c| time(c, "/lastTransitionTime")).unwrap_or_else(|| created(pod));
    shortest.map(|wait| since.max(bound) + wait)
}

/// Says in the pod's status why it goes; `fail` also ends it, for pods whose node cannot do that any more.
pub async fn mark_disrupted(
    cx: &Context<Shared>,
    pod: &Object,
    reason: &str,
    message: &str,
    fail: bool,
) -> Result<(), Status> {
    let condition = conditions::new("DisruptionTarget", "True", &cx.rt.now().rfc3339(), reason, message);
    let mut patch = json!({ "metadata": { "uid": pod.uid() }, "status": { "conditions": [condition] } });
    if fail && !crate::pods::is_terminal(pod) {
        patch["status"]["phase"] = "Failed".into();
    }
    match cx.patch(PODS, &Key::of(pod), "status", PatchKind::Strategic, patch).await {
        Err(status) if !status.is_not_found() => Err(status),
        _ => Ok(()),
    }
}

/// What the controller remembers: since when a node has a taint that does not say so itself (`kubectl taint`), and
/// which pods were told that they will go.
#[derive(Default)]
pub struct Evictions {
    /// A lock, not messages: it is held for one look-up.
    state: Mutex<EvictionState>,
}

#[derive(Default)]
struct EvictionState {
    since: BTreeMap<(String, String), Timestamp>,
    scheduled: std::collections::BTreeSet<Key>,
}

impl Evictions {
    fn lock(&self) -> MutexGuard<'_, EvictionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tainted_since(&self, node: &Object, taint: &Value, now: Timestamp) -> Timestamp {
        if let Some(since) = time(taint, "/timeAdded") {
            return since;
        }
        let mut state = self.lock();
        let current: Vec<String> = evicting(node.value()).map(Value::to_string).collect();
        state.since.retain(|(uid, taint), _| uid != node.uid() || current.contains(taint));
        *state.since.entry((node.uid().to_string(), taint.to_string())).or_insert(now)
    }

    fn schedule(&self, pod: &Key) {
        self.lock().scheduled.insert(pod.clone());
    }

    fn cancel(&self, pod: &Key) -> bool {
        self.lock().scheduled.remove(pod)
    }

    fn forget(&self, pod: &Key) {
        self.lock().scheduled.remove(pod);
    }
}
