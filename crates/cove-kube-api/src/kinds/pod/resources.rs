//! Resource names, quantities and requirements.

use serde_json::Value;

use crate::kinds::rules::{At, Errors, Seen};
use crate::names;
use crate::quantity::Quantity;

const STANDARD: [&str; 22] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
    "services.nodeports",
    "services.loadbalancers",
    "storage",
    "requests.storage",
    "limits.storage",
    "hugepages",
];

/// A resource's name: qualified, and known if it has no domain.
fn resource_name(name: &str, at: &At<'_>, errors: &mut Errors) {
    let value = Value::from(name);
    let named = At::new(&value, at.path.clone());
    errors.messages(&named, names::qualified_name(name));
    if !name.contains('/') && !STANDARD.contains(&name) && !name.starts_with("hugepages-") {
        errors.invalid(&named, "must be a standard resource type or fully qualified");
    }
}

fn container_resource_name(name: &str, at: &At<'_>, errors: &mut Errors) {
    resource_name(name, at, errors);
    let value = Value::from(name);
    let named = At::new(&value, at.path.clone());
    if !name.contains('/') {
        if !matches!(name, "cpu" | "memory" | "ephemeral-storage") && !name.starts_with("hugepages-") {
            errors.invalid(&named, "must be a standard resource for containers");
        }
    } else if !is_native(name) && !is_extended(name) {
        errors.invalid(&named, "doesn't follow extended resource name standard");
    }
}

fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

fn is_extended(name: &str) -> bool {
    !is_native(name) && !name.starts_with("requests.") && names::qualified_name(&format!("requests.{name}")).is_empty()
}

/// Requests may differ from limits only for native resources other than huge pages.
fn overcommits(name: &str) -> bool {
    is_native(name) && !name.starts_with("hugepages-")
}

/// A quantity that is not negative, and whole where fractions make no sense.
fn quantity(name: &str, at: &At<'_>, errors: &mut Errors) -> Option<Quantity> {
    let found = Quantity::from_value(at.value).ok()?;
    if found.sign() < 0 {
        errors.invalid(at, "must be greater than or equal to 0");
    }
    let integer =
        matches!(name, "pods" | "services" | "secrets" | "configmaps" | "resourcequotas") || is_extended(name);
    if integer && !found.is_whole() {
        errors.invalid(at, "must be an integer");
    }
    Some(found)
}

/// A resource list of nodes, volumes and overheads: known names, no negative quantities.
pub(in crate::kinds) fn resource_list(list: &At<'_>, errors: &mut Errors) {
    for (name, at) in list.entries() {
        resource_name(name, &at, errors);
        quantity(name, &at, errors);
    }
}

/// The `resources` of a container.
pub(super) fn requirements(resources: &At<'_>, claims: &Seen<'_>, errors: &mut Errors) {
    let (limits, requests) = (resources.get("limits"), resources.get("requests"));
    let (mut huge, mut plain) = (false, false);
    for (name, at) in limits.entries().chain(requests.entries()) {
        huge |= name.starts_with("hugepages-");
        plain |= matches!(name, "cpu" | "memory");
        container_resource_name(name, &at, errors);
        quantity(name, &at, errors);
    }
    for (name, at) in requests.entries() {
        request_against_limit(name, &at, &requests, &limits, errors);
    }
    if huge && !plain {
        errors.forbidden(resources, "HugePages require cpu or memory");
    }
    let mut seen = Seen::default();
    for claim in resources.list("claims") {
        let name = claim.get("name");
        if name.is_empty() {
            errors.required(&claim, "");
        } else if !claims.contains(name.text()) {
            errors.not_found(&At::new(name.value, claim.path.clone()));
        } else if claim.text_of("request").is_empty() {
            seen.unique(&At::new(name.value, claim.path.clone()), errors);
        }
    }
}

fn request_against_limit(name: &str, at: &At<'_>, requests: &At<'_>, limits: &At<'_>, errors: &mut Errors) {
    let Ok(request) = Quantity::from_value(at.value) else { return };
    let limit = limits.value.get(name).map(Quantity::from_value).and_then(Result::ok);
    let shown = Value::from(request.canonical());
    let shown = At::new(&shown, requests.path.clone());
    match limit {
        Some(limit) if request != limit && !overcommits(name) => {
            errors.invalid(&shown, format!("must be equal to {name} limit of {limit}"));
        }
        Some(limit) if request > limit => {
            errors.invalid(&shown, format!("must be less than or equal to {name} limit of {limit}"));
        }
        None if !overcommits(name) => errors.required(limits, "Limit must be set for non overcommitable resources"),
        _ => {}
    }
}

/// The `resizePolicy` of a container.
pub(super) fn resize_policy(container: &At<'_>, pod_restart: &str, errors: &mut Errors) {
    let mut seen = Seen::default();
    let list = container.get("resizePolicy");
    for policy in list.items() {
        let on = |member: &str| At::new(policy.get(member).value, list.path.clone());
        let (resource, restart) = (on("resourceName"), on("restartPolicy"));
        seen.unique(&At::new(resource.value, policy.path.clone()), errors);
        errors.need_one_of(&resource, &["cpu", "memory"]);
        errors.need_one_of(&restart, &["NotRequired", "RestartContainer"]);
        if pod_restart == "Never" && restart.text() == "RestartContainer" {
            errors.invalid(&restart, "must be 'NotRequired' when `restartPolicy` is 'Never'");
        }
    }
}

/// Resources at pod level: cpu, memory and huge pages, no claims.
pub(super) fn pod_level(resources: &At<'_>, windows: bool, errors: &mut Errors) {
    if windows && resources.is_set() {
        errors.forbidden(resources, "may not be set for a windows pod");
    }
    if !resources.get("claims").is_empty() {
        errors.forbidden(&resources.get("claims"), "claims may not be set for Resources at pod-level");
    }
    let (limits, requests) = (resources.get("limits"), resources.get("requests"));
    for (name, at) in limits.entries().chain(requests.entries()) {
        if !matches!(name, "cpu" | "memory") && !name.starts_with("hugepages-") {
            let value = Value::from(name);
            errors.not_supported(&At::new(&value, at.path.clone()), &["cpu", "hugepages-", "memory"]);
        }
        quantity(name, &at, errors);
    }
    for (name, at) in requests.entries() {
        request_against_limit(name, &at, &requests, &limits, errors);
    }
}
