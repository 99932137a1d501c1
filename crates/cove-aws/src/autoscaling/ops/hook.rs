//! Lifecycle hooks: Put, Describe, Delete, and CompleteLifecycleAction.

use cove_aws_wire::fault::Fault;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::group::{Nothing, group, group_name};
use crate::autoscaling::faults;
use crate::autoscaling::reconcile::members;
use crate::autoscaling::state::{Group, Hook, Lifecycle, Member, Transition};
use crate::autoscaling::view::{self, HookView};
use crate::operation::Cx;
use crate::records::Resource;

/// Hooks per group.
const HOOKS: usize = 50;
/// The shortest and the longest heartbeat, in seconds.
const HEARTBEAT: std::ops::RangeInclusive<u64> = 30..=7_200;

/// A hook as PutLifecycleHook and CreateAutoScalingGroup are given it.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct HookInput {
    lifecycle_hook_name: String,
    #[serde(default)]
    auto_scaling_group_name: String,
    lifecycle_transition: Option<Transition>,
    heartbeat_timeout: Option<u64>,
    default_result: Option<String>,
    notification_metadata: Option<String>,
    #[serde(rename = "NotificationTargetARN")]
    notification_target_arn: Option<String>,
    #[serde(rename = "RoleARN")]
    role_arn: Option<Value>,
}

/// PutLifecycleHook.
pub async fn put_lifecycle_hook(cx: Cx, input: HookInput) -> Result<Nothing, Fault> {
    let name = group_name(&input.auto_scaling_group_name);
    let records = cx.records::<Group>().await?;
    let changed = records.update(&name, |group| put(group, input.clone()));
    changed.await?.map(|_| Nothing {}).ok_or_else(|| faults::no_group(&name))
}

/// Puts a hook into a group, over the one of that name.
pub(super) fn put(group: &mut Group, input: HookInput) -> Result<(), Fault> {
    if input.notification_target_arn.is_some_and(|t| !t.is_empty()) || input.role_arn.is_some() {
        return Err(faults::unsupported("NotificationTargetARN of lifecycle hooks"));
    }
    let before = group.hooks.iter().position(|h| h.name == input.lifecycle_hook_name);
    let old = before.map(|at| group.hooks.remove(at));
    let transition = input.lifecycle_transition.or(old.as_ref().map(|h| h.transition));
    let Some(transition) = transition else {
        return Err(faults::validation("LifecycleTransition is required to create a lifecycle hook"));
    };
    let heartbeat = input.heartbeat_timeout.or(old.as_ref().map(|h| h.heartbeat_timeout_s)).unwrap_or(3_600);
    if !HEARTBEAT.contains(&heartbeat) {
        return Err(faults::validation("Heartbeat timeout must be between 30 and 7200 seconds"));
    }
    let result = input.default_result.or(old.map(|h| h.default_result)).unwrap_or_else(|| "ABANDON".into());
    if !["CONTINUE", "ABANDON"].contains(&result.as_str()) {
        return Err(faults::validation("DefaultResult must be CONTINUE or ABANDON"));
    }
    if group.hooks.len() >= HOOKS {
        return Err(Fault::client(
            "LimitExceeded",
            format!("The limit of {HOOKS} lifecycle hooks per group is reached"),
        ));
    }
    group.hooks.push(Hook {
        name: input.lifecycle_hook_name,
        transition,
        heartbeat_timeout_s: heartbeat,
        default_result: result,
        notification_metadata: input.notification_metadata,
    });
    group.hooks.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(())
}

/// The input of DescribeLifecycleHooks.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DescribeHooksInput {
    auto_scaling_group_name: String,
    #[serde(default)]
    lifecycle_hook_names: Vec<String>,
}

/// The output of DescribeLifecycleHooks.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DescribeHooksOutput {
    lifecycle_hooks: Vec<HookView>,
}

/// DescribeLifecycleHooks.
pub async fn describe_lifecycle_hooks(cx: Cx, input: DescribeHooksInput) -> Result<DescribeHooksOutput, Fault> {
    let group = group(&cx, &input.auto_scaling_group_name).await?.value;
    let wanted = |h: &&Hook| input.lifecycle_hook_names.is_empty() || input.lifecycle_hook_names.contains(&h.name);
    let lifecycle_hooks = group.hooks.iter().filter(wanted).map(|h| view::hook(&group.name, h)).collect();
    Ok(DescribeHooksOutput { lifecycle_hooks })
}

/// The input of DeleteLifecycleHook.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DeleteHookInput {
    lifecycle_hook_name: String,
    auto_scaling_group_name: String,
}

/// DeleteLifecycleHook. Instances that it holds go on.
pub async fn delete_lifecycle_hook(cx: Cx, input: DeleteHookInput) -> Result<Nothing, Fault> {
    let name = group_name(&input.auto_scaling_group_name);
    let records = cx.records::<Group>().await?;
    let changed = records.update(&name, |group| {
        let before = group.hooks.len();
        group.hooks.retain(|h| h.name != input.lifecycle_hook_name);
        match group.hooks.len() < before {
            true => Ok(()),
            false => {
                Err(faults::validation(format!("No Lifecycle Hook found with name: {}", input.lifecycle_hook_name)))
            }
        }
    });
    changed.await?.map(|_| Nothing {}).ok_or_else(|| faults::no_group(&name))
}

/// The input of CompleteLifecycleAction.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct CompleteInput {
    lifecycle_hook_name: String,
    auto_scaling_group_name: String,
    lifecycle_action_token: Option<String>,
    lifecycle_action_result: String,
    instance_id: Option<String>,
}

/// CompleteLifecycleAction, by instance or by the action's token.
pub async fn complete_lifecycle_action(cx: Cx, input: CompleteInput) -> Result<Nothing, Fault> {
    let group = group(&cx, &input.auto_scaling_group_name).await?.value;
    let Some(hook) = group.hooks.iter().find(|h| h.name == input.lifecycle_hook_name) else {
        return Err(faults::validation(format!("No Lifecycle Hook found with name: {}", input.lifecycle_hook_name)));
    };
    if !["CONTINUE", "ABANDON"].contains(&input.lifecycle_action_result.as_str()) {
        return Err(faults::validation("LifecycleActionResult must be CONTINUE or ABANDON"));
    }
    let waits = match hook.transition {
        Transition::Launching => Lifecycle::PendingWait,
        Transition::Terminating => Lifecycle::TerminatingWait,
    };
    let is_it = |m: &Member| {
        let by_id = input.instance_id.is_some() && m.instance_id == input.instance_id;
        let by_token = input.lifecycle_action_token.is_some() && m.action_token == input.lifecycle_action_token;
        m.lifecycle == waits && (by_id || by_token)
    };
    let named = input.instance_id.as_deref().or(input.lifecycle_action_token.as_deref()).unwrap_or_default();
    let none = || faults::validation(format!("No active Lifecycle Action found with instance ID {named}"));
    let member = members(&cx, &group.name).await?.into_iter().find(is_it).ok_or_else(none)?;
    let records = cx.records::<Member>().await?;
    let id = member.id();
    let changed = records.update(&id, |m| {
        if !is_it(m) {
            return Err(none());
        }
        m.hook_result = Some(input.lifecycle_action_result.clone());
        Ok(())
    });
    changed.await?.map(|_| Nothing {}).ok_or_else(none)
}
