//! The shapes that EKS answers with, made from records. Lists and maps are sent even when they are empty, since
//! Terraform reads them back.

use cove_base::Timestamp;
use cove_base::arn::Arn;
use serde::Serialize;

use super::nodegroup_state::{Nodegroup, NodegroupStatus, OwnTemplate, Scaling, Taint, UpdateConfig};
use super::state::{AccessEntry, UpdateError, UpdateParam, VpcConfig};
use super::state::{AccessScope, AssociatedPolicy, Cluster, ClusterStatus, Issue, LogSetup, StringMap, Update};

/// A timestamp as rest-json carries it: seconds with milliseconds.
pub fn seconds(time: Timestamp) -> f64 {
    (time.as_nanos() / 1_000_000) as f64 / 1_000.0
}

/// `{"clusterLogging": [...]}`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoggingView {
    cluster_logging: Vec<LogSetup>,
}

#[derive(Serialize)]
struct Enabled {
    enabled: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NetworkView {
    service_ipv4_cidr: String,
    ip_family: &'static str,
    elastic_load_balancing: Enabled,
}

#[derive(Serialize)]
struct Oidc {
    issuer: String,
}

#[derive(Serialize)]
struct Identity {
    oidc: Oidc,
}

#[derive(Serialize)]
struct Certificate {
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
}

/// `{"issues": [...]}`.
#[derive(Serialize)]
pub struct Health {
    /// The issues.
    pub issues: Vec<Issue>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AccessConfigView {
    #[serde(skip_serializing_if = "Option::is_none")]
    bootstrap_cluster_creator_admin_permissions: Option<bool>,
    authentication_mode: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UpgradePolicy {
    support_type: String,
}

/// A cluster as the API shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterView {
    name: String,
    arn: String,
    created_at: f64,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    role_arn: String,
    resources_vpc_config: VpcConfig,
    kubernetes_network_config: NetworkView,
    logging: LoggingView,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<Identity>,
    status: ClusterStatus,
    certificate_authority: Certificate,
    platform_version: String,
    tags: StringMap,
    health: Health,
    access_config: AccessConfigView,
    upgrade_policy: UpgradePolicy,
    deletion_protection: bool,
}

/// `{"cluster": ...}`.
#[derive(Serialize)]
pub struct ClusterOutput {
    cluster: ClusterView,
}

impl ClusterOutput {
    /// As DescribeCluster and DeleteCluster show it.
    pub fn new(cluster: &Cluster) -> Self {
        Self { cluster: cluster_view(cluster, None) }
    }

    /// As CreateCluster shows it: with the creator's permissions.
    pub fn created(cluster: &Cluster) -> Self {
        Self { cluster: cluster_view(cluster, Some(cluster.bootstrap_creator_admin)) }
    }
}

fn cluster_view(cluster: &Cluster, bootstrap_creator_admin: Option<bool>) -> ClusterView {
    use base64::Engine;
    let region = cluster.arn.parse::<Arn>().map(|arn| arn.region).unwrap_or_default();
    let encoded = |pem: &String| base64::engine::general_purpose::STANDARD.encode(pem);
    ClusterView {
        name: cluster.name.clone(),
        arn: cluster.arn.clone(),
        created_at: seconds(cluster.created_at),
        version: cluster.version.clone(),
        endpoint: cluster.endpoint.clone(),
        role_arn: cluster.role_arn.clone(),
        resources_vpc_config: cluster.vpc.clone(),
        kubernetes_network_config: NetworkView {
            service_ipv4_cidr: cluster.service_cidr.clone(),
            ip_family: "ipv4",
            elastic_load_balancing: Enabled { enabled: false },
        },
        logging: LoggingView { cluster_logging: cluster.logging.clone() },
        identity: cluster.endpoint.as_ref().map(|_| Identity {
            oidc: Oidc { issuer: format!("https://oidc.eks.{region}.amazonaws.com/id/{}", cluster.unique_id) },
        }),
        status: cluster.status,
        certificate_authority: Certificate { data: cluster.ca_pem.as_ref().map(encoded) },
        platform_version: cluster.platform_version.clone(),
        tags: cluster.tags.clone(),
        health: Health { issues: cluster.issues.clone() },
        access_config: AccessConfigView {
            bootstrap_cluster_creator_admin_permissions: bootstrap_creator_admin,
            authentication_mode: cluster.authentication_mode.clone(),
        },
        upgrade_policy: UpgradePolicy { support_type: cluster.support_type.clone() },
        deletion_protection: cluster.deletion_protection,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UpdateView {
    id: String,
    status: String,
    #[serde(rename = "type")]
    kind: String,
    params: Vec<UpdateParam>,
    created_at: f64,
    errors: Vec<UpdateError>,
}

/// `{"update": ...}`.
#[derive(Serialize)]
pub struct UpdateOutput {
    update: UpdateView,
}

impl UpdateOutput {
    /// An update as the API shows it.
    pub fn new(update: &Update) -> Self {
        Self {
            update: UpdateView {
                id: update.update_id.clone(),
                status: update.status.clone(),
                kind: update.kind.clone(),
                params: update.params.clone(),
                created_at: seconds(update.created_at),
                errors: update.errors.clone(),
            },
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AccessEntryView {
    cluster_name: String,
    principal_arn: String,
    kubernetes_groups: Vec<String>,
    access_entry_arn: String,
    created_at: f64,
    modified_at: f64,
    tags: StringMap,
    username: String,
    #[serde(rename = "type")]
    kind: String,
}

/// `{"accessEntry": ...}`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessEntryOutput {
    access_entry: AccessEntryView,
}

impl AccessEntryOutput {
    /// An access entry as the API shows it.
    pub fn new(entry: &AccessEntry) -> Self {
        Self {
            access_entry: AccessEntryView {
                cluster_name: entry.cluster.clone(),
                principal_arn: entry.principal_arn.clone(),
                kubernetes_groups: entry.groups.clone(),
                access_entry_arn: entry.arn.clone(),
                created_at: seconds(entry.created_at),
                modified_at: seconds(entry.modified_at),
                tags: entry.tags.clone(),
                username: entry.username.clone(),
                kind: entry.kind.clone(),
            },
        }
    }
}

/// An associated access policy as the API shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AssociatedPolicyView {
    policy_arn: String,
    access_scope: AccessScope,
    associated_at: f64,
    modified_at: f64,
}

impl From<&AssociatedPolicy> for AssociatedPolicyView {
    fn from(policy: &AssociatedPolicy) -> Self {
        Self {
            policy_arn: policy.policy_arn.clone(),
            access_scope: policy.scope.clone(),
            associated_at: seconds(policy.associated_at),
            modified_at: seconds(policy.modified_at),
        }
    }
}

#[derive(Serialize)]
struct NamedGroup {
    name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NodegroupResources {
    auto_scaling_groups: Vec<NamedGroup>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NodegroupView {
    nodegroup_name: String,
    nodegroup_arn: String,
    cluster_name: String,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    release_version: Option<String>,
    created_at: f64,
    modified_at: f64,
    status: NodegroupStatus,
    capacity_type: String,
    scaling_config: Scaling,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    instance_types: Vec<String>,
    subnets: Vec<String>,
    ami_type: String,
    node_role: String,
    labels: StringMap,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    taints: Vec<Taint>,
    resources: NodegroupResources,
    #[serde(skip_serializing_if = "Option::is_none")]
    disk_size: Option<u32>,
    health: Health,
    update_config: UpdateConfig,
    #[serde(skip_serializing_if = "Option::is_none")]
    node_repair_config: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    launch_template: Option<OwnTemplate>,
    tags: StringMap,
}

/// `{"nodegroup": ...}`.
#[derive(Serialize)]
pub struct NodegroupOutput {
    nodegroup: NodegroupView,
}

impl NodegroupOutput {
    /// A node group as the API shows it. Its Auto Scaling group is named once it is made.
    pub fn new(nodegroup: &Nodegroup) -> Self {
        let n = nodegroup.clone();
        let groups = n.made_group.then(|| NamedGroup { name: n.group_name() });
        let view = NodegroupView {
            resources: NodegroupResources { auto_scaling_groups: groups.into_iter().collect() },
            nodegroup_name: n.name,
            nodegroup_arn: n.arn,
            cluster_name: n.cluster,
            version: n.version,
            release_version: n.release_version,
            created_at: seconds(n.created_at),
            modified_at: seconds(n.modified_at),
            status: n.status,
            capacity_type: n.capacity_type,
            scaling_config: n.scaling,
            instance_types: n.instance_types,
            subnets: n.subnets,
            ami_type: n.ami_type,
            node_role: n.node_role,
            labels: n.labels,
            taints: n.taints,
            disk_size: n.disk_size,
            health: Health { issues: n.issues },
            update_config: n.update_config,
            node_repair_config: n.node_repair_config,
            launch_template: n.own_template,
            tags: n.tags,
        };
        Self { nodegroup: view }
    }
}
