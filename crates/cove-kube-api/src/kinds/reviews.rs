//! The reviews of authorization: what must be asked.

use serde_json::Value;

use super::rules::{At, Errors};
use super::table_rules::{BASE, Rules};

pub(super) const SUBJECT_ACCESS_REVIEW: Rules = Rules {
    validate: |at, errors| {
        attributes(at, errors);
        let spec = at.get("spec");
        if spec.text_of("user").is_empty() && spec.get("groups").is_empty() {
            let none = Value::from("");
            errors.invalid(&At::new(&none, "spec.user"), "at least one of user or group must be specified");
        }
    },
    ..BASE
};

pub(super) const SELF_SUBJECT_ACCESS_REVIEW: Rules = Rules { validate: attributes, ..BASE };

/// Exactly one of a resource and a path.
fn attributes(at: &At<'_>, errors: &mut Errors) {
    let (resource, path) = (at.get("spec.resourceAttributes"), at.get("spec.nonResourceAttributes"));
    match (resource.is_set(), path.is_set()) {
        (true, true) => errors.invalid(&path, "cannot be specified in combination with resourceAttributes"),
        (false, false) => {
            errors.invalid(&resource, "exactly one of nonResourceAttributes or resourceAttributes must be specified");
        }
        _ => {}
    }
    for member in ["fieldSelector", "labelSelector"] {
        let selector = resource.get(member);
        if selector.is_set() {
            selector_errors(&selector, member, errors);
        }
    }
}

fn selector_errors(selector: &At<'_>, member: &str, errors: &mut Errors) {
    let (raw, requirements) = (selector.get("rawSelector"), selector.get("requirements"));
    match (raw.is_empty(), requirements.is_empty()) {
        (false, false) => errors.invalid(&raw, "may not specified at the same time as requirements"),
        (true, true) => {
            let path = format!("spec.resourceAttributes.{member}");
            errors
                .required(&requirements, &format!("when {path} is specified, requirements or rawSelector is required"));
        }
        _ => {}
    }
    for requirement in requirements.items() {
        let (key, values, operator) = (requirement.get("key"), requirement.get("values"), requirement.get("operator"));
        if key.is_empty() {
            errors.required(&key, "must be specified");
        }
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
    }
}
