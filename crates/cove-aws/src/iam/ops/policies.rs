//! Managed policies and their versions.

use cove_aws_wire::fault::Fault;
use cove_base::arn::Arn;
use cove_base::percent;
use serde::Deserialize;
use serde_json::{Value, json};

use super::holders::{merge_tags, new_tags};
use crate::iam::documents::check_managed_policy;
use crate::iam::faults::{already_exists, delete_conflict, no_such_entity};
use crate::iam::managed::{aws_policies, find_policy};
use crate::iam::paging::page;
use crate::iam::state::{Holder, Policy, PolicyVersion, Role, Tag, User, key_of};
use crate::ids::Ids;
use crate::limits;
use crate::operation::Cx;

/// The input of the operations on managed policies.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct PolicyInput {
    policy_name: String,
    path: Option<String>,
    policy_document: String,
    description: Option<String>,
    tags: Vec<Tag>,
    tag_keys: Vec<String>,
    policy_arn: String,
    version_id: String,
    set_as_default: bool,
    scope: Option<String>,
    only_attached: bool,
    path_prefix: Option<String>,
    marker: Option<String>,
    max_items: Option<usize>,
}

/// `CreatePolicy`.
pub async fn create_policy(cx: Cx, input: PolicyInput) -> Result<Value, Fault> {
    check_managed_policy(&input.policy_document)?;
    let path = input.path.unwrap_or_else(|| "/".into());
    let now = cx.rt.now().as_secs();
    let policy = Policy {
        arn: Arn::iam(format!("policy{path}{}", input.policy_name)).to_string(),
        id: Ids::global(&cx, 1).await?.iam("ANPA", 17),
        path,
        name: input.policy_name,
        description: input.description,
        created: now,
        updated: now,
        tags: new_tags(input.tags)?,
        versions: vec![PolicyVersion { id: "v1".into(), document: input.policy_document, created: now }],
        default_version: "v1".into(),
        next_version: 2,
    };
    if !cx.global_records::<Policy>().await?.create(&policy).await? {
        let message = format!("A policy called {} already exists. Duplicate names are not allowed.", policy.name);
        return Err(already_exists(message));
    }
    let mut view = view(&policy, 0);
    if !policy.tags.is_empty() {
        view["Tags"] = json!(policy.tags);
    }
    Ok(json!({ "Policy": view }))
}

/// `GetPolicy`.
pub async fn get_policy(cx: Cx, input: PolicyInput) -> Result<Value, Fault> {
    let policy = find(&cx, &input.policy_arn).await?;
    let count = attachments(&cx).await?.iter().filter(|arn| **arn == policy.arn).count();
    let mut view = view(&policy, count);
    view["Tags"] = json!(policy.tags);
    if let Some(description) = &policy.description {
        view["Description"] = Value::from(description.as_str());
    }
    Ok(json!({ "Policy": view }))
}

/// `ListPolicies`.
pub async fn list_policies(cx: Cx, input: PolicyInput) -> Result<Value, Fault> {
    let scope = input.scope.as_deref().unwrap_or("All");
    let prefix = input.path_prefix.as_deref().unwrap_or("/");
    let attached = attachments(&cx).await?;
    let mut policies = cx.global_records::<Policy>().await?.list().await?;
    policies.retain(|_| scope != "AWS");
    if scope != "Local" {
        policies.extend(aws_policies().values().cloned());
    }
    let mut items = Vec::new();
    for policy in policies.iter().filter(|p| p.path.starts_with(prefix)) {
        let count = attached.iter().filter(|arn| **arn == policy.arn).count();
        if count > 0 || !input.only_attached {
            items.push((policy.arn.clone(), view(policy, count)));
        }
    }
    page("Policies", items, input.marker.as_deref(), input.max_items)
}

/// `DeletePolicy`.
pub async fn delete_policy(cx: Cx, input: PolicyInput) -> Result<Value, Fault> {
    let policy = find_own(&cx, &input.policy_arn).await?;
    if attachments(&cx).await?.contains(&policy.arn) {
        return Err(delete_conflict("Cannot delete a policy attached to entities."));
    }
    if policy.versions.len() > 1 {
        return Err(delete_conflict(
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.",
        ));
    }
    match cx.global_records::<Policy>().await?.delete(&key_of(&policy.name)).await? {
        true => Ok(json!({})),
        false => Err(not_found(&input.policy_arn)),
    }
}

/// `GetPolicyVersion`.
pub async fn get_policy_version(cx: Cx, input: PolicyInput) -> Result<Value, Fault> {
    let policy = find(&cx, &input.policy_arn).await?;
    let version = version(&policy, &input.version_id)?;
    let mut view = version_view(&policy, version);
    view["Document"] = Value::from(percent::encode(&version.document, false));
    Ok(json!({ "PolicyVersion": view }))
}

/// `ListPolicyVersions`.
pub async fn list_policy_versions(cx: Cx, input: PolicyInput) -> Result<Value, Fault> {
    let policy = find(&cx, &input.policy_arn).await?;
    let newest_first = policy.versions.iter().rev().enumerate();
    let items = newest_first.map(|(i, v)| (format!("{i:03}"), version_view(&policy, v)));
    page("Versions", items.collect(), input.marker.as_deref(), input.max_items)
}

/// `CreatePolicyVersion`.
pub async fn create_policy_version(cx: Cx, input: PolicyInput) -> Result<Value, Fault> {
    check_managed_policy(&input.policy_document)?;
    let now = cx.rt.now().as_secs();
    let policy = edit(&cx, &input.policy_arn, |policy| {
        if policy.versions.len() >= limits::POLICY_VERSIONS {
            return Err(Fault::new(409, "LimitExceeded", "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version."));
        }
        let id = format!("v{}", policy.next_version);
        policy.next_version += 1;
        policy.updated = now;
        if input.set_as_default {
            policy.default_version.clone_from(&id);
        }
        policy.versions.push(PolicyVersion { id, document: input.policy_document.clone(), created: now });
        Ok(())
    })
    .await?;
    let created = policy.versions.last().ok_or_else(|| Fault::internal("a version was just made"))?;
    Ok(json!({ "PolicyVersion": version_view(&policy, created) }))
}

/// `DeletePolicyVersion`.
pub async fn delete_policy_version(cx: Cx, input: PolicyInput) -> Result<Value, Fault> {
    edit(&cx, &input.policy_arn, |policy| {
        version(policy, &input.version_id)?;
        if policy.default_version == input.version_id {
            return Err(delete_conflict("Cannot delete the default version of a policy."));
        }
        policy.versions.retain(|v| v.id != input.version_id);
        Ok(())
    })
    .await?;
    Ok(json!({}))
}

/// `SetDefaultPolicyVersion`.
pub async fn set_default_policy_version(cx: Cx, input: PolicyInput) -> Result<Value, Fault> {
    let now = cx.rt.now().as_secs();
    edit(&cx, &input.policy_arn, |policy| {
        version(policy, &input.version_id)?;
        policy.default_version.clone_from(&input.version_id);
        policy.updated = now;
        Ok(())
    })
    .await?;
    Ok(json!({}))
}

/// `TagPolicy`.
pub async fn tag_policy(cx: Cx, input: PolicyInput) -> Result<Value, Fault> {
    edit(&cx, &input.policy_arn, |policy| merge_tags(&mut policy.tags, &input.tags)).await?;
    Ok(json!({}))
}

/// `UntagPolicy`.
pub async fn untag_policy(cx: Cx, input: PolicyInput) -> Result<Value, Fault> {
    edit(&cx, &input.policy_arn, |policy| {
        policy.tags.retain(|tag| !input.tag_keys.contains(&tag.key));
        Ok(())
    })
    .await?;
    Ok(json!({}))
}

fn not_found(arn: &str) -> Fault {
    no_such_entity(format!("Policy {arn} was not found."))
}

async fn find(cx: &Cx, arn: &str) -> Result<Policy, Fault> {
    find_policy(cx, arn).await?.ok_or_else(|| not_found(arn))
}

/// A policy of the account; AWS's are not to be changed.
async fn find_own(cx: &Cx, arn: &str) -> Result<Policy, Fault> {
    match aws_policies().contains_key(arn) {
        true => Err(Fault::new(403, "AccessDenied", format!("Cannot modify the AWS managed policy {arn}"))),
        false => find(cx, arn).await,
    }
}

async fn edit(cx: &Cx, arn: &str, change: impl FnMut(&mut Policy) -> Result<(), Fault>) -> Result<Policy, Fault> {
    let policy = find_own(cx, arn).await?;
    let updated = cx.global_records::<Policy>().await?.update(&key_of(&policy.name), change).await?;
    updated.ok_or_else(|| not_found(arn))
}

fn version<'a>(policy: &'a Policy, id: &str) -> Result<&'a PolicyVersion, Fault> {
    policy.versions.iter().find(|v| v.id == id).ok_or_else(|| {
        no_such_entity(format!("Policy {} version {id} does not exist or is not attachable.", policy.arn))
    })
}

/// The ARNs of all attached policies, once per attachment.
async fn attachments(cx: &Cx) -> Result<Vec<String>, Fault> {
    fn arns<T: Holder>(holders: &[T]) -> impl Iterator<Item = String> {
        holders.iter().flat_map(|holder| holder.holdings().attached.iter().map(|a| a.policy_arn.clone()))
    }
    let users = cx.global_records::<User>().await?.list().await?;
    let roles = cx.global_records::<Role>().await?.list().await?;
    Ok(arns(&users).chain(arns(&roles)).collect())
}

fn view(policy: &Policy, attachments: usize) -> Value {
    json!({
        "PolicyName": policy.name,
        "PolicyId": policy.id,
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": policy.default_version,
        "AttachmentCount": attachments,
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": true,
        "CreateDate": policy.created,
        "UpdateDate": policy.updated,
    })
}

fn version_view(policy: &Policy, version: &PolicyVersion) -> Value {
    json!({
        "VersionId": version.id,
        "IsDefaultVersion": version.id == policy.default_version,
        "CreateDate": version.created,
    })
}
