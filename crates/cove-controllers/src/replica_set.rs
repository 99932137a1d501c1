//! The ReplicaSet controller: keeps as many pods of a template as wanted.

use std::collections::BTreeMap;
use std::sync::Arc;

use cove_base::Timestamp;
use cove_kube_api::object::Object;
use cove_kube_api::selector::LabelSelector;
use cove_kube_api::status::Status;
use cove_kube_client::{Context, Controller, Key, Requeue, Watch};
use serde_json::{Map, Value};

use crate::claim::{Claim, owner_keys};
use crate::names::DELETION_COST;
use crate::pods::{self, BY_CONTROLLER};
use crate::resources::{PODS, REPLICA_SETS};
use crate::shared::Shared;
use crate::view::{annotation, controller_uid, count, created, deleting, items, labels, put_count, text};
use crate::{conditions, limits, pod_batch};

/// The declaration. Keys are ReplicaSets.
pub const CONTROLLER: Controller<Shared> = Controller {
    name: "replicaset-controller",
    component: "replicaset-controller",
    watches: |_| {
        vec![
            Watch::itself(REPLICA_SETS),
            Watch::mapped(PODS, |cx, change| owner_keys(cx, change, "ReplicaSet", REPLICA_SETS)),
        ]
    },
    singleton: false,
    workers: limits::WORKERS,
    reconcile: |cx, key| Box::pin(reconcile(cx, key)),
};

async fn reconcile(cx: Arc<Context<Shared>>, key: Key) -> Result<Requeue, Status> {
    let Some(set) = cx.cache(REPLICA_SETS).get(&key) else { return Ok(Requeue::Done) };
    let Ok(selector) = LabelSelector::from_json(&set.value()["spec"]["selector"]) else { return Ok(Requeue::Done) };
    let claim = Claim { cx: &cx, owner_resource: REPLICA_SETS, owner: &set, selector: &selector };
    let active = claim.all(PODS, pods::is_active).await?;
    let managed = if deleting(&set) { Ok(()) } else { manage(&cx, &set, &active).await };
    // What was just made or deleted counts at once: the cache shows it.
    let owned: Vec<Arc<Object>> = cx.cache(PODS).indexed(BY_CONTROLLER, set.uid());
    let matching = |pod: &&Arc<Object>| selector.matches(labels(pod.value()));
    let active: Vec<Arc<Object>> = owned.iter().filter(matching).filter(|p| pods::is_active(p)).cloned().collect();
    let terminating = owned.iter().filter(matching).filter(|p| deleting(p) && !pods::is_terminal(p)).count();
    let status = status(&cx, &set, &active, terminating, managed.as_ref().err());
    if set.value()["status"] != status {
        let mut wanted = set.value().as_ref().clone();
        wanted["status"] = status;
        match cx.update(REPLICA_SETS, "status", wanted).await {
            Err(status) if status.is_not_found() => return Ok(Requeue::Done),
            result => drop(result?),
        }
    }
    managed?;
    Ok(next_available(&set, &active, cx.rt.now()))
}

/// When the next pod has been ready for long enough.
pub fn next_available(owner: &Object, pods: &[Arc<Object>], now: Timestamp) -> Requeue {
    let min_ready = count(owner.value(), "/spec/minReadySeconds");
    let waits = pods.iter().filter_map(|pod| pods::available_in(pod, min_ready, now));
    waits.filter(|wait| !wait.is_zero()).min().map_or(Requeue::Done, Requeue::After)
}

async fn manage(cx: &Context<Shared>, set: &Object, active: &[Arc<Object>]) -> Result<(), Status> {
    let wanted = usize::try_from(count(set.value(), "/spec/replicas")).unwrap_or(0);
    if active.len() < wanted {
        let missing = (wanted - active.len()).min(limits::REPLICA_SET_BURST);
        let pod = pods::from_template(&set.value()["spec"]["template"], set);
        return pod_batch::create(cx, set, vec![pod; missing]).await;
    }
    let surplus = (active.len() - wanted).min(limits::REPLICA_SET_BURST);
    if surplus == 0 {
        return Ok(());
    }
    let related = related_per_node(cx, set);
    let chosen = to_delete(active, surplus, &related, cx.rt.now());
    pod_batch::delete(cx, set, &chosen).await
}

/// Active pods per node of all ReplicaSets with the same controller.
fn related_per_node(cx: &Context<Shared>, set: &Object) -> BTreeMap<String, usize> {
    let siblings = match controller_uid(set.value()) {
        "" => cx.cache(REPLICA_SETS).find(set.namespace(), set.name()).into_iter().collect(),
        uid => cx.cache(REPLICA_SETS).indexed(BY_CONTROLLER, uid),
    };
    let mut nodes = BTreeMap::new();
    for sibling in siblings {
        for pod in cx.cache(PODS).indexed(BY_CONTROLLER, sibling.uid()) {
            if pods::is_active(&pod) {
                *nodes.entry(text(pod.value(), "/spec/nodeName").to_string()).or_insert(0) += 1;
            }
        }
    }
    nodes
}

/// The `surplus` pods that are missed least (upstream's `ActivePodsWithRanks`).
fn to_delete(
    active: &[Arc<Object>],
    surplus: usize,
    related: &BTreeMap<String, usize>,
    now: Timestamp,
) -> Vec<Arc<Object>> {
    let mut ranked: Vec<(Rank, Arc<Object>)> =
        active.iter().map(|pod| (Rank::of(pod, related, now), pod.clone())).collect();
    ranked.sort_by(|(a, _), (b, _)| a.cmp(b));
    ranked.into_iter().take(surplus).map(|(_, pod)| pod).collect()
}

/// What decides which pod goes first; smaller goes first. (Upstream decides by uid as soon as two pods have been ready
/// for times of the same magnitude; here restarts and age still count then, so that the order is a total one.)
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    assigned: bool,
    phase: u8,
    ready: bool,
    deletion_cost: i32,
    /// Pods on crowded nodes go first.
    neighbours: std::cmp::Reverse<usize>,
    /// The order of magnitude of the time it has been ready; younger goes first.
    ready_magnitude: i64,
    /// Pods that restart often go first.
    restarts: std::cmp::Reverse<(i64, i64)>,
    age_magnitude: i64,
    uid: String,
}

impl Rank {
    fn of(pod: &Object, related: &BTreeMap<String, usize>, now: Timestamp) -> Self {
        let value = pod.value();
        let node = text(value, "/spec/nodeName");
        let ready_since = pods::ready_since(pod);
        let magnitude = |since: Timestamp| match now.since(since).as_nanos() {
            0 => -1,
            nanos => i64::from(nanos.ilog2()),
        };
        Self {
            assigned: !node.is_empty(),
            phase: match text(value, "/status/phase") {
                "Pending" | "" => 0,
                "Unknown" => 1,
                _ => 2,
            },
            ready: ready_since.is_some(),
            deletion_cost: annotation(value, DELETION_COST).and_then(|cost| cost.parse().ok()).unwrap_or(0),
            neighbours: std::cmp::Reverse(related.get(node).copied().unwrap_or(0)),
            ready_magnitude: ready_since.map_or(0, magnitude),
            restarts: std::cmp::Reverse(restarts(value)),
            age_magnitude: magnitude(created(pod)),
            uid: pod.uid().into(),
        }
    }
}

/// The most restarts of a container and of a sidecar.
fn restarts(pod: &Value) -> (i64, i64) {
    let most = |list: &str| items(pod, list).iter().map(|c| count(c, "/restartCount")).max().unwrap_or(0);
    (most("/status/containerStatuses"), most("/status/initContainerStatuses"))
}

fn status(
    cx: &Context<Shared>,
    set: &Object,
    active: &[Arc<Object>],
    terminating: usize,
    failure: Option<&Status>,
) -> Value {
    let template = LabelSelector::from_map(&set.value()["spec"]["template"]["metadata"]["labels"]);
    let min_ready = count(set.value(), "/spec/minReadySeconds");
    let number = |keep: &dyn Fn(&Object) -> bool| active.iter().filter(|pod| keep(pod)).count() as i64;
    let mut status = Map::new();
    status.insert("replicas".into(), active.len().into());
    put_count(&mut status, "fullyLabeledReplicas", number(&|pod| template.matches(labels(pod.value()))));
    put_count(&mut status, "readyReplicas", number(&pods::is_ready));
    let now = cx.rt.now();
    put_count(&mut status, "availableReplicas", number(&|pod| pods::is_available(pod, min_ready, now)));
    if cx.shared.config.minor >= 35 {
        status.insert("terminatingReplicas".into(), terminating.into());
    }
    put_count(&mut status, "observedGeneration", count(set.value(), "/metadata/generation"));
    let conditions = failure_condition(set, active.len(), failure, &now.rfc3339());
    if !conditions.is_empty() {
        status.insert("conditions".into(), Value::Array(conditions));
    }
    Value::Object(status)
}

fn failure_condition(set: &Object, active: usize, failure: Option<&Status>, now: &str) -> Vec<Value> {
    let mut list = items(set.value(), "/status/conditions").to_vec();
    let known = conditions::find(&list, "ReplicaFailure").is_some();
    match failure {
        Some(failure) if !known => {
            let missing = (active as i64) < count(set.value(), "/spec/replicas");
            let reason = if missing { "FailedCreate" } else { "FailedDelete" };
            list.push(conditions::new("ReplicaFailure", "True", now, reason, &failure.message));
        }
        None if known => conditions::remove(&mut list, "ReplicaFailure"),
        _ => {}
    }
    list
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, node: &str, phase: &str, ready_for: Option<i64>, extra: Value) -> Arc<Object> {
        let mut value = json!({
            "metadata": { "name": name, "uid": name, "creationTimestamp": "2026-01-01T00:00:00Z" },
            "spec": { "nodeName": node },
            "status": { "phase": phase },
        });
        if let Some(seconds) = ready_for {
            let since = (now() - std::time::Duration::from_secs(seconds.unsigned_abs())).rfc3339();
            value["status"]["conditions"] = json!([{ "type": "Ready", "status": "True", "lastTransitionTime": since }]);
        }
        if let Some(cost) = extra.as_str() {
            value["metadata"]["annotations"] = json!({ DELETION_COST: cost });
        }
        Arc::new(Object::transient(value))
    }

    fn now() -> Timestamp {
        Timestamp::parse_rfc3339("2026-01-02T00:00:00Z").expect("a time")
    }

    #[test]
    fn the_least_useful_pods_go_first() {
        let none = || Value::Null;
        let active = [
            pod("old", "a", "Running", Some(80_000), none()),
            pod("cheap", "a", "Running", Some(80_000), "-5".into()),
            pod("crowded", "b", "Running", Some(80_000), none()),
            pod("young", "a", "Running", Some(5), none()),
            pod("unready", "a", "Running", None, none()),
            pod("pending", "a", "Pending", None, none()),
            pod("unassigned", "", "Pending", None, none()),
        ];
        let related = BTreeMap::from([("a".to_string(), 1), ("b".to_string(), 2)]);
        let order: Vec<String> =
            to_delete(&active, 7, &related, now()).iter().map(|pod| pod.name().to_string()).collect();
        assert_eq!(order, ["unassigned", "pending", "unready", "cheap", "crowded", "young", "old"]);
    }
}
