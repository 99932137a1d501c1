//! The cells of services, ingresses, endpoints.

use std::collections::BTreeSet;

use cove_base::time::Timestamp;
use serde_json::Value;

use super::cell::{at, count, items_at, number_at, text_at};
use super::text::first_three;

fn none_if_empty(text: String) -> Value {
    if text.is_empty() { "<none>".into() } else { text.into() }
}

fn texts(object: &Value, path: &str) -> Vec<String> {
    items_at(object, path).filter_map(Value::as_str).map(str::to_string).collect()
}

/// Sorted addresses or names of load balancers.
fn balancers(object: &Value) -> Vec<String> {
    let address = |one: &Value| {
        [text_at(one, "ip"), text_at(one, "hostname")].into_iter().find(|t| !t.is_empty()).map(str::to_string)
    };
    let all: BTreeSet<String> = items_at(object, "status.loadBalancer.ingress").filter_map(address).collect();
    all.into_iter().collect()
}

/// The first cluster address.
pub(super) fn cluster_ip(service: &Value, _now: Timestamp) -> Value {
    none_if_empty(texts(service, "spec.clusterIPs").into_iter().next().unwrap_or_default())
}

/// Where a service is reached from outside.
pub(super) fn external_ip(service: &Value, _now: Timestamp) -> Value {
    match text_at(service, "spec.type") {
        "ClusterIP" | "NodePort" => none_if_empty(texts(service, "spec.externalIPs").join(",")),
        "LoadBalancer" => {
            let all = [balancers(service), texts(service, "spec.externalIPs")].concat();
            if all.is_empty() { "<pending>".into() } else { all.join(",").into() }
        }
        "ExternalName" => text_at(service, "spec.externalName").into(),
        _ => "<unknown>".into(),
    }
}

/// `80:31234/TCP`.
pub(super) fn ports(service: &Value, _now: Timestamp) -> Value {
    let port = |port: &Value| {
        let (number, node, protocol) =
            (number_at(port, "port"), number_at(port, "nodePort"), text_at(port, "protocol"));
        if node > 0 { format!("{number}:{node}/{protocol}") } else { format!("{number}/{protocol}") }
    };
    none_if_empty(items_at(service, "spec.ports").map(port).collect::<Vec<_>>().join(","))
}

/// The hosts of an ingress.
pub(super) fn hosts(ingress: &Value, _now: Timestamp) -> Value {
    let rules = count(at(ingress, "spec.rules"));
    let hosts: Vec<String> =
        items_at(ingress, "spec.rules").map(|r| text_at(r, "host").to_string()).filter(|h| !h.is_empty()).collect();
    match hosts.len() {
        0 => "*".into(),
        1..=3 if rules <= 3 => hosts.join(",").into(),
        1..=2 => hosts.join(",").into(),
        _ => format!("{} + {} more...", hosts[..3].join(","), rules - 3).into(),
    }
}

/// Where an ingress is reached.
pub(super) fn ingress_address(ingress: &Value, _now: Timestamp) -> Value {
    balancers(ingress).join(",").into()
}

/// The ports of an ingress.
pub(super) fn ingress_ports(ingress: &Value, _now: Timestamp) -> Value {
    if count(at(ingress, "spec.tls")) > 0 { "80, 443".into() } else { "80".into() }
}

/// `Kind.group/name` of an ingress class's parameters.
pub(super) fn parameters(class: &Value, _now: Timestamp) -> Value {
    let parameters = at(class, "spec.parameters");
    if !parameters.is_object() {
        return "<none>".into();
    }
    let group = text_at(parameters, "apiGroup");
    let dot = if group.is_empty() { "" } else { "." };
    format!("{}{dot}{group}/{}", text_at(parameters, "kind"), text_at(parameters, "name")).into()
}

/// `ip:port` of ready addresses.
pub(super) fn endpoints(object: &Value, _now: Timestamp) -> Value {
    let mut all = Vec::new();
    for subset in items_at(object, "subsets") {
        let addresses: Vec<&str> = items_at(subset, "addresses").map(|a| text_at(a, "ip")).collect();
        let ports: Vec<i64> = items_at(subset, "ports").map(|p| number_at(p, "port")).collect();
        if ports.is_empty() {
            all.extend(addresses.iter().map(|a| (*a).to_string()));
        }
        for port in ports {
            let joined = |a: &&str| if a.contains(':') { format!("[{a}]:{port}") } else { format!("{a}:{port}") };
            all.extend(addresses.iter().map(joined));
        }
    }
    if count(at(object, "subsets")) == 0 { "<none>".into() } else { first_three(&all).into() }
}

/// The ports of a slice.
pub(super) fn slice_ports(slice: &Value, _now: Timestamp) -> Value {
    let port = |port: &Value| match (at(port, "port").as_i64(), text_at(port, "name")) {
        (Some(number), _) => number.to_string(),
        (None, "") => "*".to_string(),
        (None, name) => name.to_string(),
    };
    let all: Vec<String> = items_at(slice, "ports").map(port).collect();
    if all.is_empty() { "<unset>".into() } else { first_three(&all).into() }
}

/// The addresses of a slice.
pub(super) fn slice_addresses(slice: &Value, _now: Timestamp) -> Value {
    let all: Vec<String> = items_at(slice, "endpoints").flat_map(|e| texts(e, "addresses")).collect();
    if all.is_empty() { "<unset>".into() } else { first_three(&all).into() }
}

/// `services/default/kubernetes`.
pub(super) fn parent(address: &Value, _now: Timestamp) -> Value {
    let parent = at(address, "spec.parentRef");
    if !parent.is_object() {
        return "<none>".into();
    }
    let (group, namespace) = (text_at(parent, "group"), text_at(parent, "namespace"));
    let mut text = text_at(parent, "resource").to_lowercase();
    if !group.is_empty() {
        text.push_str(&format!(".{group}"));
    }
    if !namespace.is_empty() {
        text.push_str(&format!("/{namespace}"));
    }
    format!("{text}/{}", text_at(parent, "name")).into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn services() {
        let now = Timestamp::EPOCH;
        let service = json!({"spec": {"type": "LoadBalancer", "clusterIPs": ["10.0.0.1"], "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]}});
        assert_eq!(external_ip(&service, now), "<pending>");
        assert_eq!(ports(&service, now), "80:30080/TCP,53/UDP");
        let ready = json!({"spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {"ingress": [{"hostname": "b.elb"}, {"ip": "1.2.3.4"}]}}});
        assert_eq!(external_ip(&ready, now), "1.2.3.4,b.elb");
        assert_eq!(cluster_ip(&json!({"spec": {"clusterIPs": ["None"]}}), now), "None");
    }

    #[test]
    fn lists_are_cut_after_three() {
        let now = Timestamp::EPOCH;
        let object = json!({"subsets": [{"addresses": [{"ip": "1.1.1.1"}, {"ip": "1.1.1.2"}, {"ip": "::1"}, {"ip": "1.1.1.4"}], "ports": [{"port": 80}]}]});
        assert_eq!(endpoints(&object, now), "1.1.1.1:80,1.1.1.2:80,[::1]:80 + 1 more...");
        let rules: Vec<Value> = (0..5).map(|i| json!({"host": format!("h{i}")})).collect();
        assert_eq!(hosts(&json!({"spec": {"rules": rules}}), now), "h0,h1,h2 + 2 more...");
        assert_eq!(hosts(&json!({}), now), "*");
    }
}
