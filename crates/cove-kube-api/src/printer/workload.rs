//! The cells of workloads, access and the smaller kinds.

use cove_base::time::Timestamp;
use serde_json::Value;

use super::cell::{at, count, items_at, number_at, text_at};
use super::duration::{between, human_duration, time};
use super::text::condition;

/// `2/3` ready replicas.
pub(super) fn ready(object: &Value, _now: Timestamp) -> Value {
    format!("{}/{}", number_at(object, "status.readyReplicas"), number_at(object, "spec.replicas")).into()
}

/// What a job is doing.
pub(super) fn job_status(job: &Value, _now: Timestamp) -> Value {
    let holds = |kind: &str| condition(job, kind) == Some("True");
    let deleted = !at(job, "metadata.deletionTimestamp").is_null();
    let first = ["Complete", "Failed"].into_iter().find(|k| holds(k)).or(deleted.then_some("Terminating"));
    let rest = || ["Suspended", "FailureTarget", "SuccessCriteriaMet"].into_iter().find(|k| holds(k));
    first.or_else(rest).unwrap_or("Running").into()
}

/// `1/1`.
pub(super) fn completions(job: &Value, _now: Timestamp) -> Value {
    let (done, parallel) = (number_at(job, "status.succeeded"), number_at(job, "spec.parallelism"));
    match at(job, "spec.completions").as_i64() {
        Some(wanted) => format!("{done}/{wanted}"),
        None if parallel > 1 => format!("{done}/1 of {parallel}"),
        None => format!("{done}/1"),
    }
    .into()
}

/// How long a job has been running.
pub(super) fn duration(job: &Value, now: Timestamp) -> Value {
    let Some(start) = time(at(job, "status.startTime")) else { return "".into() };
    let end = time(at(job, "status.completionTime")).unwrap_or(now);
    human_duration(between(start, end)).into()
}

/// `True` or `False`.
pub(super) fn suspend(job: &Value, _now: Timestamp) -> Value {
    match at(job, "spec.suspend").as_bool() {
        Some(true) => "True",
        Some(false) => "False",
        None => "<unset>",
    }
    .into()
}

/// How many values a ConfigMap has.
pub(super) fn data(map: &Value, _now: Timestamp) -> Value {
    (count(at(map, "data")) + count(at(map, "binaryData"))).into()
}

/// `ClusterRole/view`.
pub(super) fn role(binding: &Value, _now: Timestamp) -> Value {
    format!("{}/{}", text_at(binding, "roleRef.kind"), text_at(binding, "roleRef.name")).into()
}

fn subjects(binding: &Value, kind: &str) -> Value {
    let of_kind = items_at(binding, "subjects").filter(|s| text_at(s, "kind") == kind);
    let name = |s: &Value| match kind {
        "ServiceAccount" => format!("{}/{}", text_at(s, "namespace"), text_at(s, "name")),
        _ => text_at(s, "name").to_string(),
    };
    of_kind.map(name).collect::<Vec<_>>().join(", ").into()
}

/// The users of a binding.
pub(super) fn users(binding: &Value, _now: Timestamp) -> Value {
    subjects(binding, "User")
}

/// The groups of a binding.
pub(super) fn groups(binding: &Value, _now: Timestamp) -> Value {
    subjects(binding, "Group")
}

/// The service accounts of a binding.
pub(super) fn accounts(binding: &Value, _now: Timestamp) -> Value {
    subjects(binding, "ServiceAccount")
}

/// `statefulset.apps/web`.
pub(super) fn controller(object: &Value, _now: Timestamp) -> Value {
    let owner = items_at(object, "metadata.ownerReferences").find(|o| at(o, "controller").as_bool() == Some(true));
    let Some(owner) = owner else { return "<none>".into() };
    let group = text_at(owner, "apiVersion").split_once('/').map_or(String::new(), |(group, _)| format!(".{group}"));
    format!("{}{group}/{}", text_at(owner, "kind").to_lowercase(), text_at(owner, "name")).into()
}

/// `Pending`, `Approved,Issued`.
pub(super) fn request_condition(request: &Value, _now: Timestamp) -> Value {
    let has = |kind: &str| condition(request, kind).is_some();
    let mut text = ["Denied", "Approved"].into_iter().find(|k| has(k)).unwrap_or("Pending").to_string();
    if has("Failed") {
        text.push_str(",Failed");
    }
    if !text_at(request, "status.certificate").is_empty() {
        text.push_str(",Issued");
    }
    text.into()
}

/// How long a certificate is asked for.
pub(super) fn requested_duration(request: &Value, _now: Timestamp) -> Value {
    at(request, "spec.expirationSeconds").as_i64().map_or_else(|| "<none>".into(), |s| human_duration(s).into())
}

/// Whether an API service is available.
pub(super) fn availability(service: &Value, _now: Timestamp) -> Value {
    let found = items_at(service, "status.conditions").find(|c| text_at(c, "type") == "Available");
    let Some(found) = found else { return "Unknown".into() };
    match (text_at(found, "status"), text_at(found, "reason")) {
        ("True", _) => "True".into(),
        (status, "") => status.into(),
        (status, reason) => format!("{status} ({reason})").into(),
    }
}

/// The service behind an API service.
pub(super) fn api_service(service: &Value, _now: Timestamp) -> Value {
    let back = at(service, "spec.service");
    if back.is_object() {
        format!("{}/{}", text_at(back, "namespace"), text_at(back, "name")).into()
    } else {
        "Local".into()
    }
}

/// `v1/ConfigMap` of an admission policy.
pub(super) fn param_kind(policy: &Value, _now: Timestamp) -> Value {
    let kind = at(policy, "spec.paramKind");
    if kind.is_object() {
        format!("{}/{}", text_at(kind, "apiVersion"), text_at(kind, "kind")).into()
    } else {
        "<unset>".into()
    }
}

/// The parameters that a binding of a policy names or selects.
pub(super) fn param_ref(binding: &Value, _now: Timestamp) -> Value {
    let reference = at(binding, "spec.paramRef");
    let (name, namespace) = (text_at(reference, "name"), text_at(reference, "namespace"));
    match (name, namespace) {
        ("", _) if at(reference, "selector").is_object() => super::text::selector(at(reference, "selector")).into(),
        ("", _) => "<unset>".into(),
        (name, "") => format!("*/{name}").into(),
        (name, namespace) => format!("{namespace}/{name}").into(),
    }
}

/// Whether the priority level of a flow schema is missing.
pub(super) fn dangling(schema: &Value, _now: Timestamp) -> Value {
    condition(schema, "Dangling").unwrap_or("?").into()
}

/// The state of a resource claim.
pub(super) fn claim_state(claim: &Value, _now: Timestamp) -> Value {
    let deleted = !at(claim, "metadata.deletionTimestamp").is_null();
    let mut states = Vec::new();
    if deleted {
        states.push("deleted");
    }
    if at(claim, "status.allocation").is_object() {
        states.push("allocated");
        if count(at(claim, "status.reservedFor")) > 0 {
            states.push("reserved");
        }
    } else if !deleted {
        states.push("pending");
    }
    states.join(",").into()
}

/// Whether a component is healthy.
pub(super) fn health(status: &Value, _now: Timestamp) -> Value {
    let found = items_at(status, "conditions").find(|c| text_at(c, "type") == "Healthy");
    match found.map(|c| text_at(c, "status")) {
        Some("True") => "Healthy",
        Some(_) => "Unhealthy",
        None => "Unknown",
    }
    .into()
}

/// A member of a component's `Healthy` condition.
pub(super) fn healthy(status: &Value, member: &str) -> Value {
    let found = items_at(status, "conditions").find(|c| text_at(c, "type") == "Healthy");
    found.map_or("", |c| text_at(c, member)).into()
}
