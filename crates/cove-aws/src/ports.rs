//! What the services need of the world, as traits over plain values. `cove-region` fills them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

/// The world as the services see it.
pub struct Ports {
    /// Machines behind EC2 instances.
    pub machines: Arc<dyn Machines>,
    /// Clusters behind EKS.
    pub clusters: Arc<dyn Clusters>,
    /// How long a node of a managed node group may take to lose its pods before its instance is ended anyway: EKS's
    /// 15 minutes ([`DRAIN_TIMEOUT`]), or what `cove up --drain-timeout` says.
    pub drain_timeout: Duration,
}

/// EKS's own drain timeout.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// What a machine is started from: the facts that its metadata service and its node agent need.
#[derive(Clone, Debug, PartialEq)]
pub struct MachineSpec {
    /// `i-...`.
    pub instance_id: String,
    /// The region.
    pub region: String,
    /// The zone.
    pub zone: String,
    /// `usw2-az1`.
    pub zone_id: String,
    /// Such as `m5.large`.
    pub instance_type: String,
    /// The image.
    pub image_id: String,
    /// The primary private IPv4 address.
    pub private_ip: String,
    /// Such as `ip-172-31-0-5.us-west-2.compute.internal`.
    pub private_dns_name: String,
    /// The instance profile's role name, if any.
    pub role_name: Option<String>,
    /// User data, decoded.
    pub user_data: Vec<u8>,
    /// The tags.
    pub tags: BTreeMap<String, String>,
}

/// How a machine stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachineState {
    /// It is booting.
    Pending,
    /// Its init runs.
    Running,
    /// It is gone.
    Gone,
}

/// Machines: real (system containers) or simulated.
#[async_trait]
pub trait Machines: Send + Sync {
    /// Starts a machine, or adopts it if it runs already. Idempotent by instance id. Returns once it is running.
    async fn start(&self, spec: MachineSpec) -> Result<(), String>;
    /// Kills a machine and all in it. Idempotent. Returns once it is gone.
    async fn terminate(&self, instance_id: &str) -> Result<(), String>;
    /// How it stands.
    async fn state(&self, instance_id: &str) -> MachineState;
    /// Its console.
    async fn console(&self, instance_id: &str) -> String;
}

/// What a cluster is started from.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterSpec {
    /// The cluster's name, unique in its region.
    pub name: String,
    /// The region.
    pub region: String,
    /// Its ARN.
    pub arn: String,
    /// Such as `1.35`.
    pub version: String,
    /// Such as `10.100.0.0/16`.
    pub service_cidr: String,
    /// Thirty-two upper-case hexadecimal digits, as in the EKS host name and the OIDC issuer.
    pub unique_id: String,
    /// The VPC of its subnets.
    pub vpc_id: String,
    /// The cluster's role, which its cloud controllers call AWS as.
    pub role_arn: String,
    /// Whether aws-node, kube-proxy and coredns are put in, as EKS does unless `bootstrapSelfManagedAddons` is false.
    pub self_managed_addons: bool,
}

/// What is known of a cluster once it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterAddress {
    /// `https://127.0.0.1:PORT`.
    pub endpoint: String,
    /// The CA certificate in PEM.
    pub ca_pem: String,
}

/// A node as the EKS service sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeView {
    /// Its name.
    pub name: String,
    /// The instance it runs on, from its provider id.
    pub instance_id: String,
    /// Whether its Ready condition is true.
    pub ready: bool,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// What became of an attempt to drain a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainProgress {
    /// No pod that must go is left.
    Empty,
    /// So many pods are left, some perhaps refused by a disruption budget.
    Left(usize),
}

/// A taint in Kubernetes' form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeTaint {
    /// Its key.
    pub key: String,
    /// Its value, or empty.
    pub value: String,
    /// Such as `NoSchedule`.
    pub effect: String,
}

/// What UpdateNodegroupConfig changes on a node that exists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeChange {
    /// Labels to set.
    pub labels: BTreeMap<String, String>,
    /// Keys of labels to remove.
    pub removed_labels: Vec<String>,
    /// Taints to set; one of the same key and effect is replaced.
    pub taints: Vec<NodeTaint>,
    /// Taints to remove, by key and effect.
    pub removed_taints: Vec<NodeTaint>,
}

/// Control planes.
#[async_trait]
pub trait Clusters: Send + Sync {
    /// Starts a cluster's API server and controllers, or finds them running. Idempotent by name. Returns once
    /// `/readyz` answers.
    async fn start(&self, spec: ClusterSpec) -> Result<ClusterAddress, String>;
    /// Stops a cluster and deletes its space. Idempotent.
    async fn delete(&self, region: &str, name: &str) -> Result<(), String>;
    /// The nodes.
    async fn nodes(&self, region: &str, name: &str) -> Result<Vec<NodeView>, String>;
    /// Cordons a node and evicts its pods once (each eviction may be refused); never waits.
    async fn drain(&self, region: &str, name: &str, node: &str) -> Result<DrainProgress, String>;
    /// Deletes the Node object of an instance that is gone. Idempotent.
    async fn forget_node(&self, region: &str, name: &str, node: &str) -> Result<(), String>;
    /// Puts a node role into `kube-system/aws-auth` (CONFIG_MAP mode). Idempotent.
    async fn map_node_role(&self, region: &str, name: &str, role_arn: &str) -> Result<(), String>;
    /// Takes it out again.
    async fn unmap_node_role(&self, region: &str, name: &str, role_arn: &str) -> Result<(), String>;
    /// Changes a node's labels and taints. Idempotent. Who does not implement it refuses, and the update fails by name.
    async fn change_node(&self, _region: &str, _name: &str, _node: &str, _change: NodeChange) -> Result<(), String> {
        Err("changing labels and taints of nodes is not supported yet".into())
    }
}
