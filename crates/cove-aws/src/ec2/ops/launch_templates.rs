//! Launch templates: their operations, and how RunInstances takes what a template says.

use cove_aws_wire::fault::Fault;
use cove_store::{Txn, TxnResult};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::launch_spec::check_user_data;
use super::run_instances::members;
use crate::ec2::describe::{Described, Request, describe_request, refuse_rest, take_as};
use crate::ec2::faults::{invalid_combination, invalid_parameter, missing_parameter};
use crate::ec2::state::Tag;
use crate::ec2::tags::{TagSpecification, tags_for};
use crate::ec2::templates::{LaunchTemplate, NameInUse, TemplateVersion};
use crate::ids::Ids;
use crate::limits;
use crate::operation::Cx;
use crate::records::{Records, Resource, encode, store_fault};

/// The input of the operations on launch templates.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct TemplateInput {
    launch_template_id: Option<String>,
    launch_template_name: Option<String>,
    version_description: Option<String>,
    source_version: Option<String>,
    launch_template_data: Map<String, Value>,
    tag_specifications: Vec<TagSpecification>,
    default_version: Option<String>,
    versions: Vec<String>,
    /// Templates have names, and a version made twice does no harm: the token decides nothing.
    #[serde(rename = "ClientToken")]
    _client_token: Option<String>,
}

const SCOPE: &str = "launch-template";

/// `CreateLaunchTemplate`.
pub async fn create(cx: Cx, input: TemplateInput) -> Result<Value, Fault> {
    let name = input.launch_template_name.unwrap_or_default();
    check_name(&name)?;
    check_data(&input.launch_template_data)?;
    let records = cx.records::<LaunchTemplate>().await?;
    if records.list().await?.len() >= limits::LAUNCH_TEMPLATES_PER_REGION {
        let message = "You have reached the maximum number of launch templates per region.";
        return Err(Fault::client("ResourceCountExceeded", message));
    }
    let created_by = cx.caller.principal.arn();
    let template = LaunchTemplate {
        id: Ids::regional(&cx, 1).await?.ec2("lt"),
        name: name.clone(),
        created: cx.rt.now().as_secs(),
        created_by: created_by.clone(),
        default_version: 1,
        latest_version: 1,
        versions: vec![TemplateVersion {
            number: 1,
            description: input.version_description,
            created: cx.rt.now().as_secs(),
            created_by,
            data: Value::Object(input.launch_template_data),
        }],
        tags: tags_for(&cx, &input.tag_specifications, "launch-template", &["launch-template"])?,
    };
    let in_use = NameInUse { scope: SCOPE.into(), name, id: template.id.clone() };
    let name_key = Records::<NameInUse>::key(&in_use.id());
    let txn = Txn::new()
        .expect(&name_key, 0)
        .put(&name_key, encode(&in_use)?)
        .put(Records::<LaunchTemplate>::key(&template.id), encode(&template)?);
    match records.space().txn(txn).await.map_err(store_fault)? {
        TxnResult::Committed { .. } => Ok(json!({ "LaunchTemplate": template.view() })),
        TxnResult::Conflict { .. } => {
            let message = "Launch template name already in use.";
            Err(Fault::client("InvalidLaunchTemplateName.AlreadyExistsException", message))
        }
    }
}

fn check_name(name: &str) -> Result<(), Fault> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "().-/_".contains(c);
    match (3..=128).contains(&name.len()) && name.chars().all(allowed) {
        true => Ok(()),
        false => Err(Fault::client(
            "InvalidLaunchTemplateName.MalformedException",
            "A launch template name must be between 3 and 128 characters, and may contain letters, numbers, and the following characters: - ( ) . / _.",
        )),
    }
}

fn check_data(data: &Map<String, Value>) -> Result<(), Fault> {
    if data.is_empty() {
        return Err(missing_parameter("LaunchTemplateData"));
    }
    if data.contains_key("InstanceType") && data.contains_key("InstanceRequirements") {
        let message =
            "The request cannot contain both the InstanceType parameter and the InstanceRequirements parameter.";
        return Err(invalid_combination(message));
    }
    check_user_data(data.get("UserData").and_then(Value::as_str))
}

/// `CreateLaunchTemplateVersion`.
pub async fn create_version(cx: Cx, input: TemplateInput) -> Result<Value, Fault> {
    let template = find(&cx, input.launch_template_id.as_deref(), input.launch_template_name.as_deref()).await?;
    check_data(&input.launch_template_data)?;
    let created_by = cx.caller.principal.arn();
    let now = cx.rt.now().as_secs();
    let records = cx.records::<LaunchTemplate>().await?;
    let updated = records.update(&template.id, |template| {
        if template.versions.len() >= limits::LAUNCH_TEMPLATE_VERSIONS {
            let message = "You have reached the maximum number of versions for the launch template.";
            return Err(Fault::client("ResourceCountExceeded", message));
        }
        let mut data = match &input.source_version {
            Some(source) => template.need_version(source)?.data.as_object().cloned().unwrap_or_default(),
            None => Map::new(),
        };
        data.extend(input.launch_template_data.clone());
        template.latest_version += 1;
        template.versions.push(TemplateVersion {
            number: template.latest_version,
            description: input.version_description.clone(),
            created: now,
            created_by: created_by.clone(),
            data: Value::Object(data),
        });
        Ok(())
    });
    let template = updated.await?.ok_or_else(|| no_such_id(&template.id))?;
    let version = template.need_version("$Latest")?;
    Ok(json!({ "LaunchTemplateVersion": template.version_view(version) }))
}

/// `ModifyLaunchTemplate`: which version is the default.
pub async fn modify(cx: Cx, input: TemplateInput) -> Result<Value, Fault> {
    let template = find(&cx, input.launch_template_id.as_deref(), input.launch_template_name.as_deref()).await?;
    let Some(wanted) = input.default_version else { return Err(missing_parameter("SetDefaultVersion")) };
    let records = cx.records::<LaunchTemplate>().await?;
    let updated = records.update(&template.id, |template| {
        template.default_version = template.need_version(&wanted)?.number;
        Ok(())
    });
    let template = updated.await?.ok_or_else(|| no_such_id(&template.id))?;
    Ok(json!({ "LaunchTemplate": template.view() }))
}

/// `DeleteLaunchTemplate`.
pub async fn delete(cx: Cx, input: TemplateInput) -> Result<Value, Fault> {
    let template = find(&cx, input.launch_template_id.as_deref(), input.launch_template_name.as_deref()).await?;
    let records = cx.records::<LaunchTemplate>().await?;
    let txn = Txn::new()
        .delete(Records::<LaunchTemplate>::key(&template.id))
        .delete(Records::<NameInUse>::key(&format!("{SCOPE}/{}", template.name)));
    records.space().txn(txn).await.map_err(store_fault)?;
    Ok(json!({ "LaunchTemplate": template.view() }))
}

/// `DeleteLaunchTemplateVersions`.
pub async fn delete_versions(cx: Cx, input: TemplateInput) -> Result<Value, Fault> {
    let template = find(&cx, input.launch_template_id.as_deref(), input.launch_template_name.as_deref()).await?;
    let (mut gone, mut failed) = (Vec::new(), Vec::new());
    let records = cx.records::<LaunchTemplate>().await?;
    let update = records.update(&template.id, |template| {
        (gone, failed) = (Vec::new(), Vec::new());
        for wanted in &input.versions {
            let item = json!({
                "LaunchTemplateId": template.id,
                "LaunchTemplateName": template.name,
                "VersionNumber": wanted.parse::<u64>().unwrap_or(0),
            });
            let error = match template.versions.iter().position(|v| v.number.to_string() == *wanted) {
                Some(at) if template.versions[at].number != template.default_version => {
                    template.versions.remove(at);
                    gone.push(item);
                    continue;
                }
                Some(_) => ("unexpectedError", "The default version cannot be deleted.".to_string()),
                None => {
                    ("launchTemplateVersionDoesNotExist", format!("The specified version {wanted} does not exist."))
                }
            };
            let mut item = item;
            item["ResponseError"] = json!({ "Code": error.0, "Message": error.1 });
            failed.push(item);
        }
        Ok(())
    });
    update.await?;
    Ok(json!({
        "SuccessfullyDeletedLaunchTemplateVersions": gone,
        "UnsuccessfullyDeletedLaunchTemplateVersions": failed,
    }))
}

/// `DescribeLaunchTemplates`, by ids, names and filters.
pub async fn describe_templates(cx: Cx, input: Value) -> Result<Value, Fault> {
    let mut input = members(input)?;
    let names: Vec<String> = take_as(&mut input, "LaunchTemplateNames")?.unwrap_or_default();
    let mut request = Request::take(&mut input, LaunchTemplate::IDS)?;
    refuse_rest(&input)?;
    for id in &request.ids {
        find(&cx, Some(id), None).await?;
    }
    for name in &names {
        request.ids.push(find(&cx, None, Some(name)).await?.id);
    }
    describe_request::<LaunchTemplate>(&cx, &request).await
}

/// What can be filtered by in DescribeLaunchTemplateVersions.
const VERSION_FILTERS: &[(&str, &str)] = &[
    ("create-time", "CreateTime"),
    ("ebs-optimized", "LaunchTemplateData.EbsOptimized"),
    ("iam-instance-profile", "LaunchTemplateData.IamInstanceProfile.Arn"),
    ("iam-instance-profile", "LaunchTemplateData.IamInstanceProfile.Name"),
    ("image-id", "LaunchTemplateData.ImageId"),
    ("instance-type", "LaunchTemplateData.InstanceType"),
    ("is-default-version", "DefaultVersion"),
    ("kernel-id", "LaunchTemplateData.KernelId"),
    ("ram-disk-id", "LaunchTemplateData.RamDiskId"),
];

/// `DescribeLaunchTemplateVersions` of one template, or the newest or default ones of all.
pub async fn describe_versions(cx: Cx, input: Value) -> Result<Value, Fault> {
    let mut input = members(input)?;
    let id: Option<String> = take_as(&mut input, "LaunchTemplateId")?;
    let name: Option<String> = take_as(&mut input, "LaunchTemplateName")?;
    let wanted: Vec<String> = take_as(&mut input, "Versions")?.unwrap_or_default();
    let bound = |text: Option<String>, default: u64| text.map_or(Ok(default), |t| version_number(&t));
    let least = bound(take_as(&mut input, "MinVersion")?, 0)?;
    let most = bound(take_as(&mut input, "MaxVersion")?, u64::MAX)?;
    let request = Request::take(&mut input, "")?;
    refuse_rest(&input)?;
    request.check_filters(VERSION_FILTERS, false)?;
    let templates = match (&id, &name) {
        (None, None) if wanted.iter().all(|w| w.starts_with('$')) && !wanted.is_empty() => {
            cx.records::<LaunchTemplate>().await?.list().await?
        }
        _ => vec![find(&cx, id.as_deref(), name.as_deref()).await?],
    };
    let mut items = Vec::new();
    for template in &templates {
        let versions: Vec<&TemplateVersion> = match wanted.is_empty() {
            true => template.versions.iter().filter(|v| (least..=most).contains(&v.number)).collect(),
            false => wanted.iter().map(|w| template.need_version(w)).collect::<Result<_, _>>()?,
        };
        for version in versions {
            // Newest first, as AWS lists them.
            let key = format!("{}/{:020}", template.id, u64::MAX - version.number);
            let view = template.version_view(version);
            if request.matches(&view, VERSION_FILTERS) && !items.iter().any(|(known, _)| *known == key) {
                items.push((key, view));
            }
        }
    }
    Ok(request.reply("LaunchTemplateVersions", items))
}

fn version_number(text: &str) -> Result<u64, Fault> {
    text.parse().map_err(|_| invalid_parameter(format!("Invalid launch template version: {text}")))
}

fn no_such_id(id: &str) -> Fault {
    let message = format!("The specified launch template, with template ID {id}, does not exist.");
    Fault::client("InvalidLaunchTemplateId.NotFound", message)
}

/// A template by id or name, but not both.
async fn find(cx: &Cx, id: Option<&str>, name: Option<&str>) -> Result<LaunchTemplate, Fault> {
    let records = cx.records::<LaunchTemplate>().await?;
    match (id, name) {
        (Some(id), None) => {
            LaunchTemplate::NOUN.check(id)?;
            records.get(id).await?.map(|record| record.value).ok_or_else(|| no_such_id(id))
        }
        (None, Some(name)) => {
            let in_use = cx.records::<NameInUse>().await?.get(&format!("{SCOPE}/{name}")).await?;
            let found = match in_use {
                Some(in_use) => records.get(&in_use.value.id).await?,
                None => None,
            };
            found.map(|record| record.value).ok_or_else(|| {
                let message = format!("The specified launch template, with template name {name}, does not exist.");
                Fault::client("InvalidLaunchTemplateName.NotFoundException", message)
            })
        }
        _ => Err(missing_parameter("LaunchTemplateId or LaunchTemplateName, but not both")),
    }
}

/// The input of RunInstances with the data of its launch template beneath it, and the tags that tell of the template.
pub async fn under(cx: &Cx, input: Value) -> Result<(Map<String, Value>, Vec<Tag>), Fault> {
    let mut input = members(input)?;
    let Some(reference) = input.remove("LaunchTemplate") else { return Ok((input, Vec::new())) };
    let text = |member: &str| reference[member].as_str().filter(|text| !text.is_empty());
    let template = find(cx, text("LaunchTemplateId"), text("LaunchTemplateName")).await?;
    let version = template.need_version(text("Version").unwrap_or("$Default"))?;
    let mut data = version.data.as_object().cloned().unwrap_or_default();
    if data.contains_key("InstanceRequirements") && !input.contains_key("InstanceType") {
        return Err(Fault::client(
            "UnsupportedOperation",
            "Cove does not choose instance types by InstanceRequirements yet",
        ));
    }
    data.remove("InstanceRequirements");
    move_subnet(&mut input, &mut data);
    join_lists(&mut input, &mut data, "TagSpecifications", |_| String::new());
    join_lists(&mut input, &mut data, "BlockDeviceMappings", |item| item["DeviceName"].as_str().unwrap_or("").into());
    for (member, value) in data {
        input.entry(member).or_insert(value);
    }
    let tag = |key: &str, value: String| Tag { key: format!("aws:ec2launchtemplate:{key}"), value };
    Ok((input, vec![tag("id", template.id.clone()), tag("version", version.number.to_string())]))
}

/// A subnet that the call names goes to the template's interface.
fn move_subnet(input: &mut Map<String, Value>, data: &mut Map<String, Value>) {
    let interface = data.get_mut("NetworkInterfaces").and_then(Value::as_array_mut).and_then(|list| list.first_mut());
    if let (Some(interface), false) = (interface, input.contains_key("NetworkInterfaces"))
        && let Some(subnet) = input.remove("SubnetId")
    {
        interface["SubnetId"] = subnet;
    }
}

/// Puts a template's list before the call's; an item of the call replaces the template's with the same key.
fn join_lists(
    input: &mut Map<String, Value>,
    data: &mut Map<String, Value>,
    member: &str,
    key: impl Fn(&Value) -> String,
) {
    let Some(Value::Array(mut joined)) = data.remove(member) else { return };
    let Some(Value::Array(own)) = input.remove(member) else {
        input.insert(member.into(), Value::Array(joined));
        return;
    };
    joined.retain(|item| key(item).is_empty() || !own.iter().any(|other| key(other) == key(item)));
    joined.extend(own);
    input.insert(member.into(), Value::Array(joined));
}
