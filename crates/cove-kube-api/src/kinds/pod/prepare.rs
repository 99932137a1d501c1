//! What the server sets and keeps of a pod on create and update.

use serde_json::{Map, Value, json};

use crate::kinds::fill::each;

use super::qos::qos_class;

/// The status of a new pod, and the selectors that its own labels complete.
pub(super) fn prepare_create(pod: &mut Value) {
    let mut status = json!({ "phase": "Pending" });
    let gated = pod.pointer("/spec/schedulingGates").and_then(Value::as_array).is_some_and(|g| !g.is_empty());
    if gated {
        status["conditions"] = json!([{
            "type": "PodScheduled", "status": "False", "lastProbeTime": null, "lastTransitionTime": null,
            "reason": "SchedulingGated",
            "message": "Scheduling is blocked due to non-empty scheduling gates",
        }]);
    }
    status["qosClass"] = qos_class(pod).into();
    let labels = pod.pointer("/metadata/labels").cloned().unwrap_or(Value::Null);
    if let Some(spec) = pod.get_mut("spec") {
        merge_label_keys(spec, &labels);
    }
    if let Value::Object(map) = pod {
        map.insert("status".into(), status);
    }
}

/// `matchLabelKeys` name labels of the pod whose values join the selector.
fn merge_label_keys(spec: &mut Value, labels: &Value) {
    const TERMS: [&str; 2] = [
        "requiredDuringSchedulingIgnoredDuringExecution[]",
        "preferredDuringSchedulingIgnoredDuringExecution[].podAffinityTerm",
    ];
    let mut merge = |term: &mut Map<String, Value>| {
        for (member, operator) in [("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")] {
            merge_one(term, member, operator, labels);
        }
    };
    for kind in ["podAffinity", "podAntiAffinity"] {
        for term in TERMS {
            each(spec, &format!("affinity.{kind}.{term}"), &mut merge);
        }
    }
    each(spec, "topologySpreadConstraints[]", &mut merge);
}

fn merge_one(term: &mut Map<String, Value>, member: &str, operator: &str, labels: &Value) {
    let keys = term.get(member).and_then(Value::as_array).into_iter().flatten();
    let wanted: Vec<Value> = keys
        .filter_map(Value::as_str)
        .filter_map(|key| Some(json!({ "key": key, "operator": operator, "values": [labels.get(key)?] })))
        .collect();
    let Some(Value::Object(selector)) = term.get_mut("labelSelector") else { return };
    let expressions = selector.entry("matchExpressions").or_insert(Value::Null);
    let mut merged = expressions.as_array().cloned().unwrap_or_default();
    merged.extend(wanted.into_iter().filter(|w| !merged.contains(w)).collect::<Vec<_>>());
    if merged.is_empty() {
        selector.shift_remove("matchExpressions");
    } else {
        selector.insert("matchExpressions".into(), merged.into());
    }
}

/// An update through `/status` or another subresource keeps everything that is not its own.
pub(super) fn prepare_update(new: &mut Value, old: &Value, subresource: &str) {
    match subresource {
        "status" => {
            let class = old.pointer("/status/qosClass").cloned().unwrap_or_else(|| qos_class(old).into());
            if let Some(Value::Object(status)) = new.get_mut("status")
                && status.get("qosClass").and_then(Value::as_str).unwrap_or_default().is_empty()
            {
                status.insert("qosClass".into(), class);
            }
            keep_metadata(new, old, &["ownerReferences", "deletionTimestamp", "deletionGracePeriodSeconds"]);
        }
        "ephemeralcontainers" => {
            let containers = new.pointer("/spec/ephemeralContainers").cloned();
            keep(new, old, &["metadata", "spec", "status"]);
            if let (Some(containers), Some(Value::Object(spec))) = (containers, new.get_mut("spec")) {
                spec.insert("ephemeralContainers".into(), containers);
            }
        }
        "resize" => {
            let wanted = new.get("spec").cloned().unwrap_or(Value::Null);
            keep(new, old, &["metadata", "spec", "status"]);
            if let Some(spec) = new.get_mut("spec") {
                resize(spec, &wanted);
            }
        }
        _ => {}
    }
}

fn keep(new: &mut Value, old: &Value, members: &[&str]) {
    if let Value::Object(map) = new {
        for member in members {
            match old.get(member) {
                Some(value) => {
                    map.insert((*member).into(), value.clone());
                }
                None => {
                    map.shift_remove(*member);
                }
            }
        }
    }
}

fn keep_metadata(new: &mut Value, old: &Value, members: &[&str]) {
    let old = old.get("metadata").cloned().unwrap_or(Value::Null);
    if let Some(metadata) = new.get_mut("metadata") {
        keep(metadata, &old, members);
    }
}

/// Takes resources and resize policies of containers by position; everything else of the spec stays.
fn resize(spec: &mut Value, wanted: &Value) {
    for list in ["containers", "initContainers"] {
        let wanted = wanted.get(list).and_then(Value::as_array).into_iter().flatten();
        let current = spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
        for (container, wanted) in current.zip(wanted) {
            let Value::Object(container) = container else { continue };
            for member in ["resources", "resizePolicy"] {
                if let Some(value) = wanted.get(member) {
                    container.insert(member.into(), value.clone());
                }
            }
        }
    }
}
