//! Pod templates inside workloads.

use serde_json::Value;

use crate::kinds::rules::{At, Errors};
use crate::validate_meta::{annotation_errors, label_errors};

use super::{defaults, spec, warnings};

/// The defaults of the template at a dotted path, such as `spec.template`.
pub(in crate::kinds) fn default_template(object: &mut Value, path: &str) {
    let template = path.split('.').try_fold(object, |value, member| value.get_mut(member));
    if let Some(spec) = template.and_then(|t| t.get_mut("spec")) {
        defaults::default_spec(spec);
    }
}

/// Everything wrong with a template.
pub(in crate::kinds) fn validate_template(template: &At<'_>, errors: &mut Errors) {
    let (labels, annotations) = (template.get("metadata.labels"), template.get("metadata.annotations"));
    errors.0.extend(label_errors(labels.value, &template.child("labels")));
    errors.0.extend(annotation_errors(annotations.value, &template.child("annotations")));
    let spec = template.get("spec");
    spec::pod_spec(&spec, errors);
    let ephemeral = spec.get("ephemeralContainers");
    if !ephemeral.is_empty() {
        errors.forbidden(&ephemeral, "ephemeral containers not allowed in pod template");
    }
}

/// The warnings of a template.
pub(in crate::kinds) fn template_warnings(template: &At<'_>) -> Vec<String> {
    warnings::spec_warnings(&template.get("spec"))
}
