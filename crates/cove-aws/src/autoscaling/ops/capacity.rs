//! SetDesiredCapacity, TerminateInstanceInAutoScalingGroup, DescribeAutoScalingInstances.

use cove_aws_wire::fault::Fault;
use cove_store::{Txn, TxnResult};
use serde::{Deserialize, Serialize};

use super::group::{Nothing, group, group_name};
use crate::autoscaling::activities::{self, at};
use crate::autoscaling::faults;
use crate::autoscaling::paging::page;
use crate::autoscaling::state::{Activity, Group, Lifecycle, Member};
use crate::autoscaling::view::{self, ActivityView, InstanceDetails};
use crate::operation::Cx;
use crate::records::{Records, Resource, encode, store_fault};

/// The input of SetDesiredCapacity.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct SetDesiredCapacityInput {
    auto_scaling_group_name: String,
    desired_capacity: u32,
    honor_cooldown: Option<bool>,
}

/// SetDesiredCapacity.
pub async fn set_desired_capacity(cx: Cx, input: SetDesiredCapacityInput) -> Result<Nothing, Fault> {
    if input.honor_cooldown == Some(true) {
        return Err(faults::unsupported("HonorCooldown of SetDesiredCapacity"));
    }
    let name = group_name(&input.auto_scaling_group_name);
    let wanted = input.desired_capacity;
    let now = cx.rt.now();
    let records = cx.records::<Group>().await?;
    let changed = records.update(&name, |group| {
        if wanted > group.max {
            let message = format!("New SetDesiredCapacity value {wanted} is above max value {} for the AutoScalingGroup.", group.max);
            return Err(faults::validation(message));
        }
        if wanted < group.min {
            let message = format!("New SetDesiredCapacity value {wanted} is below min value {} for the AutoScalingGroup.", group.min);
            return Err(faults::validation(message));
        }
        if wanted != group.desired {
            group.capacity_cause = format!(
                "At {} a user request explicitly set group desired capacity changing the desired capacity from {} to {wanted}.",
                at(now),
                group.desired
            );
            group.desired = wanted;
            group.reached = false;
        }
        Ok(())
    });
    changed.await?.map(|_| Nothing {}).ok_or_else(|| faults::no_group(&name))
}

/// The input of TerminateInstanceInAutoScalingGroup.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct TerminateInput {
    instance_id: String,
    should_decrement_desired_capacity: bool,
}

/// The output of TerminateInstanceInAutoScalingGroup.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TerminateOutput {
    activity: ActivityView,
}

/// TerminateInstanceInAutoScalingGroup.
pub async fn terminate_instance(cx: Cx, input: TerminateInput) -> Result<TerminateOutput, Fault> {
    loop {
        let members = cx.records::<Member>().await?;
        let found = members.list().await?.into_iter().find(|m| m.instance_id.as_ref() == Some(&input.instance_id));
        let missing = || {
            faults::validation(format!(
                "Instance Id not found - No managed instance found for instance ID: {}",
                input.instance_id
            ))
        };
        let id = found.ok_or_else(missing)?.id();
        let member = members.get(&id).await?.ok_or_else(missing)?;
        let group = group(&cx, &member.value.group).await?;
        if !member.value.lifecycle.counts() {
            return Err(missing());
        }
        let (after, activity, group_after) =
            ended(&cx, &member.value, &group.value, input.should_decrement_desired_capacity)?;
        let (member_key, group_key) = (Records::<Member>::key(&id), Records::<Group>::key(&group.value.name));
        let txn = Txn::new()
            .expect(&member_key, member.revision)
            .expect(&group_key, group.revision)
            .put(&member_key, encode(&after)?)
            .put(&group_key, encode(&group_after)?)
            .put(Records::<Activity>::key(&activity.id()), encode(&activity)?);
        if let TxnResult::Committed { .. } = members.space().txn(txn).await.map_err(store_fault)? {
            return Ok(TerminateOutput { activity: view::activity(&activity, &group_after.arn) });
        }
    }
}

/// The member, its activity and the group once the end of the member is decided.
fn ended(cx: &Cx, member: &Member, group: &Group, decrement: bool) -> Result<(Member, Activity, Group), Fault> {
    let now = cx.rt.now();
    let instance = member.instance_id.as_deref().unwrap_or_default();
    let (mut group, mut member) = (group.clone(), member.clone());
    let before = group.desired;
    let mut cause =
        format!("At {} instance {instance} was taken out of service in response to a user request", at(now));
    if decrement {
        if before <= group.min {
            let message = format!(
                "Currently, desiredSize equals minSize ({}). Terminating instance without replacement will violate group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or lower group's min size.",
                group.min
            );
            return Err(faults::validation(message));
        }
        group.desired = before - 1;
        cause.push_str(&format!(", shrinking the capacity from {before} to {}", group.desired));
    }
    cause.push('.');
    let ordinal = group.next_ordinal;
    group.next_ordinal += 1;
    member.lifecycle = Lifecycle::Terminating;
    member.changed_at = now;
    member.ending = Some(ordinal);
    let activity = activities::terminating(&cx.rt, &group, &member, ordinal, cause);
    Ok((member, activity, group))
}

/// The input of DescribeAutoScalingInstances.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct DescribeInstancesInput {
    instance_ids: Vec<String>,
    max_records: Option<usize>,
    next_token: Option<String>,
}

/// The output of DescribeAutoScalingInstances.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DescribeInstancesOutput {
    auto_scaling_instances: Vec<InstanceDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// DescribeAutoScalingInstances.
pub async fn describe_instances(cx: Cx, input: DescribeInstancesInput) -> Result<DescribeInstancesOutput, Fault> {
    let mut members = cx.records::<Member>().await?.list().await?;
    let wanted = |id: &String| input.instance_ids.is_empty() || input.instance_ids.contains(id);
    members.retain(|m| m.instance_id.as_ref().is_some_and(wanted));
    let (members, next_token) = page(members, input.max_records, input.next_token.as_deref())?;
    Ok(DescribeInstancesOutput {
        auto_scaling_instances: members.iter().filter_map(view::instance_details).collect(),
        next_token,
    })
}
