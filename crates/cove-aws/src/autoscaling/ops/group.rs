//! CreateAutoScalingGroup, UpdateAutoScalingGroup, DescribeAutoScalingGroups, DeleteAutoScalingGroup.

use cove_aws_wire::fault::Fault;
use cove_base::arn::Arn;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::hook::{self, HookInput};
use super::tag::{self, TagInput};
use crate::autoscaling::activities::at;
use crate::autoscaling::faults;
use crate::autoscaling::launch;
use crate::autoscaling::paging::page;
use crate::autoscaling::reconcile::{self, members};
use crate::autoscaling::state::{Group, MixedPolicy, TemplateSpec};
use crate::autoscaling::view::{self, GroupView};
use crate::ids::Ids;
use crate::operation::Cx;
use crate::records::Record;

/// The largest size that is taken (AWS's quota of instances per group is EC2's).
const SIZE: u32 = 10_000;
/// The processes' termination policies that are known.
const POLICIES: &[&str] = &[
    "Default",
    "AllocationStrategy",
    "OldestLaunchTemplate",
    "OldestLaunchConfiguration",
    "ClosestToNextInstanceHour",
    "NewestInstance",
    "OldestInstance",
];

/// What Create and Update have in common.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct GroupInput {
    auto_scaling_group_name: String,
    launch_template: Option<TemplateSpec>,
    mixed_instances_policy: Option<MixedPolicy>,
    min_size: Option<u32>,
    max_size: Option<u32>,
    desired_capacity: Option<u32>,
    default_cooldown: Option<u32>,
    availability_zones: Vec<String>,
    #[serde(rename = "VPCZoneIdentifier")]
    vpc_zone_identifier: Option<String>,
    health_check_type: Option<String>,
    health_check_grace_period: Option<u32>,
    termination_policies: Option<Vec<String>>,
    new_instances_protected_from_scale_in: Option<bool>,
    capacity_rebalance: Option<bool>,
    #[serde(rename = "ServiceLinkedRoleARN")]
    service_linked_role_arn: Option<String>,
    tags: Vec<TagInput>,
    lifecycle_hook_specification_list: Vec<HookInput>,
    launch_configuration_name: Option<Value>,
    instance_id: Option<Value>,
    load_balancer_names: Option<Vec<Value>>,
    #[serde(rename = "TargetGroupARNs")]
    target_group_arns: Option<Vec<Value>>,
    traffic_sources: Option<Vec<Value>>,
    placement_group: Option<Value>,
    max_instance_lifetime: Option<u32>,
    desired_capacity_type: Option<String>,
    default_instance_warmup: Option<i64>,
    deletion_protection: Option<String>,
    availability_zone_distribution: Option<Value>,
    instance_maintenance_policy: Option<Value>,
    skip_zonal_shift_validation: Option<bool>,
}

/// An output without members.
#[derive(Serialize)]
pub struct Nothing {}

impl GroupInput {
    /// Refuses by name what Cove would have to ignore. Values that are AWS's defaults pass.
    fn refuse_unsupported(&self) -> Result<(), Fault> {
        let given = |list: &Option<Vec<Value>>| list.as_ref().is_some_and(|l| !l.is_empty());
        let balanced = |v: &Value| v["CapacityDistributionStrategy"] == "balanced-best-effort";
        let weighted = self.mixed_instances_policy.iter().flat_map(|m| &m.launch_template.overrides);
        let mixed_purchase = self.mixed_instances_policy.as_ref().is_some_and(|m| {
            let d = &m.instances_distribution;
            d.on_demand_percentage_above_base_capacity % 100 != 0
                || d.on_demand_base_capacity != 0 && d.on_demand_percentage_above_base_capacity == 0
        });
        let refused = [
            (self.launch_configuration_name.is_some(), "LaunchConfigurationName"),
            (self.instance_id.is_some(), "InstanceId"),
            (given(&self.load_balancer_names), "LoadBalancerNames"),
            (given(&self.target_group_arns), "TargetGroupARNs"),
            (given(&self.traffic_sources), "TrafficSources"),
            (self.placement_group.is_some(), "PlacementGroup"),
            (self.max_instance_lifetime.unwrap_or(0) != 0, "MaxInstanceLifetime"),
            (self.desired_capacity_type.as_deref().is_some_and(|t| t != "units"), "DesiredCapacityType"),
            (self.default_instance_warmup.is_some_and(|w| w > 0), "DefaultInstanceWarmup"),
            (self.deletion_protection.as_deref().is_some_and(|p| p != "none"), "DeletionProtection"),
            (
                self.availability_zone_distribution.as_ref().is_some_and(|v| !balanced(v)),
                "AvailabilityZoneDistribution",
            ),
            (self.instance_maintenance_policy.is_some(), "InstanceMaintenancePolicy"),
            (weighted.filter_map(|o| o.weighted_capacity.as_deref()).any(|w| w != "1"), "WeightedCapacity"),
            (mixed_purchase, "a mix of on-demand and spot instances"),
            (self.skip_zonal_shift_validation == Some(true), "SkipZonalShiftValidation"),
            (self.health_check_type.as_deref().is_some_and(|t| t != "EC2"), "HealthCheckType other than EC2"),
        ];
        match refused.iter().find(|(asked, _)| *asked) {
            Some((_, what)) => Err(faults::unsupported(&format!("{what} of Auto Scaling groups"))),
            None => Ok(()),
        }
    }

    fn check_policies(&self) -> Result<(), Fault> {
        let unknown = self.termination_policies.iter().flatten().find(|p| !POLICIES.contains(&p.as_str()));
        match unknown {
            Some(unknown) => Err(faults::validation(format!("Unknown termination policy: {unknown}"))),
            None => Ok(()),
        }
    }
}

/// CreateAutoScalingGroup.
pub async fn create_auto_scaling_group(cx: Cx, input: GroupInput) -> Result<Nothing, Fault> {
    input.refuse_unsupported()?;
    input.check_policies()?;
    if input.launch_template.is_some() == input.mixed_instances_policy.is_some() {
        let message = "Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or \
                       MixedInstancesPolicy parameter.";
        return Err(faults::validation(message));
    }
    let (min, max) = (input.min_size.unwrap_or(0), input.max_size.unwrap_or(0));
    let desired = input.desired_capacity.unwrap_or(min);
    check_sizes(min, max, desired)?;
    let subnets = launch::placements(&cx, input.vpc_zone_identifier.as_deref(), &input.availability_zones).await?;
    let name = input.auto_scaling_group_name;
    let mut ids = Ids::regional(&cx, 1).await?;
    let uuid = ids.uuid("auto scaling group");
    let arn = Arn::new("autoscaling", &cx.region, format!("autoScalingGroup:{uuid}:autoScalingGroupName/{name}"));
    let now = cx.rt.now();
    let mut group = Group {
        arn: arn.to_string(),
        uuid,
        created_at: now,
        launch_template: input.launch_template,
        mixed: input.mixed_instances_policy,
        resolved_template: TemplateSpec::default(),
        min,
        max,
        desired,
        default_cooldown_s: input.default_cooldown.unwrap_or(300),
        subnets,
        health_check_type: "EC2".into(),
        health_check_grace_s: input.health_check_grace_period.unwrap_or(0),
        termination_policies: input.termination_policies.unwrap_or_else(|| vec!["Default".into()]),
        protect_new: input.new_instances_protected_from_scale_in.unwrap_or(false),
        capacity_rebalance: input.capacity_rebalance,
        role_arn: input.service_linked_role_arn.unwrap_or_else(service_linked_role),
        tags: Vec::new(),
        hooks: Vec::new(),
        suspended: Default::default(),
        next_ordinal: 0,
        capacity_cause: format!(
            "At {} a user request created an AutoScalingGroup changing the desired capacity from 0 to {desired}.",
            at(now)
        ),
        reached: false,
        launch_failures: 0,
        blocked: Default::default(),
        deleting: false,
        name,
    };
    resolve_template(&cx, &mut group).await?;
    tag::put(&mut group, &input.tags, tag::may_reserve(&cx))?;
    for hook in input.lifecycle_hook_specification_list {
        hook::put(&mut group, hook)?;
    }
    match cx.records::<Group>().await?.create(&group).await? {
        true => Ok(Nothing {}),
        false => {
            let message = format!(
                "AutoScalingGroup by this name already exists - A group with the name {} already exists",
                group.name
            );
            Err(Fault::client("AlreadyExists", message))
        }
    }
}

fn service_linked_role() -> String {
    Arn::iam("role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling").to_string()
}

/// Fills in the id, the name and the version of the template, as AWS shows them.
async fn resolve_template(cx: &Cx, group: &mut Group) -> Result<(), Fault> {
    let asked = group.template();
    let (resolved, data) = launch::template(cx, &asked).await?;
    if group.types().is_empty() && data["InstanceType"].is_null() {
        let message =
            "You must use a valid fully-formed launch template. The request must contain the parameter InstanceType";
        return Err(faults::validation(message));
    }
    let shown = TemplateSpec { version: asked.version.or_else(|| Some("$Default".into())), ..resolved.clone() };
    match (&mut group.launch_template, &mut group.mixed) {
        (Some(template), _) => *template = shown,
        (None, Some(mixed)) => mixed.launch_template.launch_template_specification = shown,
        (None, None) => {}
    }
    group.resolved_template = resolved;
    Ok(())
}

fn check_sizes(min: u32, max: u32, desired: u32) -> Result<(), Fault> {
    if max > SIZE {
        return Err(faults::validation(format!("Max size must not be greater than {SIZE}")));
    }
    if min > max {
        return Err(faults::validation(format!("Max bound, {max}, must be greater than or equal to min bound, {min}")));
    }
    if desired < min || desired > max {
        let message =
            format!("Desired capacity:{desired} must be between the specified min size:{min} and max size:{max}");
        return Err(faults::validation(message));
    }
    Ok(())
}

/// The group of that name.
pub(super) async fn group(cx: &Cx, name: &str) -> Result<Record<Group>, Fault> {
    cx.records::<Group>().await?.get(&group_name(name)).await?.ok_or_else(|| faults::no_group(name))
}

/// The name of a group that is given by name or ARN.
pub(super) fn group_name(name: &str) -> String {
    name.rsplit_once(":autoScalingGroupName/").map_or(name, |(_, name)| name).to_string()
}

/// UpdateAutoScalingGroup.
pub async fn update_auto_scaling_group(cx: Cx, input: GroupInput) -> Result<Nothing, Fault> {
    input.refuse_unsupported()?;
    input.check_policies()?;
    let before = group(&cx, &input.auto_scaling_group_name).await?.value;
    let mut template = before.clone();
    if input.launch_template.is_some() || input.mixed_instances_policy.is_some() {
        template.launch_template = input.launch_template.clone();
        template.mixed = input.mixed_instances_policy.clone();
        resolve_template(&cx, &mut template).await?;
    }
    let subnets = match &input.vpc_zone_identifier {
        None => before.subnets.clone(),
        Some(ids) => launch::placements(&cx, Some(ids), &input.availability_zones).await?,
    };
    let now = cx.rt.now();
    let records = cx.records::<Group>().await?;
    let changed = records.update(&before.name, |group| {
        resize(group, &input, now)?;
        group.launch_template = template.launch_template.clone();
        group.mixed = template.mixed.clone();
        group.resolved_template = template.resolved_template.clone();
        group.subnets = subnets.clone();
        group.default_cooldown_s = input.default_cooldown.unwrap_or(group.default_cooldown_s);
        group.health_check_grace_s = input.health_check_grace_period.unwrap_or(group.health_check_grace_s);
        group.protect_new = input.new_instances_protected_from_scale_in.unwrap_or(group.protect_new);
        group.capacity_rebalance = input.capacity_rebalance.or(group.capacity_rebalance);
        if let Some(policies) = &input.termination_policies {
            group.termination_policies = policies.clone();
        }
        group.blocked.clear();
        Ok(())
    });
    changed.await?.map(|_| Nothing {}).ok_or_else(|| faults::no_group(&before.name))
}

fn resize(group: &mut Group, input: &GroupInput, now: cove_base::Timestamp) -> Result<(), Fault> {
    let (min, max) = (input.min_size.unwrap_or(group.min), input.max_size.unwrap_or(group.max));
    let before = group.desired;
    let desired = input.desired_capacity.unwrap_or(before.clamp(min.min(max), max));
    check_sizes(min, max, desired)?;
    (group.min, group.max) = (min, max);
    if desired != before {
        group.reached = false;
        group.desired = desired;
        group.capacity_cause = format!(
            "At {} a user request update of AutoScalingGroup constraints to min: {min}, max: {max}, desired: {desired} \
             changing the desired capacity from {before} to {desired}.",
            at(now)
        );
    }
    Ok(())
}

/// The input of DescribeAutoScalingGroups.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct DescribeGroupsInput {
    auto_scaling_group_names: Vec<String>,
    include_instances: Option<bool>,
    next_token: Option<String>,
    max_records: Option<usize>,
    filters: Vec<tag::Filter>,
}

/// The output of DescribeAutoScalingGroups.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DescribeGroupsOutput {
    auto_scaling_groups: Vec<GroupView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// DescribeAutoScalingGroups. Names that do not exist are left out.
pub async fn describe_auto_scaling_groups(cx: Cx, input: DescribeGroupsInput) -> Result<DescribeGroupsOutput, Fault> {
    tag::check_group_filters(&input.filters)?;
    let names: Vec<String> = input.auto_scaling_group_names.iter().map(|n| group_name(n)).collect();
    let mut groups = cx.records::<Group>().await?.list().await?;
    groups.retain(|g| (names.is_empty() || names.contains(&g.name)) && tag::matches_group(g, &input.filters));
    let (groups, next_token) = page(groups, input.max_records, input.next_token.as_deref())?;
    let mut views = Vec::new();
    for group in groups {
        let members =
            if input.include_instances == Some(false) { Vec::new() } else { members(&cx, &group.name).await? };
        views.push(view::group(&group, &members));
    }
    Ok(DescribeGroupsOutput { auto_scaling_groups: views, next_token })
}

/// The input of DeleteAutoScalingGroup.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct DeleteGroupInput {
    auto_scaling_group_name: String,
    force_delete: bool,
}

/// DeleteAutoScalingGroup: at once if the group is empty; with `ForceDelete` its instances end first.
pub async fn delete_auto_scaling_group(cx: Cx, input: DeleteGroupInput) -> Result<Nothing, Fault> {
    let name = group_name(&input.auto_scaling_group_name);
    let found = cx.records::<Group>().await?.get(&name).await?;
    let group = found.ok_or_else(|| faults::validation(format!("AutoScalingGroup '{name}' not found")))?.value;
    let members = members(&cx, &name).await?;
    if !input.force_delete && (!members.is_empty() || group.desired > 0) {
        let (code, message) = if members.iter().any(|m| m.lifecycle.counts()) || group.desired > 0 {
            ("ResourceInUse", "You cannot delete an AutoScalingGroup while there are instances still in the group.")
        } else {
            let message =
                "You cannot delete an AutoScalingGroup while there are scaling activities in progress for that group.";
            ("ScalingActivityInProgress", message)
        };
        return Err(Fault::client(code, message));
    }
    if members.is_empty() {
        reconcile::delete(&cx, &group).await?;
        return Ok(Nothing {});
    }
    let records = cx.records::<Group>().await?;
    let changed = records.update(&name, |group| {
        group.capacity_cause = format!(
            "At {} a user request force deleted AutoScaling group changing the desired capacity from {} to 0.",
            at(cx.rt.now()),
            group.desired
        );
        (group.min, group.desired, group.deleting) = (0, 0, true);
        Ok(())
    });
    changed.await?;
    Ok(Nothing {})
}
