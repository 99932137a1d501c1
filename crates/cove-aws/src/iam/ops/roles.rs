//! Roles, those linked to a service included.

use cove_aws_wire::fault::Fault;
use cove_base::arn::Arn;
use cove_base::percent;
use serde::Deserialize;
use serde_json::{Value, json};

use super::holders::{boundary_view, check_boundary, check_deletable, find, merge_tags, new_tags};
use crate::iam::documents::check_trust;
use crate::iam::faults::{already_exists, delete_conflict, no_such_holder, validation};
use crate::iam::paging::page;
use crate::iam::state::{Holder, Holdings, InstanceProfile, Role, Tag, key_of};
use crate::ids::Ids;
use crate::operation::Cx;

/// The input of the operations on roles.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct RoleInput {
    path: Option<String>,
    role_name: String,
    assume_role_policy_document: Option<String>,
    policy_document: Option<String>,
    description: Option<String>,
    max_session_duration: Option<i64>,
    permissions_boundary: Option<String>,
    tags: Vec<Tag>,
    tag_keys: Vec<String>,
    path_prefix: Option<String>,
    marker: Option<String>,
    max_items: Option<usize>,
}

const DEFAULT_SESSION_S: i64 = 3600;

/// `CreateRole`.
pub async fn create_role(cx: Cx, input: RoleInput) -> Result<Value, Fault> {
    let path = input.path.unwrap_or_else(|| "/".into());
    if path.starts_with("/aws-service-role/") {
        return Err(validation(format!("The role name prefix {path} is reserved for service linked roles.")));
    }
    let trust = input.assume_role_policy_document.unwrap_or_default();
    check_trust(&trust)?;
    check_boundary(&cx, input.permissions_boundary.as_deref()).await?;
    let role = Role {
        arn: Arn::iam(format!("role{path}{}", input.role_name)).to_string(),
        id: Ids::global(&cx, 1).await?.iam("AROA", 17),
        created: cx.rt.now().as_secs(),
        trust,
        description: input.description,
        max_session_s: session_length(input.max_session_duration)?,
        linked_service: None,
        holdings: Holdings { tags: new_tags(input.tags)?, boundary: input.permissions_boundary, ..Holdings::default() },
        path,
        name: input.role_name,
    };
    store_new(&cx, &role).await?;
    let mut view = view(&role, true);
    if let Some(members) = view.as_object_mut() {
        members.remove("RoleLastUsed");
    }
    Ok(json!({ "Role": view }))
}

fn session_length(seconds: Option<i64>) -> Result<i64, Fault> {
    match seconds.unwrap_or(DEFAULT_SESSION_S) {
        s @ 3600..=43200 => Ok(s),
        s => Err(validation(format!(
            "1 validation error detected: Value '{s}' at 'maxSessionDuration' failed to satisfy constraint: Member must have value {}",
            if s < 3600 { "greater than or equal to 3600" } else { "less than or equal to 43200" }
        ))),
    }
}

/// Stores a role whose name must be free.
pub async fn store_new(cx: &Cx, role: &Role) -> Result<(), Fault> {
    match cx.global_records::<Role>().await?.create(role).await? {
        true => Ok(()),
        false => Err(already_exists(format!("Role with name {} already exists.", role.name))),
    }
}

/// `GetRole`.
pub async fn get_role(cx: Cx, input: RoleInput) -> Result<Value, Fault> {
    Ok(json!({ "Role": view(&find::<Role>(&cx, &input.role_name).await?, true) }))
}

/// `ListRoles`.
pub async fn list_roles(cx: Cx, input: RoleInput) -> Result<Value, Fault> {
    let prefix = input.path_prefix.unwrap_or_else(|| "/".into());
    let roles = cx.global_records::<Role>().await?.list().await?;
    let items = roles.iter().filter(|r| r.path.starts_with(&prefix)).map(|r| (key_of(&r.name), view(r, false)));
    page("Roles", items.collect(), input.marker.as_deref(), input.max_items)
}

/// `DeleteRole`.
pub async fn delete_role(cx: Cx, input: RoleInput) -> Result<Value, Fault> {
    let role = find::<Role>(&cx, &input.role_name).await?;
    role.check_changeable()?;
    let profiles = cx.global_records::<InstanceProfile>().await?.list().await?;
    if profiles.iter().any(|p| p.role.as_deref() == Some(role.name.as_str())) {
        return Err(delete_conflict("Cannot delete entity, must remove roles from instance profile first."));
    }
    check_deletable(&role)?;
    match cx.global_records::<Role>().await?.delete(&key_of(&role.name)).await? {
        true => Ok(json!({})),
        false => Err(no_such_holder("role", &role.name)),
    }
}

/// `UpdateAssumeRolePolicy`.
pub async fn update_assume_role_policy(cx: Cx, input: RoleInput) -> Result<Value, Fault> {
    let trust = input.policy_document.unwrap_or_default();
    check_trust(&trust)?;
    edit(&cx, &input.role_name, |role| {
        role.trust.clone_from(&trust);
        Ok(())
    })
    .await?;
    Ok(json!({}))
}

/// `UpdateRole`.
pub async fn update_role(cx: Cx, input: RoleInput) -> Result<Value, Fault> {
    let max_session_s = input.max_session_duration.map(|s| session_length(Some(s))).transpose()?;
    edit(&cx, &input.role_name, |role| {
        role.description = input.description.clone().filter(|text| !text.is_empty());
        role.max_session_s = max_session_s.unwrap_or(DEFAULT_SESSION_S);
        Ok(())
    })
    .await?;
    Ok(json!({}))
}

async fn edit(cx: &Cx, name: &str, mut change: impl FnMut(&mut Role) -> Result<(), Fault>) -> Result<(), Fault> {
    find::<Role>(cx, name).await?;
    let updated = cx
        .global_records::<Role>()
        .await?
        .update(&key_of(name), |role| {
            role.check_changeable()?;
            change(role)
        })
        .await?;
    updated.map(|_| ()).ok_or_else(|| no_such_holder("role", name))
}

/// `TagRole`.
pub async fn tag_role(cx: Cx, input: RoleInput) -> Result<Value, Fault> {
    super::holders::change::<Role>(&cx, &input.role_name, |holdings| merge_tags(&mut holdings.tags, &input.tags)).await
}

/// `UntagRole`.
pub async fn untag_role(cx: Cx, input: RoleInput) -> Result<Value, Fault> {
    super::holders::change::<Role>(&cx, &input.role_name, |holdings| {
        holdings.tags.retain(|tag| !input.tag_keys.contains(&tag.key));
        Ok(())
    })
    .await
}

/// `ListRoleTags`.
pub async fn list_role_tags(cx: Cx, input: RoleInput) -> Result<Value, Fault> {
    let role = find::<Role>(&cx, &input.role_name).await?;
    let items = role.holdings.tags.iter().map(|tag| (tag.key.clone(), json!(tag)));
    page("Tags", items.collect(), input.marker.as_deref(), input.max_items)
}

/// The `Role` shape; lists leave tags, boundary and last use out.
pub fn view(role: &Role, whole: bool) -> Value {
    let mut view = json!({
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.id,
        "Arn": role.arn,
        "CreateDate": role.created,
        "AssumeRolePolicyDocument": percent::encode(&role.trust, false),
        "MaxSessionDuration": role.max_session_s,
    });
    if let Some(description) = &role.description {
        view["Description"] = Value::from(description.as_str());
    }
    if whole {
        boundary_view(&mut view, &role.holdings);
        view["RoleLastUsed"] = json!({});
    }
    view
}
