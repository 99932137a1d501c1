//! What a group is launched from: its template and its subnets, as EC2 knows them.

use cove_aws_wire::door::Caller;
use cove_aws_wire::fault::Fault;
use serde_json::{Value, json};

use super::faults;
use super::state::{Placement, TemplateSpec};
use crate::operation::Cx;

/// Calls another service as Auto Scaling itself.
pub async fn as_autoscaling(cx: &Cx, service: &str, operation: &str, input: Value) -> Result<Value, Fault> {
    cx.call(Caller::service("autoscaling.amazonaws.com"), service, operation, input).await
}

/// The launch template version that a specification means: its id, name and number, and its data.
pub async fn template(cx: &Cx, spec: &TemplateSpec) -> Result<(TemplateSpec, Value), Fault> {
    let mut input = json!({ "Versions": [spec.version.as_deref().unwrap_or("$Default")] });
    match (&spec.launch_template_id, &spec.launch_template_name) {
        (Some(id), _) => input["LaunchTemplateId"] = json!(id),
        (None, Some(name)) => input["LaunchTemplateName"] = json!(name),
        (None, None) => {
            let message = "Valid requests must contain either launchTemplateId or LaunchTemplateName";
            return Err(faults::validation(message));
        }
    }
    let found = as_autoscaling(cx, "ec2", "DescribeLaunchTemplateVersions", input).await;
    let found = found.map_err(|fault| unusable(&fault))?;
    let version = &found["LaunchTemplateVersions"][0];
    let Some(id) = version["LaunchTemplateId"].as_str() else {
        return Err(faults::validation(
            "You must use a valid fully-formed launch template. The version does not exist.",
        ));
    };
    let resolved = TemplateSpec {
        launch_template_id: Some(id.into()),
        launch_template_name: version["LaunchTemplateName"].as_str().map(Into::into),
        version: Some(version["VersionNumber"].to_string()),
    };
    Ok((resolved, version["LaunchTemplateData"].clone()))
}

fn unusable(fault: &Fault) -> Fault {
    if fault.status >= 500 {
        return fault.clone();
    }
    faults::validation(format!("You must use a valid fully-formed launch template. {}", fault.message))
}

/// The subnets of `VPCZoneIdentifier` with their zones, or the default subnets of zones.
pub async fn placements(cx: &Cx, subnet_ids: Option<&str>, zones: &[String]) -> Result<Vec<Placement>, Fault> {
    let ids: Vec<&str> =
        subnet_ids.into_iter().flat_map(|s| s.split(',')).map(str::trim).filter(|s| !s.is_empty()).collect();
    if ids.is_empty() && zones.is_empty() {
        return Err(faults::validation("At least one Availability Zone or VPC Subnet is required."));
    }
    let input = if ids.is_empty() {
        json!({ "Filters": [
            { "Name": "default-for-az", "Values": ["true"] },
            { "Name": "availability-zone", "Values": zones },
        ] })
    } else {
        json!({ "SubnetIds": ids })
    };
    let found = as_autoscaling(cx, "ec2", "DescribeSubnets", input).await;
    let found = found.map_err(|f| if f.status < 500 { faults::validation(f.message) } else { f })?;
    let mut places: Vec<Placement> = found["Subnets"].as_array().into_iter().flatten().filter_map(placement).collect();
    let order = |p: &Placement| ids.iter().position(|id| *id == p.subnet_id).unwrap_or(usize::MAX);
    places.sort_by(|a, b| (order(a), &a.zone).cmp(&(order(b), &b.zone)));
    if let Some(missing) = zones.iter().find(|zone| !places.iter().any(|p| p.zone == **zone)) {
        return Err(faults::validation(format!(
            "The availability zones of the specified subnets and the Auto Scaling group do not match: {missing}"
        )));
    }
    Ok(places)
}

fn placement(subnet: &Value) -> Option<Placement> {
    Some(Placement {
        subnet_id: subnet["SubnetId"].as_str()?.into(),
        zone: subnet["AvailabilityZone"].as_str()?.into(),
        zone_id: subnet["AvailabilityZoneId"].as_str().unwrap_or_default().into(),
    })
}
