//! A cluster in virtual time: API server over the memory store, all controllers, and a stand-in for kubelets that can
//! make pods ready or end them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cove_base::virtual_runtime::VirtualDriver;
use cove_base::{Runtime, Seed, Timestamp};
use cove_controllers::{Config, Handle};
use cove_kube_api::door::{KubeDoor, Options, PatchKind, UserInfo};
use cove_kube_api::object::Object;
use cove_kube_client::{Client, Resource};
use cove_kube_server::server::ApiServer;
use serde_json::{Value, json};

pub const PODS: Resource = Resource::core("pods");
pub const NODES: Resource = Resource::core("nodes");
pub const LEASES: Resource = Resource::new("coordination.k8s.io", "v1", "leases");
pub const NAMESPACES: Resource = Resource::core("namespaces");
pub const DEPLOYMENTS: Resource = Resource::new("apps", "v1", "deployments");
pub const REPLICA_SETS: Resource = Resource::new("apps", "v1", "replicasets");

/// What a test works with.
#[derive(Clone)]
pub struct Cluster {
    pub rt: Runtime,
    /// An administrator.
    pub admin: Client,
    pub handle: Arc<Handle>,
    /// Controllers that are expected to meet an error.
    complaints: Arc<Mutex<BTreeSet<&'static str>>>,
    /// Nodes that have died.
    dead: Arc<Mutex<BTreeSet<String>>>,
}

/// Runs a test in a new cluster. The controllers act under RBAC, as who they are.
pub fn run<F: Future<Output = ()> + Send + 'static>(test: impl FnOnce(Cluster) -> F + Send + 'static) {
    let start = Timestamp::parse_rfc3339("2026-01-01T00:00:00Z").expect("a time");
    let driver = VirtualDriver::new(start);
    let rt = driver.runtime(Seed::new(1));
    driver.block_on(async move {
        let store = cove_store::memory();
        let space = store.space("cluster").await.expect("a space");
        let mut config = cove_kube_server::config::Config::new(35);
        config.advertise = ([172, 31, 0, 10].into(), 443);
        let server = ApiServer::new(rt.clone(), space, config);
        let door: Arc<dyn KubeDoor> = server.clone();
        let admin = Client::new(door.clone(), UserInfo::new("admin", &["system:masters"]));
        cove_kube_server::bootstrap::bootstrap(&server).await.expect("bootstrapped");
        let config = Config { ca_pem: "PEM".into(), minor: 35 };
        let client_for = |name: &str| Client::new(door.clone(), cove_controllers::identity(name));
        let handle = cove_controllers::run(rt.clone(), client_for, config);
        let cluster = Cluster { rt, admin, handle: Arc::new(handle), complaints: Arc::default(), dead: Arc::default() };
        cluster.add_node("node-1", "us-west-2a").await;
        test(cluster.clone()).await;
        let expected = cluster.complaints.lock().expect("the set of complaints").clone();
        for (name, counts) in cluster.handle.counts() {
            assert_eq!(counts.last_error.is_empty(), !expected.contains(name), "{name}: {}", counts.last_error);
        }
    });
}

impl Cluster {
    /// Adds a ready node of a zone that renews its lease every ten seconds until it is killed.
    pub async fn add_node(&self, name: &str, zone: &str) {
        let now = self.rt.now().rfc3339();
        let condition = |kind: &str, status: &str| json!({ "type": kind, "status": status, "lastHeartbeatTime": now, "lastTransitionTime": now });
        let node = json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": { "name": name, "labels": {
                "kubernetes.io/hostname": name,
                "topology.kubernetes.io/region": "us-west-2",
                "topology.kubernetes.io/zone": zone,
            }},
            "status": { "conditions": [condition("MemoryPressure", "False"), condition("Ready", "True")] },
        });
        let node = self.create(NODES, node).await;
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": name,
                "namespace": "kube-node-lease",
                "ownerReferences": [{ "apiVersion": "v1", "kind": "Node", "name": name, "uid": node.uid() }],
            },
            "spec": { "holderIdentity": name, "leaseDurationSeconds": 40 },
        });
        self.create(LEASES, lease).await;
        let (cluster, name) = (self.clone(), name.to_string());
        self.rt.spawn("heartbeat", async move {
            while !cluster.dead.lock().expect("the set of the dead").contains(&name) {
                let renewed = json!({ "spec": { "renewTime": cluster.rt.now().rfc3339_micros() } });
                let _ = cluster.admin.patch(LEASES, "kube-node-lease", &name, "", PatchKind::Merge, renewed).await;
                cluster.pass(10).await;
            }
        });
    }

    /// This controller must meet an error; all others must not.
    pub fn expect_complaint(&self, controller: &'static str) {
        self.complaints.lock().expect("the set of complaints").insert(controller);
    }

    /// The node stops reporting.
    pub fn kill_node(&self, name: &str) {
        self.dead.lock().expect("the set of the dead").insert(name.to_string());
    }

    /// Lets a little time pass: enough for everything that does not wait for a clock.
    pub async fn settle(&self) {
        self.pass(1).await;
    }

    /// Lets seconds pass.
    pub async fn pass(&self, seconds: u64) {
        self.rt.sleep(Duration::from_secs(seconds)).await;
    }

    /// Makes an object in namespace `default` (or in none), and settles.
    pub async fn create(&self, resource: Resource, object: Value) -> Arc<Object> {
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or("").to_string();
        let made = self.admin.create(resource, &namespace, object).await.expect("created");
        self.settle().await;
        made
    }

    /// Reads an object as a value.
    pub async fn get(&self, resource: Resource, namespace: &str, name: &str) -> Value {
        self.admin.get(resource, namespace, name).await.expect("found").value().as_ref().clone()
    }

    /// Whether an object exists.
    pub async fn exists(&self, resource: Resource, namespace: &str, name: &str) -> bool {
        self.admin.find(resource, namespace, name).await.expect("answered").is_some()
    }

    /// The objects of a namespace (empty for all).
    pub async fn list(&self, resource: Resource, namespace: &str) -> Vec<Arc<Object>> {
        self.admin.list(resource, namespace, Options::default()).await.expect("listed").items
    }

    /// Merges a patch into an object, and settles.
    pub async fn patch(&self, resource: Resource, namespace: &str, name: &str, patch: Value) {
        self.admin.patch(resource, namespace, name, "", PatchKind::Merge, patch).await.expect("patched");
        self.settle().await;
    }

    /// Merges a patch into an object's status, without settling.
    pub async fn patch_status(&self, resource: Resource, namespace: &str, name: &str, status: Value) {
        let patch = json!({ "status": status });
        self.admin.patch(resource, namespace, name, "status", PatchKind::Merge, patch).await.expect("patched");
    }

    /// Deletes an object, and settles.
    pub async fn delete(&self, resource: Resource, namespace: &str, name: &str, options: Value) {
        self.admin.delete(resource, namespace, name, options).await.expect("deleted");
        self.settle().await;
    }

    /// Pods that run (or wait) and are not being deleted.
    pub async fn active_pods(&self) -> Vec<Arc<Object>> {
        let pods = self.list(PODS, "").await;
        let phase = |pod: &Object| pod.value()["status"]["phase"].as_str().unwrap_or("").to_string();
        let active = |pod: &Arc<Object>| {
            pod.meta("deletionTimestamp").is_empty() && !matches!(phase(pod).as_str(), "Failed" | "Succeeded")
        };
        pods.into_iter().filter(active).collect()
    }

    /// Plays kubelet until nothing changes: starts pods on node `node-1` (or the one they are pinned to), and ends
    /// those that are being deleted.
    pub async fn play_kubelet(&self) {
        loop {
            let mut changed = false;
            for pod in self.list(PODS, "").await {
                changed |= self.play_pod(&pod).await;
            }
            self.settle().await;
            if !changed {
                return;
            }
        }
    }

    async fn play_pod(&self, pod: &Object) -> bool {
        if !pod.meta("deletionTimestamp").is_empty() {
            let now = json!({ "gracePeriodSeconds": 0 });
            let _ = self.admin.delete(PODS, pod.namespace(), pod.name(), now).await;
            return true;
        }
        if pod.value()["status"]["phase"].as_str().unwrap_or("Pending") != "Pending" {
            return false;
        }
        // Who is not bound yet gets the node that it is pinned to.
        let terms = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0";
        let pinned = pod.value().pointer(&format!("{terms}/matchFields/0/values/0")).and_then(Value::as_str);
        if pod.value()["spec"].get("nodeName").is_none() {
            let target = json!({ "apiVersion": "v1", "kind": "Node", "name": pinned.unwrap_or("node-1") });
            let binding = json!({
                "apiVersion": "v1", "kind": "Binding", "metadata": { "name": pod.name() }, "target": target,
            });
            self.admin.create_sub(PODS, pod.namespace(), pod.name(), "binding", binding).await.expect("bound");
        }
        let now = self.rt.now().rfc3339();
        let address = format!("10.0.0.{}", pod.revision() % 250 + 1);
        let status = json!({
            "phase": "Running",
            "podIP": address,
            "podIPs": [{ "ip": address }],
            "startTime": now,
            "conditions": [{ "type": "Ready", "status": "True", "lastTransitionTime": now }],
        });
        self.patch_status(PODS, pod.namespace(), pod.name(), status).await;
        true
    }

    /// Reason and message of the events about an object, oldest first.
    pub async fn events(&self, kind: &str, name: &str) -> Vec<String> {
        let mut events = self.list(Resource::core("events"), "").await;
        events.sort_by_key(|event| event.revision());
        let about = |event: &Arc<Object>| {
            let about = &event.value()["involvedObject"];
            about["kind"] == kind && about["name"] == name
        };
        let text = |event: &Object, member: &str| event.value()[member].as_str().unwrap_or("").to_string();
        events.iter().filter(|e| about(e)).map(|e| format!("{}: {}", text(e, "reason"), text(e, "message"))).collect()
    }
}
