//! DescribeUpdate and ListUpdates, of clusters and node groups.

use cove_aws_wire::fault::Fault;
use serde::{Deserialize, Serialize};

use super::cluster::cluster;
use crate::eks::faults;
use crate::eks::nodegroup_state::Nodegroup;
use crate::eks::paging::page;
use crate::eks::state::Update;
use crate::eks::view::UpdateOutput;
use crate::operation::Cx;

/// The input of DescribeUpdate.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DescribeUpdateInput {
    name: String,
    update_id: String,
    nodegroup_name: Option<String>,
}

/// DescribeUpdate.
pub async fn describe_update(cx: Cx, input: DescribeUpdateInput) -> Result<UpdateOutput, Fault> {
    let prefix = owner(&cx, &input.name, input.nodegroup_name.as_deref()).await?;
    let found = cx.records::<Update>().await?.get(&format!("{prefix}{}", input.update_id)).await?;
    let missing = || faults::not_found(&input.name, format!("No update found for ID: {}", input.update_id));
    found.map(|r| UpdateOutput::new(&r.value)).ok_or_else(missing)
}

/// Checks that the cluster and the node group exist; gives the prefix of their updates.
async fn owner(cx: &Cx, cluster_name: &str, nodegroup: Option<&str>) -> Result<String, Fault> {
    cluster(cx, cluster_name).await?;
    if let Some(nodegroup) = nodegroup {
        let found = cx.records::<Nodegroup>().await?.get(&Nodegroup::id_of(cluster_name, nodegroup)).await?;
        found.ok_or_else(|| faults::no_nodegroup(cluster_name, nodegroup))?;
    }
    Ok(Update::prefix(cluster_name, nodegroup))
}

/// The input of ListUpdates.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListUpdatesInput {
    name: String,
    nodegroup_name: Option<String>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

/// The output of ListUpdates.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListUpdatesOutput {
    update_ids: Vec<String>,
    next_token: Option<String>,
}

/// ListUpdates.
pub async fn list_updates(cx: Cx, input: ListUpdatesInput) -> Result<ListUpdatesOutput, Fault> {
    let prefix = owner(&cx, &input.name, input.nodegroup_name.as_deref()).await?;
    let ids = cx.records::<Update>().await?.list_under(&prefix).await?.into_iter().map(|u| u.update_id).collect();
    let (update_ids, next_token) = page(ids, String::clone, input.max_results, input.next_token.as_deref())?;
    Ok(ListUpdatesOutput { update_ids, next_token })
}
