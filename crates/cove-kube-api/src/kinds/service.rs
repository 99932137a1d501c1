//! Services: what a type carries with it, addresses that may not change, validation.
//!
//! Addresses and node ports are allocated by the server; what it allocated before is kept here on update.

use serde_json::{Map, Value, json};

use super::rules::At;
use super::rules::is_zero;
use super::service_validate::{service, service_change, service_status};
use super::table_rules::{BASE, Rules};

pub(super) const SERVICE: Rules = Rules {
    default: default_service,
    create: prepare_create,
    update: prepare_update,
    validate: service,
    change: service_change,
    status: service_status,
    warn: warnings,
    ..BASE
};

type Spec = Map<String, Value>;

fn text<'a>(spec: &'a Spec, member: &str) -> &'a str {
    spec.get(member).and_then(Value::as_str).unwrap_or_default()
}

fn kind(spec: &Spec) -> &str {
    Some(text(spec, "type")).filter(|t| !t.is_empty()).unwrap_or("ClusterIP")
}

fn needs_cluster_ip(spec: &Spec) -> bool {
    kind(spec) != "ExternalName"
}

fn needs_node_port(spec: &Spec) -> bool {
    let allocates = spec.get("allocateLoadBalancerNodePorts").and_then(Value::as_bool).unwrap_or(true);
    kind(spec) == "NodePort" || (kind(spec) == "LoadBalancer" && allocates)
}

fn needs_health_port(spec: &Spec) -> bool {
    kind(spec) == "LoadBalancer" && text(spec, "externalTrafficPolicy") == "Local"
}

fn is_external(spec: &Spec) -> bool {
    let addresses = spec.get("externalIPs").is_some_and(|a| !is_zero(a));
    matches!(kind(spec), "NodePort" | "LoadBalancer") || (kind(spec) == "ClusterIP" && addresses)
}

fn default_service(service: &mut Value) {
    let Some(Value::Object(spec)) = service.get_mut("spec") else { return };
    match text(spec, "sessionAffinity") {
        "" | "None" => {
            spec.shift_remove("sessionAffinityConfig");
        }
        "ClientIP" => {
            let seconds = spec.get("sessionAffinityConfig").and_then(|c| c.pointer("/clientIP/timeoutSeconds"));
            if seconds.is_none_or(Value::is_null) {
                spec.insert("sessionAffinityConfig".into(), json!({ "clientIP": { "timeoutSeconds": 10800 } }));
            }
        }
        _ => {}
    }
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        let Value::Object(port) = port else { continue };
        if port.get("targetPort").is_none_or(is_zero)
            && let Some(number) = port.get("port").cloned()
        {
            port.insert("targetPort".into(), number);
        }
    }
    if is_external(spec) && text(spec, "externalTrafficPolicy").is_empty() {
        spec.insert("externalTrafficPolicy".into(), "Cluster".into());
    }
    if needs_cluster_ip(spec) && text(spec, "internalTrafficPolicy").is_empty() {
        spec.insert("internalTrafficPolicy".into(), "Cluster".into());
    }
    let balancer = kind(spec) == "LoadBalancer";
    if balancer && spec.get("allocateLoadBalancerNodePorts").is_none_or(Value::is_null) {
        spec.insert("allocateLoadBalancerNodePorts".into(), true.into());
    }
    let ingress = service.pointer_mut("/status/loadBalancer/ingress").and_then(Value::as_array_mut);
    for one in ingress.into_iter().flatten().filter(|_| balancer) {
        if !text_of(one, "ip").is_empty() && text_of(one, "ipMode").is_empty() {
            one["ipMode"] = "VIP".into();
        }
    }
}

fn text_of<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

fn prepare_create(service: &mut Value) {
    if let Value::Object(map) = service {
        map.insert("status".into(), json!({ "loadBalancer": {} }));
    }
    if let Some(Value::Object(spec)) = service.get_mut("spec") {
        let ip = text(spec, "clusterIP").to_string();
        if !ip.is_empty() && spec.get("clusterIPs").is_none_or(is_zero) {
            spec.insert("clusterIPs".into(), json!([ip]));
        }
    }
}

fn prepare_update(new: &mut Value, old: &Value, subresource: &str) {
    if !subresource.is_empty() {
        return;
    }
    let Some(Value::Object(before)) = old.get("spec") else { return };
    let balancer = {
        let Some(Value::Object(after)) = new.get_mut("spec") else { return };
        patch_allocated(after, before);
        cluster_ips(after, before);
        drop_type_dependent(after, before);
        kind(after) == "LoadBalancer"
    };
    if kind(before) == "LoadBalancer" && !balancer {
        new["status"] = json!({ "loadBalancer": {} });
    }
}

/// A client that does not send what was allocated means to keep it.
fn patch_allocated(after: &mut Spec, before: &Spec) {
    if needs_cluster_ip(before) && needs_cluster_ip(after) {
        if text(after, "clusterIP").is_empty() && after.get("clusterIPs").is_none_or(is_zero) {
            copy(after, before, "clusterIP");
        }
        let same = after.get("clusterIP") == before.get("clusterIP");
        if same && after.get("clusterIPs").is_none_or(is_zero) {
            copy(after, before, "clusterIPs");
        }
        for member in ["ipFamilies", "ipFamilyPolicy"] {
            if after.get(member).is_none_or(is_zero) {
                copy(after, before, member);
            }
        }
    }
    if needs_node_port(before) && needs_node_port(after) {
        patch_node_ports(after, before);
    }
    if needs_health_port(before) && needs_health_port(after) && after.get("healthCheckNodePort").is_none_or(is_zero) {
        copy(after, before, "healthCheckNodePort");
    }
}

fn copy(after: &mut Spec, before: &Spec, member: &str) {
    if let Some(value) = before.get(member) {
        after.insert(member.into(), value.clone());
    }
}

fn patch_node_ports(after: &mut Spec, before: &Spec) {
    let old: Vec<&Value> = before.get("ports").and_then(Value::as_array).into_iter().flatten().collect();
    let ports = after.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten();
    let mut ports: Vec<&mut Value> = ports.collect();
    let mut used: Vec<Value> =
        ports.iter().filter_map(|p| p.get("nodePort").filter(|n| !is_zero(n)).cloned()).collect();
    for port in &mut ports {
        if port.get("nodePort").is_some_and(|n| !is_zero(n)) {
            continue;
        }
        let same =
            |o: &&&Value| o.get("port") == port.get("port") && text_of(o, "protocol") == text_of(port, "protocol");
        let found = old.iter().find(same).and_then(|o| o.get("nodePort")).filter(|n| !is_zero(n) && !used.contains(n));
        if let Some(number) = found.cloned() {
            used.push(number.clone());
            port["nodePort"] = number;
        }
    }
}

/// `clusterIP` is the first of `clusterIPs`; a client that knows only one of them changes both.
fn cluster_ips(after: &mut Spec, before: &Spec) {
    let ip = text(after, "clusterIP").to_string();
    let (changed, same_list) = (ip != text(before, "clusterIP"), after.get("clusterIPs") == before.get("clusterIPs"));
    if ip.is_empty() && changed && same_list {
        after.shift_remove("clusterIPs");
    } else if !ip.is_empty() && (after.get("clusterIPs").is_none_or(is_zero) || (changed && same_list)) {
        after.insert("clusterIPs".into(), json!([ip]));
    }
}

/// What the old type needed and the new one does not have goes, unless the client changed it.
fn drop_type_dependent(after: &mut Spec, before: &Spec) {
    let mut gone: Vec<&str> = Vec::new();
    if needs_cluster_ip(before) && !needs_cluster_ip(after) {
        gone.extend(["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"]);
    }
    if needs_health_port(before) && !needs_health_port(after) {
        gone.push("healthCheckNodePort");
    }
    if kind(before) == "LoadBalancer" && kind(after) != "LoadBalancer" {
        gone.extend(["allocateLoadBalancerNodePorts", "loadBalancerClass"]);
    }
    if is_external(before) && !is_external(after) {
        gone.push("externalTrafficPolicy");
    }
    for member in gone {
        if after.get(member) == before.get(member) {
            after.shift_remove(member);
        }
    }
    let drops_node_ports = needs_node_port(before) && !matches!(kind(after), "NodePort" | "LoadBalancer");
    let old = before.get("ports").and_then(Value::as_array).into_iter().flatten();
    let ports = after.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten();
    for (port, old) in ports.zip(old).filter(|_| drops_node_ports) {
        let same = port.get("nodePort") == old.get("nodePort");
        if let (Value::Object(port), true) = (port, same) {
            port.shift_remove("nodePort");
        }
    }
}

fn warnings(service: &At<'_>) -> Vec<String> {
    let spec = service.get("spec");
    let mut found: Vec<String> = Vec::new();
    if spec.text_of("clusterIP") == "None" {
        for (member, set) in [
            ("loadBalancerIP", !spec.get("loadBalancerIP").is_empty()),
            ("externalIPs", !spec.get("externalIPs").is_empty()),
            ("SessionAffinity", spec.text_of("sessionAffinity") == "ClientIP"),
        ] {
            if set {
                found.push(format!("spec.{member} is ignored for headless services"));
            }
        }
    }
    let external = spec.text_of("type") == "ExternalName";
    if external && !spec.get("externalIPs").is_empty() {
        found.push("spec.externalIPs is ignored when spec.type is \"ExternalName\"".into());
    }
    if !external && !spec.text_of("externalName").is_empty() {
        found.push("spec.externalName is ignored when spec.type is not \"ExternalName\"".into());
    }
    if spec.text_of("trafficDistribution") == "PreferClose" {
        found.push("spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\"".into());
    }
    if service.get("metadata.annotations").value.get("service.kubernetes.io/topology-aware-hints").is_some() {
        found.push("annotation service.kubernetes.io/topology-aware-hints is deprecated, please use service.kubernetes.io/topology-mode instead".into());
    }
    found
}
