//! DescribeScalingActivities.

use std::collections::BTreeMap;

use cove_aws_wire::fault::Fault;
use serde::{Deserialize, Serialize};

use super::group::group_name;
use crate::autoscaling::faults;
use crate::autoscaling::paging::page;
use crate::autoscaling::state::{Activity, Group};
use crate::autoscaling::view::{self, ActivityView};
use crate::operation::Cx;

/// The input of DescribeScalingActivities.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct DescribeActivitiesInput {
    activity_ids: Vec<String>,
    auto_scaling_group_name: Option<String>,
    include_deleted_groups: Option<bool>,
    max_records: Option<usize>,
    next_token: Option<String>,
}

/// The output of DescribeScalingActivities.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DescribeActivitiesOutput {
    activities: Vec<ActivityView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// DescribeScalingActivities, newest first. Activities of deleted groups are not kept.
pub async fn describe_scaling_activities(
    cx: Cx,
    input: DescribeActivitiesInput,
) -> Result<DescribeActivitiesOutput, Fault> {
    if input.include_deleted_groups == Some(true) {
        return Err(faults::unsupported("IncludeDeletedGroups of DescribeScalingActivities"));
    }
    let name = input.auto_scaling_group_name.as_deref().map(group_name);
    let groups = cx.records::<Group>().await?.list().await?;
    let arns: BTreeMap<String, String> = groups.into_iter().map(|g| (g.name, g.arn)).collect();
    if let Some(missing) = name.as_ref().filter(|n| !arns.contains_key(*n)) {
        return Err(faults::no_group(missing));
    }
    let mut activities = cx.records::<Activity>().await?.list().await?;
    activities.retain(|a| {
        name.as_ref().is_none_or(|n| a.group == *n)
            && (input.activity_ids.is_empty() || input.activity_ids.contains(&a.activity_id))
    });
    activities.sort_by_key(|a| std::cmp::Reverse((a.started, a.ordinal)));
    let (activities, next_token) = page(activities, input.max_records, input.next_token.as_deref())?;
    let view = |a: &Activity| view::activity(a, arns.get(&a.group).map_or("", String::as_str));
    Ok(DescribeActivitiesOutput { activities: activities.iter().map(view).collect(), next_token })
}
