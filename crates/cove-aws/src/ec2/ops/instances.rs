//! Instances after their launch: describing and terminating.

use cove_aws_wire::fault::Fault;
use cove_base::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::run_instances::members;
use crate::ec2::describe::{Described, Request, find_all, refuse_rest, select};
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
            Some(known) => known["Instances"].as_array_mut().into_iter().for_each(|list| list.push(view.clone())),
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
