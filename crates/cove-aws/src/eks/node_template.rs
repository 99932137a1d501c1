//! The launch template that EKS makes for a node group: its own settings, over the caller's template if there is one.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cove_aws_wire::fault::Fault;
use serde_json::{Map, Value, json};

use super::catalog;
use super::faults;
use super::network::{as_eks, of_caller};
use super::nodegroup_state::{Nodegroup, OwnTemplate};
use super::state::Cluster;
use super::user_data::{self, NodeFacts};
use crate::operation::Cx;

/// What a caller's template may not hold.
const REFUSED: &[(&str, &str)] = &[
    ("/IamInstanceProfile", "IamInstanceProfile"),
    ("/InstanceMarketOptions", "InstanceMarketOptions"),
    ("/HibernationOptions", "HibernationOptions"),
    ("/DisableApiTermination", "DisableApiTermination"),
    ("/InstanceInitiatedShutdownBehavior", "InstanceInitiatedShutdownBehavior"),
    ("/NetworkInterfaces/0/SubnetId", "SubnetId"),
];

/// The caller's template with id, name and version, and the data of the version.
pub async fn own(cx: &Cx, cluster: &str, asked: &OwnTemplate) -> Result<(OwnTemplate, Value), Fault> {
    if asked.id.is_some() == asked.name.is_some() {
        let message = "Either launch template ID or launch template name must be specified in the request.";
        return Err(faults::parameter(cluster, message));
    }
    let mut input = json!({ "Versions": [asked.version.as_deref().unwrap_or("$Default")] });
    match (&asked.id, &asked.name) {
        (Some(id), _) => input["LaunchTemplateId"] = json!(id),
        (_, name) => input["LaunchTemplateName"] = json!(name),
    }
    let found = as_eks(cx, "ec2", "DescribeLaunchTemplateVersions", input).await;
    let found = found.map_err(|fault| of_caller(cluster, fault))?;
    let version = &found["LaunchTemplateVersions"][0];
    let text = |member: &str| version[member].as_str().map(Into::into);
    let Some(id) = text("LaunchTemplateId") else {
        return Err(faults::parameter(cluster, "The specified launch template version does not exist."));
    };
    let data = version["LaunchTemplateData"].clone();
    let set = |pointer: &str| data.pointer(pointer).is_some_and(|v| !v.is_null() && v != &json!(false));
    if let Some((_, member)) = REFUSED.iter().find(|(pointer, _)| set(pointer)) {
        let message = format!(
            "Launch template {id} should not specify {member}. The noted parameters in launch template are not allowed."
        );
        return Err(faults::parameter(cluster, message));
    }
    let number = version["VersionNumber"].to_string();
    Ok((OwnTemplate { id: Some(id), name: text("LaunchTemplateName"), version: Some(number) }, data))
}

/// The `LaunchTemplateData` of a node group.
pub async fn data(cx: &Cx, cluster: &Cluster, nodegroup: &Nodegroup) -> Result<Value, Fault> {
    let own_data = match &nodegroup.own_template {
        None => Value::Null,
        Some(template) => own(cx, &cluster.name, &by_id(template)).await?.1,
    };
    let mut data = own_data.as_object().cloned().unwrap_or_default();
    data.insert("IamInstanceProfile".into(), json!({ "Name": nodegroup.resource_name() }));
    tag(&mut data, nodegroup);
    let grouped = data.contains_key("SecurityGroupIds") || own_data["NetworkInterfaces"][0]["Groups"].is_array();
    if !grouped {
        security_group(&mut data, cluster.vpc.cluster_security_group_id.as_deref().unwrap_or_default());
    }
    if nodegroup.own_template.is_none() {
        data.insert("BlockDeviceMappings".into(), disks(nodegroup));
    }
    data.entry("MetadataOptions").or_insert_with(|| json!({ "HttpTokens": "required", "HttpPutResponseHopLimit": 2 }));
    if let Some(image_id) = &nodegroup.image_id {
        let own_user_data = own_data["UserData"].as_str().and_then(decode);
        data.insert(
            "UserData".into(),
            json!(STANDARD.encode(generated(cluster, nodegroup, image_id, own_user_data.as_deref()))),
        );
        data.insert("ImageId".into(), json!(image_id));
    }
    Ok(Value::Object(data))
}

/// A template is asked for by its id, since EC2 refuses both id and name.
fn by_id(template: &OwnTemplate) -> OwnTemplate {
    OwnTemplate { name: None, ..template.clone() }
}

fn generated(cluster: &Cluster, nodegroup: &Nodegroup, image_id: &str, own: Option<&str>) -> String {
    let template = nodegroup.own_template.as_ref();
    let source = template.and_then(|t| Some((t.id.as_deref()?, t.version.as_deref()?)));
    let facts = NodeFacts { cluster, nodegroup, image_id, source_template: source };
    match catalog::ami_type(&nodegroup.ami_type) {
        Some(ami) => user_data::generate(ami, &facts, own),
        None => own.unwrap_or_default().into(),
    }
}

fn decode(text: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(text).ok()?).ok()
}

fn disks(nodegroup: &Nodegroup) -> Value {
    let volume = json!({
        "DeleteOnTermination": true,
        "VolumeSize": nodegroup.disk_size.unwrap_or(20),
        "VolumeType": "gp3",
    });
    let device = if nodegroup.ami_type.starts_with("BOTTLEROCKET") { "/dev/xvdb" } else { "/dev/xvda" };
    json!([{ "DeviceName": device, "Ebs": volume }])
}

/// Puts the cluster's security group where the template keeps its network.
fn security_group(data: &mut Map<String, Value>, group: &str) {
    match data.get_mut("NetworkInterfaces").and_then(|n| n.get_mut(0)) {
        Some(interface) => interface["Groups"] = json!([group]),
        None => {
            data.insert("SecurityGroupIds".into(), json!([group]));
        }
    }
}

/// EKS's two tags on instances, volumes and interfaces, beside the caller's.
fn tag(data: &mut Map<String, Value>, nodegroup: &Nodegroup) {
    let mut specifications = data.remove("TagSpecifications").and_then(|t| t.as_array().cloned()).unwrap_or_default();
    for kind in ["instance", "volume", "network-interface"] {
        let tags = [("eks:cluster-name", &nodegroup.cluster), ("eks:nodegroup-name", &nodegroup.name)];
        let tags = tags.map(|(key, value)| json!({ "Key": key, "Value": value }));
        match specifications.iter_mut().find(|s| s["ResourceType"] == kind) {
            Some(known) => known["Tags"].as_array_mut().into_iter().for_each(|list| list.extend(tags.clone())),
            None => specifications.push(json!({ "ResourceType": kind, "Tags": tags })),
        }
    }
    data.insert("TagSpecifications".into(), Value::Array(specifications));
}
