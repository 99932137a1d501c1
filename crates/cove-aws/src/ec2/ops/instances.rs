//! Instances after their launch: describing and terminating.

use cove_aws_wire::fault::Fault;
use cove_base::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::run_instances::members;
use crate::ec2::describe::{Described, Filter, Request, find_all, refuse_rest, select, take_as};
use crate::ec2::instances::{Instance, InstanceState};
use crate::operation::Cx;

/// `DescribeInstances`: the instances, under their reservations.
pub async fn describe_instances(cx: Cx, input: Value) -> Result<Value, Fault> {
    let mut input = members(input)?;
    let request = Request::take(&mut input, Instance::IDS)?;
    refuse_rest(&input)?;
    let mut reply = request.reply("Instances", select::<Instance>(&cx, &request).await?);
    let mut reservations: Vec<Value> = Vec::new();
    for mut view in reply["Instances"].as_array_mut().map(std::mem::take).unwrap_or_default() {
        let Some(mut reservation) = view.as_object_mut().and_then(|members| members.remove("CoveReservation")) else {
            continue;
        };
        match reservations.iter_mut().find(|r| r["ReservationId"] == reservation["ReservationId"]) {
            Some(known) => known["Instances"].as_array_mut().into_iter().for_each(|list| list.push(view.take())),
            None => {
                reservation["Instances"] = json!([view]);
                reservations.push(reservation);
            }
        }
    }
    let mut out = Map::new();
    out.insert("Reservations".into(), Value::from(reservations));
    out.extend(reply["NextToken"].as_str().map(|token| ("NextToken".to_string(), Value::from(token))));
    Ok(Value::Object(out))
}

/// The input of TerminateInstances.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct TerminateInput {
    instance_ids: Vec<String>,
    /// Both concern an orderly shutdown, which system containers of Cove do not have.
    #[serde(rename = "Force")]
    _force: bool,
    #[serde(rename = "SkipOsShutdown")]
    _skip: bool,
}

/// `TerminateInstances`: all of them, or none if one is unknown or protected.
pub async fn terminate_instances(cx: Cx, input: TerminateInput) -> Result<Value, Fault> {
    let found = find_all::<Instance>(&cx, &input.instance_ids).await?;
    if let Some(instance) = found.iter().find(|i| i.termination_protected && i.state.alive()) {
        return Err(Fault::client(
            "OperationNotPermitted",
            format!(
                "The instance '{}' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.",
                instance.instance_id
            ),
        ));
    }
    let now = cx.rt.now();
    let records = cx.records::<Instance>().await?;
    let mut out = Vec::new();
    for instance in found {
        let mut before = instance.state;
        let updated = records
            .update(&instance.instance_id, |i| {
                before = i.state;
                if i.state.alive() {
                    shut_down(i, now);
                }
                Ok(())
            })
            .await?;
        let after = updated.map_or(InstanceState::Terminated, |i| i.state);
        out.push(json!({
            "InstanceId": instance.instance_id,
            "CurrentState": after.view(),
            "PreviousState": before.view(),
        }));
    }
    Ok(json!({ "TerminatingInstances": out }))
}

fn shut_down(instance: &mut Instance, now: Timestamp) {
    instance.state = InstanceState::ShuttingDown;
    instance.transition_reason = format!("User initiated ({})", now.format("%Y-%m-%d %H:%M:%S GMT"));
    instance.state_reason =
        Some(("Client.UserInitiatedShutdown".into(), "Client.UserInitiatedShutdown: User initiated shutdown".into()));
}

/// The filters of DescribeInstanceStatus.
const STATUS_FILTERS: &[Filter] = &[
    ("attached-ebs-status.status", "AttachedEbsStatus.Status"),
    ("availability-zone", "AvailabilityZone"),
    ("availability-zone-id", "AvailabilityZoneId"),
    ("instance-state-code", "InstanceState.Code"),
    ("instance-state-name", "InstanceState.Name"),
    ("instance-status.reachability", "InstanceStatus.Details.Status"),
    ("instance-status.status", "InstanceStatus.Status"),
    ("system-status.reachability", "SystemStatus.Details.Status"),
    ("system-status.status", "SystemStatus.Status"),
];

/// `DescribeInstanceStatus`: of running instances, or of all.
pub async fn describe_status(cx: Cx, input: Value) -> Result<Value, Fault> {
    let mut input = members(input)?;
    let all = take_as::<bool>(&mut input, "IncludeAllInstances")?.unwrap_or(false);
    let request = Request::take(&mut input, Instance::IDS)?;
    refuse_rest(&input)?;
    request.check_filters(STATUS_FILTERS, true)?;
    let mut instances = match request.ids.is_empty() {
        true => cx.records::<Instance>().await?.list().await?,
        false => find_all::<Instance>(&cx, &request.ids).await?,
    };
    instances.retain(|instance| all || instance.state == InstanceState::Running);
    let mut items: Vec<(String, Value)> =
        instances.iter().map(|instance| (instance.instance_id.clone(), status_view(instance))).collect();
    items.retain(|(_, view)| request.matches(view, STATUS_FILTERS));
    Ok(request.reply("InstanceStatuses", items))
}

fn status_view(instance: &Instance) -> Value {
    let health = match instance.state {
        InstanceState::Running => json!({
            "Details": [{ "Name": "reachability", "Status": "passed" }],
            "Status": "ok",
        }),
        InstanceState::Pending => json!({
            "Details": [{ "Name": "reachability", "Status": "initializing" }],
            "Status": "initializing",
        }),
        InstanceState::ShuttingDown | InstanceState::Terminated => json!({ "Status": "not-applicable" }),
    };
    json!({
        "AvailabilityZone": instance.zone,
        "AvailabilityZoneId": instance.zone_id,
        "Operator": { "Managed": false },
        "Events": [],
        "InstanceId": instance.instance_id,
        "InstanceState": instance.state.view(),
        "InstanceStatus": health,
        "SystemStatus": health,
        "AttachedEbsStatus": health,
    })
}
