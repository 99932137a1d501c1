//! Services: cluster addresses and node ports.
//!
//! An address is held by its `IPAddress` object, a node port by a key of its own. Both are made and removed in the
//! transaction that writes the service, with the condition that they are free.

use std::net::Ipv4Addr;

use cove_kube_api::field_error::FieldError;
use cove_kube_api::status::Status;
use cove_store::api::Txn;
use serde_json::{Value, json};

use crate::chain::call::Call;
use crate::server::ApiServer;
use crate::storage::encode;
use crate::value::{at, child_mut, is_empty, items, meta_text, number, text, texts};

/// Node ports.
const FIRST_PORT: u32 = 30000;
const LAST_PORT: u32 = 32767;
/// The first ports are left to those who name theirs.
const STATIC_PORTS: u32 = 86;

fn address_key(address: &str) -> String {
    format!("/registry/ipaddresses/{address}")
}

fn port_key(port: i64) -> String {
    format!("/cove/nodeports/{port}")
}

/// Fills in what the cluster chooses: families, addresses, ports.
pub async fn prepare(server: &ApiServer, call: &Call, new: &mut Value, old: Option<&Value>) -> Result<(), Status> {
    if let Some(old) = old {
        keep(new, old);
        drop_by_type(new, old);
    }
    let mut errors = families(new);
    addresses(server, call, new, old, &mut errors).await?;
    node_ports(server, call, new, old, &mut errors).await?;
    if errors.is_empty() {
        return Ok(());
    }
    Err(Status::invalid("", "Service", &call.name, &errors))
}

fn service_type(service: &Value) -> &str {
    text(service, &["spec", "type"])
}

fn is_external(service: &Value) -> bool {
    service_type(service) == "ExternalName"
}

fn wants_ports(service: &Value) -> bool {
    match service_type(service) {
        "NodePort" => true,
        "LoadBalancer" => at(service, &["spec", "allocateLoadBalancerNodePorts"]) != &Value::Bool(false),
        _ => false,
    }
}

fn wants_health_port(service: &Value) -> bool {
    service_type(service) == "LoadBalancer" && text(service, &["spec", "externalTrafficPolicy"]) == "Local"
}

/// A client that does not repeat what the cluster chose keeps it.
fn keep(new: &mut Value, old: &Value) {
    if is_external(new) || is_external(old) {
        return;
    }
    let keep_addresses = is_empty(at(new, &["spec", "clusterIP"])) && is_empty(at(new, &["spec", "clusterIPs"]));
    let ports = wants_ports(new) && wants_ports(old);
    let health = wants_health_port(new) && number(new, &["spec", "healthCheckNodePort"]).unwrap_or(0) == 0;
    let old_ports = items(old, &["spec", "ports"]);
    let spec = child_mut(new, "spec");
    for member in ["ipFamilies", "ipFamilyPolicy"] {
        if spec.get(member).is_none_or(is_empty) && !is_empty(at(old, &["spec", member])) {
            spec.insert(member.into(), at(old, &["spec", member]).clone());
        }
    }
    if keep_addresses {
        for member in ["clusterIP", "clusterIPs"] {
            crate::value::set_or_remove(spec, member, at(old, &["spec", member]).clone());
        }
    }
    if health {
        let port = at(old, &["spec", "healthCheckNodePort"]).clone();
        crate::value::set_or_remove(spec, "healthCheckNodePort", port);
    }
    if let Some(Value::Array(list)) = spec.get_mut("ports").filter(|_| ports) {
        for port in list.iter_mut().filter(|port| number(port, &["nodePort"]).unwrap_or(0) == 0) {
            let same = |other: &&Value| {
                number(other, &["port"]) == number(port, &["port"])
                    && text(other, &["protocol"]) == text(port, &["protocol"])
            };
            if let Some(known) = old_ports.iter().find(same).and_then(|known| number(known, &["nodePort"])) {
                port["nodePort"] = known.into();
            }
        }
    }
}

/// What a change of type leaves behind goes, unless the client changed it too.
fn drop_by_type(new: &mut Value, old: &Value) {
    let unchanged = |new: &Value, member: &str| at(new, &["spec", member]) == at(old, &["spec", member]);
    if is_external(new) && !is_external(old) {
        for member in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            if unchanged(new, member) {
                child_mut(new, "spec").remove(member);
            }
        }
    }
    if wants_health_port(old) && !wants_health_port(new) && unchanged(new, "healthCheckNodePort") {
        child_mut(new, "spec").remove("healthCheckNodePort");
    }
    if service_type(old) == "LoadBalancer" && service_type(new) != "LoadBalancer" {
        for member in ["allocateLoadBalancerNodePorts", "loadBalancerClass"] {
            if unchanged(new, member) {
                child_mut(new, "spec").remove(member);
            }
        }
        child_mut(new, "status").insert("loadBalancer".into(), json!({}));
    }
    let exposed = |service: &Value| matches!(service_type(service), "NodePort" | "LoadBalancer");
    if exposed(old) && !exposed(new) {
        if unchanged(new, "externalTrafficPolicy") {
            child_mut(new, "spec").remove("externalTrafficPolicy");
        }
        let held: Vec<i64> = ports_of(old);
        if let Some(Value::Array(list)) = child_mut(new, "spec").get_mut("ports") {
            for port in list.iter_mut() {
                let known = number(port, &["nodePort"]).is_some_and(|port| held.contains(&port));
                if let Some(map) = port.as_object_mut().filter(|_| known) {
                    map.remove("nodePort");
                }
            }
        }
    }
}

fn is_headless(service: &Value) -> bool {
    text(service, &["spec", "clusterIP"]) == "None" || texts(service, &["spec", "clusterIPs"]).contains(&"None")
}

/// `ipFamilies` and `ipFamilyPolicy` of a cluster with IPv4 only.
fn families(new: &mut Value) -> Vec<FieldError> {
    if is_external(new) {
        return Vec::new();
    }
    let policy = text(new, &["spec", "ipFamilyPolicy"]).to_string();
    let without_selector = is_headless(new) && is_empty(at(new, &["spec", "selector"]));
    let mut errors = Vec::new();
    if policy == "RequireDualStack" && !without_selector {
        let text = "this cluster is not configured for dual-stack services";
        errors.push(FieldError::invalid("spec.ipFamilyPolicy", &policy, text));
    }
    let given = texts(new, &["spec", "ipFamilies"]).into_iter().map(String::from).collect::<Vec<_>>();
    if !without_selector {
        for (position, family) in given.iter().enumerate().filter(|(_, family)| *family == "IPv6") {
            let field = format!("spec.ipFamilies[{position}]");
            errors.push(FieldError::invalid(field, family, "not configured on this cluster"));
        }
    }
    let spec = child_mut(new, "spec");
    let both = without_selector && given.is_empty() && matches!(policy.as_str(), "" | "RequireDualStack");
    if policy.is_empty() {
        spec.insert("ipFamilyPolicy".into(), if both { "RequireDualStack" } else { "SingleStack" }.into());
    }
    if given.is_empty() {
        spec.insert("ipFamilies".into(), if both { json!(["IPv4", "IPv6"]) } else { json!(["IPv4"]) });
    }
    errors
}

async fn addresses(
    server: &ApiServer,
    call: &Call,
    new: &mut Value,
    old: Option<&Value>,
    errors: &mut Vec<FieldError>,
) -> Result<(), Status> {
    if is_external(new) {
        return Ok(());
    }
    let first = texts(new, &["spec", "clusterIPs"]).first().map(ToString::to_string);
    let wanted = match text(new, &["spec", "clusterIP"]) {
        "" => first.clone().unwrap_or_default(),
        address => address.to_string(),
    };
    let held = old.map(|old| texts(old, &["spec", "clusterIPs"])).unwrap_or_default();
    let chosen = if wanted.is_empty() {
        free_address(server, call).await?.to_string()
    } else {
        if wanted != "None" && !held.contains(&wanted.as_str()) {
            errors.extend(address_error(server, &wanted).await?);
        }
        wanted
    };
    let spec = child_mut(new, "spec");
    spec.insert("clusterIP".into(), chosen.clone().into());
    if first.is_none() {
        spec.insert("clusterIPs".into(), json!([chosen]));
    }
    Ok(())
}

async fn address_error(server: &ApiServer, wanted: &str) -> Result<Option<FieldError>, Status> {
    let Ok(address) = wanted.parse::<Ipv4Addr>() else { return Ok(None) };
    let why = if !server.config.service_cidr.holds(address) {
        "the provided network does not match the current range"
    } else if server.storage.raw(&address_key(wanted)).await?.is_some() {
        "provided IP is already allocated"
    } else {
        return Ok(None);
    };
    let detail = format!("failed to allocate IP {wanted}: {why}");
    Ok(Some(FieldError::invalid_raw("spec.clusterIPs", json!([wanted]), detail)))
}

/// A free address: the search begins at a place that the seed gives, behind the band for those who name theirs.
async fn free_address(server: &ApiServer, call: &Call) -> Result<Ipv4Addr, Status> {
    let cidr = server.config.service_cidr;
    let usable = cidr.size() - 2;
    let band = (cidr.size() / 16).clamp(16.min(usable / 2), 256.min(usable / 2));
    let (start, revision) = (usable - band, server.storage.revision());
    let offset = server.rt.seed().below(&format!("clusterip/{}", call.key()), revision, u64::from(start)) as u32;
    for step in 0..usable {
        // The upper part first, then the band.
        let position = if step < start { band + (offset + step) % start } else { step - start };
        let address = cidr.nth(1 + position);
        if server.storage.raw(&address_key(&address.to_string())).await?.is_none() {
            return Ok(address);
        }
    }
    Err(Status::internal("failed to allocate a serviceIP: range is full"))
}

fn ports_of(service: &Value) -> Vec<i64> {
    let ports = items(service, &["spec", "ports"]).iter().filter_map(|port| number(port, &["nodePort"]));
    let health = number(service, &["spec", "healthCheckNodePort"]);
    let mut ports: Vec<i64> = ports.chain(health).filter(|port| *port != 0).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

async fn node_ports(
    server: &ApiServer,
    call: &Call,
    new: &mut Value,
    old: Option<&Value>,
    errors: &mut Vec<FieldError>,
) -> Result<(), Status> {
    let held = old.map(ports_of).unwrap_or_default();
    let mut taken = ports_of(new);
    for (position, port) in items(new, &["spec", "ports"]).iter().enumerate() {
        let wanted = number(port, &["nodePort"]).unwrap_or(0);
        if wanted != 0 && !held.contains(&wanted) {
            errors.extend(port_error(server, &format!("spec.ports[{position}].nodePort"), wanted).await?);
        }
    }
    let mut list = items(new, &["spec", "ports"]).to_vec();
    if wants_ports(new) {
        for position in 0..list.len() {
            if number(&list[position], &["nodePort"]).unwrap_or(0) != 0 {
                continue;
            }
            // The same port asked for twice with different protocols shares one node port.
            let number_of = number(&list[position], &["port"]);
            let twin = list.iter().find(|other| {
                number(other, &["port"]) == number_of
                    && text(other, &["protocol"]) != text(&list[position], &["protocol"])
                    && number(other, &["nodePort"]).unwrap_or(0) != 0
            });
            let chosen = match twin.and_then(|twin| number(twin, &["nodePort"])) {
                Some(port) => port,
                None => free_port(server, call, &taken).await?,
            };
            taken.push(chosen);
            list[position]["nodePort"] = chosen.into();
        }
    }
    let health = number(new, &["spec", "healthCheckNodePort"]).unwrap_or(0);
    let spec = child_mut(new, "spec");
    if !list.is_empty() {
        spec.insert("ports".into(), list.into());
    }
    if wants_health_port(new) && health == 0 {
        let chosen = free_port(server, call, &taken).await?;
        child_mut(new, "spec").insert("healthCheckNodePort".into(), chosen.into());
    } else if health != 0 && !held.contains(&health) {
        errors.extend(port_error(server, "spec.healthCheckNodePort", health).await?);
    }
    Ok(())
}

async fn port_error(server: &ApiServer, field: &str, wanted: i64) -> Result<Option<FieldError>, Status> {
    let why = if !(i64::from(FIRST_PORT)..=i64::from(LAST_PORT)).contains(&wanted) {
        "provided port is not in the valid range. The range of valid ports is 30000-32767"
    } else if server.storage.raw(&port_key(wanted)).await?.is_some() {
        "provided port is already allocated"
    } else {
        return Ok(None);
    };
    Ok(Some(FieldError::invalid_raw(field, wanted, why)))
}

async fn free_port(server: &ApiServer, call: &Call, taken: &[i64]) -> Result<i64, Status> {
    let (count, band) = (LAST_PORT - FIRST_PORT + 1, STATIC_PORTS);
    let start = count - band;
    let purpose = format!("nodeport/{}/{}", call.key(), taken.len());
    let offset = server.rt.seed().below(&purpose, server.storage.revision(), u64::from(start)) as u32;
    for step in 0..count {
        let position = if step < start { band + (offset + step) % start } else { step - start };
        let port = i64::from(FIRST_PORT + position);
        if !taken.contains(&port) && server.storage.raw(&port_key(port)).await?.is_none() {
            return Ok(port);
        }
    }
    Err(Status::internal("failed to allocate a nodePort: range is full"))
}

fn addresses_of(service: &Value) -> Vec<&str> {
    texts(service, &["spec", "clusterIPs"]).into_iter().filter(|address| *address != "None").collect()
}

/// Claims what is new and releases what is not used any more.
pub fn claim(server: &ApiServer, new: &Value, old: Option<&Value>, mut txn: Txn) -> Txn {
    let (now, before) = (addresses_of(new), old.map(addresses_of).unwrap_or_default());
    for address in now.iter().filter(|address| !before.contains(address)) {
        let key = address_key(address);
        txn = txn.expect(&key, 0).put(&key, encode(&address_object(server, address, new)));
    }
    for address in before.iter().filter(|address| !now.contains(address)) {
        txn = txn.delete(address_key(address));
    }
    let (now, before) = (ports_of(new), old.map(ports_of).unwrap_or_default());
    for port in now.iter().filter(|port| !before.contains(port)) {
        let owner = format!("{}/{}", meta_text(new, "namespace"), meta_text(new, "name"));
        txn = txn.expect(port_key(*port), 0).put(port_key(*port), owner);
    }
    for port in before.iter().filter(|port| !now.contains(port)) {
        txn = txn.delete(port_key(*port));
    }
    txn
}

/// Releases everything. The endpoints of the same name go with the service, as upstream does it.
pub fn release(old: &Value, mut txn: Txn) -> Txn {
    for address in addresses_of(old) {
        txn = txn.delete(address_key(address));
    }
    for port in ports_of(old) {
        txn = txn.delete(port_key(port));
    }
    let (namespace, name) = (meta_text(old, "namespace"), meta_text(old, "name"));
    txn.delete(format!("/registry/services/endpoints/{namespace}/{name}"))
}

fn address_object(server: &ApiServer, address: &str, service: &Value) -> Value {
    let uid = server.rt.seed().uuid(&format!("uid/{}", address_key(address)), server.storage.revision());
    let parent = json!({
        "group": "", "resource": "services", "namespace": meta_text(service, "namespace"),
        "name": meta_text(service, "name"),
    });
    let mut object = json!({
        "kind": "IPAddress", "apiVersion": "networking.k8s.io/v1",
        "metadata": {
            "name": address, "uid": uid, "creationTimestamp": server.rt.now().rfc3339(),
            "labels": {
                "ipaddress.kubernetes.io/ip-family": "IPv4",
                "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
            },
        },
        "spec": {"parentRef": parent},
    });
    if let Some(ty) = crate::api::schema::schema().type_of("networking.k8s.io", "v1", "IPAddress") {
        crate::api::decode::normalize(ty, &mut object);
    }
    object
}
