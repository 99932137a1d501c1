//! The guest of a simulated instance: what an EKS node image does between power-on and a registered kubelet.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cove_aws_wire::door::{AwsDoor, AwsRequest, Caller};
use cove_aws_wire::fault::Fault;
use cove_base::Runtime;
use cove_kube_api::status::Status;
use cove_kube_client::Client;
use serde_json::{Value, json};

use super::user_data::{NodeConfig, OsFamily, parse};
use crate::versions;

/// Delays between attempts to join, as the kubelet's registration backs off.
const FIRST_RETRY: Duration = Duration::from_millis(200);
const LONGEST_RETRY: Duration = Duration::from_secs(7);

/// What the bootstrap knows of its machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineFacts {
    /// `i-...`.
    pub instance_id: String,
    /// The region.
    pub region: String,
    /// The zone.
    pub zone: String,
    /// Such as `t3.medium`.
    pub instance_type: String,
    /// The image's name, such as `amazon-eks-node-al2023-x86_64-standard-1.35-v20260714`.
    pub image_name: String,
    /// The private address.
    pub private_ip: String,
    /// The private DNS name.
    pub private_dns_name: String,
    /// The instance profile's role.
    pub role_name: Option<String>,
    /// The user data.
    pub user_data: Vec<u8>,
}

/// The credentials of an instance's role, as its metadata service hands them out.
#[async_trait]
pub trait RoleCredentials: Send + Sync {
    /// The caller that the role's credentials make, and a token for a cluster signed with them.
    async fn token(&self, machine: &MachineFacts, role: &str, cluster: &str) -> Result<(Caller, String), String>;
}

/// Where API servers can be reached.
#[async_trait]
pub trait ApiServers: Send + Sync {
    /// Authenticates a token at an endpoint. 401 if the token's principal is not mapped.
    async fn connect(&self, endpoint: &str, token: &str) -> Result<Client, Status>;
}

/// The node agent's switch.
#[async_trait]
pub trait NodePower: Send + Sync {
    /// The node agent runs from now on.
    async fn power_on(&self, endpoint: &str, node: NodeFacts, client: Client);
}

/// What a node is made of, as plain values: `cove-nodes` has its own type, which the region makes from this.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeFacts {
    /// The node's name: the private DNS name.
    pub name: String,
    /// `aws:///ZONE/INSTANCE`.
    pub provider_id: String,
    /// The private address.
    pub internal_ip: String,
    /// vCPUs.
    pub cpus: u64,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// The most pods.
    pub max_pods: u64,
    /// `amd64` or `arm64`.
    pub architecture: String,
    /// The kubelet's version.
    pub kubelet_version: String,
    /// The operating system's name.
    pub os_image: String,
    /// The kernel's version.
    pub kernel_version: String,
    /// The container runtime's version.
    pub container_runtime: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Taints: key, value, effect.
    pub taints: Vec<(String, String, String)>,
}

/// Makes machines into nodes.
pub struct NodeBootstrap {
    /// Clock.
    pub rt: Runtime,
    /// The AWS door, called with the role's own credentials.
    pub aws: Arc<dyn AwsDoor>,
    /// The metadata service's credentials.
    pub credentials: Arc<dyn RoleCredentials>,
    /// The clusters.
    pub servers: Arc<dyn ApiServers>,
    /// The node agents.
    pub power: Arc<dyn NodePower>,
}

impl NodeBootstrap {
    /// Boots a node. Returns when its agent runs, or when the machine will never be a node; `print` is the console.
    pub async fn boot(&self, machine: &MachineFacts, print: impl Fn(String) + Send + Sync) {
        let config = match parse(&machine.user_data) {
            Ok(config) => config,
            Err(error) => return print(format!("bootstrap: {error}; this machine stays a plain instance")),
        };
        let Some(role) = machine.role_name.clone() else {
            return print("bootstrap: no instance profile, so no credentials to join a cluster with".into());
        };
        print(format!("bootstrap: {:?} joins cluster {}", config.family, config.cluster));
        let mut delay = FIRST_RETRY;
        let mut last = String::new();
        loop {
            match self.join(machine, &config, &role).await {
                Ok(()) => return print("kubelet: node registration begins".into()),
                // A console that repeats itself hides what matters.
                Err(error) if error != last => {
                    print(format!("bootstrap: {error}"));
                    last = error;
                }
                Err(_) => {}
            }
            self.rt.sleep(delay).await;
            delay = (delay * 2).min(LONGEST_RETRY);
        }
    }

    /// One attempt: credentials, facts from EC2 (as the node's role), token, API server, agent.
    async fn join(&self, machine: &MachineFacts, config: &NodeConfig, role: &str) -> Result<(), String> {
        let (caller, token) = self.credentials.token(machine, role, &config.cluster).await?;
        let endpoint = match &config.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => self.endpoint_from_eks(machine, &caller, &config.cluster).await?,
        };
        let hardware = self.hardware(machine, &caller).await.map_err(|f| f.to_string())?;
        let client = self.servers.connect(&endpoint, &token).await.map_err(|status| match status.code {
            401 => format!("the API server at {endpoint} answers Unauthorized: role {role} is not mapped"),
            _ => format!("the API server at {endpoint}: {status}"),
        })?;
        let node = node_spec(machine, config, &hardware);
        self.power.power_on(&endpoint, node, client).await;
        Ok(())
    }

    async fn call(
        &self,
        machine: &MachineFacts,
        caller: &Caller,
        service: &str,
        operation: &str,
        input: Value,
    ) -> Result<Value, Fault> {
        self.aws
            .call(AwsRequest {
                caller: caller.clone(),
                region: machine.region.clone(),
                service: service.into(),
                operation: operation.into(),
                input,
                request_id: self.rt.seed().uuid(&format!("bootstrap/{}/{operation}", machine.instance_id), 0),
            })
            .await
    }

    async fn endpoint_from_eks(
        &self,
        machine: &MachineFacts,
        caller: &Caller,
        cluster: &str,
    ) -> Result<String, String> {
        let described = self.call(machine, caller, "eks", "DescribeCluster", json!({"name": cluster})).await;
        let described = described.map_err(|f| f.to_string())?;
        described["cluster"]["endpoint"]
            .as_str()
            .map(str::to_string)
            .ok_or_else(|| "the cluster has no endpoint".into())
    }

    async fn hardware(&self, machine: &MachineFacts, caller: &Caller) -> Result<Hardware, Fault> {
        let input = json!({"InstanceTypes": [machine.instance_type]});
        let answer = self.call(machine, caller, "ec2", "DescribeInstanceTypes", input).await?;
        let found = &answer["InstanceTypes"][0];
        let number = |value: &Value| value.as_u64().unwrap_or(0);
        let architectures = found["ProcessorInfo"]["SupportedArchitectures"].as_array().cloned().unwrap_or_default();
        let network = &found["NetworkInfo"];
        let interfaces = number(&network["NetworkCards"][0]["MaximumNetworkInterfaces"])
            .max(if network["NetworkCards"].is_null() { number(&network["MaximumNetworkInterfaces"]) } else { 0 });
        Ok(Hardware {
            cpus: number(&found["VCpuInfo"]["DefaultVCpus"]),
            memory_mib: number(&found["MemoryInfo"]["SizeInMiB"]),
            arm: architectures.iter().any(|a| a == "arm64"),
            max_pods: interfaces * number(&network["Ipv4AddressesPerInterface"]).saturating_sub(1) + 2,
        })
    }
}

struct Hardware {
    cpus: u64,
    memory_mib: u64,
    arm: bool,
    /// The VPC CNI's limit: interfaces times (addresses - 1), plus 2.
    max_pods: u64,
}

fn node_spec(machine: &MachineFacts, config: &NodeConfig, hardware: &Hardware) -> NodeFacts {
    let version = versions::of_image(&machine.image_name);
    let machine_arch = if hardware.arm { "aarch64" } else { "x86_64" };
    let (os_image, kernel) = match config.family {
        OsFamily::Al2023 => ("Amazon Linux 2023.11.20260710", version.kernel),
        OsFamily::Al2 => ("Amazon Linux 2", "5.10.247-246.989.amzn2"),
        OsFamily::Bottlerocket => ("Bottlerocket OS 1.62.1 (aws-k8s)", "6.12.68"),
    };
    NodeFacts {
        name: machine.private_dns_name.clone(),
        provider_id: format!("aws:///{}/{}", machine.zone, machine.instance_id),
        internal_ip: machine.private_ip.clone(),
        cpus: hardware.cpus,
        memory_mib: hardware.memory_mib,
        max_pods: config.max_pods.unwrap_or(hardware.max_pods),
        architecture: if hardware.arm { "arm64" } else { "amd64" }.into(),
        kubelet_version: version.kubelet_version(),
        os_image: os_image.into(),
        kernel_version: format!("{kernel}.{machine_arch}"),
        container_runtime: versions::CONTAINERD.into(),
        labels: config.labels.clone(),
        taints: config.taints.iter().map(|t| (t.key.clone(), t.value.clone(), t.effect.clone())).collect(),
    }
}
