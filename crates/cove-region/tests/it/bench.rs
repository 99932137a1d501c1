//! What the tests share: a region on a virtual clock, and the calls of somebody who uses it.

use std::sync::Arc;
use std::time::Duration;

use cove_base::virtual_runtime::VirtualDriver;
use cove_base::{Runtime, Seed, Timestamp};
use cove_kube_api::door::Options;
use cove_kube_client::{Client, Resource};
use cove_region::config::{NodeKind, RegionConfig};
use cove_region::region::Region;
use cove_store::Store;
use serde_json::{Value, json};

use crate::log::{self, Sink};

pub const CLUSTER: &str = "c";
pub const PODS: Resource = Resource::core("pods");
const NODE_POLICIES: &[&str] =
    &["AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryPullOnly"];

/// A region and its clock.
#[derive(Clone)]
pub struct Bench {
    pub rt: Runtime,
    pub region: Arc<Region>,
}

/// Runs `test` in a region of its own that began at the start of 2026; every write goes to `sink`.
pub fn run<T, F>(seed: u64, sink: Sink, test: impl FnOnce(Bench) -> F) -> T
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let driver = VirtualDriver::new(Timestamp::from_secs(1_767_225_600));
    let rt = driver.runtime(Seed::new(seed));
    let store = cove_store::memory();
    log::record(&rt, &store, sink);
    let bench = driver.block_on(Bench::start(rt, store));
    let value = driver.block_on(test(bench.clone()));
    driver.block_on(async move { bench.region.stop().await });
    value
}

impl Bench {
    /// A region without sockets over a store.
    pub async fn start(rt: Runtime, store: Arc<dyn Store>) -> Self {
        let config = RegionConfig {
            region: "us-west-2".into(),
            nodes: NodeKind::Simulated,
            boot: Duration::from_secs(20),
            drain_timeout: cove_aws::ports::DRAIN_TIMEOUT,
            admin: None,
            listen: None,
        };
        let region = Region::start(rt.clone(), store, config).await;
        Self { rt, region: Arc::new(region.unwrap_or_else(|e| panic!("{e:?}"))) }
    }

    /// An AWS operation that succeeds.
    pub async fn aws(&self, service: &str, operation: &str, input: Value) -> Value {
        let reply = self.region.call("", service, operation, input).await;
        reply.unwrap_or_else(|fault| panic!("{operation}: {fault}"))
    }

    /// A client of the cluster as its creator.
    pub async fn kube(&self) -> Client {
        self.region.client("", CLUSTER).await.unwrap()
    }

    async fn role(&self, name: &str, service: &str, policies: &[&str]) -> Value {
        let trust = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"},
        ]});
        let input = json!({"RoleName": name, "AssumeRolePolicyDocument": trust.to_string()});
        let role = self.aws("iam", "CreateRole", input).await;
        for policy in policies {
            let arn = format!("arn:aws:iam::aws:policy/{policy}");
            self.aws("iam", "AttachRolePolicy", json!({"RoleName": name, "PolicyArn": arn})).await;
        }
        role["Role"]["Arn"].clone()
    }

    async fn subnets(&self) -> Vec<Value> {
        let filters = json!([{"Name": "default-for-az", "Values": ["true"]}]);
        let found = self.aws("ec2", "DescribeSubnets", json!({"Filters": filters})).await;
        found["Subnets"].as_array().unwrap().iter().map(|s| s["SubnetId"].clone()).collect()
    }

    /// A cluster, once it is active.
    pub async fn create_cluster(&self, authentication_mode: &str) {
        let role = self.role("eks-cluster", "eks.amazonaws.com", &["AmazonEKSClusterPolicy"]).await;
        let input = json!({
            "name": CLUSTER, "roleArn": role, "resourcesVpcConfig": {"subnetIds": self.subnets().await},
            "accessConfig": {"authenticationMode": authentication_mode},
        });
        self.aws("eks", "CreateCluster", input).await;
        self.until("the cluster is active", 600, || async {
            self.aws("eks", "DescribeCluster", json!({"name": CLUSTER})).await["cluster"]["status"] == "ACTIVE"
        })
        .await;
    }

    /// A node group `ng` of so many nodes, once it is active.
    pub async fn create_nodes(&self, count: usize) {
        let role = self.role("eks-node", "ec2.amazonaws.com", NODE_POLICIES).await;
        let input = json!({
            "clusterName": CLUSTER, "nodegroupName": "ng", "nodeRole": role, "subnets": self.subnets().await,
            "instanceTypes": ["t3.medium"],
            "scalingConfig": {"minSize": 0, "maxSize": count + 10, "desiredSize": count},
        });
        self.aws("eks", "CreateNodegroup", input).await;
        self.until("the node group is active", 900, || async { self.node_group().await["status"] == "ACTIVE" }).await;
    }

    /// The node group as EKS describes it.
    pub async fn node_group(&self) -> Value {
        let input = json!({"clusterName": CLUSTER, "nodegroupName": "ng"});
        self.aws("eks", "DescribeNodegroup", input).await["nodegroup"].take()
    }

    /// The running instances' ids.
    pub async fn instances(&self) -> Vec<String> {
        let filters = json!([{"Name": "instance-state-name", "Values": ["running"]}]);
        let found = self.aws("ec2", "DescribeInstances", json!({"Filters": filters})).await;
        let reservations = found["Reservations"].as_array().into_iter().flatten();
        let instances = reservations.flat_map(|r| r["Instances"].as_array().into_iter().flatten());
        let mut ids: Vec<String> = instances.map(|i| i["InstanceId"].as_str().unwrap().into()).collect();
        ids.sort();
        ids
    }

    /// How many pods of `default` run.
    pub async fn running_pods(&self) -> usize {
        let pods = self.kube().await.list(PODS, "default", Options::default()).await.unwrap();
        pods.items.iter().filter(|p| p.value()["status"]["phase"] == "Running").count()
    }

    /// Lets virtual time pass, a second at a time, until something holds.
    pub async fn until<F: Future<Output = bool>>(&self, what: &str, seconds: u64, holds: impl Fn() -> F) {
        for _ in 0..seconds {
            if holds().await {
                return;
            }
            self.rt.sleep(Duration::from_secs(1)).await;
        }
        panic!("not within {seconds} s: {what}\n{}", self.describe().await);
    }

    /// What there is, for a failed test.
    async fn describe(&self) -> String {
        let mut text = format!("{}\n", self.node_group().await);
        for id in self.instances().await.iter().take(2) {
            let console = self.aws("ec2", "GetConsoleOutput", json!({"InstanceId": id})).await;
            text += &format!("{id}: {}\n", console["Output"]);
        }
        for resource in ["nodes", "pods"] {
            let objects = self.region.objects("", CLUSTER, resource).await.unwrap();
            for object in objects.as_array().into_iter().flatten().take(5) {
                text += &format!("{resource}: {} {}\n", object["metadata"]["name"], object["status"]["conditions"]);
            }
        }
        text
    }
}

/// A Deployment of pods labelled `app: web`.
pub fn deployment(replicas: usize) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{
                    "name": "web", "image": "nginx", "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
                }]},
            },
        },
    })
}
