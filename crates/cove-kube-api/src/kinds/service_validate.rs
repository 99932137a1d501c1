//! Validation of services.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::Value;

use crate::names;
use crate::validate_meta::label_errors;

use super::rules::{At, Errors, Seen};

const TYPES: [&str; 4] = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];

/// Everything wrong with a service.
pub(super) fn service(service: &At<'_>, errors: &mut Errors) {
    let spec = service.get("spec");
    let kind = spec.text_of("type");
    let headless = spec.text_of("clusterIP") == "None";
    if spec.get("ports").is_empty() && !headless && kind != "ExternalName" {
        errors.required(&spec.get("ports"), "");
    }
    if headless && matches!(kind, "LoadBalancer" | "NodePort") {
        let at = At::new(spec.get("clusterIP").value, "spec.clusterIPs[0]");
        errors.invalid(&at, format!("may not be set to 'None' for {kind} services"));
    }
    if kind == "ExternalName" {
        external_name(&spec, errors);
    }
    ports(&spec, kind, errors);
    let selector = spec.get("selector");
    errors.0.extend(label_errors(selector.value, &selector.path));
    session_affinity(&spec, errors);
    errors.need_one_of(&spec.get("type"), &TYPES);
    addresses(&spec, errors);
    for ip in spec.list("externalIPs") {
        let wrong = names::ip(ip.text());
        let special = if wrong.is_empty() { special_ip(ip.text()) } else { Vec::new() };
        errors.messages(&ip, wrong);
        errors.messages(&ip, special);
    }
    load_balancer(&spec, kind, errors);
    traffic(&spec, kind, errors);
}

fn external_name(spec: &At<'_>, errors: &mut Errors) {
    for member in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        let at = spec.get(member);
        if !at.is_empty() {
            errors.forbidden(&at, "may not be set for ExternalName services");
        }
    }
    let name = spec.get("externalName");
    let text = name.text().strip_suffix('.').unwrap_or(name.text());
    if text.is_empty() {
        errors.required(&name, "");
    } else {
        errors.messages(&name, names::dns1123_subdomain(text));
    }
}

fn ports(spec: &At<'_>, kind: &str, errors: &mut Errors) {
    let list = spec.get("ports");
    let (mut names_seen, mut pairs, mut node_ports) = (Seen::default(), BTreeSet::new(), BTreeSet::new());
    for port in list.items() {
        let name = port.get("name");
        if name.is_empty() {
            if list.len() > 1 {
                errors.required(&name, "");
            }
        } else {
            errors.messages(&name, names::dns1123_label(name.text()));
            names_seen.unique(&name, errors);
        }
        let number = port.number_of("port").unwrap_or_default();
        errors.messages(&At::new(&number.into(), port.child("port")), names::port_number(number));
        errors.need_one_of(&port.get("protocol"), &["SCTP", "TCP", "UDP"]);
        let target = port.get("targetPort");
        if target.is_set() {
            super::pod::port(&target, errors);
        }
        let node_port = port.get("nodePort");
        if kind == "ClusterIP" && !node_port.is_empty() {
            errors.forbidden(&node_port, "may not be used when `type` is 'ClusterIP'");
        }
        if !node_port.is_empty() {
            let key = (port.text_of("protocol"), node_port.number());
            if !node_ports.insert(key) {
                errors.duplicate(&node_port);
            }
        }
        if !pairs.insert((port.text_of("protocol"), number)) {
            errors.duplicate(&port);
        }
    }
}

fn session_affinity(spec: &At<'_>, errors: &mut Errors) {
    let (affinity, config) = (spec.get("sessionAffinity"), spec.get("sessionAffinityConfig"));
    errors.need_one_of(&affinity, &["ClientIP", "None"]);
    match affinity.text() {
        "ClientIP" => {
            let seconds = config.get("clientIP").get("timeoutSeconds");
            const WHY: &str = "when session affinity type is ClientIP";
            match seconds.number() {
                None if !config.is_set() => errors.required(&config, WHY),
                None if !config.has("clientIP") => errors.required(&config.get("clientIP"), WHY),
                None => errors.required(&seconds, WHY),
                Some(1..=86400) => {}
                Some(_) => errors.invalid(&seconds, "must be greater than 0 and less than 86400"),
            }
        }
        "None" if config.is_set() => errors.forbidden(&config, "must not be set when session affinity is None"),
        _ => {}
    }
}

fn addresses(spec: &At<'_>, errors: &mut Errors) {
    let (ip, list) = (spec.get("clusterIP"), spec.get("clusterIPs"));
    if list.is_empty() && !ip.is_empty() {
        errors.required(&list, "");
    }
    if !list.is_empty() {
        if ip.is_empty() {
            errors.invalid(&list, "must be empty when `clusterIP` is not specified");
        } else if list.items().next().is_some_and(|first| first.text() != ip.text()) {
            errors.invalid(&list, "first value must match `clusterIP`");
        }
    }
    let mut families = Seen::default();
    for family in spec.list("ipFamilies") {
        errors.one_of(&family, &["IPv4", "IPv6"]);
        families.unique(&family, errors);
    }
    errors.one_of(&spec.get("ipFamilyPolicy"), &["PreferDualStack", "RequireDualStack", "SingleStack"]);
    for (index, one) in list.items().enumerate() {
        if one.text() == "None" {
            if list.len() > 1 {
                errors.invalid(&list, "'None' must be the first and only value");
            }
            continue;
        }
        let wrong = names::ip(one.text());
        if wrong.is_empty() {
            let family = spec.get("ipFamilies").items().nth(index);
            let six = one.text().contains(':');
            match family.as_ref().map(|f| f.text()) {
                Some("IPv4") if six => {
                    errors.invalid(&one, format!("expected an IPv4 value as indicated by `ipFamilies[{index}]`"));
                }
                Some("IPv6") if !six => {
                    errors.invalid(&one, format!("expected an IPv6 value as indicated by `ipFamilies[{index}]`"));
                }
                _ => {}
            }
        }
        errors.messages(&one, wrong);
    }
    if list.len() > 2 {
        errors.invalid(&list, "may only hold up to 2 values");
    }
    let six = list.items().filter(|i| i.text().contains(':')).count();
    if list.len() == 2 && six != 1 {
        errors.invalid(&list, "may specify no more than one IP for each IP family");
    }
}

/// Addresses that no service or endpoint may have.
pub(super) fn special_ip(text: &str) -> Vec<String> {
    let Ok(ip) = text.parse::<IpAddr>() else { return Vec::new() };
    let (link_local, link_multicast) = match ip {
        IpAddr::V4(ip) => (ip.is_link_local(), ip.octets()[..3] == [224, 0, 0]),
        IpAddr::V6(ip) => (ip.is_unicast_link_local(), ip.segments()[0] & 0xff0f == 0xff02),
    };
    let mut wrong = Vec::new();
    if ip.is_unspecified() {
        wrong.push(format!("may not be unspecified ({text})"));
    }
    for (bad, why) in [
        (ip.is_loopback(), "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
        (link_local, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
        (link_multicast, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"),
    ] {
        if bad {
            wrong.push(why.into());
        }
    }
    wrong
}

fn load_balancer(spec: &At<'_>, kind: &str, errors: &mut Errors) {
    let balancer = kind == "LoadBalancer";
    const WHY: &str = "may only be used when `type` is 'LoadBalancer'";
    let ranges = At { path: "spec.LoadBalancerSourceRanges".into(), ..spec.get("loadBalancerSourceRanges") };
    if !balancer && !ranges.is_empty() {
        errors.forbidden(&ranges, WHY);
    } else {
        for range in ranges.items().filter(|r| !is_cidr(r.text().trim())) {
            errors.invalid(&range, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
        }
    }
    let allocate = spec.get("allocateLoadBalancerNodePorts");
    if !balancer && allocate.is_set() {
        errors.forbidden(&allocate, WHY);
    }
    if balancer && !allocate.is_set() {
        errors.required(&At::new(&Value::Null, "allocateLoadBalancerNodePorts"), "");
    }
    let class = spec.get("loadBalancerClass");
    if class.is_set() {
        if balancer {
            errors.messages(&class, names::qualified_name(class.text()));
        } else {
            errors.forbidden(&class, WHY);
        }
    }
}

/// An address, a slash and the length of the prefix.
pub(super) fn is_cidr(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    let (Ok(ip), Ok(length)) = (address.parse::<IpAddr>(), length.parse::<u8>()) else { return false };
    length <= if ip.is_ipv4() { 32 } else { 128 }
}

fn traffic(spec: &At<'_>, kind: &str, errors: &mut Errors) {
    let policy = spec.get("externalTrafficPolicy");
    let external =
        matches!(kind, "NodePort" | "LoadBalancer") || (kind == "ClusterIP" && !spec.get("externalIPs").is_empty());
    if external {
        errors.need_one_of(&policy, &["Cluster", "Local"]);
    } else if !policy.text().is_empty() {
        errors.invalid(&policy, "may only be set for externally-accessible services");
    }
    let health = spec.get("healthCheckNodePort");
    let may = kind == "LoadBalancer" && policy.text() == "Local";
    if !may && !health.is_empty() {
        let why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
        errors.invalid(&health, why);
    }
    if kind != "ExternalName" {
        errors.need_one_of(&spec.get("internalTrafficPolicy"), &["Cluster", "Local"]);
    }
    errors.one_of(&spec.get("trafficDistribution"), &["PreferClose", "PreferSameZone", "PreferSameNode"]);
}

/// What may not change of a service.
pub(super) fn service_change(new: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    let (spec, old) = (new.get("spec"), old.get("spec"));
    let external = |spec: &At<'_>| spec.text_of("type") == "ExternalName";
    if !external(&spec) && !external(&old) {
        fixed_list(&spec, &old, "clusterIPs", "primary clusterIP can not be unset", "secondary clusterIP", errors);
        fixed_list(&spec, &old, "ipFamilies", "primary ipFamily can not be unset", "secondary ipFamily", errors);
    }
    if spec.text_of("type") == "LoadBalancer" && old.text_of("type") == "LoadBalancer" {
        let class = spec.get("loadBalancerClass");
        if class.value != old.get("loadBalancerClass").value {
            errors.invalid(&class, "may not change once set");
        }
        let (health, before) = (spec.get("healthCheckNodePort"), old.get("healthCheckNodePort"));
        if !health.is_empty() && !before.is_empty() && health.value != before.value {
            errors.forbidden(&health, "field is immutable");
        }
    }
}

/// The first entry stays; the second may go only with `SingleStack`. Upstream shows the whole new list.
fn fixed_list(spec: &At<'_>, old: &At<'_>, member: &str, unset: &str, second: &str, errors: &mut Errors) {
    let (list, before) = (spec.get(member), old.get(member));
    let item = |list: &At<'_>, i: usize| list.value.get(i).and_then(Value::as_str).unwrap_or_default().to_string();
    if before.is_empty() {
        return;
    }
    let at = |i: usize| At::new(list.value, format!("{}[{i}]", list.path));
    if list.is_empty() {
        return errors.invalid(&at(0), unset);
    }
    if item(&list, 0) != item(&before, 0) {
        errors.invalid(&at(0), "may not change once set");
    }
    if before.len() < 2 {
        return;
    }
    if list.len() < 2 {
        let policy = spec.get("ipFamilyPolicy");
        if policy.text() != "SingleStack" {
            errors.invalid(&policy, format!("must be set to 'SingleStack' when releasing the {second}"));
        }
    } else if item(&list, 1) != item(&before, 1) {
        errors.invalid(&at(1), "may not change once set");
    }
}

/// What is wrong with a service's status.
pub(super) fn service_status(new: &At<'_>, _old: &At<'_>, errors: &mut Errors) {
    let ingress = new.get("status.loadBalancer.ingress");
    if !ingress.is_empty() && new.get("spec.type").text() != "LoadBalancer" {
        errors.forbidden(&ingress, "may only be used when `spec.type` is 'LoadBalancer'");
    }
    for one in ingress.items() {
        let (ip, mode, host) = (one.get("ip"), one.get("ipMode"), one.get("hostname"));
        errors.if_set(&ip, names::ip);
        if !ip.is_empty() && mode.is_empty() {
            errors.required(&mode, "must be specified when `ip` is set");
        } else if ip.is_empty() && !mode.is_empty() {
            errors.forbidden(&mode, "may not be specified when `ip` is not set");
        }
        errors.one_of(&mode, &["Proxy", "VIP"]);
        errors.if_set(&host, names::dns1123_subdomain);
        if host.text().parse::<IpAddr>().is_ok() {
            errors.invalid(&host, "must be a DNS name, not an IP address");
        }
    }
}
