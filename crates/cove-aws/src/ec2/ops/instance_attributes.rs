//! Single attributes of an instance, and its console.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cove_aws_wire::fault::Fault;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::ec2::describe::{Described, find};
use crate::ec2::faults::{invalid_parameter, missing_parameter};
use crate::ec2::instances::Instance;
use crate::operation::Cx;

/// The input of the operations on attributes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct AttributeInput {
    instance_id: String,
    attribute: Option<String>,
    value: Option<String>,
    disable_api_termination: Option<Flag>,
}

/// An `AttributeBooleanValue`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
struct Flag {
    value: bool,
}

/// `DescribeInstanceAttribute`.
pub async fn describe(cx: Cx, input: AttributeInput) -> Result<Value, Fault> {
    let instance = find::<Instance>(&cx, &input.instance_id).await?;
    let name = input.attribute.unwrap_or_default();
    let value = |value: Value| json!({ "Value": value });
    let (member, value) = match name.as_str() {
        "instanceType" => ("InstanceType", value(json!(instance.instance_type))),
        // Without user data the member is there and empty.
        "userData" => ("UserData", instance.user_data.as_ref().map_or(json!({}), |data| value(json!(data)))),
        "disableApiTermination" => ("DisableApiTermination", value(json!(instance.termination_protected))),
        "instanceInitiatedShutdownBehavior" => ("InstanceInitiatedShutdownBehavior", value(json!("stop"))),
        "rootDeviceName" => ("RootDeviceName", value(instance.view(None)["RootDeviceName"].take())),
        "ebsOptimized" => ("EbsOptimized", value(json!(instance.ebs_optimized))),
        "sourceDestCheck" => ("SourceDestCheck", value(json!(true))),
        "enaSupport" => ("EnaSupport", value(json!(true))),
        "groupSet" => ("Groups", json!(instance.groups)),
        "blockDeviceMapping" => ("BlockDeviceMappings", instance.view(None)["BlockDeviceMappings"].take()),
        other => {
            let message = format!("Value ({other}) for parameter attribute is invalid. Unknown attribute.");
            return Err(invalid_parameter(message));
        }
    };
    Ok(json!({ "InstanceId": instance.instance_id, member: value }))
}

/// `ModifyInstanceAttribute`: so far the protection against termination only.
pub async fn modify(cx: Cx, input: AttributeInput) -> Result<Value, Fault> {
    find::<Instance>(&cx, &input.instance_id).await?;
    let protect = match (&input.disable_api_termination, input.attribute.as_deref(), input.value.as_deref()) {
        (Some(flag), None, None) => flag.value,
        (None, Some("disableApiTermination"), Some(value)) => value == "true",
        (None, Some(other), _) => {
            let message = format!("Cove cannot modify the attribute {other} of instances yet");
            return Err(Fault::client("UnsupportedOperation", message));
        }
        _ => return Err(missing_parameter("attribute")),
    };
    let records = cx.records::<Instance>().await?;
    let updated = records.update(&input.instance_id, |instance| {
        instance.termination_protected = protect;
        Ok(())
    });
    updated.await?.map(|_| json!({})).ok_or_else(|| Instance::NOUN.not_found(&input.instance_id))
}

/// The input of GetConsoleOutput.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct ConsoleInput {
    instance_id: String,
    /// The output is always the latest.
    #[serde(rename = "Latest")]
    _latest: bool,
}

/// What GetConsoleOutput shows at most: the end of the console.
const CONSOLE_BYTES: usize = 65_536;

/// `GetConsoleOutput`.
pub async fn console_output(cx: Cx, input: ConsoleInput) -> Result<Value, Fault> {
    let instance = find::<Instance>(&cx, &input.instance_id).await?;
    let text = cx.ports.machines.console(&instance.instance_id).await;
    let end = &text.as_bytes()[text.len().saturating_sub(CONSOLE_BYTES)..];
    Ok(json!({
        "InstanceId": instance.instance_id,
        "Timestamp": cx.rt.now().as_secs(),
        "Output": STANDARD.encode(end),
    }))
}
