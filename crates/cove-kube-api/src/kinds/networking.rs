//! Ingress, IngressClass, NetworkPolicy.

use serde_json::{Value, json};

use crate::names;

use super::pod::{label_selector, port};
use super::rules::{At, Errors, is_zero};
use super::service_validate::is_cidr;
use super::table_rules::{BASE, Rules};

pub(super) const INGRESS: Rules = Rules { validate: ingress, warn: ingress_warnings, ..BASE };

pub(super) const INGRESS_CLASS: Rules =
    Rules { create: |_| {}, validate: ingress_class, immutable: &["spec.controller"], ..BASE };

pub(super) const NETWORK_POLICY: Rules =
    Rules { default: default_policy, create: |_| {}, validate: network_policy, ..BASE };

fn ingress_warnings(object: &At<'_>) -> Vec<String> {
    let old = object.get("metadata.annotations").value.get("kubernetes.io/ingress.class").is_some();
    let text = "annotation \"kubernetes.io/ingress.class\" is deprecated, please use 'spec.ingressClassName' instead";
    if old && object.get("spec.ingressClassName").is_empty() { vec![text.into()] } else { Vec::new() }
}

fn ingress(object: &At<'_>, errors: &mut Errors) {
    let spec = object.get("spec");
    for tls in spec.list("tls") {
        for host in At::new(tls.get("hosts").value, tls.child("hosts")).items() {
            if host.text().contains('*') {
                errors.messages(&host, names::wildcard_dns1123_subdomain(host.text()));
            } else {
                errors.messages(&host, names::dns1123_subdomain(host.text()));
            }
        }
        errors.if_set(&tls.get("secretName"), names::dns1123_subdomain);
    }
    let (rules, backend) = (spec.get("rules"), spec.get("defaultBackend"));
    if rules.is_empty() && !backend.is_set() {
        let none = json!([]);
        errors.invalid(&At::new(&none, "spec"), "either `defaultBackend` or `rules` must be specified");
    }
    if backend.is_set() {
        backend_errors(&backend, errors);
    }
    errors.if_set(&spec.get("ingressClassName"), names::dns1123_subdomain);
    for rule in rules.items() {
        let host = rule.get("host");
        if host.text().parse::<std::net::IpAddr>().is_ok() {
            errors.invalid(&host, "must be a DNS name, not an IP address");
        } else if host.text().contains('*') {
            errors.messages(&host, names::wildcard_dns1123_subdomain(host.text()));
        } else {
            errors.if_set(&host, names::dns1123_subdomain);
        }
        let http = rule.get("http");
        if http.is_set() && http.get("paths").is_empty() {
            errors.required(&http.get("paths"), "");
        }
        for path in http.list("paths") {
            ingress_path(&path, errors);
        }
    }
}

fn ingress_path(path: &At<'_>, errors: &mut Errors) {
    let (kind, text) = (path.get("pathType"), path.get("path"));
    match kind.text() {
        "" => errors.required(&kind, "pathType must be specified"),
        "Exact" | "Prefix" => {
            if !text.text().starts_with('/') {
                errors.invalid(&text, "must be an absolute path");
            }
            for bad in ["//", "/./", "/../", "%2f", "%2F"].into_iter().filter(|b| text.text().contains(b)) {
                errors.invalid(&text, format!("must not contain '{bad}'"));
            }
            for bad in ["/..", "/."].into_iter().filter(|b| text.text().ends_with(b)) {
                errors.invalid(&text, format!("cannot end with '{bad}'"));
            }
        }
        "ImplementationSpecific" => {
            if !text.text().is_empty() && !text.text().starts_with('/') {
                errors.invalid(&text, "must be an absolute path");
            }
        }
        _ => errors.not_supported(&kind, &["Exact", "ImplementationSpecific", "Prefix"]),
    }
    backend_errors(&path.get("backend"), errors);
}

fn backend_errors(backend: &At<'_>, errors: &mut Errors) {
    let (service, resource) = (backend.get("service"), backend.get("resource"));
    let nothing = At::new(&Value::from(""), backend.path.clone()).path;
    let shown = json!("");
    let at = At::new(&shown, nothing);
    match (service.is_set(), resource.is_set()) {
        (true, true) => errors.invalid(&at, "cannot set both resource and service backends"),
        (false, false) => errors.invalid(&at, "resource or service backend is required"),
        (false, true) => {
            errors.need_valid(&resource.get("kind"), names::path_segment);
            errors.need_valid(&resource.get("name"), names::path_segment);
        }
        (true, false) => {
            errors.need_valid(&service.get("name"), names::dns1035_label);
            let (name, number) = (service.get("port.name"), service.get("port.number"));
            match (name.is_empty(), number.is_empty()) {
                (false, false) => errors.invalid(&at, "cannot set both port name & port number"),
                (true, true) => errors.required(&at, "port name or number is required"),
                (false, true) => errors.messages(&name, names::port_name(name.text())),
                (true, false) => errors.number(&number, names::port_number),
            }
        }
    }
}

fn ingress_class(object: &At<'_>, errors: &mut Errors) {
    let spec = object.get("spec");
    let controller = spec.get("controller");
    if controller.text().len() > 250 {
        errors.too_long(&controller, 250);
    }
    errors.need_valid(&controller, names::domain_prefixed_path);
    let parameters = spec.get("parameters");
    if !parameters.is_set() {
        return;
    }
    errors.need_valid(&parameters.get("kind"), names::path_segment);
    errors.need_valid(&parameters.get("name"), names::path_segment);
    let (scope, namespace) = (parameters.get("scope"), parameters.get("namespace"));
    errors.need_one_of(&scope, &["Cluster", "Namespace"]);
    match scope.text() {
        "Namespace" if namespace.text().is_empty() => {
            errors.required(&namespace, "`parameters.scope` is set to 'Namespace'");
        }
        "Cluster" if namespace.is_set() => errors.forbidden(&namespace, "`parameters.scope` is set to 'Cluster'"),
        _ => {}
    }
}

fn default_policy(object: &mut Value) {
    let Some(Value::Object(spec)) = object.get_mut("spec") else { return };
    if spec.get("policyTypes").is_none_or(is_zero) {
        let egress = spec.get("egress").is_some_and(|e| !is_zero(e));
        let types = if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
        spec.insert("policyTypes".into(), types);
    }
}

fn network_policy(object: &At<'_>, errors: &mut Errors) {
    let spec = object.get("spec");
    label_selector(&spec.get("podSelector"), errors);
    for (rules, peers) in [("ingress", "from"), ("egress", "to")] {
        for rule in spec.list(rules) {
            for one in rule.list("ports") {
                policy_port(&one, errors);
            }
            for peer in rule.list(peers) {
                policy_peer(&peer, errors);
            }
        }
    }
    let types = spec.get("policyTypes");
    if types.len() > 2 {
        return errors.invalid(&types, "may not specify more than two policyTypes");
    }
    for kind in types.items() {
        errors.one_of(&kind, &["Ingress", "Egress"]);
    }
}

fn policy_port(one: &At<'_>, errors: &mut Errors) {
    errors.one_of(&one.get("protocol"), &["SCTP", "TCP", "UDP"]);
    let (number, end) = (one.get("port"), one.get("endPort"));
    if number.is_set() {
        port(&number, errors);
    }
    if !end.is_set() {
        return;
    }
    match (number.value, number.number()) {
        (Value::Null, _) => errors.invalid(&end, "may not be specified when `port` is not specified"),
        (Value::String(_), _) => errors.invalid(&end, "may not be specified when `port` is non-numeric"),
        (_, Some(first)) if end.number().is_some_and(|last| last < first) => {
            errors.invalid(&end, "must be greater than or equal to `port`");
        }
        _ => errors.number(&end, names::port_number),
    }
}

fn policy_peer(peer: &At<'_>, errors: &mut Errors) {
    let (pods, namespaces, block) = (peer.get("podSelector"), peer.get("namespaceSelector"), peer.get("ipBlock"));
    let selects = pods.is_set() || namespaces.is_set();
    label_selector(&pods, errors);
    label_selector(&namespaces, errors);
    if block.is_set() {
        let cidr = block.get("cidr");
        if errors.need(&cidr) && !is_cidr(cidr.text()) {
            errors.invalid(&cidr, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
        }
        for except in block.list("except").filter(|e| !is_cidr(e.text())) {
            errors.invalid(&except, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
        }
        if selects {
            errors.forbidden(peer, "may not specify both ipBlock and another peer");
        }
    } else if !selects {
        errors.required(peer, "must specify a peer");
    }
}
