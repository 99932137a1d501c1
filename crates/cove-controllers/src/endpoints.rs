//! The Endpoints controller: the older form of what the EndpointSlice controller writes, for those who still read it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use cove_kube_client::{Context, Controller, Key, Requeue, Watch};
use serde_json::{Map, Value, json};

use crate::pod_batch::in_terminating_namespace;
use crate::resources::{ENDPOINTS, PODS, SERVICES};
use crate::service_pods::{self, HEADLESS, TRIGGER_TIME};
use crate::shared::Shared;
use crate::view::{annotation, deleting, items, labels, object_mut, text};
use crate::{limits, pods};

const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
const MANAGER: &str = "endpoint-controller";
const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";

/// The declaration. Keys are services, and the Endpoints of the same name.
pub const CONTROLLER: Controller<Shared> = Controller {
    name: "endpoint-controller",
    component: "endpoint-controller",
    watches: |_| {
        vec![
            Watch::itself(SERVICES),
            Watch::mapped(PODS, service_pods::keys_of_pod),
            Watch::mapped(ENDPOINTS, |_, change| match change.new {
                None => vec![Key::of(change.latest())],
                Some(_) => Vec::new(),
            }),
        ]
    },
    singleton: false,
    workers: limits::WORKERS,
    reconcile: |cx, key| Box::pin(reconcile(cx, key)),
};

async fn reconcile(cx: Arc<Context<Shared>>, key: Key) -> Result<Requeue, Status> {
    let current = cx.cache(ENDPOINTS).get(&key);
    let Some(service) = cx.cache(SERVICES).get(&key) else {
        // Those that somebody made without a service stay.
        if let Some(orphan) = current.filter(|e| labels(e.value()).get(MANAGED_BY).is_some_and(|by| by == MANAGER)) {
            cx.delete(ENDPOINTS, &orphan, json!({})).await?;
        }
        return Ok(Requeue::Done);
    };
    let Some(selector) = service_pods::selector(&service) else { return Ok(Requeue::Done) };
    let mut pods = cx.cache(PODS).list(&key.namespace);
    let publishes = service_pods::publishes_not_ready(&service);
    pods.retain(|pod| {
        selector.matches(labels(pod.value())) && service_pods::has_address(pod) && (publishes || !deleting(pod))
    });
    let (subsets, truncated) = subsets(&service, &pods);
    let trigger = service_pods::trigger_time(&service, pods.iter().map(AsRef::as_ref));
    let wanted = wanted(&service, subsets, truncated, &trigger);
    match write(&cx, current, wanted).await {
        Err(status) if in_terminating_namespace(&status) || status.is_not_found() => Ok(Requeue::Done),
        Err(status) => Err(status),
        Ok(()) => Ok(Requeue::Done),
    }
}

async fn write(cx: &Context<Shared>, current: Option<Arc<Object>>, wanted: Value) -> Result<(), Status> {
    let namespace = text(&wanted, "/metadata/namespace").to_string();
    let Some(current) = current else {
        cx.create(ENDPOINTS, &namespace, wanted).await?;
        return Ok(());
    };
    let same = items(current.value(), "/subsets") == items(&wanted, "/subsets")
        && labels(current.value()) == labels(&wanted)
        && annotation(current.value(), OVER_CAPACITY) == annotation(&wanted, OVER_CAPACITY);
    if same {
        return Ok(());
    }
    let mut changed = current.value().as_ref().clone();
    changed["subsets"] = wanted["subsets"].clone();
    changed["metadata"]["labels"] = wanted["metadata"]["labels"].clone();
    let annotations = object_mut(&mut changed, &["metadata", "annotations"]);
    annotations.remove(OVER_CAPACITY);
    let wanted = wanted["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
    annotations.extend(wanted);
    cx.update(ENDPOINTS, "", changed).await?;
    Ok(())
}

fn wanted(service: &Object, subsets: Vec<Value>, truncated: bool, trigger: &str) -> Value {
    let mut own = labels(service.value()).as_object().cloned().unwrap_or_default();
    own.remove(HEADLESS);
    if service_pods::is_headless(service) {
        own.insert(HEADLESS.into(), "".into());
    }
    own.insert(MANAGED_BY.into(), MANAGER.into());
    let mut endpoints = json!({
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {
            "name": service.name(),
            "namespace": service.namespace(),
            "labels": own,
            "annotations": { TRIGGER_TIME: trigger },
        },
        "subsets": subsets,
    });
    if truncated {
        endpoints["metadata"]["annotations"][OVER_CAPACITY] = "truncated".into();
    }
    endpoints
}

/// The addresses by the ports that they share: first all addresses of each port, then ports with equal addresses
/// together. Ready addresses come before others if there are too many.
fn subsets(service: &Object, pods: &[Arc<Object>]) -> (Vec<Value>, bool) {
    let publishes = service_pods::publishes_not_ready(service);
    let mut ordered: Vec<(bool, &Arc<Object>)> =
        pods.iter().map(|pod| (publishes || pods::is_ready(pod), pod)).collect();
    ordered.sort_by_key(|(ready, pod)| (!ready, Key::of(pod)));
    let truncated = ordered.len() > limits::ENDPOINTS_CAPACITY;
    ordered.truncate(limits::ENDPOINTS_CAPACITY);
    let headless = service_pods::is_headless(service) && items(service.value(), "/spec/ports").is_empty();
    let mut by_port: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    for (place, (_, pod)) in ordered.iter().enumerate() {
        let ports = if headless { vec![Value::Null] } else { service_pods::ports(service, pod) };
        for port in ports {
            by_port.entry(port.to_string()).or_default().insert(place);
        }
    }
    let mut by_addresses: BTreeMap<BTreeSet<usize>, Vec<Value>> = BTreeMap::new();
    for (port, places) in by_port {
        let port: Value = serde_json::from_str(&port).unwrap_or_default();
        by_addresses.entry(places).or_default().push(port);
    }
    let subset = |(places, ports): (BTreeSet<usize>, Vec<Value>)| {
        let mut subset = Map::new();
        for (member, wanted) in [("addresses", true), ("notReadyAddresses", false)] {
            let chosen = places.iter().map(|place| ordered[*place]).filter(|(ready, _)| *ready == wanted);
            let mut list: Vec<Value> = chosen.map(|(_, pod)| address(service, pod)).collect();
            list.sort_by_key(|address| text(address, "/ip").to_string());
            if !list.is_empty() {
                subset.insert(member.into(), Value::Array(list));
            }
        }
        let mut ports: Vec<Value> = ports.into_iter().filter(|port| !port.is_null()).map(unnamed).collect();
        ports.sort_by_key(|port| text(port, "/name").to_string());
        if !ports.is_empty() {
            subset.insert("ports".into(), Value::Array(ports));
        }
        Value::Object(subset)
    };
    (by_addresses.into_iter().map(subset).collect(), truncated)
}

/// Here an empty name is absent (in slices it is present).
fn unnamed(mut port: Value) -> Value {
    if let Value::Object(map) = &mut port
        && map.get("name").is_some_and(|name| name == "")
    {
        map.remove("name");
    }
    port
}

fn address(service: &Object, pod: &Object) -> Value {
    let mut address = Map::new();
    address.insert("ip".into(), text(pod.value(), "/status/podIP").into());
    if let Some(name) = service_pods::hostname(service, pod) {
        address.insert("hostname".into(), name.into());
    }
    let node = text(pod.value(), "/spec/nodeName");
    if !node.is_empty() {
        address.insert("nodeName".into(), node.into());
    }
    address.insert("targetRef".into(), service_pods::target_ref(pod));
    Value::Object(address)
}
