//! The pod spec as a whole, in upstream's order.

use crate::kinds::rules::{At, Errors, Seen};
use crate::names;
use crate::validate_meta::label_errors;

use super::containers::{Pod, containers};
use super::volumes::volumes;
use super::{affinity, resources, scheduling, security};

/// Everything wrong with a pod spec, of a pod or of a template.
pub(super) fn pod_spec<'a>(spec: &At<'a>, errors: &mut Errors) {
    let volumes = volumes(spec, errors);
    let claims = resource_claims(spec, errors);
    let grace = spec.number_of("terminationGracePeriodSeconds").unwrap_or(30);
    let windows = spec.get("os.name").text() == "windows";
    containers(&Pod { spec: spec.clone(), volumes, claims, grace }, errors);
    resources::pod_level(&spec.get("resources"), windows, errors);
    errors.need_one_of(&spec.get("restartPolicy"), &["Always", "OnFailure", "Never"]);
    errors.need_one_of(&spec.get("dnsPolicy"), &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"]);
    let selector = spec.get("nodeSelector");
    errors.0.extend(label_errors(selector.value, &selector.path));
    security::pod_context(spec, errors);
    for secret in spec.list("imagePullSecrets") {
        if secret.len() > 1 {
            errors.invalid(&secret, "only name may be set");
        }
    }
    affinity::affinity(&spec.get("affinity"), errors);
    dns_config(spec, errors);
    for gate in spec.list("readinessGates") {
        let kind = gate.get("conditionType");
        errors.messages(&kind, names::qualified_name(kind.text()));
    }
    scheduling::gates(spec, errors);
    scheduling::topology_spread(spec, errors);
    identity(spec, errors);
    scheduling::tolerations(spec, errors);
    for alias in spec.list("hostAliases") {
        let ip = alias.get("ip");
        errors.messages(&ip, names::ip(ip.text()));
        for name in At::new(alias.get("hostnames").value, alias.child("hostnames")).items() {
            errors.messages(&At::new(name.value, alias.child("hostnames")), names::dns1123_subdomain(name.text()));
        }
    }
    errors.if_set(&spec.get("priorityClassName"), names::dns1123_subdomain);
    errors.if_set(&spec.get("runtimeClassName"), names::dns1123_subdomain);
    errors.one_of(&spec.get("preemptionPolicy"), &["PreemptLowerPriority", "Never"]);
    resources::resource_list(&spec.get("overhead"), errors);
}

fn identity(spec: &At<'_>, errors: &mut Errors) {
    errors.if_set(&spec.get("serviceAccountName"), names::dns1123_subdomain);
    errors.if_set(&spec.get("nodeName"), names::dns1123_subdomain);
    let deadline = spec.get("activeDeadlineSeconds");
    if deadline.number().is_some_and(|n| !(1..=i64::from(i32::MAX)).contains(&n)) {
        errors.invalid(&deadline, "must be between 1 and 2147483647, inclusive");
    }
    errors.if_set(&spec.get("hostname"), names::dns1123_label);
    errors.if_set(&spec.get("subdomain"), names::dns1123_label);
    let over = spec.get("hostnameOverride");
    if over.is_set() {
        errors.messages(&over, names::dns1123_subdomain(over.text()));
        if over.text().len() > 64 {
            errors.too_long(&over, 64);
        }
        if spec.flag_of("setHostnameAsFQDN") {
            errors.forbidden(&over, "may not be specified when setHostnameAsFQDN is true");
        }
        if spec.flag_of("hostNetwork") {
            errors.forbidden(&over, "may not be specified when hostNetwork is true");
        }
    }
}

fn resource_claims<'a>(spec: &At<'a>, errors: &mut Errors) -> Seen<'a> {
    let mut seen = Seen::default();
    for claim in spec.list("resourceClaims") {
        let name = claim.get("name");
        if errors.need(&name) {
            errors.messages(&name, names::dns1123_label(name.text()));
            seen.unique(&name, errors);
        }
        let (direct, template) = (claim.get("resourceClaimName"), claim.get("resourceClaimTemplateName"));
        match (direct.is_set(), template.is_set()) {
            (true, true) => {
                let why = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified";
                errors.invalid(&claim, why);
            }
            (false, false) => {
                errors.invalid(&claim, "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`");
            }
            _ => {}
        }
        errors.if_set(&direct, names::dns1123_subdomain);
        errors.if_set(&template, names::dns1123_subdomain);
    }
    Seen::with(spec.list("resourceClaims").map(|c| c.text_of("name")))
}

fn dns_config(spec: &At<'_>, errors: &mut Errors) {
    let config = spec.get("dnsConfig");
    let servers = config.get("nameservers");
    if spec.text_of("dnsPolicy") == "None" {
        if !config.is_set() {
            return errors.required(&config, "must provide `dnsConfig` when `dnsPolicy` is None");
        }
        if servers.is_empty() {
            errors.required(&servers, "must provide at least one DNS nameserver when `dnsPolicy` is None");
        }
    }
    if servers.len() > 3 {
        errors.invalid(&servers, "must not have more than 3 nameservers");
    }
    for server in servers.items() {
        errors.messages(&server, names::ip(server.text()));
    }
    let searches = config.get("searches");
    if searches.len() > 32 {
        errors.invalid(&searches, "must not have more than 32 search paths");
    }
    let characters: usize = searches.items().map(|s| s.text().len() + 1).sum();
    if characters > 2049 {
        errors.invalid(&searches, "must not have more than 2048 characters (including spaces) in the search list");
    }
    for search in searches.items().filter(|s| s.text() != ".") {
        let text = search.text().strip_suffix('.').unwrap_or(search.text());
        errors.messages(&search, names::dns1123_subdomain_with_underscore(text));
    }
    for option in config.list("options") {
        if option.text_of("name").is_empty() {
            errors.required(&option, "must not be empty");
        }
    }
}
