//! What both endpoint controllers ask of services and their pods.

use cove_base::Timestamp;
use cove_kube_api::object::Object;
use cove_kube_api::selector::LabelSelector;
use cove_kube_client::{Change, Context, Key};
use serde_json::{Map, Value, json};

use crate::pods;
use crate::resources::SERVICES;
use crate::shared::Shared;
use crate::view::{created, flag, items, labels, text};

/// Label: the service is headless.
pub const HEADLESS: &str = "service.kubernetes.io/headless";
/// Annotation: when that happened which led to this state of the endpoints.
pub const TRIGGER_TIME: &str = "endpoints.kubernetes.io/last-change-trigger-time";

/// The selector of a service that has endpoints made for it.
pub fn selector(service: &Object) -> Option<LabelSelector> {
    let labels = service.value().pointer("/spec/selector").filter(|s| s.as_object().is_some_and(|m| !m.is_empty()))?;
    (text(service.value(), "/spec/type") != "ExternalName").then(|| LabelSelector::from_map(labels))
}

/// Whether the service has no address of its own.
pub fn is_headless(service: &Object) -> bool {
    matches!(text(service.value(), "/spec/clusterIP"), "None" | "")
}

/// Services that a change of a pod concerns: nothing but what endpoints show of it counts.
pub fn keys_of_pod(cx: &Context<Shared>, change: &Change) -> Vec<Key> {
    if let (Some(old), Some(new)) = (&change.old, &change.new)
        && shown(old) == shown(new)
    {
        return Vec::new();
    }
    let services = cx.cache(SERVICES).list(change.latest().namespace());
    let selects =
        |service: &Object| selector(service).is_some_and(|s| change.states().any(|pod| s.matches(labels(pod.value()))));
    services.iter().filter(|service| selects(service)).map(|service| Key::of(service)).collect()
}

fn shown(pod: &Object) -> Value {
    let value = pod.value();
    json!([
        labels(value),
        value["spec"]["nodeName"],
        value["spec"]["hostname"],
        value["spec"]["subdomain"],
        value["status"]["podIPs"],
        pods::is_terminal(pod),
        pods::is_ready(pod),
        pod.meta("deletionTimestamp"),
        pod.uid(),
    ])
}

/// Whether a pod can be an endpoint at all.
pub fn has_address(pod: &Object) -> bool {
    !pods::is_terminal(pod) && !text(pod.value(), "/status/podIP").is_empty()
}

/// The ports of a pod under a service; those whose named target the pod does not have are missing.
pub fn ports(service: &Object, pod: &Object) -> Vec<Value> {
    let all = items(service.value(), "/spec/ports").iter();
    all.filter_map(|port| {
        let number = target_port(port, pod)?;
        let mut made = Map::new();
        made.insert("name".into(), text(port, "/name").into());
        made.insert("port".into(), number.into());
        made.insert("protocol".into(), port.get("protocol").cloned().unwrap_or_else(|| "TCP".into()));
        if let Some(protocol) = port.get("appProtocol") {
            made.insert("appProtocol".into(), protocol.clone());
        }
        Some(Value::Object(made))
    })
    .collect()
}

fn target_port(port: &Value, pod: &Object) -> Option<i64> {
    match port.get("targetPort") {
        Some(Value::String(name)) => named_port(name, text(port, "/protocol"), pod.value()),
        Some(Value::Number(number)) if number.as_i64() != Some(0) => number.as_i64(),
        _ => port.get("port").and_then(Value::as_i64),
    }
}

fn named_port(name: &str, protocol: &str, pod: &Value) -> Option<i64> {
    let sidecars = items(pod, "/spec/initContainers").iter().filter(|c| text(c, "/restartPolicy") == "Always");
    let containers = items(pod, "/spec/containers").iter().chain(sidecars);
    let mut ports = containers.flat_map(|container| items(container, "/ports"));
    let tcp = |protocol: &str| if protocol.is_empty() { "TCP" } else { protocol }.to_string();
    let found = ports.find(|p| text(p, "/name") == name && tcp(text(p, "/protocol")) == tcp(protocol));
    found.and_then(|p| p["containerPort"].as_i64())
}

/// The reference to a pod in an endpoint.
pub fn target_ref(pod: &Object) -> Value {
    json!({ "kind": "Pod", "namespace": pod.namespace(), "name": pod.name(), "uid": pod.uid() })
}

/// The pod's host name, if it is one under this service.
pub fn hostname<'a>(service: &Object, pod: &'a Object) -> Option<&'a str> {
    let name = text(pod.value(), "/spec/hostname");
    let ours = text(pod.value(), "/spec/subdomain") == service.name() && service.namespace() == pod.namespace();
    (ours && !name.is_empty()).then_some(name)
}

/// Whether pods count as ready whatever they say.
pub fn publishes_not_ready(service: &Object) -> bool {
    flag(service.value(), "/spec/publishNotReadyAddresses")
}

/// The latest moment at which the service or one of its pods became what it is.
pub fn trigger_time<'a>(service: &Object, of: impl Iterator<Item = &'a Object>) -> String {
    let times = of.map(|pod| pods::ready_since(pod).unwrap_or_else(|| created(pod)));
    let latest: Timestamp = times.chain([created(service)]).max().unwrap_or_default();
    latest.rfc3339()
}
