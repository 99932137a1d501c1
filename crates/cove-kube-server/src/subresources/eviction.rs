//! `pods/eviction`: a deletion that disruption budgets may refuse.

use std::time::Duration;

use cove_kube_api::door::{Body, Response, Verb};
use cove_kube_api::status::Status;
use serde_json::{Value, json};

use crate::admission::{self, Operation, Review};
use crate::api::selector::LabelSelector;
use crate::chain::body;
use crate::chain::call::Call;
use crate::chain::delete::{DeleteOptions, delete_one};
use crate::chain::update::write;
use crate::limits;
use crate::server::ApiServer;
use crate::subresources::binding::set_condition;
use crate::subresources::success;
use crate::value::{at, child_mut, is_deleting, items, meta, meta_text, number, text};

const REFUSED: &str = "Cannot evict pod as it would violate the pod's disruption budget.";

/// Evicts a pod.
pub async fn evict(server: &ApiServer, call: &mut Call, request: &Body) -> Result<Response, Status> {
    let how = body::strictness(call)?;
    let decoded = body::read(request, "policy", "v1", "Eviction", how)?;
    call.warnings.extend(decoded.warnings);
    let eviction = decoded.value;
    if meta_text(&eviction, "name") != call.name {
        return Err(Status::bad_request("name in URL does not match name in Eviction object"));
    }
    let mut options = DeleteOptions::of(at(&eviction, &["deleteOptions"]), call.options.dry_run)?;
    call.options.dry_run = options.dry_run;
    let pod = server.storage.get(&call.key()).await?.ok_or_else(|| call.not_found())?.object;
    let old = pod.value().clone();
    let mut review = Review::of(call, Operation::Create, Some(old.as_ref()));
    admission::validate(server, &mut review, &eviction).await?;
    if !ignores_budgets(pod.value()) {
        options.resource_version = None;
        claim(server, call, pod.value()).await?;
        mark(server, call).await?;
    }
    options.uid = options.uid.or_else(|| Some(pod.uid().to_string()));
    let mut deletion = Call::internal(server, call, "", "v1", "pods", "", &call.name.clone())?;
    deletion.verb = Verb::Delete;
    match delete_one(server, &mut deletion, &options).await {
        Err(status) if !status.is_not_found() => Err(status),
        _ => Ok(success(call)),
    }
}

/// Pods that do not run any more, or not yet, count for no budget.
fn ignores_budgets(pod: &Value) -> bool {
    is_deleting(pod) || matches!(text(pod, &["status", "phase"]), "Pending" | "Succeeded" | "Failed")
}

async fn mark(server: &ApiServer, call: &mut Call) -> Result<(), Status> {
    let now = server.rt.now().rfc3339();
    let mut status = Call::internal(server, call, "", "v1", "pods", "status", &call.name.clone())?;
    let marked = write(server, &mut status, &mut |_, old| {
        let mut new = old.clone();
        let condition = json!({
            "type": "DisruptionTarget", "status": "True", "lastProbeTime": null, "lastTransitionTime": now,
            "reason": "EvictionByEvictionAPI", "message": "Eviction API: evicting",
        });
        set_condition(&mut new, condition);
        Ok(new)
    })
    .await;
    match marked {
        Err(status) if !status.is_not_found() => Err(status),
        _ => Ok(()),
    }
}

/// Takes one disruption from the pod's budget, if it has one.
async fn claim(server: &ApiServer, call: &Call, pod: &Value) -> Result<(), Status> {
    let labels = meta(pod).get("labels").unwrap_or(&Value::Null);
    let prefix = format!("/registry/poddisruptionbudgets/{}/", call.namespace);
    let mut budgets = Vec::new();
    for budget in server.storage.all(prefix).await? {
        let selector = LabelSelector::from_json(at(budget.value(), &["spec", "selector"]));
        if selector.is_ok_and(|selector| selector.matches(labels)) {
            budgets.push(budget);
        }
    }
    let budget = match budgets.as_slice() {
        [] => return Ok(()),
        [one] => one,
        _ => {
            let text = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not \
                        support.";
            return Err(Status::new(500, "", text));
        }
    };
    if !is_ready(pod) && spares_unready(budget.value()) {
        return Ok(());
    }
    take(server, call, budget.name()).await
}

fn is_ready(pod: &Value) -> bool {
    items(pod, &["status", "conditions"]).iter().any(|c| c["type"] == "Ready" && c["status"] == "True")
}

/// Whether a pod that is not ready may go without a claim.
fn spares_unready(budget: &Value) -> bool {
    let status = |member: &str| number(budget, &["status", member]).unwrap_or(0);
    text(budget, &["spec", "unhealthyPodEvictionPolicy"]) == "AlwaysAllow"
        || (status("currentHealthy") >= status("desiredHealthy") && status("desiredHealthy") > 0)
}

async fn take(server: &ApiServer, call: &Call, budget: &str) -> Result<(), Status> {
    let now = server.rt.now().rfc3339();
    let mut status = Call::internal(server, call, "policy", "v1", "poddisruptionbudgets", "status", budget)?;
    // The budget is written by the server, whoever evicts.
    status.user = crate::bootstrap::myself();
    let pod = call.name.clone();
    for _ in 0..limits::EVICTION_TRIES {
        let taken = write(server, &mut status, &mut |_, old| taken_from(old, &pod, &now)).await;
        match taken {
            Err(status) if status.is_conflict() => server.rt.sleep(Duration::from_millis(500)).await,
            Err(status) if status.is_not_found() => return Ok(()),
            other => return other.map(|_| ()),
        }
    }
    let text = format!("Timeout: couldn't update PodDisruptionBudget {budget:?} due to conflicts");
    let mut timeout = Status::new(504, "Timeout", text);
    timeout.details.get_or_insert_default().retry_after_seconds = 10;
    Err(timeout)
}

fn taken_from(budget: &Value, pod: &str, now: &str) -> Result<Value, Status> {
    let name = meta_text(budget, "name");
    let status = |member: &str| number(budget, &["status", member]).unwrap_or(0);
    let generation = number(budget, &["metadata", "generation"]).unwrap_or(0);
    if status("observedGeneration") < generation {
        let text = format!("The disruption budget {name} is still being processed by the server.");
        let mut refused = refusal(&text);
        refused.details.get_or_insert_default().retry_after_seconds = 10;
        return Err(refused);
    }
    let forbidden = |why: &str| Err(Status::forbidden("policy", "poddisruptionbudgets", name, why));
    if status("disruptionsAllowed") < 0 {
        return forbidden("pdb disruptions allowed is negative");
    }
    let held = at(budget, &["status", "disruptedPods"]).as_object().map_or(0, serde_json::Map::len);
    if held > limits::DISRUPTED_PODS {
        return forbidden("DisruptedPods map too big - too many evictions not confirmed by PDB controller");
    }
    if status("disruptionsAllowed") == 0 {
        return Err(refusal(&why_not(budget, name)));
    }
    let mut new = budget.clone();
    let status_map = child_mut(&mut new, "status");
    let allowed = status("disruptionsAllowed") - 1;
    status_map.insert("disruptionsAllowed".into(), allowed.into());
    status_map.entry("disruptedPods").or_insert_with(|| json!({}))[pod] = now.into();
    Ok(new)
}

fn refusal(why: &str) -> Status {
    Status::new(429, "TooManyRequests", REFUSED).cause("DisruptionBudget", why, "")
}

fn why_not(budget: &Value, name: &str) -> String {
    let conditions = items(budget, &["status", "conditions"]);
    let condition = conditions.iter().find(|c| c["type"] == "DisruptionAllowed" && c["status"] == "False");
    let part = |member: &str| condition.map_or("", |c| text(c, &[member]));
    if part("reason") == "SyncFailed" {
        let message = part("message");
        return format!(
            "The disruption budget {name} does not allow evicting pods currently because it failed sync: {message}"
        );
    }
    let status = |member: &str| number(budget, &["status", member]).unwrap_or(0);
    if status("currentHealthy") <= status("desiredHealthy") {
        return format!(
            "The disruption budget {name} needs {} healthy pods and has {} currently",
            status("desiredHealthy"),
            status("currentHealthy")
        );
    }
    match (part("reason"), part("message")) {
        (_, "") => format!("The disruption budget {name} does not allow evicting pods currently"),
        (reason, message) => {
            format!("The disruption budget {name} does not allow evicting pods currently ({reason}): {message}")
        }
    }
}
