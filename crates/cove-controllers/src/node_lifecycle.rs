//! The node lifecycle controller: notices nodes that stopped reporting, and says by conditions and taints what the
//! scheduler and the taint eviction controller are to think of a node.
//!
//! One node per key: conditions, `NoSchedule` taints, and the removal of `NoExecute` taints from nodes that are fine.
//! Adding `NoExecute` taints goes zone by zone at a limited rate: [`crate::zone_eviction`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cove_base::Timestamp;
use cove_kube_api::door::{Options, PatchKind};
use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use cove_kube_client::cache::BY_NODE;
use cove_kube_client::{Context, Controller, Key, Requeue, Watch};
use serde_json::{Value, json};

use crate::node_taints::{NO_EXECUTE, NO_SCHEDULE, NOT_READY, Taints, UNREACHABLE, condition_taints};
use crate::resources::{LEASES, NODES, PODS};
use crate::shared::Shared;
use crate::view::{created, deleting, items, text, time};
use crate::{conditions, limits};

/// Conditions that a node agent keeps up to date.
const REPORTED: [&str; 4] = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];
const LEASE_NAMESPACE: &str = "kube-node-lease";

/// The declaration. Keys are nodes; a pod that is bound to a node which is not ready must hear of it.
pub const CONTROLLER: Controller<Shared> = Controller {
    name: "node-controller",
    component: "node-controller",
    watches: |_| {
        vec![
            Watch::itself(NODES),
            Watch::mapped(PODS, |_, change| {
                let node = |pod: &Arc<Object>| text(pod.value(), "/spec/nodeName").to_string();
                let (old, new) = (change.old.as_ref().map(node), change.new.as_ref().map(node));
                new.filter(|new| !new.is_empty() && old.as_ref() != Some(new))
                    .map(|n| Key::new("", n))
                    .into_iter()
                    .collect()
            }),
        ]
    },
    singleton: false,
    workers: limits::WORKERS,
    reconcile: |cx, key| Box::pin(reconcile(cx, key)),
};

/// `True`, `False`, `Unknown`, or empty if the node never said.
pub fn readiness(node: &Object) -> &str {
    conditions::find(items(node.value(), "/status/conditions"), "Ready").map_or("", |c| text(c, "/status"))
}

async fn reconcile(cx: Arc<Context<Shared>>, key: Key) -> Result<Requeue, Status> {
    let Some(mut node) = cx.cache(NODES).get(&key) else {
        if let Some(gone) = cx.shared.nodes.forget(&key.name) {
            let message = format!("Node {0} event: Removing Node {0} from Controller", key.name);
            cx.events.normal(&gone, "RemovingNode", message);
        }
        return Ok(Requeue::Done);
    };
    let (known, new) = cx.shared.nodes.meet(&node, cx.rt.now());
    if new {
        let message = format!("Node {0} event: Registered Node {0} in Controller", key.name);
        cx.events.normal(&node, "RegisteredNode", message);
    }
    if deleting(&node) {
        return Ok(Requeue::Done);
    }
    let silent_at = silent_at(&cx, &node, known).await?;
    let now = cx.rt.now();
    if silent_at <= now {
        node = mark_unknown(&cx, node).await?;
    }
    if cx.shared.nodes.stopped_being_ready(&node) {
        cx.events.normal(&node, "NodeNotReady", format!("Node {} status is now: NodeNotReady", key.name));
    }
    if !matches!(readiness(&node), "True" | "") {
        mark_pods(&cx, &node).await?;
    }
    taint(&cx, &node).await?;
    // A node that is silent already speaks up by a write to itself or to its lease: look every so often.
    let wait = if silent_at > now { silent_at.since(now) } else { limits::NODE_MONITOR_PERIOD };
    Ok(Requeue::After(wait))
}

/// When the node counts as silent unless it reports again. The lease is only read when nothing else is recent enough.
async fn silent_at(cx: &Context<Shared>, node: &Object, known: Timestamp) -> Result<Timestamp, Status> {
    let ready = conditions::find(items(node.value(), "/status/conditions"), "Ready");
    let Some(ready) = ready else {
        return Ok(created(node).max(known) + limits::NODE_STARTUP_GRACE);
    };
    let posted = time(ready, "/lastHeartbeatTime").unwrap_or_else(|| created(node));
    let mut last = posted.max(known);
    let now = cx.rt.now();
    if last + limits::NODE_MONITOR_GRACE <= now
        && let Some(renewed) = lease_renewed(cx, node.name()).await?
    {
        last = last.max(renewed);
    }
    Ok(last + limits::NODE_MONITOR_GRACE)
}

/// When the node's lease was renewed last. All leases are read at once and remembered, so that a cluster costs one list
/// per grace period and not one per node; a node that seems silent is looked up anew. Upstream's node controller reads
/// leases through the manager's caches, so this reads them as the manager.
async fn lease_renewed(cx: &Context<Shared>, node: &str) -> Result<Option<Timestamp>, Status> {
    let now = cx.rt.now();
    if let Some(known) = cx.shared.leases.recall(node, now) {
        return Ok(known);
    }
    let list = cx.caches.client().list(LEASES, LEASE_NAMESPACE, Options::default()).await?;
    let renewed =
        |lease: &Arc<Object>| time(lease.value(), "/spec/renewTime").map(|renewed| (lease.name().to_string(), renewed));
    let all: BTreeMap<String, Timestamp> = list.items.iter().filter_map(renewed).collect();
    let found = all.get(node).copied();
    *cx.shared.leases.lock() = (now, all);
    Ok(found)
}

/// When the leases of all nodes were renewed, as of the last list, and when that was.
#[derive(Default)]
pub struct LeaseTimes {
    /// A lock, not messages: it is held for one look-up.
    seen: Mutex<(Timestamp, BTreeMap<String, Timestamp>)>,
}

impl LeaseTimes {
    fn lock(&self) -> MutexGuard<'_, (Timestamp, BTreeMap<String, Timestamp>)> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known, if it is good enough: the node was alive, or the list is not older than a second.
    fn recall(&self, node: &str, now: Timestamp) -> Option<Option<Timestamp>> {
        let seen = self.lock();
        let renewed = seen.1.get(node).copied();
        let alive = renewed.is_some_and(|renewed| renewed + limits::NODE_MONITOR_GRACE > now);
        (alive || now.since(seen.0) < limits::LEASES_FRESH).then_some(renewed)
    }
}

/// The node has stopped reporting: nothing that it said counts any more.
async fn mark_unknown(cx: &Context<Shared>, node: Arc<Object>) -> Result<Arc<Object>, Status> {
    let now = cx.rt.now().rfc3339();
    let mut list = items(node.value(), "/status/conditions").to_vec();
    for kind in REPORTED {
        match list.iter_mut().find(|c| text(c, "/type") == kind) {
            None => list.push(json!({
                "type": kind,
                "status": "Unknown",
                "lastHeartbeatTime": node.value()["metadata"]["creationTimestamp"],
                "lastTransitionTime": now,
                "reason": "NodeStatusNeverUpdated",
                "message": "Kubelet never posted node status.",
            })),
            Some(condition) if text(condition, "/status") != "Unknown" => {
                condition["status"] = "Unknown".into();
                condition["reason"] = "NodeStatusUnknown".into();
                condition["message"] = "Kubelet stopped posting node status.".into();
                condition["lastTransitionTime"] = now.clone().into();
            }
            Some(_) => {}
        }
    }
    if items(node.value(), "/status/conditions") == list.as_slice() {
        return Ok(node);
    }
    let mut wanted = node.value().as_ref().clone();
    wanted["status"]["conditions"] = Value::Array(list);
    cx.update(NODES, "status", wanted).await
}

/// The pods of a node that is not ready are not ready either (but go on as they are).
async fn mark_pods(cx: &Context<Shared>, node: &Object) -> Result<(), Status> {
    for pod in cx.cache(PODS).indexed(BY_NODE, node.name()) {
        if !crate::pods::is_ready(&pod) {
            continue;
        }
        cx.events.warning(&pod, "NodeNotReady", "Node is not ready");
        let condition = json!({
            "type": "Ready", "status": "False", "lastTransitionTime": cx.rt.now().rfc3339(),
        });
        let patch = json!({ "metadata": { "uid": pod.uid() }, "status": { "conditions": [condition] } });
        match cx.patch(PODS, &Key::of(&pod), "status", PatchKind::Strategic, patch).await {
            Err(status) if status.is_not_found() || status.is_conflict() => {}
            result => drop(result?),
        }
    }
    Ok(())
}

/// Brings the `NoSchedule` taints in line with the conditions, takes `NoExecute` taints off a ready node, and swaps
/// them on a tainted one whose condition changed.
async fn taint(cx: &Context<Shared>, node: &Object) -> Result<(), Status> {
    let mut taints = Taints::of(node);
    let now = cx.rt.now();
    taints.set_condition_taints(NO_SCHEDULE, &condition_taints(node), now);
    let (keep, wrong) = match readiness(node) {
        "True" => (None, vec![NOT_READY, UNREACHABLE]),
        "False" => (Some(NOT_READY), vec![UNREACHABLE]),
        _ => (Some(UNREACHABLE), vec![NOT_READY]),
    };
    let mut swapped = false;
    for key in wrong {
        swapped |= taints.remove(key, NO_EXECUTE);
    }
    if let Some(key) = keep.filter(|_| swapped) {
        taints.add(key, NO_EXECUTE, now);
    }
    taints.write(cx, node).await
}

/// What the controller remembers of nodes: when it first met them, and whether they were ready when last seen. A node
/// is given the whole grace from then, so that a control plane that was away does not take everybody for dead.
#[derive(Default)]
pub struct KnownNodes {
    /// A lock, not messages: it is held for one look-up.
    known: Mutex<BTreeMap<String, Known>>,
}

struct Known {
    node: Arc<Object>,
    since: Timestamp,
    ready: bool,
}

impl KnownNodes {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the node was first met, and whether that is now. Another node under the same name is a new one.
    fn meet(&self, node: &Arc<Object>, now: Timestamp) -> (Timestamp, bool) {
        let mut known = self.lock();
        match known.get(node.name()) {
            Some(met) if met.node.uid() == node.uid() => (met.since, false),
            _ => {
                known.insert(node.name().to_string(), Known { node: node.clone(), since: now, ready: false });
                (now, true)
            }
        }
    }

    /// Notes whether the node is ready; true if it was and is not any more.
    fn stopped_being_ready(&self, node: &Object) -> bool {
        let ready = readiness(node) == "True";
        let mut known = self.lock();
        known.get_mut(node.name()).is_some_and(|met| std::mem::replace(&mut met.ready, ready) && !ready)
    }

    fn forget(&self, name: &str) -> Option<Arc<Object>> {
        self.lock().remove(name).map(|known| known.node)
    }
}
