//! Activities in AWS's words: what is done to an instance, and why.

use cove_base::Timestamp;
use serde_json::json;

use super::state::{Activity, Group, Member};

/// A moment as causes write it.
pub fn at(time: Timestamp) -> String {
    time.rfc3339()
}

/// The UUID of the activity of an ordinal.
fn activity_id(rt: &cove_base::Runtime, group: &Group, ordinal: u64) -> String {
    rt.seed().child(&group.uuid).uuid("scaling activity", ordinal)
}

fn details(member: &Member) -> String {
    json!({ "Subnet ID": member.subnet_id, "Availability Zone": member.zone }).to_string()
}

/// The launch of a member, before EC2 has answered. `from` and `to` are the sizes before and after all launches that
/// were decided on together.
pub fn launching(rt: &cove_base::Runtime, group: &Group, member: &Member, from: usize, to: usize) -> Activity {
    let now = rt.now();
    let cause = if group.capacity_cause.is_empty() || from > 0 && replaces(group, from) {
        format!(
            "At {} an instance was started in response to a difference between desired and actual capacity, increasing \
             the capacity from {from} to {to}.",
            at(now)
        )
    } else {
        format!(
            "{}  At {} an instance was started in response to a difference between desired and actual capacity, \
             increasing the capacity from {from} to {to}.",
            group.capacity_cause,
            at(now)
        )
    };
    Activity {
        group: group.name.clone(),
        ordinal: member.ordinal,
        activity_id: activity_id(rt, group, member.ordinal),
        description: "Launching a new EC2 instance".into(),
        cause,
        started: now,
        ended: None,
        status: "WaitingForInstanceId".into(),
        message: None,
        progress: 20,
        details: details(member),
    }
}

/// Whether a launch makes good a loss rather than following a request: the group had its size before.
fn replaces(group: &Group, from: usize) -> bool {
    group.launch_failures == 0 && group.reached && from < group.desired as usize
}

/// EC2 has answered with an instance.
pub fn launched(activity: &mut Activity, instance_id: &str) {
    activity.description = format!("Launching a new EC2 instance: {instance_id}");
    activity.status = "PreInService".into();
    activity.progress = 30;
}

/// The launch failed, with EC2's code and message.
pub fn launch_failed(activity: &mut Activity, now: Timestamp, mixed: bool, code: &str, message: &str) {
    let text = if mixed {
        format!("Could not launch On-Demand Instances. {code} - {message} Launching EC2 instance failed.")
    } else {
        format!("{message} Launching EC2 instance failed.")
    };
    activity.description = format!("Launching a new EC2 instance.  Status Reason: {text}");
    activity.status = "Failed".into();
    activity.message = Some(text);
    activity.progress = 100;
    activity.ended = Some(now);
}

/// A member is to end because of `cause`.
pub fn terminating(rt: &cove_base::Runtime, group: &Group, member: &Member, ordinal: u64, cause: String) -> Activity {
    let instance = member.instance_id.as_deref().unwrap_or_default();
    Activity {
        group: group.name.clone(),
        ordinal,
        activity_id: activity_id(rt, group, ordinal),
        description: format!("Terminating EC2 instance: {instance}"),
        cause,
        started: rt.now(),
        ended: None,
        status: "InProgress".into(),
        message: None,
        progress: 0,
        details: details(member),
    }
}

/// It is done.
pub fn succeeded(activity: &mut Activity, now: Timestamp) {
    activity.status = "Successful".into();
    activity.progress = 100;
    activity.ended = Some(now);
}

/// Why scale-in ends an instance.
pub fn scale_in_cause(group: &Group, now: Timestamp, instance: &str, from: usize, to: usize) -> String {
    format!(
        "{}  At {now} an instance was taken out of service in response to a difference between desired and actual \
         capacity, shrinking the capacity from {from} to {to}.  At {now} instance {instance} was selected for termination.",
        group.capacity_cause,
        now = at(now)
    )
    .trim_start()
    .to_string()
}

/// Why an instance that EC2 reports as gone ends.
pub fn health_cause(now: Timestamp) -> String {
    let now = at(now);
    format!(
        "At {now} an instance was taken out of service in response to an EC2 health check indicating it has been \
         terminated or stopped."
    )
}
