//! What may change of a stored pod.

use serde_json::Value;

use crate::kinds::rules::{At, Errors};

use super::qos::qos_class;

const ALLOWED: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// An update of the pod itself.
pub(super) fn pod_update(new: &Value, old: &Value, errors: &mut Errors) {
    let (spec, old_spec) = (At::root(new).get("spec"), At::root(old).get("spec"));
    for list in ["containers", "initContainers"] {
        if spec.get(list).len() != old_spec.get(list).len() {
            return errors.forbidden(&spec.get(list), "pod updates may not add or remove containers");
        }
    }
    deadline(&spec, &old_spec, errors);
    let gated = !old_spec.get("schedulingGates").is_empty();
    for gate in spec.list("schedulingGates") {
        let name = gate.text_of("name");
        if !old_spec.list("schedulingGates").any(|o| o.text_of("name") == name) {
            let why = format!("only deletion is allowed, but found new scheduling gate '{name}'");
            errors.forbidden(&gate.get("name"), why);
        }
    }
    tolerations(&spec, &old_spec, errors);
    if gated {
        gated_changes(&spec, &old_spec, errors);
    }
    let munged = munged(spec.value, old_spec.value, gated);
    if munged != *old_spec.value {
        let mut changes = Vec::new();
        difference("spec", old_spec.value, &munged, &mut changes);
        errors.forbidden(&spec, format!("{ALLOWED}\n{}\n", changes.join("\n")));
    }
}

fn deadline(spec: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    let at = spec.get("activeDeadlineSeconds");
    match (at.number(), old.number_of("activeDeadlineSeconds")) {
        (Some(new), _) if !(0..=i64::from(i32::MAX)).contains(&new) => {
            errors.invalid(&at, "must be between 0 and 2147483647, inclusive");
        }
        (Some(new), Some(old)) if old < new => errors.invalid(&at, "must be less than or equal to previous value"),
        (None, Some(_)) => errors.invalid(&at, "must not update from a positive integer to nil value"),
        _ => {}
    }
}

/// Every old toleration must still be there; only `tolerationSeconds` may differ.
fn tolerations(spec: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    let bare = |toleration: &Value| -> Value {
        let mut toleration = toleration.clone();
        if let Value::Object(map) = &mut toleration {
            map.shift_remove("tolerationSeconds");
        }
        toleration
    };
    let list = spec.get("tolerations");
    let new: Vec<Value> = list.items().map(|t| bare(t.value)).collect();
    if old.list("tolerations").any(|t| !new.contains(&bare(t.value))) {
        errors.forbidden(&list, "existing toleration can not be modified except its tolerationSeconds");
    }
}

/// While gates hold a pod back, where it may go can be narrowed.
fn gated_changes(spec: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    let selector = spec.get("nodeSelector");
    let kept = |(key, value): (&String, &Value)| selector.value.get(key) == Some(value);
    if !old.get("nodeSelector").value.as_object().into_iter().flatten().all(kept) {
        let why = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
        errors.invalid(&selector, why);
    }
    const TERMS: &str = "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
    let (terms, old_terms) = (spec.get(TERMS), old.get(TERMS));
    if old_terms.is_empty() {
        return;
    }
    if terms.len() != old_terms.len() {
        return errors.invalid(&terms, "no additions/deletions to non-empty NodeSelectorTerms list are allowed");
    }
    for (term, old) in terms.items().zip(old_terms.items()) {
        let keeps = |member: &str| {
            let new: Vec<&Value> = term.list(member).map(|e| e.value).collect();
            old.list(member).enumerate().all(|(i, e)| new.get(i) == Some(&e.value))
        };
        if !keeps("matchExpressions") || !keeps("matchFields") {
            errors.invalid(&term, "only additions are allowed (no mutations or deletions)");
        }
    }
}

/// The new spec with everything that may change put back to what it was.
fn munged(new: &Value, old: &Value, gated: bool) -> Value {
    let mut spec = new.clone();
    let Value::Object(map) = &mut spec else { return spec };
    let negative = old.get("terminationGracePeriodSeconds").and_then(Value::as_i64).is_some_and(|n| n < 0);
    let one = new.get("terminationGracePeriodSeconds").and_then(Value::as_i64) == Some(1);
    let mut back = vec!["activeDeadlineSeconds", "tolerations", "schedulingGates"];
    if negative && one {
        back.push("terminationGracePeriodSeconds");
    }
    if gated {
        back.extend(["nodeSelector", "affinity"]);
    }
    for member in back {
        match old.get(member) {
            Some(value) => map.insert(member.into(), value.clone()),
            None => map.shift_remove(member),
        };
    }
    for list in ["containers", "initContainers"] {
        let old = old.get(list).and_then(Value::as_array).into_iter().flatten();
        let new = map.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
        for (container, old) in new.zip(old) {
            if let (Value::Object(container), Some(image)) = (container, old.get("image")) {
                container.insert("image".into(), image.clone());
            }
        }
    }
    if gated {
        restore_other_affinity(map, new);
    }
    spec
}

/// Only node affinity of a gated pod may change: the other affinities stay as the client sent them, to be compared.
fn restore_other_affinity(map: &mut serde_json::Map<String, Value>, new: &Value) {
    for member in ["podAffinity", "podAntiAffinity"] {
        let sent = new.get("affinity").and_then(|a| a.get(member)).cloned();
        if let (Some(sent), Some(Value::Object(affinity))) = (sent, map.get_mut("affinity")) {
            affinity.insert(member.into(), sent);
        }
    }
}

/// Lines that say what differs, as in a unified diff.
fn difference(path: &str, old: &Value, new: &Value, lines: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(a), Value::Object(b)) => {
            let added = b.keys().filter(|k| !a.contains_key(*k));
            for key in a.keys().chain(added) {
                let of = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or(Value::Null);
                difference(&format!("{path}.{key}"), &of(a), &of(b), lines);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (i, (a, b)) in a.iter().zip(b).enumerate() {
                difference(&format!("{path}[{i}]"), a, b, lines);
            }
        }
        _ if old != new => lines.extend([format!("- {path}: {old}"), format!("+ {path}: {new}")]),
        _ => {}
    }
}

/// An update of the status.
pub(super) fn status_update(new: &Value, old: &Value, errors: &mut Errors) {
    let (status, old_status) = (At::root(new).get("status"), At::root(old).get("status"));
    if !old_status.get("qosClass").is_empty() {
        errors.immutable(&status.get("qosClass"), &old_status.get("qosClass"));
    }
    let nominated = status.get("nominatedNodeName");
    let bound = !At::root(old).get("spec.nodeName").is_empty();
    if bound && !nominated.is_empty() && nominated.value != old_status.get("nominatedNodeName").value {
        errors.forbidden(&nominated, "may not be set on pods that are already bound to a node");
    }
    let restart = At::root(old).get("spec.restartPolicy").text();
    if restart == "Always" {
        return;
    }
    for container in status.list("containerStatuses") {
        let name = container.text_of("name");
        let before = old_status.list("containerStatuses").find(|o| o.text_of("name") == name);
        let Some(ended) = before.map(|o| o.get("state.terminated")).filter(At::is_set) else { continue };
        let failed = ended.number_of("exitCode").unwrap_or_default() != 0;
        let own =
            At::root(old).get("spec").list("containers").any(|c| c.text_of("name") == name && c.has("restartPolicy"));
        let may_run_again = own || (failed && restart == "OnFailure");
        if !container.get("state.terminated").is_set() && !may_run_again {
            errors.forbidden(&container.get("state"), "may not be transitioned to non-terminated state");
        }
    }
}

/// An update through `/ephemeralcontainers`: containers may only be added.
pub(super) fn ephemeral_update(new: &Value, old: &Value, errors: &mut Errors) {
    let at = At::root(new).get("spec.ephemeralContainers");
    for before in At::root(old).get("spec.ephemeralContainers").items() {
        let name = before.text_of("name");
        match at.items().find(|c| c.text_of("name") == name) {
            None => errors.forbidden(&at, format!("existing ephemeral containers {name:?} may not be removed\n")),
            Some(after) if after.value != before.value => {
                let mut lines = Vec::new();
                difference(name, before.value, after.value, &mut lines);
                let text = lines.join("\n");
                errors.forbidden(&at, format!("existing ephemeral containers {name:?} may not be changed\n{text}"));
            }
            Some(_) => {}
        }
    }
}

/// An update through `/resize`: cpu and memory of containers, without changing the class.
pub(super) fn resize_update(new: &Value, old: &Value, errors: &mut Errors) {
    let (spec, old_spec) = (At::root(new).get("spec"), At::root(old).get("spec"));
    for (container, before) in spec.list("containers").zip(old_spec.list("containers")) {
        for list in ["requests", "limits"] {
            let (after, before) = (container.get("resources").get(list), before.get("resources").get(list));
            let words = if list == "requests" { "resource requests" } else { "resource limits" };
            if before.entries().any(|(name, _)| after.value.get(name).is_none()) {
                errors.forbidden(&after, format!("{words} cannot be removed"));
            }
            let frozen = |(name, at): (&str, At<'_>)| {
                !matches!(name, "cpu" | "memory") && before.value.get(name) != Some(at.value)
            };
            if after.entries().any(frozen) {
                errors.forbidden(&spec, "only cpu and memory resources are mutable");
            }
        }
    }
    if qos_class(new) != qos_class(old) {
        let class = qos_class(new).into();
        errors.invalid(&At::new(&class, "spec"), "Pod QOS Class may not change as a result of resizing");
    }
}
