//! What users and roles have in common: inline policies, attached policies, tags, the permissions boundary.

use cove_aws_wire::fault::Fault;
use cove_base::percent;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::iam::documents::{check_identity_policy, size};
use crate::iam::faults::{delete_conflict, limit_exceeded, no_such_entity, no_such_holder, validation};
use crate::iam::managed::find_policy;
use crate::iam::paging::page;
use crate::iam::state::{AttachedPolicy, Holder, Holdings, Tag, key_of};
use crate::limits;
use crate::operation::Cx;

/// The input of the operations on the policies of a user or role.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct HolderInput {
    #[serde(alias = "RoleName")]
    user_name: String,
    policy_name: String,
    policy_document: String,
    policy_arn: String,
    path_prefix: Option<String>,
    marker: Option<String>,
    max_items: Option<usize>,
}

/// One user or role.
pub async fn find<T: Holder>(cx: &Cx, name: &str) -> Result<T, Fault> {
    let found = cx.global_records::<T>().await?.get(&key_of(name)).await?;
    match found {
        Some(record) if record.value.name() == name => Ok(record.value),
        _ => Err(no_such_holder(T::NOUN, name)),
    }
}

/// Changes what a user or role holds, unless only AWS may.
pub async fn change<T: Holder>(
    cx: &Cx,
    name: &str,
    mut change: impl FnMut(&mut Holdings) -> Result<(), Fault>,
) -> Result<Value, Fault> {
    let updated = cx
        .global_records::<T>()
        .await?
        .update(&key_of(name), |holder| {
            if holder.name() != name {
                return Err(no_such_holder(T::NOUN, name));
            }
            holder.check_changeable()?;
            change(holder.holdings_mut())
        })
        .await?;
    updated.map(|_| json!({})).ok_or_else(|| no_such_holder(T::NOUN, name))
}

/// `Put{User,Role}Policy`.
pub async fn put_policy<T: Holder>(cx: Cx, input: HolderInput) -> Result<Value, Fault> {
    check_identity_policy(&input.policy_document)?;
    change::<T>(&cx, &input.user_name, |holdings| {
        holdings.inline.insert(input.policy_name.clone(), input.policy_document.clone());
        let limit = if T::NOUN == "role" { limits::INLINE_BYTES_PER_ROLE } else { limits::INLINE_BYTES_PER_USER };
        if holdings.inline.values().map(|document| size(document)).sum::<usize>() > limit {
            let message = format!("Maximum policy size of {limit} bytes exceeded for {} {}", T::NOUN, input.user_name);
            return Err(Fault::new(409, "LimitExceeded", message));
        }
        Ok(())
    })
    .await
}

/// `Get{User,Role}Policy`.
pub async fn get_policy<T: Holder>(cx: Cx, input: HolderInput) -> Result<Value, Fault> {
    let holder = find::<T>(&cx, &input.user_name).await?;
    let Some(document) = holder.holdings().inline.get(&input.policy_name) else {
        return Err(no_inline::<T>(&input.policy_name));
    };
    let member = if T::NOUN == "role" { "RoleName" } else { "UserName" };
    Ok(
        json!({ member: input.user_name, "PolicyName": input.policy_name, "PolicyDocument": percent::encode(document, false) }),
    )
}

fn no_inline<T: Holder>(name: &str) -> Fault {
    no_such_entity(format!("The {} policy with name {name} cannot be found.", T::NOUN))
}

/// `List{User,Role}Policies`.
pub async fn list_policies<T: Holder>(cx: Cx, input: HolderInput) -> Result<Value, Fault> {
    let holder = find::<T>(&cx, &input.user_name).await?;
    let items = holder.holdings().inline.keys().map(|name| (name.clone(), Value::from(name.as_str())));
    page("PolicyNames", items.collect(), input.marker.as_deref(), input.max_items)
}

/// `Delete{User,Role}Policy`.
pub async fn delete_policy<T: Holder>(cx: Cx, input: HolderInput) -> Result<Value, Fault> {
    change::<T>(&cx, &input.user_name, |holdings| match holdings.inline.remove(&input.policy_name) {
        Some(_) => Ok(()),
        None => Err(no_inline::<T>(&input.policy_name)),
    })
    .await
}

/// `Attach{User,Role}Policy`.
pub async fn attach_policy<T: Holder>(cx: Cx, input: HolderInput) -> Result<Value, Fault> {
    find::<T>(&cx, &input.user_name).await?.check_changeable()?;
    let Some(policy) = find_policy(&cx, &input.policy_arn).await? else {
        let message = format!("Policy {} does not exist or is not attachable.", input.policy_arn);
        return Err(no_such_entity(message));
    };
    change::<T>(&cx, &input.user_name, |holdings| {
        if holdings.attached.iter().any(|a| a.policy_arn == policy.arn) {
            return Ok(());
        }
        if holdings.attached.len() >= limits::ATTACHED_POLICIES {
            let quota = if T::NOUN == "role" { "PoliciesPerRole" } else { "PoliciesPerUser" };
            return Err(limit_exceeded(quota, limits::ATTACHED_POLICIES));
        }
        holdings.attached.push(AttachedPolicy { policy_name: policy.name.clone(), policy_arn: policy.arn.clone() });
        Ok(())
    })
    .await
}

/// `Detach{User,Role}Policy`.
pub async fn detach_policy<T: Holder>(cx: Cx, input: HolderInput) -> Result<Value, Fault> {
    change::<T>(&cx, &input.user_name, |holdings| {
        let before = holdings.attached.len();
        holdings.attached.retain(|a| a.policy_arn != input.policy_arn);
        match holdings.attached.len() < before {
            true => Ok(()),
            false => Err(no_such_entity(format!("Policy {} was not found.", input.policy_arn))),
        }
    })
    .await
}

/// `ListAttached{User,Role}Policies`.
pub async fn list_attached<T: Holder>(cx: Cx, input: HolderInput) -> Result<Value, Fault> {
    let holder = find::<T>(&cx, &input.user_name).await?;
    let prefix = input.path_prefix.unwrap_or_else(|| "/".into());
    let under = |arn: &str| arn.split_once(":policy").is_some_and(|(_, path)| path.starts_with(&prefix));
    let attached = holder.holdings().attached.iter().enumerate().filter(|(_, a)| under(&a.policy_arn));
    let items = attached.map(|(i, a)| (format!("{i:03}"), json!(a)));
    page("AttachedPolicies", items.collect(), input.marker.as_deref(), input.max_items)
}

/// Refuses to delete who still holds policies.
pub fn check_deletable<T: Holder>(holder: &T) -> Result<(), Fault> {
    if !holder.holdings().attached.is_empty() {
        return Err(delete_conflict("Cannot delete entity, must detach all policies first."));
    }
    if !holder.holdings().inline.is_empty() {
        return Err(delete_conflict("Cannot delete entity, must delete policies first."));
    }
    Ok(())
}

/// A boundary must be a policy that exists.
pub async fn check_boundary(cx: &Cx, arn: Option<&str>) -> Result<(), Fault> {
    let Some(arn) = arn else { return Ok(()) };
    match find_policy(cx, arn).await? {
        Some(_) => Ok(()),
        None => Err(no_such_entity(format!("Policy {arn} does not exist or is not attachable."))),
    }
}

/// Tags and boundary of the `User` and `Role` shapes.
pub fn boundary_view(view: &mut Value, holdings: &Holdings) {
    if !holdings.tags.is_empty() {
        view["Tags"] = json!(holdings.tags);
    }
    if let Some(arn) = &holdings.boundary {
        view["PermissionsBoundary"] = json!({ "PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn });
    }
}

/// The tags of something new.
pub fn new_tags(tags: Vec<Tag>) -> Result<Vec<Tag>, Fault> {
    let mut out = Vec::new();
    merge_tags(&mut out, &tags)?;
    Ok(out)
}

/// Sets tags; a key that exists gets the new value.
pub fn merge_tags(into: &mut Vec<Tag>, tags: &[Tag]) -> Result<(), Fault> {
    for (index, tag) in tags.iter().enumerate() {
        if tags[..index].iter().any(|earlier| earlier.key.eq_ignore_ascii_case(&tag.key)) {
            return Err(Fault::client(
                "InvalidInput",
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        if tag.key.to_ascii_lowercase().starts_with("aws:") {
            return Err(validation("Tag keys beginning with 'aws:' are reserved for AWS use."));
        }
        match into.iter_mut().find(|t| t.key.eq_ignore_ascii_case(&tag.key)) {
            Some(existing) => *existing = tag.clone(),
            None => into.push(tag.clone()),
        }
    }
    match into.len() > limits::TAGS_PER_RESOURCE {
        true => Err(limit_exceeded("TagsPerResource", limits::TAGS_PER_RESOURCE)),
        false => Ok(()),
    }
}
