//! Endpoints and EndpointSlice.

use serde_json::Value;

use crate::names;
use crate::strategy::{Plain, Strategy as _};

use super::fill::each;
use super::rules::{At, Errors, Seen, is_zero};
use super::service_validate::special_ip;
use super::table_rules::{BASE, Rules};

pub(super) const ENDPOINTS: Rules = Rules {
    create: |_| {},
    validate: endpoints,
    warn: |at| {
        let own = at.get("metadata.labels").value.get("endpoints.kubernetes.io/managed-by").is_some();
        let text = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice";
        if own { Vec::new() } else { vec![text.into()] }
    },
    ..BASE
};

pub(super) const ENDPOINT_SLICE: Rules = Rules {
    default: default_slice,
    create: |_| {},
    validate: slice,
    immutable: &["addressType"],
    bumps: |new, old| {
        let labels = |value: &Value| value.pointer("/metadata/labels").filter(|l| !is_zero(l)).cloned();
        Plain.bumps_generation(new, old) || labels(new) != labels(old)
    },
    warn: |at| {
        let old = at.text_of("addressType") == "FQDN";
        if old { vec!["addressType: FQDN endpoints are deprecated".into()] } else { Vec::new() }
    },
    ..BASE
};

fn endpoints(object: &At<'_>, errors: &mut Errors) {
    for subset in object.list("subsets") {
        let (ready, waiting) = (subset.get("addresses"), subset.get("notReadyAddresses"));
        if ready.is_empty() && waiting.is_empty() {
            errors.required(&subset, "must specify `addresses` or `notReadyAddresses`");
        }
        for address in ready.items().chain(waiting.items()) {
            let ip = address.get("ip");
            let wrong = names::ip(ip.text());
            let special = if wrong.is_empty() { special_ip(ip.text()) } else { Vec::new() };
            errors.messages(&ip, wrong);
            errors.messages(&ip, special);
            errors.if_set(&address.get("hostname"), names::dns1123_label);
            errors.if_set(&address.get("nodeName"), names::dns1123_subdomain);
        }
        let ports = subset.get("ports");
        for port in ports.items() {
            let (name, number) = (port.get("name"), port.get("port"));
            if name.is_empty() && ports.len() > 1 {
                errors.required(&name, "");
            }
            errors.if_set(&name, names::dns1123_label);
            errors.messages(&number, names::port_number(number.number().unwrap_or_default()));
            errors.need_one_of(&port.get("protocol"), &["SCTP", "TCP", "UDP"]);
        }
    }
}

fn default_slice(object: &mut Value) {
    each(object, "ports[]", &mut |port| {
        if port.get("name").is_none_or(Value::is_null) {
            port.insert("name".into(), "".into());
        }
        if port.get("protocol").is_none_or(Value::is_null) {
            port.insert("protocol".into(), "TCP".into());
        }
    });
}

fn too_many(at: &At<'_>, most: usize, errors: &mut Errors) {
    if at.len() > most {
        errors.too_many(at, most);
    }
}

fn slice(object: &At<'_>, errors: &mut Errors) {
    let kind = object.get("addressType");
    errors.need_one_of(&kind, &["FQDN", "IPv4", "IPv6"]);
    too_many(&object.get("endpoints"), 1000, errors);
    for endpoint in object.list("endpoints") {
        let addresses = endpoint.get("addresses");
        if addresses.is_empty() {
            errors.required(&addresses, "must contain at least 1 address");
        }
        too_many(&addresses, 100, errors);
        for address in addresses.items() {
            slice_address(kind.text(), &address, errors);
        }
        errors.if_set(&endpoint.get("nodeName"), names::dns1123_subdomain);
        errors.if_set(&endpoint.get("hostname"), names::dns1123_label);
        too_many(&endpoint.get("deprecatedTopology"), 16, errors);
        for member in ["forZones", "forNodes"] {
            let list = endpoint.get("hints").get(member);
            too_many(&list, 8, errors);
            let mut seen = Seen::default();
            for hint in list.items() {
                let name = hint.get("name");
                seen.unique(&name, errors);
                errors.messages(&name, names::dns1123_subdomain(name.text()));
            }
        }
    }
    too_many(&object.get("ports"), 20000, errors);
    let mut seen = Seen::default();
    for port in object.list("ports") {
        let name = port.get("name");
        seen.unique(&name, errors);
        errors.if_set(&name, names::dns1123_label);
        errors.need_one_of(&port.get("protocol"), &["SCTP", "TCP", "UDP"]);
        errors.number(&port.get("port"), names::port_number);
        if port.has("appProtocol") {
            let protocol = port.get("appProtocol");
            errors.messages(&protocol, names::qualified_name(protocol.text()));
        }
    }
}

fn slice_address(kind: &str, address: &At<'_>, errors: &mut Errors) {
    match kind {
        "IPv4" | "IPv6" => {
            let wrong = names::ip(address.text());
            if wrong.is_empty() && address.text().contains(':') != (kind == "IPv6") {
                errors.invalid(address, format!("must be an {kind} address"));
            }
            let special = if wrong.is_empty() { special_ip(address.text()) } else { Vec::new() };
            errors.messages(address, wrong);
            errors.messages(address, special);
        }
        "FQDN" => errors.messages(address, names::dns1123_subdomain(address.text())),
        _ => {}
    }
}
