//! Node and Namespace.

use serde_json::{Value, json};

use crate::validate_meta::finalizer_name_errors;

use super::pod::{resource_list, taint_effect};
use super::rules::{At, Errors};
use super::table_rules::{BASE, Rules};
use crate::names;

pub(super) const NODE: Rules = Rules {
    default: default_node,
    create: |_| {},
    validate: node,
    change: node_change,
    status: node_status,
    warn: node_warnings,
    ..BASE
};

pub(super) const NAMESPACE: Rules = Rules {
    default: name_label,
    create: namespace_create,
    update: namespace_update,
    validate: namespace,
    status: namespace_status,
    ..BASE
};

fn default_node(node: &mut Value) {
    if let Some(Value::Object(status)) = node.get_mut("status") {
        let capacity = status.get("capacity").filter(|c| c.is_object()).cloned();
        if let (Some(capacity), true) = (capacity, status.get("allocatable").is_none_or(Value::is_null)) {
            status.insert("allocatable".into(), capacity);
        }
    }
    let Some(Value::Object(spec)) = node.get_mut("spec") else { return };
    let one = spec.get("podCIDR").filter(|c| c.as_str().is_some_and(|t| !t.is_empty())).cloned();
    let first = spec.get("podCIDRs").and_then(|list| list.get(0)).cloned();
    match (one, first) {
        (Some(one), None) => spec.insert("podCIDRs".into(), json!([one])),
        (None, Some(first)) => spec.insert("podCIDR".into(), first),
        _ => None,
    };
}

fn node(node: &At<'_>, errors: &mut Errors) {
    let spec = node.get("spec");
    let mut seen = std::collections::BTreeSet::new();
    for taint in spec.list("taints") {
        let key = taint.get("key");
        errors.messages(&key, names::qualified_name(key.text()));
        let wrong = names::label_value(taint.text_of("value"));
        if !wrong.is_empty() {
            errors.invalid(&taint.get("value"), wrong.join(";"));
        }
        taint_effect(&taint.get("effect"), false, errors);
        if !seen.insert((key.text(), taint.text_of("effect"))) {
            errors.duplicate(&taint);
        }
    }
    let cidrs = spec.get("podCIDRs");
    let families = |v6: bool| cidrs.items().filter(|c| c.text().contains(':') == v6).count();
    if families(false) > 1 || families(true) > 1 || cidrs.len() > 2 {
        errors.invalid(&cidrs, "may specify no more than one CIDR for each IP family");
    }
    resource_list(&node.get("status.capacity"), errors);
    resource_list(&node.get("status.allocatable"), errors);
}

fn node_change(new: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    let (spec, old) = (new.get("spec"), old.get("spec"));
    let changed = |member: &str| !old.get(member).is_empty() && old.get(member).value != spec.get(member).value;
    if changed("podCIDRs") {
        let why = "node updates may not change podCIDR except from \"\" to valid";
        errors.forbidden(&spec.get("podCIDRs"), why);
    }
    if changed("providerID") {
        let why = "node updates may not change providerID except from \"\" to valid";
        errors.forbidden(&spec.get("providerID"), why);
    }
    let external = spec.get("externalID");
    if external.text() != old.text_of("externalID") {
        errors.forbidden(&external, "may not be updated");
    }
}

fn node_status(new: &At<'_>, _old: &At<'_>, errors: &mut Errors) {
    let status = new.get("status");
    resource_list(&status.get("capacity"), errors);
    resource_list(&status.get("allocatable"), errors);
    let mut seen = std::collections::BTreeSet::new();
    for address in status.list("addresses") {
        if !seen.insert((address.text_of("type"), address.text_of("address"))) {
            errors.duplicate(&address);
        }
    }
}

fn node_warnings(node: &At<'_>) -> Vec<String> {
    let spec = node.get("spec");
    let mut found = Vec::new();
    if spec.has("configSource") {
        found.push("spec.configSource: the feature is removed".into());
    }
    if !spec.text_of("externalID").is_empty() {
        found.push("spec.externalID: this field is deprecated, and is unused by Kubernetes".into());
    }
    found
}

/// Every namespace carries its own name as a label.
fn name_label(namespace: &mut Value) {
    const KEY: &str = "kubernetes.io/metadata.name";
    let name = namespace.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_string();
    let Some(Value::Object(metadata)) = namespace.get_mut("metadata") else { return };
    if name.is_empty() {
        return;
    }
    let labels = metadata.entry("labels").or_insert_with(|| json!({}));
    if !labels.is_object() {
        *labels = json!({});
    }
    if let Value::Object(labels) = labels {
        labels.insert(KEY.into(), name.into());
    }
}

fn namespace_create(namespace: &mut Value) {
    name_label(namespace);
    let Value::Object(map) = namespace else { return };
    map.insert("status".into(), json!({ "phase": "Active" }));
    let spec = map.entry("spec").or_insert_with(|| json!({}));
    if !spec.is_object() {
        *spec = json!({});
    }
    let mut finalizers = spec.get("finalizers").and_then(Value::as_array).cloned().unwrap_or_default();
    if !finalizers.iter().any(|f| f == "kubernetes") {
        finalizers.push("kubernetes".into());
    }
    spec["finalizers"] = finalizers.into();
}

/// Finalizers of the spec change only through `/finalize`.
fn namespace_update(new: &mut Value, old: &Value, subresource: &str) {
    name_label(new);
    let Value::Object(map) = new else { return };
    let mut keep = |member: &str| match old.get(member) {
        Some(value) => {
            map.insert(member.into(), value.clone());
        }
        None => {
            map.shift_remove(member);
        }
    };
    match subresource {
        "finalize" => keep("status"),
        _ => keep("spec"),
    }
}

fn namespace(namespace: &At<'_>, errors: &mut Errors) {
    for finalizer in namespace.get("spec.finalizers").items() {
        errors.0.extend(finalizer_name_errors(finalizer.text(), "spec.finalizers"));
    }
}

fn namespace_status(new: &At<'_>, _old: &At<'_>, errors: &mut Errors) {
    let phase = At { path: "status.Phase".into(), ..new.get("status.phase") };
    let deleted = new.get("metadata").has("deletionTimestamp");
    if deleted && phase.text() != "Terminating" {
        errors.invalid(&phase, "may only be 'Active' if `deletionTimestamp` is empty");
    } else if !deleted && phase.text() != "Active" {
        errors.invalid(&phase, "may only be 'Terminating' if `deletionTimestamp` is not empty");
    }
}
