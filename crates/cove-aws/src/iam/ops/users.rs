//! Users.

use cove_aws_wire::door::Principal;
use cove_aws_wire::fault::Fault;
use cove_base::arn::{ACCOUNT, Arn};
use serde::Deserialize;
use serde_json::{Value, json};

use super::holders::{boundary_view, check_boundary, check_deletable, find, merge_tags, new_tags};
use crate::iam::faults::{already_exists, delete_conflict, no_such_entity};
use crate::iam::paging::page;
use crate::iam::state::{AccessKey, Holdings, Tag, User, key_of};
use crate::ids::Ids;
use crate::operation::Cx;

/// The input of the operations on users.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct UserInput {
    path: Option<String>,
    user_name: Option<String>,
    permissions_boundary: Option<String>,
    tags: Vec<Tag>,
    tag_keys: Vec<String>,
    path_prefix: Option<String>,
    marker: Option<String>,
    max_items: Option<usize>,
}

/// `CreateUser`.
pub async fn create_user(cx: Cx, input: UserInput) -> Result<Value, Fault> {
    let name = input.user_name.unwrap_or_default();
    let path = input.path.unwrap_or_else(|| "/".into());
    check_boundary(&cx, input.permissions_boundary.as_deref()).await?;
    let user = User {
        arn: Arn::iam(format!("user{path}{name}")).to_string(),
        id: Ids::global(&cx, 1).await?.iam("AIDA", 17),
        created: cx.rt.now().as_secs(),
        holdings: Holdings { tags: new_tags(input.tags)?, boundary: input.permissions_boundary, ..Holdings::default() },
        path,
        name,
    };
    if !cx.global_records::<User>().await?.create(&user).await? {
        return Err(already_exists(format!("User with name {} already exists.", user.name)));
    }
    Ok(json!({ "User": view(&user, true) }))
}

/// `GetUser`; without a name: the caller.
pub async fn get_user(cx: Cx, input: UserInput) -> Result<Value, Fault> {
    let name = match (input.user_name, &cx.caller.principal) {
        (Some(name), _) => name,
        (None, Principal::User { name, .. }) => name.clone(),
        (None, Principal::Root) => return Ok(json!({ "User": root_view() })),
        (None, _) => {
            return Err(Fault::client(
                "ValidationError",
                "Must specify userName when calling with non-User credentials",
            ));
        }
    };
    Ok(json!({ "User": view(&find::<User>(&cx, &name).await?, true) }))
}

/// `ListUsers`.
pub async fn list_users(cx: Cx, input: UserInput) -> Result<Value, Fault> {
    let prefix = input.path_prefix.unwrap_or_else(|| "/".into());
    let users = cx.global_records::<User>().await?.list().await?;
    let items = users.iter().filter(|u| u.path.starts_with(&prefix)).map(|u| (key_of(&u.name), view(u, false)));
    page("Users", items.collect(), input.marker.as_deref(), input.max_items)
}

/// `DeleteUser`.
pub async fn delete_user(cx: Cx, input: UserInput) -> Result<Value, Fault> {
    let user = find::<User>(&cx, &input.user_name.unwrap_or_default()).await?;
    check_deletable(&user)?;
    let keys = cx.global_records::<AccessKey>().await?.list().await?;
    if keys.iter().any(|key| key.user_name.as_deref() == Some(user.name.as_str())) {
        return Err(delete_conflict("Cannot delete entity, must delete access keys first."));
    }
    if !cx.global_records::<User>().await?.delete(&key_of(&user.name)).await? {
        return Err(no_such_entity(format!("The user with name {} cannot be found.", user.name)));
    }
    Ok(json!({}))
}

/// `TagUser`.
pub async fn tag_user(cx: Cx, input: UserInput) -> Result<Value, Fault> {
    super::holders::change::<User>(&cx, &input.user_name.unwrap_or_default(), |holdings| {
        merge_tags(&mut holdings.tags, &input.tags)
    })
    .await
}

/// `UntagUser`.
pub async fn untag_user(cx: Cx, input: UserInput) -> Result<Value, Fault> {
    super::holders::change::<User>(&cx, &input.user_name.unwrap_or_default(), |holdings| {
        holdings.tags.retain(|tag| !input.tag_keys.contains(&tag.key));
        Ok(())
    })
    .await
}

/// `ListUserTags`.
pub async fn list_user_tags(cx: Cx, input: UserInput) -> Result<Value, Fault> {
    let user = find::<User>(&cx, &input.user_name.unwrap_or_default()).await?;
    let items = user.holdings.tags.iter().map(|tag| (tag.key.clone(), json!(tag)));
    page("Tags", items.collect(), input.marker.as_deref(), input.max_items)
}

fn root_view() -> Value {
    json!({ "Path": "/", "UserId": ACCOUNT, "UserName": "root", "Arn": Arn::iam("root").to_string(), "CreateDate": 0 })
}

/// The `User` shape; lists leave tags and boundary out.
fn view(user: &User, whole: bool) -> Value {
    let mut view = json!({
        "Path": user.path,
        "UserName": user.name,
        "UserId": user.id,
        "Arn": user.arn,
        "CreateDate": user.created,
    });
    if whole {
        boundary_view(&mut view, &user.holdings);
    }
    view
}
