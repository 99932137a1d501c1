//! A cluster with a scheduler, and short forms.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use cove_base::Runtime;
use cove_base::seed::Seed;
use cove_base::time::Timestamp;
use cove_base::virtual_runtime::VirtualDriver;
use cove_kube_api::door::{KubeDoor, Options, PatchKind, Request, Response, UserInfo};
use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use cove_kube_client::{Client, Resource};
use cove_kube_server::bootstrap::bootstrap;
use cove_kube_server::config::Config;
use cove_kube_server::server::ApiServer;
use cove_scheduler::Handle;
use serde_json::{Value, json};

pub const PODS: Resource = Resource::core("pods");
pub const NODES: Resource = Resource::core("nodes");
pub const EVENTS: Resource = Resource::core("events");

/// A cluster and its scheduler, seen by an administrator.
#[derive(Clone)]
pub struct Cluster {
    pub rt: Runtime,
    pub client: Client,
    _scheduler: Arc<Handle>,
}

/// Runs a test in a new cluster.
pub fn run<F: Future<Output = ()> + Send + 'static>(test: impl FnOnce(Cluster) -> F + Send + 'static) {
    run_seeded(7, test);
}

/// The same with a seed; its value comes back.
pub fn run_seeded<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    seed: u64,
    test: impl FnOnce(Cluster) -> F + Send + 'static,
) -> T {
    run_with(seed, 0, test)
}

/// The same with a server that refuses the first bindings.
pub fn run_with<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    seed: u64,
    refusals: usize,
    test: impl FnOnce(Cluster) -> F + Send + 'static,
) -> T {
    let driver = VirtualDriver::new(Timestamp::from_secs(1_795_600_000));
    let rt = driver.runtime(Seed::new(seed));
    driver.block_on(async move { test(start(rt, refusals).await).await })
}

async fn start(rt: Runtime, refusals: usize) -> Cluster {
    let space = cove_store::memory().space("cluster").await.unwrap();
    let config = Config { advertise: ([10, 0, 0, 1].into(), 443), ..Config::new(35) };
    let door = ApiServer::new(rt.clone(), space, config);
    bootstrap(&door).await.unwrap();
    let door: Arc<dyn KubeDoor> = Arc::new(Flaky { door, refusals: Mutex::new(refusals) });
    let client = Client::new(door, UserInfo::new("admin", &["system:masters"]));
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
    client.create(Resource::core("serviceaccounts"), "default", account).await.unwrap();
    let scheduler = client.with_user(UserInfo::new("system:kube-scheduler", &[]));
    let _scheduler = Arc::new(cove_scheduler::run(rt.clone(), scheduler));
    Cluster { rt, client, _scheduler }
}

/// The same in real time.
pub fn run_in_real_time<F: Future<Output = ()>>(test: impl FnOnce(Cluster) -> F) {
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    tokio.block_on(async move {
        let rt = cove_base::tokio_runtime::TokioDriver::runtime(Seed::new(7));
        test(start(rt, 0).await).await;
    });
}

/// A door that refuses bindings at first.
struct Flaky {
    door: Arc<dyn KubeDoor>,
    refusals: Mutex<usize>,
}

#[async_trait]
impl KubeDoor for Flaky {
    async fn call(&self, request: Request) -> Result<Response, Status> {
        if request.target.subresource == "binding" {
            let mut refusals = self.refusals.lock().unwrap();
            if *refusals > 0 {
                *refusals -= 1;
                return Err(Status::internal("try later"));
            }
        }
        self.door.call(request).await
    }
}

impl Cluster {
    /// A node with this many processors and as many times 4 GiB; `change` is merged into it.
    pub async fn node(&self, name: &str, cpus: u32, change: Value) -> Arc<Object> {
        let amount = json!({"cpu": cpus.to_string(), "memory": format!("{}Gi", cpus * 4), "pods": "110"});
        let mut node = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
            "status": {"capacity": amount, "allocatable": amount},
        });
        merge(&mut node, change);
        let taints = node["spec"]["taints"].clone();
        self.client.create(NODES, "", node).await.unwrap();
        // New nodes are tainted as not ready; nothing here makes them ready.
        let patch = json!({ "spec": { "taints": taints } });
        self.client.patch(NODES, "", name, "", PatchKind::Merge, patch).await.unwrap()
    }

    /// A pod that asks for this much processor; `change` is merged into it.
    pub async fn pod(&self, name: &str, cpu: &str, change: Value) -> Arc<Object> {
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}}]},
        });
        merge(&mut pod, change);
        self.client.create(PODS, "default", pod).await.unwrap()
    }

    /// Waits until a pod is placed: the node's name.
    pub async fn placed(&self, name: &str) -> String {
        self.until(name, |pod| pod["spec"]["nodeName"].as_str().map(str::to_string)).await
    }

    /// Waits until a pod says that it could not be placed: the message.
    pub async fn not_placed(&self, name: &str) -> String {
        self.until(name, |pod| {
            let conditions = pod["status"]["conditions"].as_array();
            let condition =
                conditions.into_iter().flatten().find(|c| c["type"] == "PodScheduled" && c["status"] == "False");
            condition.map(|c| format!("{}: {}", c["reason"].as_str().unwrap(), c["message"].as_str().unwrap()))
        })
        .await
    }

    /// Waits, at most ten minutes, until a pod has something to say.
    pub async fn until<T>(&self, name: &str, say: impl Fn(&Value) -> Option<T>) -> T {
        for _ in 0..6_000 {
            let pod = self.client.get(PODS, "default", name).await.unwrap();
            if let Some(said) = say(pod.value()) {
                return said;
            }
            self.rt.sleep(Duration::from_millis(100)).await;
        }
        let pod = self.client.get(PODS, "default", name).await.unwrap();
        panic!("pod {name} had nothing to say for ten minutes: {}", pod.value());
    }

    /// The events about pods: `Normal Scheduled pod: message`.
    pub async fn events(&self) -> Vec<String> {
        self.rt.sleep(Duration::from_secs(1)).await;
        let list = self.client.list(EVENTS, "default", Options::default()).await.unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
        let shown = |event: &Value| {
            let parts = [&event["type"], &event["reason"], &event["involvedObject"]["name"], &event["message"]];
            let [kind, reason, name, message] = parts.map(text);
            format!("{kind} {reason} {name}: {message}")
        };
        list.items.iter().map(|event| shown(event.value())).collect()
    }
}

/// Merges objects deeply; anything else is replaced.
pub fn merge(into: &mut Value, change: Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            change.into_iter().for_each(|(key, value)| merge(into.entry(key).or_insert(Value::Null), value));
        }
        (_, Value::Null) => {}
        (into, change) => *into = change,
    }
}
