//! The disruption controller: how many pods of a PodDisruptionBudget may go right now.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cove_kube_api::object::Object;
use cove_kube_api::selector::LabelSelector;
use cove_kube_api::status::Status;
use cove_kube_client::{Context, Controller, Key, Requeue, Resource, Watch};
use serde_json::{Map, Value, json};

use crate::resources::{BUDGETS, DEPLOYMENTS, PODS, REPLICA_SETS, REPLICATION_CONTROLLERS, STATEFUL_SETS};
use crate::shared::Shared;
use crate::view::{controller_of, count, deleting, items, labels, put_count, scaled, text, time};
use crate::{conditions, limits, pods};

/// The declaration. Keys are budgets.
pub const CONTROLLER: Controller<Shared> = Controller {
    name: "disruption-controller",
    component: "controllermanager",
    watches: |_| {
        vec![
            Watch::itself(BUDGETS),
            Watch::mapped(PODS, |cx, change| {
                let budgets = cx.cache(BUDGETS).list(change.latest().namespace());
                let selects = |budget: &Object| {
                    let selector = LabelSelector::from_json(&budget.value()["spec"]["selector"]);
                    selector.is_ok_and(|s| change.states().any(|pod| s.matches(labels(pod.value()))))
                };
                budgets.iter().filter(|budget| selects(budget)).map(|budget| Key::of(budget)).collect()
            }),
            Watch::mapped(DEPLOYMENTS, keys_of_scale),
            Watch::mapped(REPLICA_SETS, keys_of_scale),
            Watch::cached(STATEFUL_SETS),
            Watch::cached(REPLICATION_CONTROLLERS),
        ]
    },
    singleton: false,
    workers: 1,
    reconcile: |cx, key| Box::pin(reconcile(cx, key)),
};

/// The size of a workload changed: its namespace's budgets count anew.
fn keys_of_scale(cx: &Context<Shared>, change: &cove_kube_client::Change) -> Vec<Key> {
    let scale = |object: &Arc<Object>| count(object.value(), "/spec/replicas");
    if change.old.as_ref().map(scale) == change.new.as_ref().map(scale) {
        return Vec::new();
    }
    cx.cache(BUDGETS).list(change.latest().namespace()).iter().map(|budget| Key::of(budget)).collect()
}

async fn reconcile(cx: Arc<Context<Shared>>, key: Key) -> Result<Requeue, Status> {
    let Some(budget) = cx.cache(BUDGETS).get(&key) else { return Ok(Requeue::Done) };
    let Ok(selector) = LabelSelector::from_json(&budget.value()["spec"]["selector"]) else { return Ok(Requeue::Done) };
    let mut pods = cx.cache(PODS).list(&key.namespace);
    pods.retain(|pod| selector.matches(labels(pod.value())));
    if pods.is_empty() {
        cx.events.normal(&budget, "NoPods", "No matching pods found");
    }
    let expected = match expected(&cx, &budget, &pods) {
        Ok(expected) => expected,
        Err(message) => {
            let text = format!("Failed to calculate the number of expected pods: {message}");
            cx.events.warning(&budget, "CalculateExpectedPodCountFailed", text);
            fail_safe(&cx, &budget, &message).await?;
            return Err(Status::internal(message));
        }
    };
    if !expected.unmanaged.is_empty() {
        cx.events.warning(&budget, "UnmanagedPods", unmanaged_message(&selector));
    }
    let (disrupted, again) = still_disrupted(&cx, &budget, &pods);
    let healthy =
        pods.iter().filter(|p| !deleting(p) && pods::is_ready(p) && !disrupted.contains_key(p.name())).count();
    let allowed = if expected.total > 0 { (healthy as i64 - expected.desired).max(0) } else { 0 };
    let mut status = Map::new();
    put_count(&mut status, "observedGeneration", count(budget.value(), "/metadata/generation"));
    if !disrupted.is_empty() {
        status.insert("disruptedPods".into(), Value::Object(disrupted));
    }
    status.insert("disruptionsAllowed".into(), allowed.into());
    status.insert("currentHealthy".into(), healthy.into());
    status.insert("desiredHealthy".into(), expected.desired.into());
    status.insert("expectedPods".into(), expected.total.into());
    let (value, reason) = if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    write(&cx, &budget, status, value, reason, "").await?;
    Ok(again.map_or(Requeue::Done, Requeue::After))
}

fn unmanaged_message(selector: &LabelSelector) -> String {
    format!(
        "Pods selected by this PodDisruptionBudget (selector: {selector}) were found to be unmanaged. As a result, the \
         status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for \
         these pods please set \".spec.minAvailable\" field of the PDB to an integer value."
    )
}

/// How many pods there should be, and how many must be healthy.
struct Expected {
    total: i64,
    desired: i64,
    unmanaged: Vec<String>,
}

fn expected(cx: &Context<Shared>, budget: &Object, pods: &[Arc<Object>]) -> Result<Expected, String> {
    let spec = &budget.value()["spec"];
    if let Some(most) = spec.get("maxUnavailable") {
        let (total, unmanaged) = expected_scale(cx, pods)?;
        let most = scaled(Some(most), total, true, 0);
        return Ok(Expected { total, desired: (total - most).max(0), unmanaged });
    }
    match spec.get("minAvailable") {
        Some(Value::Number(least)) => {
            let desired = least.as_i64().unwrap_or(0);
            Ok(Expected { total: pods.len() as i64, desired, unmanaged: Vec::new() })
        }
        Some(share) => {
            let (total, unmanaged) = expected_scale(cx, pods)?;
            Ok(Expected { total, desired: scaled(Some(share), total, true, 0), unmanaged })
        }
        None => Ok(Expected { total: 0, desired: 0, unmanaged: Vec::new() }),
    }
}

/// The sum of the sizes of all controllers of the pods; pods without one are named.
fn expected_scale(cx: &Context<Shared>, pods: &[Arc<Object>]) -> Result<(i64, Vec<String>), String> {
    let mut known = BTreeSet::new();
    let (mut total, mut unmanaged) = (0, Vec::new());
    for pod in pods {
        let Some(owner) = controller_of(pod.value()) else {
            unmanaged.push(pod.name().to_string());
            continue;
        };
        let (top, size) = scale(cx, pod.namespace(), owner)
            .ok_or_else(|| format!("found no controllers for pod {:?}", pod.name()))?;
        if known.insert(top) {
            total += size;
        }
    }
    Ok((total, unmanaged))
}

/// The uid and the size of the topmost workload above a controller reference.
fn scale(cx: &Context<Shared>, namespace: &str, owner: &Value) -> Option<(String, i64)> {
    let find = |resource: Resource, owner: &Value| {
        let found = cx.cache(resource).find(namespace, text(owner, "/name"));
        found.filter(|found| found.uid() == text(owner, "/uid"))
    };
    let size = |object: &Object| (object.uid().to_string(), count(object.value(), "/spec/replicas"));
    match text(owner, "/kind") {
        "ReplicaSet" => {
            let set = find(REPLICA_SETS, owner)?;
            match controller_of(set.value()) {
                Some(above) if text(above, "/kind") == "Deployment" => find(DEPLOYMENTS, above).map(|d| size(&d)),
                _ => Some(size(&set)),
            }
        }
        "StatefulSet" => find(STATEFUL_SETS, owner).map(|set| size(&set)),
        "ReplicationController" => find(REPLICATION_CONTROLLERS, owner).map(|set| size(&set)),
        _ => None,
    }
}

/// Pods that were evicted and whose deletion does not show yet; and when the next of them counts as not deleted.
fn still_disrupted(
    cx: &Context<Shared>,
    budget: &Object,
    pods: &[Arc<Object>],
) -> (Map<String, Value>, Option<Duration>) {
    let (mut still, mut again) = (Map::new(), None::<Duration>);
    let now = cx.rt.now();
    let noted = budget.value().pointer("/status/disruptedPods").and_then(Value::as_object);
    for (name, at) in noted.into_iter().flatten() {
        let Some(pod) = pods.iter().find(|pod| pod.name() == name).filter(|pod| !deleting(pod)) else { continue };
        let until = time(at, "").unwrap_or_default() + limits::DISRUPTION_TIMEOUT;
        if until <= now {
            let text =
                format!("Pod was expected by PDB {}/{} to be deleted but it wasn't", budget.namespace(), budget.name());
            cx.events.warning(pod, "NotDeleted", text);
            continue;
        }
        let wait = until.since(now);
        again = Some(again.map_or(wait, |known| known.min(wait)));
        still.insert(name.clone(), at.clone());
    }
    (still, again)
}

/// Nothing may go while the number of expected pods is unknown.
async fn fail_safe(cx: &Context<Shared>, budget: &Object, message: &str) -> Result<(), Status> {
    let mut status = budget.value()["status"].as_object().cloned().unwrap_or_default();
    for member in ["currentHealthy", "desiredHealthy", "expectedPods"] {
        status.entry(member).or_insert(0.into());
    }
    status.insert("disruptionsAllowed".into(), 0.into());
    write(cx, budget, status, "False", "SyncFailed", message).await
}

async fn write(
    cx: &Context<Shared>,
    budget: &Object,
    mut status: Map<String, Value>,
    value: &str,
    reason: &str,
    message: &str,
) -> Result<(), Status> {
    let mut list = items(budget.value(), "/status/conditions").to_vec();
    let generation = count(budget.value(), "/metadata/generation");
    let mut condition = conditions::new("DisruptionAllowed", value, &cx.rt.now().rfc3339(), reason, message);
    condition["observedGeneration"] = generation.into();
    let observed = conditions::find(&list, "DisruptionAllowed").is_none_or(|c| c["observedGeneration"] == generation);
    conditions::set(&mut list, condition, true);
    if !observed && let Some(known) = list.iter_mut().find(|c| text(c, "/type") == "DisruptionAllowed") {
        known["observedGeneration"] = generation.into();
    }
    status.insert("conditions".into(), json!(list));
    let status = Value::Object(status);
    if budget.value()["status"] == status {
        return Ok(());
    }
    let mut wanted = budget.value().as_ref().clone();
    wanted["status"] = status;
    match cx.update(BUDGETS, "status", wanted).await {
        Err(status) if status.is_not_found() => Ok(()),
        result => result.map(drop),
    }
}
