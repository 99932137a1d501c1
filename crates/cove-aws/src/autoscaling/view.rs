//! The shapes that Auto Scaling answers with, made from records.

use cove_base::Timestamp;
use serde::Serialize;

use super::state::{Activity, Group, Hook, Member, MixedPolicy, TemplateSpec, Transition};

/// A timestamp as the door takes it: seconds with milliseconds.
fn seconds(time: Timestamp) -> f64 {
    (time.as_nanos() / 1_000_000) as f64 / 1_000.0
}

/// `TagDescription`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TagView {
    resource_id: String,
    resource_type: &'static str,
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Whether instances get it.
    pub propagate_at_launch: bool,
}

/// The tags of a group.
pub fn tags(group: &Group) -> Vec<TagView> {
    let view = |tag: &super::state::GroupTag| TagView {
        resource_id: group.name.clone(),
        resource_type: "auto-scaling-group",
        key: tag.key.clone(),
        value: tag.value.clone(),
        propagate_at_launch: tag.propagate,
    };
    group.tags.iter().map(view).collect()
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SuspendedView {
    process_name: String,
    suspension_reason: String,
}

/// `Instance`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct InstanceView {
    instance_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    instance_type: String,
    availability_zone: String,
    availability_zone_id: String,
    lifecycle_state: &'static str,
    health_status: &'static str,
    launch_template: TemplateSpec,
    protected_from_scale_in: bool,
}

/// `AutoScalingInstanceDetails`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct InstanceDetails {
    auto_scaling_group_name: String,
    #[serde(flatten)]
    instance: InstanceView,
}

fn instance(member: &Member, health: (&'static str, &'static str)) -> Option<InstanceView> {
    Some(InstanceView {
        instance_id: member.instance_id.clone()?,
        instance_type: member.instance_type.clone(),
        availability_zone: member.zone.clone(),
        availability_zone_id: member.zone_id.clone(),
        lifecycle_state: member.lifecycle.name(),
        health_status: if member.healthy { health.0 } else { health.1 },
        launch_template: member.template.clone(),
        protected_from_scale_in: member.protected,
    })
}

/// A member as DescribeAutoScalingInstances shows it (with the health in capitals); `None` before it has an instance.
pub fn instance_details(member: &Member) -> Option<InstanceDetails> {
    let instance = instance(member, ("HEALTHY", "UNHEALTHY"))?;
    Some(InstanceDetails { auto_scaling_group_name: member.group.clone(), instance })
}

/// `AutoScalingGroup`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GroupView {
    auto_scaling_group_name: String,
    #[serde(rename = "AutoScalingGroupARN")]
    auto_scaling_group_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    launch_template: Option<TemplateSpec>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mixed_instances_policy: Option<MixedPolicy>,
    min_size: u32,
    max_size: u32,
    desired_capacity: u32,
    default_cooldown: u32,
    availability_zones: Vec<String>,
    load_balancer_names: [String; 0],
    #[serde(rename = "TargetGroupARNs")]
    target_group_arns: [String; 0],
    health_check_type: String,
    health_check_grace_period: u32,
    instances: Vec<InstanceView>,
    created_time: f64,
    suspended_processes: Vec<SuspendedView>,
    #[serde(rename = "VPCZoneIdentifier")]
    vpc_zone_identifier: String,
    enabled_metrics: [String; 0],
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    tags: Vec<TagView>,
    termination_policies: Vec<String>,
    new_instances_protected_from_scale_in: bool,
    #[serde(rename = "ServiceLinkedRoleARN")]
    service_linked_role_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    capacity_rebalance: Option<bool>,
    traffic_sources: [String; 0],
}

/// A group with its members.
pub fn group(group: &Group, members: &[Member]) -> GroupView {
    let mut zones: Vec<String> = group.subnets.iter().map(|p| p.zone.clone()).collect();
    zones.sort();
    zones.dedup();
    let subnets: Vec<&str> = group.subnets.iter().map(|p| p.subnet_id.as_str()).collect();
    GroupView {
        auto_scaling_group_name: group.name.clone(),
        auto_scaling_group_arn: group.arn.clone(),
        launch_template: group.launch_template.clone(),
        mixed_instances_policy: group.mixed.clone(),
        min_size: group.min,
        max_size: group.max,
        desired_capacity: group.desired,
        default_cooldown: group.default_cooldown_s,
        availability_zones: zones,
        load_balancer_names: [],
        target_group_arns: [],
        health_check_type: group.health_check_type.clone(),
        health_check_grace_period: group.health_check_grace_s,
        instances: members.iter().filter_map(|m| instance(m, ("Healthy", "Unhealthy"))).collect(),
        created_time: seconds(group.created_at),
        suspended_processes: group.suspended.iter().map(suspended).collect(),
        vpc_zone_identifier: subnets.join(","),
        enabled_metrics: [],
        status: group.deleting.then_some("Delete in progress"),
        tags: tags(group),
        termination_policies: group.termination_policies.clone(),
        new_instances_protected_from_scale_in: group.protect_new,
        service_linked_role_arn: group.role_arn.clone(),
        capacity_rebalance: group.capacity_rebalance,
        traffic_sources: [],
    }
}

fn suspended((name, reason): (&String, &String)) -> SuspendedView {
    SuspendedView { process_name: name.clone(), suspension_reason: reason.clone() }
}

/// `Activity`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ActivityView {
    activity_id: String,
    auto_scaling_group_name: String,
    description: String,
    cause: String,
    start_time: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<f64>,
    status_code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_message: Option<String>,
    progress: u32,
    details: String,
    #[serde(rename = "AutoScalingGroupARN")]
    auto_scaling_group_arn: String,
}

/// An activity of a group.
pub fn activity(activity: &Activity, group_arn: &str) -> ActivityView {
    ActivityView {
        activity_id: activity.activity_id.clone(),
        auto_scaling_group_name: activity.group.clone(),
        description: activity.description.clone(),
        cause: activity.cause.clone(),
        start_time: seconds(activity.started),
        end_time: activity.ended.map(seconds),
        status_code: activity.status.clone(),
        status_message: activity.message.clone(),
        progress: activity.progress,
        details: activity.details.clone(),
        auto_scaling_group_arn: group_arn.into(),
    }
}

/// `LifecycleHook`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HookView {
    lifecycle_hook_name: String,
    auto_scaling_group_name: String,
    lifecycle_transition: Transition,
    #[serde(skip_serializing_if = "Option::is_none")]
    notification_metadata: Option<String>,
    heartbeat_timeout: u64,
    global_timeout: u64,
    default_result: String,
}

/// A hook of a group. The global timeout is a hundred heartbeats, at most 48 hours.
pub fn hook(group: &str, hook: &Hook) -> HookView {
    HookView {
        lifecycle_hook_name: hook.name.clone(),
        auto_scaling_group_name: group.into(),
        lifecycle_transition: hook.transition,
        notification_metadata: hook.notification_metadata.clone(),
        heartbeat_timeout: hook.heartbeat_timeout_s,
        global_timeout: (hook.heartbeat_timeout_s * 100).min(172_800),
        default_result: hook.default_result.clone(),
    }
}
