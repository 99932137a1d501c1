//! UpdateClusterConfig: one kind of change per call, done as an update.

use cove_aws_wire::fault::Fault;
use cove_store::{Txn, TxnResult};
use serde::Deserialize;
use serde_json::{Value, json};

use super::cluster::{
    AccessConfigInput, LoggingInput, UpgradePolicyInput, VpcConfigInput, check_vpc_config, cluster, must_be_active,
};
use crate::eks::faults;
use crate::eks::logging;
use crate::eks::network;
use crate::eks::state::{Cluster, ClusterStatus, Update, UpdateParam};
use crate::eks::view::UpdateOutput;
use crate::ids::Ids;
use crate::operation::Cx;
use crate::records::{Record, Records, Resource, encode, store_fault};

/// The modes in the only order in which a cluster may walk them, one step at a time.
const MODES: &[&str] = &["CONFIG_MAP", "API_AND_CONFIG_MAP", "API"];

/// The input of UpdateClusterConfig.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateClusterConfigInput {
    name: String,
    resources_vpc_config: Option<VpcConfigInput>,
    logging: Option<LoggingInput>,
    client_request_token: Option<String>,
    access_config: Option<AccessConfigInput>,
    upgrade_policy: Option<UpgradePolicyInput>,
    deletion_protection: Option<bool>,
    zonal_shift_config: Option<Value>,
    compute_config: Option<Value>,
    kubernetes_network_config: Option<Value>,
    storage_config: Option<Value>,
    remote_network_config: Option<Value>,
    control_plane_scaling_config: Option<Value>,
}

/// A change of the record and how the update names it.
struct Change {
    kind: &'static str,
    params: Vec<UpdateParam>,
    cluster: Cluster,
}

fn param(kind: &str, value: impl ToString) -> UpdateParam {
    UpdateParam { kind: kind.into(), value: value.to_string() }
}

/// UpdateClusterConfig.
pub async fn update_cluster_config(cx: Cx, input: UpdateClusterConfigInput) -> Result<UpdateOutput, Fault> {
    refuse_unsupported(&input)?;
    let Record { value: before, revision } = cluster(&cx, &input.name).await?;
    if let Some(update) = asked_before(&cx, &input).await? {
        return Ok(UpdateOutput::new(&update));
    }
    must_be_active(&before)?;
    let change = change(&cx, &before, &input).await?;
    if before.status == ClusterStatus::Updating {
        return Err(busy(&cx, &before, change.kind).await?);
    }
    let mut ids = Ids::regional(&cx, 1).await?;
    let update = Update {
        cluster: before.name.clone(),
        nodegroup: None,
        update_id: ids.uuid("eks update"),
        status: Update::IN_PROGRESS.into(),
        kind: change.kind.into(),
        params: change.params,
        created_at: cx.rt.now(),
        errors: Vec::new(),
        client_request_token: input.client_request_token,
    };
    let mut after = change.cluster;
    after.status = ClusterStatus::Updating;
    let (key, update_key) = (Records::<Cluster>::key(&after.name), Records::<Update>::key(&update.id()));
    let txn = Txn::new().expect(&key, revision).put(&key, encode(&after)?).put(update_key, encode(&update)?);
    match cx.records::<Cluster>().await?.space().txn(txn).await.map_err(store_fault)? {
        TxnResult::Committed { .. } => Ok(UpdateOutput::new(&update)),
        TxnResult::Conflict { .. } => Err(busy(&cx, &before, change.kind).await?),
    }
}

fn refuse_unsupported(input: &UpdateClusterConfigInput) -> Result<(), Fault> {
    let refused = [
        (input.zonal_shift_config.is_some(), "zonalShiftConfig of UpdateClusterConfig"),
        (input.compute_config.is_some() || input.storage_config.is_some(), "EKS Auto Mode"),
        (input.kubernetes_network_config.is_some(), "kubernetesNetworkConfig of UpdateClusterConfig"),
        (input.remote_network_config.is_some(), "remoteNetworkConfig of UpdateClusterConfig"),
        (input.control_plane_scaling_config.is_some(), "controlPlaneScalingConfig of UpdateClusterConfig"),
    ];
    match refused.iter().find(|(asked, _)| *asked) {
        Some((_, what)) => Err(faults::unsupported(what)),
        None => Ok(()),
    }
}

async fn asked_before(cx: &Cx, input: &UpdateClusterConfigInput) -> Result<Option<Update>, Fault> {
    let Some(token) = &input.client_request_token else { return Ok(None) };
    let updates = cx.records::<Update>().await?.list_under(&Update::prefix(&input.name, None)).await?;
    Ok(updates.into_iter().find(|u| u.client_request_token.as_ref() == Some(token)))
}

/// The refusal of a second update beside the one in progress.
async fn busy(cx: &Cx, cluster: &Cluster, kind: &str) -> Result<Fault, Fault> {
    let updates = cx.records::<Update>().await?.list_under(&Update::prefix(&cluster.name, None)).await?;
    let current = updates.iter().find(|u| u.status == Update::IN_PROGRESS).map_or("", |u| u.update_id.as_str());
    let message = format!("Cannot {kind} because cluster {} currently has update {current} in progress", cluster.name);
    Ok(faults::in_use(&cluster.name, message))
}

async fn change(cx: &Cx, before: &Cluster, input: &UpdateClusterConfigInput) -> Result<Change, Fault> {
    let asked = [
        input.resources_vpc_config.is_some(),
        input.logging.is_some(),
        input.access_config.is_some(),
        input.upgrade_policy.is_some(),
        input.deletion_protection.is_some(),
    ];
    if asked.iter().filter(|a| **a).count() != 1 {
        return Err(faults::parameter(&before.name, "Only one type of update can be allowed."));
    }
    match input {
        UpdateClusterConfigInput { resources_vpc_config: Some(vpc), .. } => vpc_change(cx, before, vpc).await,
        UpdateClusterConfigInput { logging: Some(asked), .. } => logging_change(before, asked),
        UpdateClusterConfigInput { access_config: Some(access), .. } => access_change(before, access),
        UpdateClusterConfigInput { upgrade_policy: Some(policy), .. } => Ok(upgrade_change(before, policy)),
        _ => Ok(protection_change(before, input.deletion_protection.unwrap_or(false))),
    }
}

async fn vpc_change(cx: &Cx, before: &Cluster, asked: &VpcConfigInput) -> Result<Change, Fault> {
    let placement = asked.subnet_ids.is_some() || asked.security_group_ids.is_some();
    let endpoints = asked.endpoint_public_access.is_some()
        || asked.endpoint_private_access.is_some()
        || asked.public_access_cidrs.is_some();
    match (placement, endpoints) {
        (true, false) => placement_change(cx, before, asked).await,
        (false, true) => endpoint_change(before, asked),
        _ => Err(faults::parameter(&before.name, "Only one type of update can be allowed.")),
    }
}

async fn placement_change(cx: &Cx, before: &Cluster, asked: &VpcConfigInput) -> Result<Change, Fault> {
    let name = &before.name;
    let mut after = before.clone();
    if let Some(ids) = &asked.subnet_ids {
        let subnets = network::subnets(cx, name, ids).await?;
        if network::check_cluster_subnets(cx, name, &subnets).await? != before.vpc.vpc_id {
            return Err(faults::parameter(name, "Subnets specified must belong to the VPC of the cluster"));
        }
        after.vpc.subnet_ids = ids.clone();
    }
    if let Some(ids) = &asked.security_group_ids {
        network::check_security_groups(cx, name, ids).await?;
        after.vpc.security_group_ids = ids.clone();
    }
    check_vpc_config(name, &after.vpc)?;
    let params = vec![
        param("Subnets", json!(after.vpc.subnet_ids)),
        param("SecurityGroups", json!(after.vpc.security_group_ids)),
    ];
    Ok(Change { kind: "VpcConfigUpdate", params, cluster: after })
}

fn endpoint_change(before: &Cluster, asked: &VpcConfigInput) -> Result<Change, Fault> {
    let mut after = before.clone();
    let vpc = &mut after.vpc;
    vpc.endpoint_public_access = asked.endpoint_public_access.unwrap_or(vpc.endpoint_public_access);
    vpc.endpoint_private_access = asked.endpoint_private_access.unwrap_or(vpc.endpoint_private_access);
    vpc.public_access_cidrs = asked.public_access_cidrs.clone().unwrap_or_else(|| vpc.public_access_cidrs.clone());
    check_vpc_config(&before.name, vpc)?;
    if *vpc == before.vpc {
        let message = format!(
            "Cluster is already at the desired configuration with endpointPrivateAccess: {} , endpointPublicAccess: {}, \
             and Public Endpoint Restrictions: [{}]",
            vpc.endpoint_private_access,
            vpc.endpoint_public_access,
            vpc.public_access_cidrs.join(", ")
        );
        return Err(faults::parameter(&before.name, message));
    }
    let params = vec![
        param("EndpointPublicAccess", vpc.endpoint_public_access),
        param("EndpointPrivateAccess", vpc.endpoint_private_access),
        param("PublicAccessCidrs", json!(vpc.public_access_cidrs)),
    ];
    Ok(Change { kind: "EndpointAccessUpdate", params, cluster: after })
}

fn logging_change(before: &Cluster, asked: &LoggingInput) -> Result<Change, Fault> {
    let mut after = before.clone();
    after.logging = logging::complete(asked.cluster_logging.clone(), &before.logging);
    if after.logging == before.logging {
        return Err(faults::parameter(&before.name, "No changes needed for the logging config provided"));
    }
    let params = vec![param("ClusterLogging", json!({ "clusterLogging": asked.cluster_logging }))];
    Ok(Change { kind: "LoggingUpdate", params, cluster: after })
}

fn access_change(before: &Cluster, asked: &AccessConfigInput) -> Result<Change, Fault> {
    let from = before.authentication_mode.as_str();
    let to = asked.authentication_mode.as_deref().unwrap_or(from);
    let place = |mode: &str| MODES.iter().position(|m| *m == mode);
    if place(to) != place(from).map(|at| at + 1) {
        let message = format!("Unsupported authentication mode update from {from} to {to}");
        return Err(faults::parameter(&before.name, message));
    }
    let cluster = Cluster { authentication_mode: to.into(), ..before.clone() };
    Ok(Change { kind: "AccessConfigUpdate", params: vec![param("AuthenticationMode", to)], cluster })
}

fn upgrade_change(before: &Cluster, asked: &UpgradePolicyInput) -> Change {
    let support_type = asked.support_type.clone().unwrap_or_else(|| before.support_type.clone());
    let params = vec![param("UpgradePolicy", json!({ "supportType": support_type }))];
    Change { kind: "UpgradePolicyUpdate", params, cluster: Cluster { support_type, ..before.clone() } }
}

fn protection_change(before: &Cluster, deletion_protection: bool) -> Change {
    let params = vec![param("DeletionProtection", deletion_protection)];
    Change { kind: "DeletionProtectionUpdate", params, cluster: Cluster { deletion_protection, ..before.clone() } }
}
