//! What runs in a machine: the node bootstrap of `cove-cloud`, then the node agent, here the fleet of its cluster.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use cove_aws_wire::door::{AwsDoor, AwsRequest, Caller};
use cove_base::Runtime;
use cove_cloud::bootstrap::{ApiServers, MachineFacts, NodeBootstrap, NodeFacts, NodePower};
use cove_kube_api::status::Status;
use cove_kube_client::Client;
use cove_kube_server::authentication::{self, Credential};
use cove_machines::machine::{Guest, MachineSpec};
use cove_machines::simulated::Console;
use cove_nodes::node::NodeSpec;
use serde_json::{Value, json};

use super::ground::Software;
use super::pod_network::SubnetPods;
use crate::clusters::Clusters;

/// The size of a simulated root volume as its filesystem shows it: EKS's default of 20 GiB.
const ROOT_DISK_BYTES: u64 = 21_462_233_088;

/// The guest of every instance.
pub(crate) struct InstanceGuest {
    rt: Runtime,
    clusters: Arc<Clusters>,
    pods: Arc<SubnetPods>,
    joined: OnceLock<Joined>,
}

/// What the guest needs of AWS. The AWS side needs the machines first, so this is joined later.
struct Joined {
    aws: Arc<dyn AwsDoor>,
    bootstrap: NodeBootstrap,
}

#[async_trait]
impl Guest for InstanceGuest {
    async fn run(&self, machine: Arc<MachineSpec>, console: Console) {
        let Some(joined) = self.joined.get() else { return };
        let facts = MachineFacts {
            instance_id: machine.instance_id.clone(),
            region: machine.region.clone(),
            zone: machine.zone.clone(),
            instance_type: machine.instance_type.clone(),
            image_name: self.image_name(&machine).await,
            private_ip: machine.private_ip.clone(),
            private_dns_name: machine.private_dns_name.clone(),
            role_name: machine.role_name.clone(),
            user_data: machine.user_data.clone(),
        };
        self.note_subnet(&machine).await;
        joined.bootstrap.boot(&facts, |line| console.print(line)).await;
        std::future::pending().await
    }

    async fn powered_off(&self, machine: Arc<MachineSpec>) {
        self.clusters.power_off(&machine.instance_id).await;
    }
}

impl InstanceGuest {
    /// A guest that waits for [`InstanceGuest::join`].
    pub(crate) fn new(rt: &Runtime, clusters: Arc<Clusters>, pods: Arc<SubnetPods>) -> Self {
        Self { rt: rt.clone(), clusters, pods, joined: OnceLock::new() }
    }

    /// Joins the AWS side, once, before any machine starts.
    pub(crate) fn join(&self, aws: Arc<dyn AwsDoor>, bootstrap: NodeBootstrap) {
        let _ = self.joined.set(Joined { aws, bootstrap });
    }

    async fn describe(&self, machine: &MachineSpec, operation: &str, input: Value) -> Value {
        let request = AwsRequest {
            caller: Caller::service("ec2.amazonaws.com"),
            region: machine.region.clone(),
            service: "ec2".into(),
            operation: operation.into(),
            input,
            request_id: self.rt.seed().uuid(&format!("guest/{}/{operation}", machine.instance_id), 0),
        };
        let Some(joined) = self.joined.get() else { return Value::Null };
        joined.aws.call(request).await.unwrap_or_else(|fault| {
            tracing::warn!(instance = %machine.instance_id, "{operation}: {fault}");
            Value::Null
        })
    }

    async fn image_name(&self, machine: &MachineSpec) -> String {
        let images = self.describe(machine, "DescribeImages", json!({"ImageIds": [machine.image_id]})).await;
        images["Images"][0]["Name"].as_str().unwrap_or_default().to_string()
    }

    /// Pods get their addresses from the subnet of the machine's interface.
    async fn note_subnet(&self, machine: &MachineSpec) {
        let instances =
            self.describe(machine, "DescribeInstances", json!({"InstanceIds": [machine.instance_id]})).await;
        let subnet = &instances["Reservations"][0]["Instances"][0]["SubnetId"];
        let subnets = self.describe(machine, "DescribeSubnets", json!({"SubnetIds": [subnet]})).await;
        if let Some(cidr) = subnets["Subnets"][0]["CidrBlock"].as_str() {
            self.pods.node_in(&machine.private_dns_name, cidr);
        }
    }
}

/// The API servers of this region's clusters, and the agents of their nodes.
pub(crate) struct NodeSide {
    pub clusters: Arc<Clusters>,
    /// The software of real nodes, which is not what their image has.
    pub software: Option<Software>,
}

#[async_trait]
impl ApiServers for NodeSide {
    async fn connect(&self, endpoint: &str, token: &str) -> Result<Client, Status> {
        let Some(cluster) = self.clusters.at(endpoint) else {
            return Err(Status::new(503, "ServiceUnavailable", "connection refused"));
        };
        let user = authentication::authenticate(&cluster.server, Credential::Token(token)).await?;
        Ok(cluster.client(user))
    }
}

#[async_trait]
impl NodePower for NodeSide {
    async fn power_on(&self, endpoint: &str, node: NodeFacts, client: Client) {
        let instance_id = node.provider_id.rsplit('/').next().unwrap_or_default().to_string();
        let mut spec = node_spec(node);
        if let Some(software) = &self.software {
            spec.kernel_version.clone_from(&software.kernel);
            spec.container_runtime.clone_from(&software.container_runtime);
        }
        self.clusters.power_on(endpoint, &instance_id, spec, client).await;
    }
}

fn node_spec(node: NodeFacts) -> NodeSpec {
    NodeSpec {
        name: node.name,
        provider_id: node.provider_id,
        internal_ip: node.internal_ip,
        cpus: node.cpus,
        memory_mib: node.memory_mib,
        disk_bytes: ROOT_DISK_BYTES,
        max_pods: node.max_pods,
        architecture: node.architecture,
        kubelet_version: node.kubelet_version,
        os_image: node.os_image,
        kernel_version: node.kernel_version,
        container_runtime: node.container_runtime,
        labels: node.labels,
        taints: node.taints,
    }
}
