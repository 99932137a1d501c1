//! UpdateNodegroupConfig: size, labels, taints, how updates go; done as an update.

use cove_aws_wire::fault::Fault;
use cove_store::{Txn, TxnResult};
use serde::Deserialize;
use serde_json::{Value, json};

use super::cluster::{cluster, must_be_active};
use super::nodegroup::{ScalingInput, nodegroup};
use super::nodegroup_checks as checks;
use crate::eks::faults;
use crate::eks::nodegroup_state::{Leaving, Nodegroup, NodegroupStatus, Taint, UpdateConfig};
use crate::eks::state::{StringMap, Update, UpdateParam};
use crate::eks::view::UpdateOutput;
use crate::ids::Ids;
use crate::operation::Cx;
use crate::records::{Records, Resource, encode, store_fault};

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct LabelsInput {
    add_or_update_labels: StringMap,
    remove_labels: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct TaintsInput {
    add_or_update_taints: Vec<Taint>,
    remove_taints: Vec<Taint>,
}

/// The input of UpdateNodegroupConfig.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateNodegroupConfigInput {
    cluster_name: String,
    nodegroup_name: String,
    labels: Option<LabelsInput>,
    taints: Option<TaintsInput>,
    scaling_config: Option<ScalingInput>,
    update_config: Option<UpdateConfig>,
    node_repair_config: Option<Value>,
    warm_pool_config: Option<Value>,
    client_request_token: Option<String>,
}

/// UpdateNodegroupConfig.
pub async fn update_nodegroup_config(cx: Cx, input: UpdateNodegroupConfigInput) -> Result<UpdateOutput, Fault> {
    if input.node_repair_config.is_some() || input.warm_pool_config.is_some() {
        return Err(faults::unsupported("nodeRepairConfig and warmPoolConfig of UpdateNodegroupConfig"));
    }
    must_be_active(&cluster(&cx, &input.cluster_name).await?.value)?;
    let before = nodegroup(&cx, &input.cluster_name, &input.nodegroup_name).await?;
    if let Some(update) = asked_before(&cx, &before.value, input.client_request_token.as_deref()).await? {
        return Ok(UpdateOutput::new(&update));
    }
    must_be_updatable(&before.value)?;
    let mut after = before.value.clone();
    let params = change(&mut after, &input)?;
    if params.is_empty() {
        return Err(faults::parameter(&after.cluster, "No changes needed for the nodegroup config provided")
            .with("nodegroupName", after.name.as_str()));
    }
    let mut ids = Ids::regional(&cx, 1).await?;
    let update = Update {
        cluster: after.cluster.clone(),
        nodegroup: Some(after.name.clone()),
        update_id: ids.uuid("eks update"),
        status: Update::IN_PROGRESS.into(),
        kind: "ConfigUpdate".into(),
        params,
        created_at: cx.rt.now(),
        errors: Vec::new(),
        client_request_token: input.client_request_token,
    };
    after.status = NodegroupStatus::Updating;
    after.update_id = Some(update.update_id.clone());
    after.modified_at = cx.rt.now();
    after.awaiting_since = cx.rt.now();
    let (key, update_key) = (Records::<Nodegroup>::key(&after.id()), Records::<Update>::key(&update.id()));
    let txn = Txn::new().expect(&key, before.revision).put(&key, encode(&after)?).put(update_key, encode(&update)?);
    match cx.records::<Nodegroup>().await?.space().txn(txn).await.map_err(store_fault)? {
        TxnResult::Committed { .. } => Ok(UpdateOutput::new(&update)),
        TxnResult::Conflict { .. } => Err(not_active(&after)),
    }
}

async fn asked_before(cx: &Cx, nodegroup: &Nodegroup, token: Option<&str>) -> Result<Option<Update>, Fault> {
    let Some(token) = token else { return Ok(None) };
    let prefix = Update::prefix(&nodegroup.cluster, Some(&nodegroup.name));
    let updates = cx.records::<Update>().await?.list_under(&prefix).await?;
    Ok(updates.into_iter().find(|u| u.client_request_token.as_deref() == Some(token)))
}

fn must_be_updatable(nodegroup: &Nodegroup) -> Result<(), Fault> {
    match nodegroup.status {
        NodegroupStatus::Active | NodegroupStatus::Degraded => Ok(()),
        _ => Err(not_active(nodegroup)),
    }
}

fn not_active(nodegroup: &Nodegroup) -> Fault {
    let message = "Nodegroup cannot be updated as it is currently not in Active State";
    faults::in_use(&nodegroup.cluster, message).with("nodegroupName", nodegroup.name.as_str())
}

/// Changes the record; gives the parameters of the update, of which there are none if nothing changes.
fn change(nodegroup: &mut Nodegroup, input: &UpdateNodegroupConfigInput) -> Result<Vec<UpdateParam>, Fault> {
    let cluster = nodegroup.cluster.clone();
    let mut params = Vec::new();
    let mut param = |kind: &str, value: String| params.push(UpdateParam { kind: kind.into(), value });
    if let Some(scaling) = input.scaling_config {
        let after = scaling.over(nodegroup.scaling);
        checks::scaling(&cluster, after)?;
        param("MinSize", after.min_size.to_string());
        param("MaxSize", after.max_size.to_string());
        param("DesiredSize", after.desired_size.to_string());
        nodegroup.scaling = after;
    }
    nodegroup.leaving = Leaving::default();
    if let Some(labels) = &input.labels {
        checks::labels(&cluster, &labels.add_or_update_labels)?;
        if !labels.add_or_update_labels.is_empty() {
            param("LabelsToAdd", json!(labels.add_or_update_labels).to_string());
        }
        if !labels.remove_labels.is_empty() {
            param("LabelsToRemove", json!(labels.remove_labels).to_string());
        }
        nodegroup.labels.extend(labels.add_or_update_labels.clone());
        nodegroup.labels.retain(|key, _| !labels.remove_labels.contains(key));
        nodegroup.leaving.labels = labels.remove_labels.clone();
        nodegroup.leaving.pending = true;
    }
    if let Some(taints) = &input.taints {
        if !taints.add_or_update_taints.is_empty() {
            param("TaintsToAdd", json!(taints.add_or_update_taints).to_string());
        }
        if !taints.remove_taints.is_empty() {
            param("TaintsToRemove", json!(taints.remove_taints).to_string());
        }
        let same = |a: &Taint, b: &Taint| a.key == b.key && a.effect == b.effect;
        let (add, remove) = (&taints.add_or_update_taints, &taints.remove_taints);
        nodegroup.taints.retain(|t| !add.iter().chain(remove).any(|other| same(t, other)));
        nodegroup.taints.extend(add.iter().cloned());
        checks::taints(&cluster, &nodegroup.taints)?;
        nodegroup.leaving.taints = remove.clone();
        nodegroup.leaving.pending = true;
    }
    if let Some(config) = &input.update_config {
        let config = checks::update_config(&cluster, Some(config.clone()))?;
        let number = |n: Option<u32>| n.map(|n| n.to_string());
        number(config.max_unavailable).into_iter().for_each(|n| param("MaxUnavailable", n));
        number(config.max_unavailable_percentage).into_iter().for_each(|n| param("MaxUnavailablePercentage", n));
        config.update_strategy.clone().into_iter().for_each(|s| param("UpdateStrategy", s));
        nodegroup.update_config = config;
    }
    Ok(params)
}
