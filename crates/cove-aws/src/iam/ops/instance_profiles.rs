//! Instance profiles: how a role gets onto an instance.

use cove_aws_wire::fault::Fault;
use cove_base::arn::Arn;
use serde::Deserialize;
use serde_json::{Value, json};

use super::holders::{find as find_holder, merge_tags, new_tags};
use super::roles;
use crate::iam::faults::{already_exists, delete_conflict, limit_exceeded, no_such_entity};
use crate::iam::paging::page;
use crate::iam::state::{InstanceProfile, Role, Tag, key_of};
use crate::ids::Ids;
use crate::operation::Cx;

/// The input of the operations on instance profiles.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct ProfileInput {
    instance_profile_name: String,
    role_name: String,
    path: Option<String>,
    tags: Vec<Tag>,
    tag_keys: Vec<String>,
    path_prefix: Option<String>,
    marker: Option<String>,
    max_items: Option<usize>,
}

/// `CreateInstanceProfile`.
pub async fn create_instance_profile(cx: Cx, input: ProfileInput) -> Result<Value, Fault> {
    let path = input.path.unwrap_or_else(|| "/".into());
    let profile = InstanceProfile {
        arn: Arn::iam(format!("instance-profile{path}{}", input.instance_profile_name)).to_string(),
        id: Ids::global(&cx, 1).await?.iam("AIPA", 17),
        path,
        name: input.instance_profile_name,
        created: cx.rt.now().as_secs(),
        role: None,
        tags: new_tags(input.tags)?,
    };
    if !cx.global_records::<InstanceProfile>().await?.create(&profile).await? {
        return Err(already_exists(format!("Instance Profile {} already exists.", profile.name)));
    }
    Ok(json!({ "InstanceProfile": view(&cx, &profile).await? }))
}

/// `GetInstanceProfile`.
pub async fn get_instance_profile(cx: Cx, input: ProfileInput) -> Result<Value, Fault> {
    let profile = find(&cx, &input.instance_profile_name).await?;
    Ok(json!({ "InstanceProfile": view(&cx, &profile).await? }))
}

/// `ListInstanceProfiles`.
pub async fn list_instance_profiles(cx: Cx, input: ProfileInput) -> Result<Value, Fault> {
    let prefix = input.path_prefix.clone().unwrap_or_else(|| "/".into());
    list(&cx, &input, |profile| profile.path.starts_with(&prefix)).await
}

/// `ListInstanceProfilesForRole`.
pub async fn list_instance_profiles_for_role(cx: Cx, input: ProfileInput) -> Result<Value, Fault> {
    let role = find_holder::<Role>(&cx, &input.role_name).await?;
    list(&cx, &input, |profile| profile.role.as_deref() == Some(role.name.as_str())).await
}

async fn list(cx: &Cx, input: &ProfileInput, keep: impl Fn(&InstanceProfile) -> bool) -> Result<Value, Fault> {
    let mut items = Vec::new();
    for profile in cx.global_records::<InstanceProfile>().await?.list().await?.iter().filter(|p| keep(p)) {
        let mut view = view(cx, profile).await?;
        if let Some(members) = view.as_object_mut() {
            members.remove("Tags");
        }
        items.push((key_of(&profile.name), view));
    }
    page("InstanceProfiles", items, input.marker.as_deref(), input.max_items)
}

/// `DeleteInstanceProfile`.
pub async fn delete_instance_profile(cx: Cx, input: ProfileInput) -> Result<Value, Fault> {
    let profile = find(&cx, &input.instance_profile_name).await?;
    if profile.role.is_some() {
        return Err(delete_conflict("Cannot delete entity, must remove roles from instance profile first."));
    }
    match cx.global_records::<InstanceProfile>().await?.delete(&key_of(&profile.name)).await? {
        true => Ok(json!({})),
        false => Err(not_found(&profile.name)),
    }
}

/// `AddRoleToInstanceProfile`.
pub async fn add_role(cx: Cx, input: ProfileInput) -> Result<Value, Fault> {
    find(&cx, &input.instance_profile_name).await?;
    let role = find_holder::<Role>(&cx, &input.role_name).await?;
    edit(&cx, &input.instance_profile_name, |profile| match profile.role {
        Some(_) => Err(limit_exceeded("InstanceSessionsPerInstanceProfile", 1)),
        None => {
            profile.role = Some(role.name.clone());
            Ok(())
        }
    })
    .await
}

/// `RemoveRoleFromInstanceProfile`.
pub async fn remove_role(cx: Cx, input: ProfileInput) -> Result<Value, Fault> {
    edit(&cx, &input.instance_profile_name, |profile| {
        if profile.role.as_deref() != Some(input.role_name.as_str()) {
            return Err(no_such_entity(format!("The role with name {} cannot be found.", input.role_name)));
        }
        profile.role = None;
        Ok(())
    })
    .await
}

/// `TagInstanceProfile`.
pub async fn tag_instance_profile(cx: Cx, input: ProfileInput) -> Result<Value, Fault> {
    edit(&cx, &input.instance_profile_name, |profile| merge_tags(&mut profile.tags, &input.tags)).await
}

/// `UntagInstanceProfile`.
pub async fn untag_instance_profile(cx: Cx, input: ProfileInput) -> Result<Value, Fault> {
    edit(&cx, &input.instance_profile_name, |profile| {
        profile.tags.retain(|tag| !input.tag_keys.contains(&tag.key));
        Ok(())
    })
    .await
}

fn not_found(name: &str) -> Fault {
    no_such_entity(format!("Instance Profile {name} cannot be found."))
}

/// A profile by its name.
pub async fn find(cx: &Cx, name: &str) -> Result<InstanceProfile, Fault> {
    let found = cx.global_records::<InstanceProfile>().await?.get(&key_of(name)).await?;
    found.map(|record| record.value).filter(|p| p.name == name).ok_or_else(|| not_found(name))
}

async fn edit(
    cx: &Cx,
    name: &str,
    change: impl FnMut(&mut InstanceProfile) -> Result<(), Fault>,
) -> Result<Value, Fault> {
    find(cx, name).await?;
    let updated = cx.global_records::<InstanceProfile>().await?.update(&key_of(name), change).await?;
    updated.map(|_| json!({})).ok_or_else(|| not_found(name))
}

async fn view(cx: &Cx, profile: &InstanceProfile) -> Result<Value, Fault> {
    let mut roles = Vec::new();
    if let Some(name) = &profile.role {
        let role = cx.global_records::<Role>().await?.get(&key_of(name)).await?;
        roles.extend(role.map(|record| roles::view(&record.value, false)));
    }
    Ok(json!({
        "Path": profile.path,
        "InstanceProfileName": profile.name,
        "InstanceProfileId": profile.id,
        "Arn": profile.arn,
        "CreateDate": profile.created,
        "Roles": roles,
        "Tags": profile.tags,
    }))
}
