//! CreateCluster, DescribeCluster, ListClusters, DeleteCluster.
//!
//! CreateCluster and DeleteCluster write intent and answer; `reconcile_cluster.rs` does the work.

use cove_aws_wire::door::Principal;
use cove_aws_wire::fault::Fault;
use cove_base::arn::Arn;
use cove_store::{Txn, TxnResult};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::eks::catalog;
use crate::eks::faults;
use crate::eks::logging;
use crate::eks::network;
use crate::eks::nodegroup_state::Nodegroup;
use crate::eks::ops::access_entry;
use crate::eks::paging::page;
use crate::eks::principals;
use crate::eks::state::{AccessEntry, Cluster, ClusterStatus, LogSetup, StringMap, VpcConfig};
use crate::eks::view::ClusterOutput;
use crate::ids::Ids;
use crate::operation::Cx;
use crate::records::{Record, Records, encode, store_fault};

/// Clusters per region (quota L-1194D53C).
const CLUSTERS: usize = 100;
/// Additional security groups of a cluster.
const SECURITY_GROUPS: usize = 4;
/// Entries of `publicAccessCidrs`.
const PUBLIC_ACCESS_CIDRS: usize = 40;

/// The input of CreateCluster.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateClusterInput {
    name: String,
    role_arn: String,
    resources_vpc_config: VpcConfigInput,
    version: Option<String>,
    kubernetes_network_config: Option<KubernetesNetworkInput>,
    logging: Option<LoggingInput>,
    client_request_token: Option<String>,
    #[serde(default)]
    tags: StringMap,
    access_config: Option<AccessConfigInput>,
    bootstrap_self_managed_addons: Option<bool>,
    upgrade_policy: Option<UpgradePolicyInput>,
    deletion_protection: Option<bool>,
    encryption_config: Option<Vec<Value>>,
    outpost_config: Option<Value>,
    zonal_shift_config: Option<Value>,
    remote_network_config: Option<Value>,
    compute_config: Option<Value>,
    storage_config: Option<Value>,
    control_plane_scaling_config: Option<Value>,
}

/// `resourcesVpcConfig` as it is asked for.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct VpcConfigInput {
    pub(super) subnet_ids: Option<Vec<String>>,
    pub(super) security_group_ids: Option<Vec<String>>,
    pub(super) endpoint_public_access: Option<bool>,
    pub(super) endpoint_private_access: Option<bool>,
    pub(super) public_access_cidrs: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KubernetesNetworkInput {
    service_ipv4_cidr: Option<String>,
    ip_family: Option<String>,
    elastic_load_balancing: Option<Value>,
}

/// `logging` as it is asked for.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoggingInput {
    #[serde(default)]
    pub(super) cluster_logging: Vec<LogSetup>,
}

/// `accessConfig` as it is asked for.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccessConfigInput {
    bootstrap_cluster_creator_admin_permissions: Option<bool>,
    pub(super) authentication_mode: Option<String>,
}

/// `upgradePolicy` as it is asked for.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpgradePolicyInput {
    pub(super) support_type: Option<String>,
}

/// CreateCluster.
pub async fn create_cluster(cx: Cx, input: CreateClusterInput) -> Result<ClusterOutput, Fault> {
    check_name(&input.name)?;
    let clusters = cx.records::<Cluster>().await?;
    if let Some(existing) = clusters.get(&input.name).await? {
        return created_before(&existing.value, input.client_request_token.as_deref());
    }
    refuse_unsupported(&input)?;
    let version = input.version.as_deref().unwrap_or(catalog::DEFAULT_VERSION);
    let version =
        catalog::offered(version).ok_or_else(|| faults::parameter(&input.name, "unsupported Kubernetes version"))?;
    let access = access_config(&input)?;
    principals::check_cluster_role(&cx, &input.name, &input.role_arn).await?;
    let vpc = vpc_config(&cx, &input.name, &input.resources_vpc_config).await?;
    let asked_cidr = input.kubernetes_network_config.as_ref().and_then(|k| k.service_ipv4_cidr.as_deref());
    let service_cidr = network::service_cidr(&cx, &input.name, &vpc.vpc_id, asked_cidr).await?;
    if clusters.list().await?.len() >= CLUSTERS {
        return Err(faults::limit(&input.name, format!("Cluster limit exceeded for account: {CLUSTERS}.")));
    }
    let mut ids = Ids::regional(&cx, 2).await?;
    let cluster = Cluster {
        arn: Arn::new("eks", &cx.region, format!("cluster/{}", input.name)).to_string(),
        unique_id: ids.hex("eks cluster", 32).to_uppercase(),
        created_at: cx.rt.now(),
        version: version.name.into(),
        platform_version: version.platform_version.into(),
        role_arn: input.role_arn,
        vpc,
        service_cidr,
        logging: logging::complete(input.logging.map(|l| l.cluster_logging).unwrap_or_default(), &[]),
        authentication_mode: access.0,
        bootstrap_creator_admin: access.1,
        self_managed_addons: input.bootstrap_self_managed_addons.unwrap_or(true),
        support_type: input.upgrade_policy.and_then(|u| u.support_type).unwrap_or_else(|| "EXTENDED".into()),
        deletion_protection: input.deletion_protection.unwrap_or(false),
        status: ClusterStatus::Creating,
        endpoint: None,
        ca_pem: None,
        issues: Vec::new(),
        tags: input.tags,
        client_request_token: input.client_request_token,
        start_failures: 0,
        deleting_since: None,
        name: input.name,
    };
    record(&cx, &clusters, cluster, &mut ids).await
}

/// Writes the cluster and its creator's access entry, in one transaction.
async fn record(cx: &Cx, clusters: &Records<Cluster>, cluster: Cluster, ids: &mut Ids) -> Result<ClusterOutput, Fault> {
    let key = Records::<Cluster>::key(&cluster.name);
    let mut txn = Txn::new().expect(&key, 0).put(&key, encode(&cluster)?);
    if cluster.bootstrap_creator_admin
        && let Some(entry) = access_entry::of_creator(cx, &cluster, ids)
    {
        txn = txn.put(
            Records::<AccessEntry>::key(&AccessEntry::id_of(&cluster.name, &entry.principal_arn)),
            encode(&entry)?,
        );
    }
    match clusters.space().txn(txn).await.map_err(store_fault)? {
        TxnResult::Committed { .. } => Ok(ClusterOutput::created(&cluster)),
        TxnResult::Conflict { .. } => Err(exists(&cluster.name)),
    }
}

fn created_before(existing: &Cluster, token: Option<&str>) -> Result<ClusterOutput, Fault> {
    if token.is_some() && existing.client_request_token.as_deref() == token {
        return Ok(ClusterOutput::created(existing));
    }
    Err(exists(&existing.name))
}

fn exists(name: &str) -> Fault {
    faults::in_use(name, format!("Cluster already exists with name: {name}"))
}

/// The rule of cluster names, as EKS words it.
fn check_name(name: &str) -> Result<(), Fault> {
    let mut characters = name.chars();
    let begins = characters.next().is_some_and(|c| c.is_ascii_alphanumeric());
    if begins && name.len() <= 100 && characters.all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
        return Ok(());
    }
    let message = "The name can contain only alphanumeric characters (case-sensitive), hyphens, and underscores. It must \
                   start with an alphanumeric character and can't be longer than 100 characters.";
    Err(faults::parameter(name, message))
}

/// Whether a part of Auto Mode or another switch is asked to be on.
fn asked_on(value: Option<&Value>, path: &str) -> bool {
    value.and_then(|v| v.pointer(path)).and_then(Value::as_bool).unwrap_or(false)
}

fn refuse_unsupported(input: &CreateClusterInput) -> Result<(), Fault> {
    let network = input.kubernetes_network_config.as_ref();
    let balancing = network.and_then(|n| n.elastic_load_balancing.as_ref());
    let auto_mode = asked_on(input.compute_config.as_ref(), "/enabled")
        || asked_on(input.storage_config.as_ref(), "/blockStorage/enabled")
        || asked_on(balancing, "/enabled");
    let tier = input.control_plane_scaling_config.as_ref().and_then(|c| c["tier"].as_str()).unwrap_or("standard");
    let refused = [
        (input.encryption_config.as_ref().is_some_and(|e| !e.is_empty()), "encryptionConfig of CreateCluster"),
        (input.outpost_config.is_some(), "outpostConfig of CreateCluster"),
        (input.remote_network_config.is_some(), "remoteNetworkConfig of CreateCluster"),
        (asked_on(input.zonal_shift_config.as_ref(), "/enabled"), "zonalShiftConfig of CreateCluster"),
        (auto_mode, "EKS Auto Mode (computeConfig, storageConfig, elasticLoadBalancing of CreateCluster)"),
        (tier != "standard", "controlPlaneScalingConfig of CreateCluster"),
        (network.and_then(|n| n.ip_family.as_deref()) == Some("ipv6"), "the ipv6 family of clusters"),
    ];
    match refused.iter().find(|(asked, _)| *asked) {
        Some((_, what)) => Err(faults::unsupported(what)),
        None => Ok(()),
    }
}

/// The authentication mode, and whether the creator becomes administrator.
fn access_config(input: &CreateClusterInput) -> Result<(String, bool), Fault> {
    let access = input.access_config.as_ref();
    let mode = access.and_then(|a| a.authentication_mode.as_deref()).unwrap_or("CONFIG_MAP");
    let bootstrap = access.and_then(|a| a.bootstrap_cluster_creator_admin_permissions).unwrap_or(true);
    if mode == "CONFIG_MAP" && !bootstrap {
        let message =
            "bootstrapClusterCreatorAdminPermissions must be true if cluster authentication mode is set to CONFIG_MAP";
        return Err(faults::parameter(&input.name, message));
    }
    Ok((mode.into(), bootstrap))
}

async fn vpc_config(cx: &Cx, cluster: &str, input: &VpcConfigInput) -> Result<VpcConfig, Fault> {
    let subnet_ids = input.subnet_ids.clone().unwrap_or_default();
    if subnet_ids.is_empty() {
        return Err(faults::parameter(cluster, "subnetIds must be specified in resourcesVpcConfig"));
    }
    let subnets = network::subnets(cx, cluster, &subnet_ids).await?;
    let vpc_id = network::check_cluster_subnets(cx, cluster, &subnets).await?;
    let config = VpcConfig {
        subnet_ids,
        security_group_ids: input.security_group_ids.clone().unwrap_or_default(),
        cluster_security_group_id: None,
        vpc_id,
        endpoint_public_access: input.endpoint_public_access.unwrap_or(true),
        endpoint_private_access: input.endpoint_private_access.unwrap_or(false),
        public_access_cidrs: input.public_access_cidrs.clone().unwrap_or_else(|| vec!["0.0.0.0/0".into()]),
    };
    check_vpc_config(cluster, &config)?;
    network::check_security_groups(cx, cluster, &config.security_group_ids).await?;
    Ok(config)
}

/// The rules of `resourcesVpcConfig` that need no look at EC2.
pub(super) fn check_vpc_config(cluster: &str, config: &VpcConfig) -> Result<(), Fault> {
    if config.security_group_ids.len() > SECURITY_GROUPS {
        let message = format!("Security groups per cluster are limited to {SECURITY_GROUPS}.");
        return Err(faults::parameter(cluster, message));
    }
    if !config.endpoint_public_access && !config.endpoint_private_access {
        let message = "Private and public endpoint access cannot be false. Please enable at least one endpoint access.";
        return Err(faults::parameter(cluster, message));
    }
    if config.public_access_cidrs.len() > PUBLIC_ACCESS_CIDRS {
        let message = format!("publicAccessCidrs are limited to {PUBLIC_ACCESS_CIDRS}.");
        return Err(faults::parameter(cluster, message));
    }
    match config.public_access_cidrs.iter().find(|c| c.parse::<ipnet::IpNet>().is_err()) {
        Some(bad) => {
            Err(faults::parameter(cluster, format!("The following CIDRs are invalid in publicAccessCidrs: [{bad}]")))
        }
        None => Ok(()),
    }
}

/// The input of DescribeCluster and DeleteCluster.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterName {
    name: String,
}

/// The cluster of that name.
pub async fn cluster(cx: &Cx, name: &str) -> Result<Record<Cluster>, Fault> {
    cx.records::<Cluster>().await?.get(name).await?.ok_or_else(|| faults::no_cluster(name))
}

/// DescribeCluster.
pub async fn describe_cluster(cx: Cx, input: ClusterName) -> Result<ClusterOutput, Fault> {
    Ok(ClusterOutput::new(&cluster(&cx, &input.name).await?.value))
}

/// The input of ListClusters.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListClustersInput {
    max_results: Option<usize>,
    next_token: Option<String>,
    #[serde(default)]
    include: Vec<String>,
}

/// The output of ListClusters.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListClustersOutput {
    clusters: Vec<String>,
    next_token: Option<String>,
}

/// ListClusters. `include` names clusters that are registered from elsewhere, of which there are none.
pub async fn list_clusters(cx: Cx, input: ListClustersInput) -> Result<ListClustersOutput, Fault> {
    if let Some(unknown) = input.include.iter().find(|i| *i != "all") {
        return Err(faults::parameter("", format!("Invalid value for include: {unknown}")));
    }
    let names = cx.records::<Cluster>().await?.list().await?.into_iter().map(|c| c.name).collect();
    let (clusters, next_token) = page(names, String::clone, input.max_results, input.next_token.as_deref())?;
    Ok(ListClustersOutput { clusters, next_token })
}

/// DeleteCluster: the status turns at once.
///
/// CreateNodegroup rewrites the cluster's record in its transaction, so a node group that is made at the same time
/// either is seen here or finds the cluster DELETING.
pub async fn delete_cluster(cx: Cx, input: ClusterName) -> Result<ClusterOutput, Fault> {
    let clusters = cx.records::<Cluster>().await?;
    let key = Records::<Cluster>::key(&input.name);
    loop {
        let Record { mut value, revision } = cluster(&cx, &input.name).await?;
        if value.status == ClusterStatus::Deleting {
            return Ok(ClusterOutput::new(&value));
        }
        refuse_deletion(&cx, &value).await?;
        value.status = ClusterStatus::Deleting;
        value.deleting_since = Some(cx.rt.now());
        let txn = Txn::new().expect(&key, revision).put(&key, encode(&value)?);
        if let TxnResult::Committed { .. } = clusters.space().txn(txn).await.map_err(store_fault)? {
            return Ok(ClusterOutput::new(&value));
        }
    }
}

async fn refuse_deletion(cx: &Cx, cluster: &Cluster) -> Result<(), Fault> {
    let name = &cluster.name;
    if cluster.deletion_protection {
        let message = format!("Cannot delete cluster {name} because it has deletion protection enabled");
        return Err(faults::request(name, message));
    }
    match cluster.status {
        ClusterStatus::Updating => {
            let message = format!("Cannot delete because cluster {name} currently has an update in progress");
            return Err(faults::in_use(name, message));
        }
        ClusterStatus::Creating => {
            return Err(faults::in_use(name, format!("Cluster '{name}' is not in ACTIVE status")));
        }
        ClusterStatus::Active | ClusterStatus::Failed | ClusterStatus::Deleting => {}
    }
    let nodegroups = cx.records::<Nodegroup>().await?.list_under(&format!("{name}/")).await?;
    match nodegroups.first() {
        Some(first) => {
            Err(faults::in_use(name, "Cluster has nodegroups attached").with("nodegroupName", first.name.as_str()))
        }
        None => Ok(()),
    }
}

/// Refuses what needs a cluster that works, as EKS words it.
pub fn must_be_active(cluster: &Cluster) -> Result<(), Fault> {
    match cluster.status {
        ClusterStatus::Active | ClusterStatus::Updating => Ok(()),
        _ => Err(faults::request(&cluster.name, format!("Cluster '{}' is not in ACTIVE status", cluster.name))),
    }
}

/// The IAM principal behind a caller, as access entries name it.
pub(super) fn iam_principal(principal: &Principal) -> Option<(String, Option<String>)> {
    match principal {
        Principal::Root => Some((Arn::iam("root").to_string(), None)),
        Principal::User { arn, id, .. } => Some((arn.clone(), Some(id.clone()))),
        Principal::Role { role_arn, id, .. } => Some((role_arn.clone(), Some(id.clone()))),
        Principal::Service(_) | Principal::Anonymous => None,
    }
}
