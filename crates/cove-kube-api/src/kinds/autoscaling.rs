//! HorizontalPodAutoscaler, in both of its versions.

use serde_json::{Value, json};

use crate::names;
use crate::quantity::Quantity;

use super::fill::each;
use super::rules::{At, Errors, is_zero};
use super::table_rules::{BASE, Rules};

pub(super) const HORIZONTAL_POD_AUTOSCALER: Rules = Rules { default: default_autoscaler, validate: autoscaler, ..BASE };

fn default_autoscaler(object: &mut Value) {
    let v2 = object.get("apiVersion").and_then(Value::as_str) == Some("autoscaling/v2");
    each(object, "spec", &mut |spec| {
        if v2 && spec.get("metrics").is_none_or(is_zero) {
            let target = json!({ "type": "Utilization", "averageUtilization": 80 });
            let metric = json!({ "type": "Resource", "resource": { "name": "cpu", "target": target } });
            spec.insert("metrics".into(), json!([metric]));
        }
    });
    let percent = json!({ "type": "Percent", "value": 100, "periodSeconds": 15 });
    let pods = json!({ "type": "Pods", "value": 4, "periodSeconds": 15 });
    each(object, "spec.behavior", &mut |behavior| {
        for (member, policies) in
            [("scaleUp", vec![pods.clone(), percent.clone()]), ("scaleDown", vec![percent.clone()])]
        {
            let rules = behavior.entry(member).or_insert_with(|| json!({}));
            if rules.is_null() {
                *rules = json!({});
            }
            let Value::Object(rules) = rules else { continue };
            if member == "scaleUp" && rules.get("stabilizationWindowSeconds").is_none_or(Value::is_null) {
                rules.insert("stabilizationWindowSeconds".into(), 0.into());
            }
            if rules.get("selectPolicy").is_none_or(is_zero) {
                rules.insert("selectPolicy".into(), "Max".into());
            }
            if rules.get("policies").is_none_or(is_zero) {
                rules.insert("policies".into(), policies.into());
            }
        }
    });
}

fn autoscaler(object: &At<'_>, errors: &mut Errors) {
    let spec = object.get("spec");
    let (min, max) = (spec.number_of("minReplicas").unwrap_or(1), spec.number_of("maxReplicas").unwrap_or(0));
    if min < 1 {
        errors.invalid(&spec.get("minReplicas"), "must be greater than or equal to 1");
    }
    if max < 1 {
        errors.invalid(&At::new(&max.into(), "spec.maxReplicas"), "must be greater than 0");
    }
    if max < min {
        errors.invalid(&At::new(&max.into(), "spec.maxReplicas"), "must be greater than or equal to `minReplicas`");
    }
    let target = spec.get("scaleTargetRef");
    errors.need_valid(&target.get("kind"), names::path_segment);
    errors.need_valid(&target.get("name"), names::path_segment);
    for metric in spec.list("metrics") {
        metric_errors(&metric, errors);
    }
    for member in ["scaleUp", "scaleDown"] {
        behavior(&spec.get("behavior").get(member), errors);
    }
}

fn behavior(rules: &At<'_>, errors: &mut Errors) {
    if !rules.is_set() {
        return;
    }
    let window = rules.get("stabilizationWindowSeconds");
    match window.number() {
        Some(n) if n < 0 => errors.invalid(&window, "must be greater than or equal to zero"),
        Some(n) if n > 3600 => errors.invalid(&window, "must be less than or equal to 3600"),
        _ => {}
    }
    errors.one_of(&rules.get("selectPolicy"), &["Disabled", "Max", "Min"]);
    let policies = rules.get("policies");
    if policies.is_empty() {
        errors.required(&policies, "must specify at least one Policy");
    }
    for policy in policies.items() {
        let (kind, period) = (policy.get("type"), policy.get("periodSeconds"));
        if !matches!(kind.text(), "Percent" | "Pods") {
            errors.not_supported(&kind, &["Percent", "Pods"]);
        }
        errors.positive(&policy.get("value"));
        errors.positive(&period);
        if period.number().is_some_and(|n| n > 1800) {
            errors.invalid(&period, "must be less than or equal to 1800");
        }
    }
}

/// The kinds of metrics, with the member that each fills.
const SOURCES: [(&str, &str); 5] = [
    ("ContainerResource", "containerResource"),
    ("External", "external"),
    ("Object", "object"),
    ("Pods", "pods"),
    ("Resource", "resource"),
];

fn metric_errors(metric: &At<'_>, errors: &mut Errors) {
    let kind = metric.get("type");
    if kind.text().is_empty() {
        return errors.required(&kind, "must specify a metric source type");
    }
    let Some((_, member)) = SOURCES.iter().find(|(name, _)| *name == kind.text()) else {
        return errors.not_supported(&kind, &SOURCES.map(|(name, _)| name));
    };
    for (_, other) in SOURCES.iter().filter(|(_, other)| other != member && metric.has(other)) {
        errors.forbidden(&metric.get(other), "must populate the given metric source only");
    }
    let source = metric.get(member);
    if !source.is_set() {
        return errors.required(&source, "must populate information for the given metric source");
    }
    if matches!(*member, "resource" | "containerResource") {
        if source.text_of("name").is_empty() {
            errors.required(&source.get("name"), "must specify a resource name");
        }
        if *member == "containerResource" && source.text_of("container").is_empty() {
            errors.required(&source.get("container"), "must specify a container");
        }
    } else {
        let name = source.get("metric.name");
        if name.text().is_empty() {
            errors.required(&name, "must specify a metric name");
        } else {
            errors.messages(&name, names::path_segment(name.text()));
        }
    }
    target_errors(member, &source.get("target"), errors);
}

fn target_errors(member: &str, target: &At<'_>, errors: &mut Errors) {
    let kind = target.get("type");
    match kind.text() {
        "" => errors.required(&kind, "must specify a metric target type"),
        "Utilization" | "Value" | "AverageValue" => {}
        _ => errors.invalid(&kind, "must be either Utilization, Value, or AverageValue"),
    }
    let (value, average, percent) = (target.get("value"), target.get("averageValue"), target.get("averageUtilization"));
    for at in [&value, &average] {
        if Quantity::from_value(at.value).is_ok_and(|q| q.sign() <= 0) {
            errors.invalid(at, "must be positive");
        }
    }
    if percent.number().is_some_and(|n| n < 1) {
        errors.invalid(&percent, "must be greater than 0");
    }
    match (member, percent.is_set(), value.is_set(), average.is_set()) {
        ("resource" | "containerResource", false, _, false) => {
            errors.required(&percent, "must set either a target raw value or a target utilization");
        }
        ("resource" | "containerResource", true, _, true) => {
            errors.forbidden(&average, "may not set both a target raw value and a target utilization");
        }
        ("pods", _, _, false) => errors.required(&average, "must specify a positive target averageValue"),
        ("object", _, false, false) => errors.required(&average, "must set either a target value or averageValue"),
        ("external", _, false, false) => {
            errors.required(&average, "must set either a target value for metric or a per-pod target");
        }
        ("external", _, true, true) => {
            errors.forbidden(&value, "may not set both a target value for metric and a per-pod target");
        }
        _ => {}
    }
}
