//! Access keys.

use cove_aws_wire::door::Principal;
use cove_aws_wire::fault::Fault;
use cove_aws_wire::session_token::new_secret_access_key;
use serde::Deserialize;
use serde_json::{Value, json};

use super::holders::find;
use crate::iam::faults::{limit_exceeded, no_such_entity, validation};
use crate::iam::paging::page;
use crate::iam::state::{AccessKey, User};
use crate::ids::Ids;
use crate::limits;
use crate::operation::Cx;

/// The input of the operations on access keys.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct AccessKeyInput {
    user_name: Option<String>,
    access_key_id: String,
    status: Option<String>,
    marker: Option<String>,
    max_items: Option<usize>,
}

/// `CreateAccessKey`.
pub async fn create_access_key(cx: Cx, input: AccessKeyInput) -> Result<Value, Fault> {
    let user_name = owner(&cx, input.user_name).await?;
    let existing = keys_of(&cx, user_name.as_deref()).await?;
    if existing.len() >= limits::ACCESS_KEYS_PER_USER {
        return Err(limit_exceeded("AccessKeysPerUser", limits::ACCESS_KEYS_PER_USER));
    }
    let key = AccessKey {
        id: Ids::global(&cx, 1).await?.iam("AKIA", 16),
        secret: new_secret_access_key().map_err(|_| Fault::internal("the operating system gives no random bytes"))?,
        user_name,
        active: true,
        created: cx.rt.now().as_secs(),
    };
    cx.global_records::<AccessKey>().await?.create(&key).await?;
    let mut view = view(&key);
    view["SecretAccessKey"] = Value::from(key.secret.as_str());
    Ok(json!({ "AccessKey": view }))
}

/// `ListAccessKeys`.
pub async fn list_access_keys(cx: Cx, input: AccessKeyInput) -> Result<Value, Fault> {
    let user_name = owner(&cx, input.user_name).await?;
    let keys = keys_of(&cx, user_name.as_deref()).await?;
    let items = keys.iter().map(|key| (format!("{:020}/{}", key.created, key.id), view(key))).collect();
    page("AccessKeyMetadata", items, input.marker.as_deref(), input.max_items)
}

/// `UpdateAccessKey`.
pub async fn update_access_key(cx: Cx, input: AccessKeyInput) -> Result<Value, Fault> {
    let user_name = owner(&cx, input.user_name).await?;
    let active = match input.status.as_deref() {
        Some("Active") => true,
        Some("Inactive") => false,
        other => return Err(validation(format!("Status {} cannot be set.", other.unwrap_or_default()))),
    };
    let records = cx.global_records::<AccessKey>().await?;
    let id = &input.access_key_id;
    let updated = records.update(id, |key| {
        check_owner(key, user_name.as_deref())?;
        key.active = active;
        Ok(())
    });
    updated.await?.map(|_| json!({})).ok_or_else(|| not_found(id))
}

/// `DeleteAccessKey`.
pub async fn delete_access_key(cx: Cx, input: AccessKeyInput) -> Result<Value, Fault> {
    let user_name = owner(&cx, input.user_name).await?;
    let records = cx.global_records::<AccessKey>().await?;
    let Some(key) = records.get(&input.access_key_id).await? else { return Err(not_found(&input.access_key_id)) };
    check_owner(&key.value, user_name.as_deref())?;
    match records.delete(&input.access_key_id).await? {
        true => Ok(json!({})),
        false => Err(not_found(&input.access_key_id)),
    }
}

/// Whose keys are meant: the named user's, or the caller's own (`None` is root).
async fn owner(cx: &Cx, user_name: Option<String>) -> Result<Option<String>, Fault> {
    match (user_name, &cx.caller.principal) {
        (Some(name), _) => Ok(Some(find::<User>(cx, &name).await?.name)),
        (None, Principal::User { name, .. }) => Ok(Some(name.clone())),
        (None, Principal::Root) => Ok(None),
        (None, _) => Err(validation("Must specify userName when calling with non-User credentials")),
    }
}

async fn keys_of(cx: &Cx, user_name: Option<&str>) -> Result<Vec<AccessKey>, Fault> {
    let mut keys = cx.global_records::<AccessKey>().await?.list().await?;
    keys.retain(|key| key.user_name.as_deref() == user_name);
    Ok(keys)
}

fn check_owner(key: &AccessKey, user_name: Option<&str>) -> Result<(), Fault> {
    match key.user_name.as_deref() == user_name {
        true => Ok(()),
        false => Err(not_found(&key.id)),
    }
}

fn not_found(id: &str) -> Fault {
    no_such_entity(format!("The Access Key with id {id} cannot be found."))
}

fn view(key: &AccessKey) -> Value {
    json!({
        "UserName": key.user_name,
        "AccessKeyId": key.id,
        "Status": if key.active { "Active" } else { "Inactive" },
        "CreateDate": key.created,
    })
}
