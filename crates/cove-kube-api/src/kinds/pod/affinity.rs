//! Affinity, and the label selectors inside specs.

use crate::kinds::rules::{At, Errors};
use crate::names;
use crate::validate_meta::label_errors;

/// A `LabelSelector` object. Absent passes.
pub(in crate::kinds) fn label_selector(at: &At<'_>, errors: &mut Errors) {
    let labels = at.get("matchLabels");
    errors.0.extend(label_errors(labels.value, &labels.path));
    for expression in at.list("matchExpressions") {
        let values = expression.get("values");
        let operator = expression.get("operator");
        match operator.text() {
            "In" | "NotIn" if values.is_empty() => {
                errors.required(&values, "must be specified when `operator` is 'In' or 'NotIn'");
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                errors.forbidden(&values, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            _ => errors.invalid(&operator, "not a valid selector operator"),
        }
        let key = expression.get("key");
        errors.messages(&key, names::qualified_name(key.text()));
        for value in values.items() {
            errors.messages(&value, names::label_value(value.text()));
        }
    }
}

/// The `affinity` of a pod.
pub(super) fn affinity(at: &At<'_>, errors: &mut Errors) {
    let node = at.get("nodeAffinity");
    let required = node.get("requiredDuringSchedulingIgnoredDuringExecution");
    if required.is_set() {
        node_selector(&required, errors);
    }
    for preferred in node.list("preferredDuringSchedulingIgnoredDuringExecution") {
        weight(&preferred, errors);
        node_term(&preferred.get("preference"), errors);
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let kind = at.get(kind);
        for term in kind.list("requiredDuringSchedulingIgnoredDuringExecution") {
            pod_term(&term, errors);
        }
        for preferred in kind.list("preferredDuringSchedulingIgnoredDuringExecution") {
            weight(&preferred, errors);
            pod_term(&preferred.get("podAffinityTerm"), errors);
        }
    }
}

fn weight(preferred: &At<'_>, errors: &mut Errors) {
    let weight = preferred.get("weight");
    if !(1..=100).contains(&weight.number().unwrap_or_default()) {
        errors
            .invalid(&At::new(&weight.number().unwrap_or_default().into(), weight.path), "must be in the range 1-100");
    }
}

/// A `NodeSelector`: at least one term.
pub(in crate::kinds) fn node_selector(at: &At<'_>, errors: &mut Errors) {
    let terms = at.get("nodeSelectorTerms");
    if terms.is_empty() {
        errors.required(&terms, "must have at least one node selector term");
    }
    for term in terms.items() {
        node_term(&term, errors);
    }
}

fn node_term(term: &At<'_>, errors: &mut Errors) {
    for expression in term.list("matchExpressions") {
        let (values, operator, key) = (expression.get("values"), expression.get("operator"), expression.get("key"));
        match (operator.text(), values.len()) {
            ("In" | "NotIn", 0) => errors.required(&values, "must be specified when `operator` is 'In' or 'NotIn'"),
            ("Exists" | "DoesNotExist", 1..) => {
                errors.forbidden(&values, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
            }
            ("Gt" | "Lt", count) if count != 1 => {
                errors.required(&values, "must be specified single value when `operator` is 'Lt' or 'Gt'");
            }
            ("In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt", _) => {}
            _ => errors.invalid(&operator, "not a valid selector operator"),
        }
        errors.messages(&key, names::qualified_name(key.text()));
        for value in values.items() {
            errors.messages(&value, names::label_value(value.text()));
        }
    }
    for field in term.list("matchFields") {
        node_field(&field, errors);
    }
}

fn node_field(field: &At<'_>, errors: &mut Errors) {
    let (values, operator, key) = (field.get("values"), field.get("operator"), field.get("key"));
    match operator.text() {
        "In" | "NotIn" if values.len() != 1 => {
            errors
                .required(&values, "must be only one value when `operator` is 'In' or 'NotIn' for node field selector");
        }
        "In" | "NotIn" => {}
        _ => errors.invalid(&operator, "not a valid selector operator"),
    }
    if key.text() == "metadata.name" {
        for value in values.items() {
            errors.messages(&value, names::dns1123_subdomain(value.text()));
        }
    } else {
        errors.invalid(&key, "not a valid field selector key");
    }
}

fn pod_term(term: &At<'_>, errors: &mut Errors) {
    label_selector(&term.get("labelSelector"), errors);
    label_selector(&term.get("namespaceSelector"), errors);
    for namespace in term.list("namespaces") {
        let at = At::new(namespace.value, term.child("namespace"));
        errors.messages(&at, names::dns1123_label(at.text()));
    }
    match_label_keys(term, errors);
    let key = term.get("topologyKey");
    if key.text().is_empty() {
        errors.required(&key, "can not be empty");
    }
    errors.messages(&key, names::qualified_name(key.text()));
}

/// `matchLabelKeys` and `mismatchLabelKeys` need a selector and may not contradict each other.
fn match_label_keys(term: &At<'_>, errors: &mut Errors) {
    let (matching, mismatching) = (term.get("matchLabelKeys"), term.get("mismatchLabelKeys"));
    if !term.has("labelSelector") {
        for list in [&matching, &mismatching] {
            if !list.is_empty() {
                errors.forbidden(list, "must not be specified when labelSelector is not set");
            }
        }
    }
    for key in matching.items() {
        errors.messages(&key, names::qualified_name(key.text()));
        if mismatching.items().any(|other| other.text() == key.text()) {
            errors.invalid(&key, "exists in both matchLabelKeys and mismatchLabelKeys");
        }
    }
    for key in mismatching.items() {
        errors.messages(&key, names::qualified_name(key.text()));
    }
}
