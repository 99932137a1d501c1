//! What every cluster holds from the API server itself: namespaces, RBAC policy, priority classes, flow control, the
//! `kubernetes` service, API services. `cove-region` calls [`bootstrap`] before it opens a new or known cluster.
//!
//! Idempotent: what is there stays as it is. The EKS side (add-ons, access) comes from `cove-cloud` through the door.

use std::sync::Arc;

use cove_kube_api::door::{Body, Options, Request, Target, UserInfo, Verb};
use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use cove_store::api::Txn;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::api::kinds;
use crate::api::schema::split_api_version;
use crate::chain::call::{Call, unknown_path};
use crate::chain::{create, update};
use crate::server::ApiServer;
use crate::storage::key;
use crate::value::{meta_text, text};

/// Written when everything is in place; raised when this file adds something.
const FORMAT: &str = "1";
/// Where [`FORMAT`] and the minor version are kept.
const MARK: &str = "/cove/bootstrap";
const NAMESPACES: &[&str] = &["default", "kube-system", "kube-public", "kube-node-lease"];

/// Who the API server is towards itself.
pub fn myself() -> UserInfo {
    UserInfo::new("system:apiserver", &["system:masters"])
}

/// Makes what is missing.
pub async fn bootstrap(server: &Arc<ApiServer>) -> Result<(), Status> {
    let mark = format!("{FORMAT}/{}", server.config.minor);
    let known = server.storage.raw(MARK).await?.is_some_and(|bytes| bytes == mark.as_bytes());
    install(server, NAMESPACES.iter().map(|name| object("v1", "Namespace", "", name, json!({})))).await?;
    if !known {
        install(server, lines(include_str!("../data/bootstrap-rbac.jsonl"))).await?;
        install(server, lines(include_str!("../data/bootstrap-flowcontrol.jsonl"))).await?;
        install(server, priority_classes()).await?;
        install(server, api_services(server)).await?;
        install(server, config_maps(server)).await?;
        // ServiceCIDR came in 1.33.
        if kinds::by_kind(server.config.minor, "networking.k8s.io", "v1", "ServiceCIDR").is_some() {
            install(server, [service_cidr(server)]).await?;
            service_cidr_is_ready(server).await?;
        }
    }
    install(server, kubernetes_service(server)).await?;
    if !known {
        server.storage.commit(Txn::new().put(MARK, mark)).await?;
    }
    Ok(())
}

/// Makes objects that do not exist yet, as the API server itself, all at once: the store commits them together.
/// Refusals of kinds that nothing acts on do not hold here.
pub async fn install(server: &Arc<ApiServer>, objects: impl IntoIterator<Item = Value>) -> Result<(), Status> {
    let made = join_all(objects.into_iter().map(|object| install_one(server, object))).await;
    made.into_iter().collect()
}

async fn install_one(server: &Arc<ApiServer>, object: Value) -> Result<(), Status> {
    let mut call = internal_call(server, &object, Verb::Create, "")?;
    if server.storage.get(&key(call.storage, &call.namespace, meta_text(&object, "name"))).await?.is_some() {
        return Ok(());
    }
    let decoded = crate::chain::body::object(&mut call, &Body::Value(object))?;
    match create::create_value(server, &mut call, decoded).await {
        Err(status) if !status.is_already_exists() => Err(status),
        _ => Ok(()),
    }
}

/// A call of the API server's own.
fn internal_call(server: &ApiServer, object: &Value, verb: Verb, sub: &str) -> Result<Call, Status> {
    let (group, version) = split_api_version(text(object, &["apiVersion"]));
    let kind = kinds::by_kind(server.config.minor, group, version, text(object, &["kind"]));
    let kind = kind.ok_or_else(unknown_path)?;
    let target = Target {
        group: group.into(),
        version: version.into(),
        resource: kind.plural.into(),
        subresource: sub.into(),
        namespace: meta_text(object, "namespace").into(),
        name: if verb == Verb::Create { String::new() } else { meta_text(object, "name").into() },
    };
    let request = Request { user: myself(), verb, target, options: Options::default(), body: Body::None };
    Call::resolve(&request, server.config.minor)
}

fn lines(text: &str) -> Vec<Value> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn object(api_version: &str, kind: &str, namespace: &str, name: &str, rest: Value) -> Value {
    let mut object = json!({"kind": kind, "apiVersion": api_version, "metadata": {"name": name}});
    if !namespace.is_empty() {
        object["metadata"]["namespace"] = namespace.into();
    }
    if let (Value::Object(map), Value::Object(rest)) = (&mut object, rest) {
        map.extend(rest);
    }
    object
}

fn labelled(mut object: Value, labels: Value) -> Value {
    object["metadata"]["labels"] = labels;
    object
}

fn priority_classes() -> Vec<Value> {
    let class = |name: &str, value: i64, description: &str| {
        let rest = json!({"value": value, "preemptionPolicy": "PreemptLowerPriority", "description": description});
        object("scheduling.k8s.io/v1", "PriorityClass", "", name, rest)
    };
    vec![
        class(
            "system-node-critical",
            2_000_001_000,
            "Used for system critical pods that must not be moved from their current node.",
        ),
        class(
            "system-cluster-critical",
            2_000_000_000,
            "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
        ),
    ]
}

fn api_services(server: &ApiServer) -> Vec<Value> {
    let mut services = Vec::new();
    for group in kinds::groups(server.config.minor) {
        for version in &group.versions {
            let spec = json!({
                "group": group.name, "version": version.version, "groupPriorityMinimum": group.priority,
                "versionPriority": version.priority,
            });
            let name = format!("{}.{}", version.version, group.name);
            let service = object("apiregistration.k8s.io/v1", "APIService", "", &name, json!({"spec": spec}));
            services.push(labelled(service, json!({"kube-aggregator.kubernetes.io/automanaged": "onstart"})));
        }
    }
    services
}

fn config_maps(server: &ApiServer) -> Vec<Value> {
    let since = server.rt.now().format("%Y-%m-%d");
    let tracking = "kube-apiserver-legacy-service-account-token-tracking";
    let mut maps = vec![object("v1", "ConfigMap", "kube-system", tracking, json!({"data": {"since": since}}))];
    let authority = &server.config.authority_certificate;
    if !authority.is_empty() {
        let data = json!({
            "client-ca-file": authority,
            "requestheader-allowed-names": "[\"front-proxy-client\"]",
            "requestheader-client-ca-file": authority,
            "requestheader-extra-headers-prefix": "[\"X-Remote-Extra-\"]",
            "requestheader-group-headers": "[\"X-Remote-Group\"]",
            "requestheader-uid-headers": "[\"X-Remote-Uid\"]",
            "requestheader-username-headers": "[\"X-Remote-User\"]",
        });
        let name = "extension-apiserver-authentication";
        maps.push(object("v1", "ConfigMap", "kube-system", name, json!({"data": data})));
    }
    maps
}

fn service_cidr(server: &ApiServer) -> Value {
    let spec = json!({"cidrs": [server.config.service_cidr.text()]});
    object("networking.k8s.io/v1", "ServiceCIDR", "", "kubernetes", json!({"spec": spec}))
}

async fn service_cidr_is_ready(server: &Arc<ApiServer>) -> Result<(), Status> {
    let mut call = internal_call(server, &service_cidr(server), Verb::Update, "status")?;
    let condition = json!({
        "type": "Ready", "status": "True", "lastTransitionTime": server.rt.now().rfc3339(), "reason": "",
        "message": "Kubernetes default Service CIDR is ready",
    });
    let set = |_: &mut Call, old: &Value| {
        let mut new = old.clone();
        new["status"] = json!({"conditions": [condition]});
        Ok(new)
    };
    update::write(server, &mut call, &mut { set }).await.map(|_: Arc<Object>| ())
}

fn kubernetes_service(server: &ApiServer) -> Vec<Value> {
    let (address, port) = server.config.advertise;
    let address = address.to_string();
    let service = json!({"spec": {
        "type": "ClusterIP", "clusterIP": server.config.service_cidr.nth(1).to_string(),
        "clusterIPs": [server.config.service_cidr.nth(1).to_string()],
        "ports": [{"name": "https", "protocol": "TCP", "port": 443, "targetPort": port}],
    }});
    let endpoints = json!({"subsets": [{
        "addresses": [{"ip": address}], "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
    }]});
    let slice = json!({
        "addressType": "IPv4", "endpoints": [{"addresses": [address], "conditions": {"ready": true}}],
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
    });
    let service = labelled(
        object("v1", "Service", "default", "kubernetes", service),
        json!({"component": "apiserver", "provider": "kubernetes"}),
    );
    if server.config.advertise.0.is_loopback() {
        // As upstream: a loopback address is nobody's endpoint.
        return vec![service];
    }
    vec![
        service,
        labelled(
            object("v1", "Endpoints", "default", "kubernetes", endpoints),
            json!({"endpointslice.kubernetes.io/skip-mirror": "true"}),
        ),
        labelled(
            object("discovery.k8s.io/v1", "EndpointSlice", "default", "kubernetes", slice),
            json!({"kubernetes.io/service-name": "kubernetes"}),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_is_all_there() {
        assert_eq!(lines(include_str!("../data/bootstrap-rbac.jsonl")).len(), 131);
        assert_eq!(lines(include_str!("../data/bootstrap-flowcontrol.jsonl")).len(), 19);
    }
}
