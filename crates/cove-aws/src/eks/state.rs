//! The records of the EKS service: clusters, node groups, access entries, updates.
//!
//! A record holds what was asked for and what is known; operations write intent, the reconcilers do the rest. The
//! structs of the API's own shapes (`NodegroupScalingConfig` and so on) are kept in records as they are on the wire.

use std::collections::BTreeMap;

use cove_base::Timestamp;
use serde::{Deserialize, Serialize};

use crate::records::Resource;

/// Tags, labels.
pub type StringMap = BTreeMap<String, String>;

/// A cluster's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ClusterStatus {
    /// Being made.
    Creating,
    /// Serving.
    Active,
    /// Being deleted.
    Deleting,
    /// Could not be made.
    Failed,
    /// An update is in progress.
    Updating,
}

/// The `resourcesVpcConfig` of a cluster, completed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VpcConfig {
    /// The subnets, in the order given.
    pub subnet_ids: Vec<String>,
    /// Additional security groups.
    pub security_group_ids: Vec<String>,
    /// EKS's own, once made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_security_group_id: Option<String>,
    /// The VPC of the subnets.
    pub vpc_id: String,
    /// Default true.
    pub endpoint_public_access: bool,
    /// Default false.
    pub endpoint_private_access: bool,
    /// Default everywhere.
    pub public_access_cidrs: Vec<String>,
}

/// One element of `logging.clusterLogging`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSetup {
    /// The kinds of log.
    #[serde(default)]
    pub types: Vec<String>,
    /// On or off.
    #[serde(default)]
    pub enabled: bool,
}

/// An issue of a cluster or a node group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Issue {
    /// The code, from the model.
    pub code: String,
    /// What a person reads.
    pub message: String,
    /// What it is about.
    pub resource_ids: Vec<String>,
}

/// A cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Thirty-two upper-case hexadecimal digits, in the EKS host name and the OIDC issuer.
    pub unique_id: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Such as `1.35`.
    pub version: String,
    /// Such as `eks.9`.
    pub platform_version: String,
    /// Its role.
    pub role_arn: String,
    /// Its network.
    pub vpc: VpcConfig,
    /// Such as `10.100.0.0/16`.
    pub service_cidr: String,
    /// Logging, all five types in one or two elements.
    pub logging: Vec<LogSetup>,
    /// `CONFIG_MAP`, `API_AND_CONFIG_MAP` or `API`.
    pub authentication_mode: String,
    /// As it was asked for; EKS shows it in the reply to CreateCluster only.
    pub bootstrap_creator_admin: bool,
    /// Whether the cluster was born with EKS's self-managed add-ons.
    pub self_managed_addons: bool,
    /// `EXTENDED` or `STANDARD`.
    pub support_type: String,
    /// Whether DeleteCluster is refused.
    pub deletion_protection: bool,
    /// The status.
    pub status: ClusterStatus,
    /// `https://...`, once it answers.
    pub endpoint: Option<String>,
    /// The CA certificate in PEM, once it answers.
    pub ca_pem: Option<String>,
    /// Its issues.
    pub issues: Vec<Issue>,
    /// Its tags.
    pub tags: StringMap,
    /// The idempotency token of its making.
    pub client_request_token: Option<String>,
    /// How often its start has failed in a row.
    pub start_failures: u32,
    /// When DeleteCluster was called.
    pub deleting_since: Option<Timestamp>,
}

impl Resource for Cluster {
    const KIND: &'static str = "eks/cluster";
    fn id(&self) -> String {
        self.name.clone()
    }
}

/// An access policy of an access entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AssociatedPolicy {
    /// The policy's ARN.
    pub policy_arn: String,
    /// Where it holds.
    pub scope: AccessScope,
    /// When it was associated.
    pub associated_at: Timestamp,
    /// When it was changed.
    pub modified_at: Timestamp,
}

/// Where an access policy holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessScope {
    /// `cluster` or `namespace`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Namespaces, with `*` globs.
    #[serde(default)]
    pub namespaces: Vec<String>,
}

/// An access entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccessEntry {
    /// Its cluster.
    pub cluster: String,
    /// The IAM principal, as given.
    pub principal_arn: String,
    /// The principal's unique id when the entry was made: a principal made anew under the same name does not match.
    pub principal_id: Option<String>,
    /// Its ARN.
    pub arn: String,
    /// `STANDARD`, `EC2_LINUX` and so on.
    pub kind: String,
    /// The Kubernetes user name.
    pub username: String,
    /// The Kubernetes groups.
    pub groups: Vec<String>,
    /// Whether EKS made it for a managed node group, and takes it away with the last one.
    pub made_by_eks: bool,
    /// The access policies.
    pub policies: Vec<AssociatedPolicy>,
    /// Its tags.
    pub tags: StringMap,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed.
    pub modified_at: Timestamp,
    /// The idempotency token of its making.
    pub client_request_token: Option<String>,
}

impl AccessEntry {
    /// The id of the entry of a principal in a cluster.
    pub fn id_of(cluster: &str, principal_arn: &str) -> String {
        format!("{cluster}/{principal_arn}")
    }
}

impl Resource for AccessEntry {
    const KIND: &'static str = "eks/access-entry";
    fn id(&self) -> String {
        Self::id_of(&self.cluster, &self.principal_arn)
    }
}

/// One error of an update.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateError {
    /// The code, from the model.
    pub error_code: String,
    /// What a person reads.
    pub error_message: String,
    /// What it is about.
    pub resource_ids: Vec<String>,
}

/// One parameter of an update, as EKS shows it: structured values are JSON text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpdateParam {
    /// Its name, from the model.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its value.
    pub value: String,
}

/// An update of a cluster or of a node group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Update {
    /// Its cluster.
    pub cluster: String,
    /// Its node group, if it is one of a node group.
    pub nodegroup: Option<String>,
    /// A UUID.
    pub update_id: String,
    /// `InProgress`, `Successful`, `Failed`, `Cancelled`.
    pub status: String,
    /// Such as `EndpointAccessUpdate`.
    pub kind: String,
    /// What it changes.
    pub params: Vec<UpdateParam>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// Why it failed.
    pub errors: Vec<UpdateError>,
    /// The idempotency token of its making.
    pub client_request_token: Option<String>,
}

impl Update {
    /// `InProgress`.
    pub const IN_PROGRESS: &'static str = "InProgress";
    /// `Successful`.
    pub const SUCCESSFUL: &'static str = "Successful";
    /// `Failed`.
    pub const FAILED: &'static str = "Failed";

    /// The prefix of the ids of a cluster's (`nodegroup` empty) or a node group's updates.
    pub fn prefix(cluster: &str, nodegroup: Option<&str>) -> String {
        match nodegroup {
            None => format!("{cluster}/cluster/"),
            Some(nodegroup) => format!("{cluster}/nodegroup/{nodegroup}/"),
        }
    }
}

impl Resource for Update {
    const KIND: &'static str = "eks/update";
    fn id(&self) -> String {
        format!("{}{}", Self::prefix(&self.cluster, self.nodegroup.as_deref()), self.update_id)
    }
}
