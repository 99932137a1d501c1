//! Nodes of the fleet: registration, heartbeats, outages and restarts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cove_base::virtual_runtime::VirtualDriver;
use cove_base::{Runtime, Seed, Timestamp};
use cove_kube_api::door::{Options, PatchKind, SIMULATED_FLEET, UserInfo, WatchEvent};
use cove_kube_client::cache::Cache;
use cove_kube_client::events::Sink;
use cove_kube_client::{Client, Resource};
use cove_kube_server::config::Config;
use cove_kube_server::server::ApiServer;
use cove_nodes::fleet::{Fleet, FleetConfig};
use cove_nodes::node::NodeSpec;
use cove_nodes::runtime::PodNetwork;
use cove_nodes::simulated::SimulatedRuntime;
use cove_store::Space;
use serde_json::{Value, json};

const NODES: Resource = Resource::core("nodes");
const PODS: Resource = Resource::core("pods");
const LEASES: Resource = Resource::new("coordination.k8s.io", "v1", "leases");
const RBAC: &str = "rbac.authorization.k8s.io";
const NAME: &str = "ip-10-0-0-5.us-west-2.compute.internal";

struct OneAddress;

impl PodNetwork for OneAddress {
    fn allocate(&self, _node: &str, _pod_uid: &str) -> Option<String> {
        Some("10.0.0.9".into())
    }
    fn adopt(&self, _node: &str, _pod_uid: &str, _ip: &str) {}
    fn release(&self, _pod_uid: &str) {}
}

/// A region's process: gone with this value, the space stays.
struct Process {
    rt: Runtime,
    admin: Client,
    fleet: Fleet,
    _events: Sink,
}

impl Process {
    async fn start(rt: &Runtime, space: &Arc<dyn Space>) -> Self {
        let config = Config { advertise: ([10, 0, 0, 1].into(), 443), ..Config::new(35) };
        let server = ApiServer::new(rt.clone(), space.clone(), config);
        cove_kube_server::bootstrap::bootstrap(&server).await.unwrap();
        let admin = Client::new(server, UserInfo::new("admin", &["system:masters"]));
        let own = admin.with_user(UserInfo::new(SIMULATED_FLEET, &[]));
        let cache = |resource| Cache::start(rt, own.clone(), resource, "", Options::default());
        let events = Sink::start(rt);
        let fleet = Fleet::start(FleetConfig {
            rt: rt.clone(),
            client: own.clone(),
            pods: cache(PODS),
            nodes: cache(NODES),
            runtime: Arc::new(SimulatedRuntime::new(rt.clone(), Arc::new(OneAddress))),
            events: events.clone(),
        });
        Self { rt: rt.clone(), admin, fleet, _events: events }
    }

    async fn power_on(&self) {
        let client = self.admin.with_user(UserInfo::new(format!("system:node:{NAME}"), &["system:nodes"]));
        self.fleet.power_on(spec(), client).await;
    }

    async fn seconds(&self, seconds: u64) {
        self.rt.sleep(Duration::from_secs(seconds)).await;
    }

    async fn renew_time(&self) -> Timestamp {
        let lease = self.admin.get(LEASES, "kube-node-lease", NAME).await.unwrap();
        Timestamp::parse_rfc3339(lease.value()["spec"]["renewTime"].as_str().unwrap()).unwrap()
    }

    async fn ready(&self) -> Value {
        let node = self.admin.get(NODES, "", NAME).await.unwrap();
        let conditions = node.value()["status"]["conditions"].as_array().unwrap().clone();
        conditions.into_iter().find(|c| c["type"] == "Ready").unwrap()
    }

    /// What the fleet may, and the CNI's agent on the node.
    async fn furnish(&self) {
        let rules = json!([{"apiGroups": [""], "resources": ["nodes", "pods"], "verbs": ["get", "list", "watch"]}]);
        let role = json!({"metadata": {"name": "fleet"}, "rules": rules});
        let binding = json!({
            "metadata": {"name": "fleet"}, "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "fleet"},
            "subjects": [{"apiGroup": RBAC, "kind": "User", "name": SIMULATED_FLEET}],
        });
        self.admin.create(Resource::new(RBAC, "v1", "clusterroles"), "", role).await.unwrap();
        self.admin.create(Resource::new(RBAC, "v1", "clusterrolebindings"), "", binding).await.unwrap();
        let account = json!({"metadata": {"name": "default"}});
        self.admin.create(Resource::core("serviceaccounts"), "kube-system", account).await.unwrap();
    }

    async fn run_network_agent(&self) {
        let pod = json!({
            "metadata": {"name": "aws-node-x", "labels": {"k8s-app": "aws-node"}},
            "spec": {"nodeName": NAME, "hostNetwork": true, "containers": [{"name": "c", "image": "i"}],
                "tolerations": [{"operator": "Exists"}]},
        });
        self.admin.create(PODS, "kube-system", pod).await.unwrap();
    }
}

fn spec() -> NodeSpec {
    NodeSpec {
        name: NAME.into(),
        provider_id: "aws:///us-west-2a/i-0123456789abcdef0".into(),
        internal_ip: "10.0.0.5".into(),
        cpus: 2,
        memory_mib: 4_096,
        disk_bytes: 21_462_233_088,
        max_pods: 17,
        architecture: "amd64".into(),
        kubelet_version: "v1.35.4-eks-1234567".into(),
        os_image: "Amazon Linux 2023.9.20251110".into(),
        kernel_version: "6.12.53-69.119.amzn2023.x86_64".into(),
        container_runtime: "containerd://2.1.5".into(),
        labels: BTreeMap::new(),
        taints: Vec::new(),
    }
}

fn run<F: Future<Output = ()> + Send + 'static>(test: impl FnOnce(Runtime, Arc<dyn Space>) -> F) {
    let driver = VirtualDriver::new(Timestamp::from_secs(1_795_600_000));
    let rt = driver.runtime(Seed::new(7));
    let space = driver.block_on(async move { cove_store::memory().space("cluster").await.unwrap() });
    driver.block_on(test(rt, space));
}

#[test]
fn a_node_that_nobody_looks_at_costs_no_writes_and_is_alive() {
    run(|rt, space| async move {
        let region = Process::start(&rt, &space).await;
        region.furnish().await;
        region.power_on().await;
        region.seconds(5).await;
        let quiet = space.revision();
        region.seconds(100).await;
        assert_eq!(space.revision(), quiet);
        let alive = region.renew_time().await;
        assert!(rt.now().since(alive) < Duration::from_secs(10), "{alive:?}");
        region.fleet.power_off(NAME).await;
        region.seconds(60).await;
        let last = region.renew_time().await;
        assert!((Duration::from_secs(60)..Duration::from_secs(70)).contains(&rt.now().since(last)), "{last:?}");
    });
}

#[test]
fn a_node_taken_for_dead_speaks_up_within_ten_seconds() {
    run(|rt, space| async move {
        let region = Process::start(&rt, &space).await;
        region.furnish().await;
        region.power_on().await;
        region.run_network_agent().await;
        region.seconds(30).await;
        assert_eq!(region.ready().await["status"], "True");
        let unknown = json!([{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown",
            "lastTransitionTime": rt.now().rfc3339()}]);
        let patch = json!({"status": {"conditions": unknown}});
        region.admin.patch(NODES, "", NAME, "status", PatchKind::Strategic, patch).await.unwrap();
        let marked = rt.now();
        region.seconds(11).await;
        let ready = region.ready().await;
        assert_eq!((&ready["status"], &ready["reason"]), (&json!("True"), &json!("KubeletReady")));
        let back = Timestamp::parse_rfc3339(ready["lastTransitionTime"].as_str().unwrap()).unwrap();
        assert!(back >= marked && back.since(marked) <= Duration::from_secs(10));
    });
}

#[test]
fn a_restart_of_the_region_leaves_a_ready_node_ready() {
    run(|rt, space| async move {
        let region = Process::start(&rt, &space).await;
        region.furnish().await;
        region.power_on().await;
        region.run_network_agent().await;
        region.seconds(30).await;
        let before = region.ready().await;
        assert_eq!(before["status"], "True");
        drop(region);
        rt.sleep(Duration::from_secs(20)).await;
        let region = Process::start(&rt, &space).await;
        let options = Options { timeout_seconds: Some(60), ..Options::default() };
        let mut nodes = region.admin.watch(NODES, "", options).await.unwrap();
        region.power_on().await;
        let mut posts = 0;
        while let Some(event) = nodes.next().await {
            let (WatchEvent::Added(node) | WatchEvent::Modified(node)) = event else { panic!("{event:?}") };
            let ready = node.value()["status"]["conditions"].as_array().unwrap().iter().find(|c| c["type"] == "Ready");
            assert_eq!(ready.unwrap()["status"], "True");
            assert_eq!(ready.unwrap()["lastTransitionTime"], before["lastTransitionTime"]);
            posts += 1;
        }
        assert!(posts >= 2, "the state, and the status that the new process posted");
        assert!(rt.now().since(region.renew_time().await) < Duration::from_secs(10));
    });
}
