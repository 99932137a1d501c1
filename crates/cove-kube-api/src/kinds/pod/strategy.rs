//! The strategy of pods.

use serde_json::Value;

use crate::field_error::FieldError;
use crate::kinds::rules::{At, Errors};
use crate::names;
use crate::strategy::{Context, Strategy};

use super::{defaults, prepare, spec, update, warnings};

/// Pods.
pub(in crate::kinds) struct PodStrategy;

impl Strategy for PodStrategy {
    fn default(&self, object: &mut Value) {
        if let Some(spec) = object.get_mut("spec") {
            defaults::default_spec(spec);
            defaults::default_pod_only(spec);
        }
    }

    fn prepare_create(&self, object: &mut Value, _cx: Context<'_>) {
        prepare::prepare_create(object);
    }

    fn prepare_update(&self, new: &mut Value, old: &Value, cx: Context<'_>) {
        prepare::prepare_update(new, old, cx.subresource);
    }

    /// A stored pod is not judged again as a whole: only what a write may change is, by [`Self::validate_update`].
    fn validate(&self, object: &Value, cx: Context<'_>) -> Vec<FieldError> {
        let (mut errors, pod) = (Errors::default(), At::root(object));
        if cx.subresource.is_empty() || matches!(cx.subresource, "ephemeralcontainers" | "resize") {
            annotations(&pod, &mut errors);
            spec::pod_spec(&pod.get("spec"), &mut errors);
        }
        errors.0
    }

    fn validate_update(&self, new: &Value, old: &Value, cx: Context<'_>) -> Vec<FieldError> {
        let mut errors = Errors::default();
        match cx.subresource {
            "status" => update::status_update(new, old, &mut errors),
            "ephemeralcontainers" => update::ephemeral_update(new, old, &mut errors),
            "resize" => update::resize_update(new, old, &mut errors),
            "" => update::pod_update(new, old, &mut errors),
            _ => {}
        }
        errors.0
    }

    fn warnings(&self, new: &Value, old: Option<&Value>, cx: Context<'_>) -> Vec<String> {
        if old.is_some() || !cx.subresource.is_empty() {
            return Vec::new();
        }
        let pod = At::root(new);
        let mut found = Vec::new();
        let name = names::dns1123_label(pod.get("metadata").text_of("name"));
        if !name.is_empty() {
            let text = "this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended";
            found.push(format!("metadata.name: {text}: [{}]", name.join(", ")));
        }
        found.extend(warnings::spec_warnings(&pod.get("spec")));
        found
    }

    fn graceful_deletion_seconds(&self, object: &Value) -> Option<i64> {
        let pod = At::root(object);
        let ended = matches!(pod.get("status.phase").text(), "Failed" | "Succeeded");
        if ended || pod.get("spec.nodeName").text().is_empty() {
            return Some(0);
        }
        let grace = pod.get("spec.terminationGracePeriodSeconds").number().unwrap_or(30);
        Some(if grace < 0 { 1 } else { grace })
    }
}

fn annotations(pod: &At<'_>, errors: &mut Errors) {
    let all = pod.get("metadata.annotations");
    for (key, at) in all.entries() {
        match key {
            "kubernetes.io/config.mirror" if pod.get("spec.nodeName").is_empty() => {
                errors.invalid(&at, "must set spec.nodeName if mirror pod annotation is set");
            }
            "controller.kubernetes.io/pod-deletion-cost" if at.text().parse::<i32>().is_err() => {
                errors.invalid(&at, "must be a 32bit integer");
            }
            _ => {}
        }
    }
    let spec = pod.get("spec");
    let gated = !spec.get("schedulingGates").is_empty();
    if gated && !spec.text_of("nodeName").is_empty() {
        errors.forbidden(&spec.get("nodeName"), "cannot be set until all schedulingGates have been cleared");
    }
}
