//! The EndpointSlice controller: the pods behind every service, in slices of at most 100.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use cove_kube_client::{Context, Controller, Key, Requeue, Watch};
use serde_json::{Map, Value, json};

use crate::pod_batch::in_terminating_namespace;
use crate::resources::{ENDPOINT_SLICES, NODES, PODS, SERVICES};
use crate::service_pods::{self, HEADLESS, TRIGGER_TIME};
use crate::shared::Shared;
use crate::view::{deleting, items, label, labels, object_mut, text};
use crate::{limits, pods};

const SERVICE_NAME: &str = "kubernetes.io/service-name";
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const MANAGER: &str = "endpointslice-controller.k8s.io";
const ZONE: &str = "topology.kubernetes.io/zone";

/// The declaration. Keys are services.
pub const CONTROLLER: Controller<Shared> = Controller {
    name: "endpointslice-controller",
    component: "endpoint-slice-controller",
    watches: |_| {
        vec![
            Watch::itself(SERVICES),
            Watch::mapped(PODS, service_pods::keys_of_pod),
            Watch::mapped(ENDPOINT_SLICES, |_, change| {
                let ours = change.states().filter(|slice| label(slice.value(), MANAGED_BY) == MANAGER);
                ours.map(|slice| Key::new(slice.namespace(), label(slice.value(), SERVICE_NAME))).collect()
            }),
            Watch::mapped(NODES, |cx, change| {
                let zones: BTreeSet<&str> = change.states().map(|node| label(node.value(), ZONE)).collect();
                match zones.len() {
                    1 => Vec::new(),
                    _ => cx.cache(SERVICES).list("").iter().map(|service| Key::of(service)).collect(),
                }
            }),
        ]
    },
    singleton: false,
    workers: limits::WORKERS,
    reconcile: |cx, key| Box::pin(reconcile(cx, key)),
};

async fn reconcile(cx: Arc<Context<Shared>>, key: Key) -> Result<Requeue, Status> {
    // The slices of a service that went belong to the garbage collector.
    let Some(service) = cx.cache(SERVICES).get(&key).filter(|s| !deleting(s)) else { return Ok(Requeue::Done) };
    let Some(selector) = service_pods::selector(&service) else { return Ok(Requeue::Done) };
    let mut pods = cx.cache(PODS).list(&key.namespace);
    pods.retain(|pod| selector.matches(labels(pod.value())) && service_pods::has_address(pod));
    let existing: Vec<Arc<Object>> = cx
        .cache(ENDPOINT_SLICES)
        .list(&key.namespace)
        .into_iter()
        .filter(|slice| {
            label(slice.value(), SERVICE_NAME) == key.name
                && label(slice.value(), MANAGED_BY) == MANAGER
                && !deleting(slice)
        })
        .collect();
    let families = families(&service);
    for slice in existing.iter().filter(|s| !families.contains(&text(s.value(), "/addressType").to_string())) {
        cx.delete(ENDPOINT_SLICES, slice, json!({})).await?;
    }
    for family in &families {
        let of_family = existing.iter().filter(|s| text(s.value(), "/addressType") == family).cloned().collect();
        let plan = plan(&cx, &service, family, &pods, of_family);
        match carry_out(&cx, &key.namespace, plan).await {
            Err(status) if in_terminating_namespace(&status) => {}
            Err(status) if status.is_not_found() => {}
            Err(status) => {
                let message = format!("Error updating Endpoint Slices for Service {key}: {status}");
                if !status.is_conflict() {
                    cx.events.warning(&service, "FailedToUpdateEndpointSlices", message);
                }
                return Err(status);
            }
            Ok(()) => {}
        }
    }
    Ok(Requeue::Done)
}

fn families(service: &Object) -> Vec<String> {
    let named = items(service.value(), "/spec/ipFamilies").iter().filter_map(Value::as_str);
    let families: Vec<String> = named.map(str::to_string).collect();
    if families.is_empty() { vec!["IPv4".into()] } else { families }
}

/// What is to be done to the slices of one service and address type.
#[derive(Default)]
struct Plan {
    create: Vec<Value>,
    update: Vec<Value>,
    delete: Vec<Arc<Object>>,
}

async fn carry_out(cx: &Context<Shared>, namespace: &str, plan: Plan) -> Result<(), Status> {
    for slice in plan.create {
        cx.create(ENDPOINT_SLICES, namespace, slice).await?;
    }
    for slice in plan.update {
        cx.update(ENDPOINT_SLICES, "", slice).await?;
    }
    for slice in plan.delete {
        cx.delete(ENDPOINT_SLICES, &slice, json!({})).await?;
    }
    Ok(())
}

/// Endpoints that belong into slices with the same ports, by the pod's uid.
type Group = BTreeMap<String, Value>;

fn plan(
    cx: &Context<Shared>,
    service: &Object,
    family: &str,
    pods: &[Arc<Object>],
    existing: Vec<Arc<Object>>,
) -> Plan {
    let mut groups: BTreeMap<String, (Vec<Value>, Group)> = BTreeMap::new();
    for pod in pods {
        let Some(endpoint) = endpoint(cx, service, family, pod) else { continue };
        let ports = service_pods::ports(service, pod);
        let group = groups.entry(ports_key(&ports)).or_insert_with(|| (ports, Group::new()));
        group.1.insert(pod.uid().to_string(), endpoint);
    }
    let trigger = service_pods::trigger_time(service, pods.iter().map(AsRef::as_ref));
    if groups.is_empty() {
        // A service without endpoints still has one slice, without ports.
        groups.insert(ports_key(&[]), (Vec::new(), Group::new()));
    }
    let mut plan = Plan::default();
    let mut by_ports: BTreeMap<String, Vec<Arc<Object>>> = BTreeMap::new();
    for slice in existing {
        by_ports.entry(ports_key(items(slice.value(), "/ports"))).or_default().push(slice);
    }
    for (key, (ports, group)) in groups {
        let slices = by_ports.remove(&key).unwrap_or_default();
        let template = template(service, family, &ports, &trigger);
        fill(&mut plan, &template, group, slices);
    }
    plan.delete.extend(by_ports.into_values().flatten());
    plan
}

/// What makes two lists of ports the same, whatever the order of ports and members.
fn ports_key(ports: &[Value]) -> String {
    let text = |port: &Value, member: &str| port.get(member).map(Value::to_string).unwrap_or_default();
    let one = |port: &Value| ["name", "protocol", "port", "appProtocol"].map(|member| text(port, member)).join(" ");
    let mut all: Vec<String> = ports.iter().map(one).collect();
    all.sort();
    all.join(",")
}

/// Keeps endpoints where they are, and puts new ones where there is room.
fn fill(plan: &mut Plan, template: &Value, mut wanted: Group, slices: Vec<Arc<Object>>) {
    let mut kept: Vec<(Arc<Object>, Vec<Value>)> = Vec::new();
    for slice in slices {
        let known = items(slice.value(), "/endpoints").iter();
        let still = known.filter_map(|endpoint| wanted.remove(text(endpoint, "/targetRef/uid"))).collect();
        kept.push((slice, still));
    }
    let mut rest = wanted.into_values().peekable();
    for (_, endpoints) in &mut kept {
        let room = limits::ENDPOINTS_PER_SLICE.saturating_sub(endpoints.len());
        endpoints.extend(rest.by_ref().take(room));
    }
    let (empty, full): (Vec<_>, Vec<_>) = kept.into_iter().partition(|(_, endpoints)| endpoints.is_empty());
    let mut any = !full.is_empty() || rest.peek().is_some();
    for (slice, endpoints) in full {
        plan.update.extend(changed(&slice, template, endpoints));
    }
    for (slice, _) in empty {
        if any {
            plan.delete.push(slice);
        } else {
            plan.update.extend(changed(&slice, template, Vec::new()));
            any = true;
        }
    }
    while rest.peek().is_some() || !any {
        let mut slice = template.clone();
        slice["endpoints"] = rest.by_ref().take(limits::ENDPOINTS_PER_SLICE).collect();
        plan.create.push(slice);
        any = true;
    }
}

/// The slice with new endpoints and labels, if that is a change.
fn changed(slice: &Object, template: &Value, endpoints: Vec<Value>) -> Option<Value> {
    let mut wanted = slice.value().as_ref().clone();
    let same = items(&wanted, "/endpoints") == endpoints.as_slice() && labels(&wanted) == labels(template);
    if same {
        return None;
    }
    wanted["endpoints"] = Value::Array(endpoints);
    wanted["metadata"]["labels"] = labels(template).clone();
    let trigger = template["metadata"]["annotations"][TRIGGER_TIME].clone();
    object_mut(&mut wanted, &["metadata", "annotations"]).insert(TRIGGER_TIME.into(), trigger);
    Some(wanted)
}

fn template(service: &Object, family: &str, ports: &[Value], trigger: &str) -> Value {
    let mut slice_labels: Map<String, Value> = labels(service.value()).as_object().cloned().unwrap_or_default();
    for reserved in [SERVICE_NAME, MANAGED_BY, HEADLESS] {
        slice_labels.remove(reserved);
    }
    if service_pods::is_headless(service) {
        slice_labels.insert(HEADLESS.into(), "".into());
    }
    slice_labels.insert(SERVICE_NAME.into(), service.name().into());
    slice_labels.insert(MANAGED_BY.into(), MANAGER.into());
    let mut slice = json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": format!("{}-", service.name()),
            "namespace": service.namespace(),
            "labels": slice_labels,
            "annotations": { TRIGGER_TIME: trigger },
            "ownerReferences": [pods::controller_reference(service)],
        },
        "addressType": family,
        "endpoints": [],
    });
    if !ports.is_empty() {
        slice["ports"] = json!(ports);
    }
    slice
}

/// A pod as an endpoint; `None` if it has no address of the family.
fn endpoint(cx: &Context<Shared>, service: &Object, family: &str, pod: &Object) -> Option<Value> {
    let of_family = |ip: &str| ip.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6() == (family == "IPv6"));
    let all = items(pod.value(), "/status/podIPs").iter().map(|ip| text(ip, "/ip"));
    let mut addresses: Vec<&str> = all.filter(|ip| of_family(ip)).collect();
    if addresses.is_empty() && of_family(text(pod.value(), "/status/podIP")) {
        addresses.push(text(pod.value(), "/status/podIP"));
    }
    if addresses.is_empty() {
        return None;
    }
    let (serving, terminating) = (pods::is_ready(pod), deleting(pod));
    let ready = service_pods::publishes_not_ready(service) || (serving && !terminating);
    let mut endpoint = Map::new();
    endpoint.insert("addresses".into(), json!(addresses));
    endpoint.insert("conditions".into(), json!({ "ready": ready, "serving": serving, "terminating": terminating }));
    if let Some(name) = service_pods::hostname(service, pod) {
        endpoint.insert("hostname".into(), name.into());
    }
    endpoint.insert("targetRef".into(), service_pods::target_ref(pod));
    let node_name = text(pod.value(), "/spec/nodeName");
    if !node_name.is_empty() {
        endpoint.insert("nodeName".into(), node_name.into());
    }
    let node = cx.cache(NODES).find("", node_name);
    if let Some(zone) = node.as_ref().map(|node| label(node.value(), ZONE)).filter(|zone| !zone.is_empty()) {
        endpoint.insert("zone".into(), zone.into());
        if ready && let Some(hints) = hints(service, zone, node_name) {
            endpoint.insert("hints".into(), hints);
        }
    }
    Some(Value::Object(endpoint))
}

/// Where the endpoint should be used, if the service prefers near ones.
fn hints(service: &Object, zone: &str, node: &str) -> Option<Value> {
    let zones = json!([{ "name": zone }]);
    match text(service.value(), "/spec/trafficDistribution") {
        "PreferClose" | "PreferSameZone" => Some(json!({ "forZones": zones })),
        "PreferSameNode" => Some(json!({ "forZones": zones, "forNodes": [{ "name": node }] })),
        _ => None,
    }
}
