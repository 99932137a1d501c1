//! The table of Auto Scaling operations with their permissions (service authorization reference).

use super::ops::{activity, capacity, group, hook, process, tag};
use super::reconcile;
use crate::operation;
use crate::operation::{Operation, Permission, Service};

/// A group's ARN holds a UUID that callers do not know.
const GROUP: &[&str] =
    &["arn:aws:autoscaling:${Region}:${Account}:autoScalingGroup:*:autoScalingGroupName/${AutoScalingGroupName}"];
const TAGGED: &[&str] =
    &["arn:aws:autoscaling:${Region}:${Account}:autoScalingGroup:*:autoScalingGroupName/${Tags.ResourceId}"];
const SOME_GROUP: &[&str] = &["arn:aws:autoscaling:${Region}:${Account}:autoScalingGroup:*:autoScalingGroupName/*"];
const ANY: &[&str] = &["*"];

const fn on(action: &'static str, resources: &'static [&'static str]) -> Permission {
    Permission { action, resources, conditions: &[], only_if: "" }
}

const fn sized(action: &'static str) -> Permission {
    let conditions = &[("autoscaling:MinSize", "MinSize"), ("autoscaling:MaxSize", "MaxSize")];
    Permission { action, resources: GROUP, conditions, only_if: "" }
}

const fn pass_role(member: &'static str, resources: &'static [&'static str]) -> Permission {
    Permission { action: "iam:PassRole", resources, conditions: &[], only_if: member }
}

const TAG_ON_CREATE: Permission =
    Permission { action: "autoscaling:CreateOrUpdateTags", resources: GROUP, conditions: &[], only_if: "Tags" };
const SERVICE_ROLE: Permission = pass_role("ServiceLinkedRoleARN", &["${ServiceLinkedRoleARN}"]);

/// The Auto Scaling service.
pub const SERVICE: Service = Service {
    name: "autoscaling",
    operations: OPERATIONS,
    start: |cx| {
        reconcile::GROUPS.start(cx);
    },
};

const OPERATIONS: &[Operation] = &[
    operation!(
        "CompleteLifecycleAction",
        &[on("autoscaling:CompleteLifecycleAction", GROUP)],
        hook::complete_lifecycle_action
    ),
    operation!(
        "CreateAutoScalingGroup",
        &[sized("autoscaling:CreateAutoScalingGroup"), TAG_ON_CREATE, SERVICE_ROLE],
        group::create_auto_scaling_group
    ),
    operation!("CreateOrUpdateTags", &[on("autoscaling:CreateOrUpdateTags", TAGGED)], tag::create_or_update_tags),
    operation!(
        "DeleteAutoScalingGroup",
        &[on("autoscaling:DeleteAutoScalingGroup", GROUP)],
        group::delete_auto_scaling_group
    ),
    operation!("DeleteLifecycleHook", &[on("autoscaling:DeleteLifecycleHook", GROUP)], hook::delete_lifecycle_hook),
    operation!("DeleteTags", &[on("autoscaling:DeleteTags", TAGGED)], tag::delete_tags),
    operation!(
        "DescribeAutoScalingGroups",
        &[on("autoscaling:DescribeAutoScalingGroups", ANY)],
        group::describe_auto_scaling_groups
    ),
    operation!(
        "DescribeAutoScalingInstances",
        &[on("autoscaling:DescribeAutoScalingInstances", ANY)],
        capacity::describe_instances
    ),
    operation!(
        "DescribeLifecycleHooks",
        &[on("autoscaling:DescribeLifecycleHooks", ANY)],
        hook::describe_lifecycle_hooks
    ),
    operation!(
        "DescribeScalingActivities",
        &[on("autoscaling:DescribeScalingActivities", ANY)],
        activity::describe_scaling_activities
    ),
    operation!("DescribeTags", &[on("autoscaling:DescribeTags", ANY)], tag::describe_tags),
    operation!("PutLifecycleHook", &[on("autoscaling:PutLifecycleHook", GROUP)], hook::put_lifecycle_hook),
    operation!("ResumeProcesses", &[on("autoscaling:ResumeProcesses", GROUP)], process::resume_processes),
    operation!("SetDesiredCapacity", &[on("autoscaling:SetDesiredCapacity", GROUP)], capacity::set_desired_capacity),
    operation!("SuspendProcesses", &[on("autoscaling:SuspendProcesses", GROUP)], process::suspend_processes),
    operation!(
        "TerminateInstanceInAutoScalingGroup",
        &[on("autoscaling:TerminateInstanceInAutoScalingGroup", SOME_GROUP)],
        capacity::terminate_instance
    ),
    operation!(
        "UpdateAutoScalingGroup",
        &[sized("autoscaling:UpdateAutoScalingGroup"), SERVICE_ROLE],
        group::update_auto_scaling_group
    ),
];
