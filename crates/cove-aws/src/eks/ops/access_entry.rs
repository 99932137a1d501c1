//! Access entries: Create, Describe, List, Update, Delete.
//!
//! In CONFIG_MAP mode entries are refused, except to AWS services: the authenticator reads the cluster creator's entry
//! there too, which EKS keeps hidden until the mode changes.

use cove_aws_wire::door::Principal;
use cove_aws_wire::fault::Fault;
use cove_base::arn::{ACCOUNT, Arn};
use serde::{Deserialize, Serialize};

use super::cluster::{cluster, iam_principal};
use crate::eks::catalog::ACCESS_POLICY_PREFIX;
use crate::eks::faults;
use crate::eks::paging::page;
use crate::eks::principals;
use crate::eks::state::{AccessEntry, AccessScope, AssociatedPolicy, Cluster, StringMap};
use crate::eks::view::AccessEntryOutput;
use crate::ids::Ids;
use crate::operation::Cx;

/// The types, and whether their user name and groups are EKS's own (`None`: the caller's).
const TYPES: &[(&str, Option<&str>)] = &[
    ("STANDARD", None),
    ("EC2_LINUX", Some("system:node:{{EC2PrivateDNSName}}")),
    ("EC2_WINDOWS", Some("system:node:{{EC2PrivateDNSName}}")),
    ("FARGATE_LINUX", Some("system:node:{{SessionName}}")),
    ("HYBRID_LINUX", Some("system:node:{{SessionName}}")),
    ("HYPERPOD_LINUX", Some("system:node:{{SessionName}}")),
];

/// Beginnings that a caller's own user name may not have.
const RESERVED: &[&str] = &["system:", "eks:", "aws:", "amazon:", "iam:"];

/// The input of CreateAccessEntry.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateAccessEntryInput {
    cluster_name: String,
    principal_arn: String,
    kubernetes_groups: Option<Vec<String>>,
    #[serde(default)]
    tags: StringMap,
    client_request_token: Option<String>,
    username: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

/// CreateAccessEntry.
pub async fn create_access_entry(cx: Cx, input: CreateAccessEntryInput) -> Result<AccessEntryOutput, Fault> {
    let name = &input.cluster_name;
    entries_allowed(&cx, name).await?;
    let kind = input.kind.as_deref().unwrap_or("STANDARD");
    let Some((_, fixed)) = TYPES.iter().find(|(t, _)| *t == kind) else {
        return Err(faults::parameter(name, format!("The specified access entry type {kind} is not supported")));
    };
    let principal = check_principal(name, &input.principal_arn, kind)?;
    check_identity(name, kind, fixed.is_some(), input.username.as_deref(), input.kubernetes_groups.as_deref())?;
    let entries = cx.records::<AccessEntry>().await?;
    if let Some(existing) = entries.get(&AccessEntry::id_of(name, &input.principal_arn)).await? {
        let again =
            input.client_request_token.is_some() && existing.value.client_request_token == input.client_request_token;
        return if again { Ok(AccessEntryOutput::new(&existing.value)) } else { Err(entry_exists(name)) };
    }
    let Some(principal_id) = principals::unique_id(&cx, &principal).await? else {
        return Err(invalid_principal(name));
    };
    let mut ids = Ids::regional(&cx, 1).await?;
    let mut entry = new_entry(&cx, name, &principal, Some(principal_id), &mut ids);
    entry.kind = kind.into();
    entry.username = match (fixed, input.username) {
        (Some(fixed), _) => (*fixed).into(),
        (None, Some(username)) => username,
        (None, None) => default_username(&principal),
    };
    entry.groups = match fixed {
        Some(_) => vec!["system:nodes".into()],
        None => input.kubernetes_groups.unwrap_or_default(),
    };
    entry.tags = input.tags;
    entry.client_request_token = input.client_request_token;
    if entries.create(&entry).await? { Ok(AccessEntryOutput::new(&entry)) } else { Err(entry_exists(name)) }
}

fn entry_exists(cluster: &str) -> Fault {
    faults::in_use(cluster, "The specified access entry resource is already in use on this cluster.")
}

fn invalid_principal(cluster: &str) -> Fault {
    faults::parameter(cluster, "The specified principalArn is invalid: invalid principal.")
}

/// The cluster, if callers may see its access entries.
pub(super) async fn entries_allowed(cx: &Cx, cluster_name: &str) -> Result<Cluster, Fault> {
    let cluster = cluster(cx, cluster_name).await?.value;
    let service = matches!(cx.caller.principal, Principal::Service(_));
    if cluster.authentication_mode == "CONFIG_MAP" && !service {
        let message = "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform \
                       this operation.";
        return Err(faults::request(cluster_name, message));
    }
    Ok(cluster)
}

/// A user or role of IAM. Only a STANDARD entry may name one of another account, and none a service-linked role.
fn check_principal(cluster: &str, text: &str, kind: &str) -> Result<Arn, Fault> {
    let arn: Arn = text.parse().map_err(|_| invalid_principal(cluster))?;
    let role = arn.resource.starts_with("role/");
    if arn.service != "iam" || !(role || arn.resource.starts_with("user/")) {
        return Err(invalid_principal(cluster));
    }
    if arn.resource.starts_with("role/aws-service-role/") {
        let message =
            "The caller is not allowed to modify access entries with a principalArn value of a Service Linked Role";
        return Err(faults::parameter(cluster, message));
    }
    if kind != "STANDARD" && (!role || arn.account != ACCOUNT) {
        let message = format!("An access entry of type {kind} needs the ARN of an IAM role of the cluster's account");
        return Err(faults::parameter(cluster, message));
    }
    Ok(arn)
}

fn check_identity(
    cluster: &str,
    kind: &str,
    fixed: bool,
    username: Option<&str>,
    groups: Option<&[String]>,
) -> Result<(), Fault> {
    if fixed && (username.is_some() || groups.is_some_and(|g| !g.is_empty())) {
        let message = format!("username and kubernetesGroups cannot be specified for an access entry of type {kind}");
        return Err(faults::parameter(cluster, message));
    }
    if let Some(group) = groups.into_iter().flatten().find(|g| g.starts_with("system:")) {
        let message = format!("The kubernetes group name {group} is invalid, it cannot start with system:");
        return Err(faults::parameter(cluster, message));
    }
    match username {
        None => Ok(()),
        Some(username) => check_username(username).map_err(|message| faults::parameter(cluster, message)),
    }
}

fn check_username(username: &str) -> Result<(), String> {
    if let Some(reserved) = RESERVED.iter().find(|r| username.starts_with(**r)) {
        return Err(format!("The username {username} is invalid, it cannot start with {reserved}"));
    }
    let session = ["{{SessionName}}", "{{SessionNameRaw}}"].iter().find_map(|t| username.find(t));
    match session {
        Some(at) if !username[..at].contains(':') => {
            Err(format!("The username {username} is invalid, it must contain a colon before the session name"))
        }
        _ => Ok(()),
    }
}

/// The user name of a STANDARD entry whose creator names none.
fn default_username(principal: &Arn) -> String {
    match principal.resource.strip_prefix("role/") {
        None => principal.to_string(),
        Some(path) => {
            let name = path.rsplit('/').next().unwrap_or(path);
            format!("arn:aws:sts::{}:assumed-role/{name}/{{{{SessionName}}}}", principal.account)
        }
    }
}

fn new_entry(cx: &Cx, cluster: &str, principal: &Arn, principal_id: Option<String>, ids: &mut Ids) -> AccessEntry {
    let (kind, path) = principal.resource.split_once('/').unwrap_or(("root", "root"));
    let name = path.rsplit('/').next().unwrap_or(path);
    let resource =
        format!("access-entry/{cluster}/{kind}/{}/{name}/{}", principal.account, ids.uuid("eks access entry"));
    AccessEntry {
        cluster: cluster.into(),
        principal_arn: principal.to_string(),
        principal_id,
        arn: Arn::new("eks", &cx.region, resource).to_string(),
        kind: "STANDARD".into(),
        username: default_username(principal),
        groups: Vec::new(),
        made_by_eks: false,
        policies: Vec::new(),
        tags: StringMap::new(),
        created_at: cx.rt.now(),
        modified_at: cx.rt.now(),
        client_request_token: None,
    }
}

/// The entry that makes the caller of CreateCluster its administrator. AWS services get none.
pub(super) fn of_creator(cx: &Cx, cluster: &Cluster, ids: &mut Ids) -> Option<AccessEntry> {
    let (arn, id) = iam_principal(&cx.caller.principal)?;
    let mut entry = new_entry(cx, &cluster.name, &arn.parse().ok()?, id, ids);
    entry.policies = vec![AssociatedPolicy {
        policy_arn: format!("{ACCESS_POLICY_PREFIX}AmazonEKSClusterAdminPolicy"),
        scope: AccessScope { kind: "cluster".into(), namespaces: Vec::new() },
        associated_at: cx.rt.now(),
        modified_at: cx.rt.now(),
    }];
    Some(entry)
}

/// The entry through which the nodes of a managed node group join in the API modes.
pub async fn of_node_role(cx: &Cx, cluster: &str, role_arn: &str) -> Result<Option<AccessEntry>, Fault> {
    let Ok(principal) = role_arn.parse::<Arn>() else { return Ok(None) };
    let id = principals::unique_id(cx, &principal).await?;
    let mut ids = Ids::regional(cx, 1).await?;
    let mut entry = new_entry(cx, cluster, &principal, id, &mut ids);
    entry.kind = "EC2_LINUX".into();
    entry.made_by_eks = true;
    entry.username = "system:node:{{EC2PrivateDNSName}}".into();
    entry.groups = vec!["system:nodes".into()];
    Ok(Some(entry))
}

/// The input of DescribeAccessEntry, DeleteAccessEntry and ListAssociatedAccessPolicies.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EntryName {
    cluster_name: String,
    principal_arn: String,
}

/// The entry of a principal. The authenticator, an AWS service, knows of a role's session only the role's name: it
/// finds the entry of a role with a path under the ARN without it.
pub(super) async fn entry(cx: &Cx, cluster: &str, principal_arn: &str) -> Result<AccessEntry, Fault> {
    let entries = cx.records::<AccessEntry>().await?;
    if let Some(found) = entries.get(&AccessEntry::id_of(cluster, principal_arn)).await? {
        return Ok(found.value);
    }
    if matches!(cx.caller.principal, Principal::Service(_)) {
        let all = entries.list_under(&format!("{cluster}/")).await?;
        if let Some(found) = all.into_iter().find(|e| without_path(&e.principal_arn) == principal_arn) {
            return Ok(found);
        }
    }
    Err(no_entry(cluster))
}

/// The ARN of a role or user without its path.
fn without_path(arn: &str) -> String {
    match (arn.split_once('/'), arn.rsplit_once('/')) {
        (Some((kind, _)), Some((_, name))) => format!("{kind}/{name}"),
        _ => arn.into(),
    }
}

/// There is no entry of that principal.
pub(super) fn no_entry(cluster: &str) -> Fault {
    let message = "The specified principalArn could not be found. You can view your available access entries with \
                   'list-access-entries'.";
    faults::not_found(cluster, message)
}

/// DescribeAccessEntry.
pub async fn describe_access_entry(cx: Cx, input: EntryName) -> Result<AccessEntryOutput, Fault> {
    entries_allowed(&cx, &input.cluster_name).await?;
    Ok(AccessEntryOutput::new(&entry(&cx, &input.cluster_name, &input.principal_arn).await?))
}

/// An output without members.
#[derive(Serialize)]
pub struct Nothing {}

/// DeleteAccessEntry.
pub async fn delete_access_entry(cx: Cx, input: EntryName) -> Result<Nothing, Fault> {
    entries_allowed(&cx, &input.cluster_name).await?;
    let id = AccessEntry::id_of(&input.cluster_name, &input.principal_arn);
    match cx.records::<AccessEntry>().await?.delete(&id).await? {
        true => Ok(Nothing {}),
        false => Err(no_entry(&input.cluster_name)),
    }
}

/// The input of ListAccessEntries.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListAccessEntriesInput {
    cluster_name: String,
    associated_policy_arn: Option<String>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

/// The output of ListAccessEntries.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListAccessEntriesOutput {
    access_entries: Vec<String>,
    next_token: Option<String>,
}

/// ListAccessEntries.
pub async fn list_access_entries(cx: Cx, input: ListAccessEntriesInput) -> Result<ListAccessEntriesOutput, Fault> {
    entries_allowed(&cx, &input.cluster_name).await?;
    let mut entries = cx.records::<AccessEntry>().await?.list_under(&format!("{}/", input.cluster_name)).await?;
    if let Some(policy) = &input.associated_policy_arn {
        entries.retain(|e| e.policies.iter().any(|p| p.policy_arn == *policy));
    }
    let arns = entries.into_iter().map(|e| e.principal_arn).collect();
    let (access_entries, next_token) = page(arns, String::clone, input.max_results, input.next_token.as_deref())?;
    Ok(ListAccessEntriesOutput { access_entries, next_token })
}

/// The input of UpdateAccessEntry.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateAccessEntryInput {
    cluster_name: String,
    principal_arn: String,
    kubernetes_groups: Option<Vec<String>>,
    #[serde(rename = "clientRequestToken")]
    _client_request_token: Option<String>,
    username: Option<String>,
}

/// UpdateAccessEntry. Doing it twice is doing it once, so the idempotency token is not looked at.
pub async fn update_access_entry(cx: Cx, input: UpdateAccessEntryInput) -> Result<AccessEntryOutput, Fault> {
    let name = &input.cluster_name;
    entries_allowed(&cx, name).await?;
    let now = cx.rt.now();
    let id = AccessEntry::id_of(name, &input.principal_arn);
    let records = cx.records::<AccessEntry>().await?;
    let updated = records.update(&id, |entry| {
        let fixed = entry.kind != "STANDARD";
        check_identity(name, &entry.kind, fixed, input.username.as_deref(), input.kubernetes_groups.as_deref())?;
        entry.groups = input.kubernetes_groups.clone().unwrap_or_else(|| entry.groups.clone());
        entry.username = input.username.clone().unwrap_or_else(|| entry.username.clone());
        entry.modified_at = now;
        Ok(())
    });
    updated.await?.map(|e| AccessEntryOutput::new(&e)).ok_or_else(|| no_entry(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules() {
        let role: Arn = "arn:aws:iam::123456789012:role/path/dev".parse().expect("an ARN");
        assert_eq!(default_username(&role), "arn:aws:sts::123456789012:assumed-role/dev/{{SessionName}}");
        assert_eq!(without_path(&role.to_string()), "arn:aws:iam::123456789012:role/dev");
        assert!(check_username("admin:{{SessionName}}").is_ok());
        assert!(check_username("{{SessionNameRaw}}").is_err());
        assert!(check_username("system:admin").is_err());
        assert!(check_principal("c", "arn:aws:sts::123456789012:assumed-role/dev/me", "STANDARD").is_err());
        assert!(check_principal("c", "arn:aws:iam::123456789012:user/dev", "EC2_LINUX").is_err());
        assert!(check_principal("c", "arn:aws:iam::123456789012:role/dev", "EC2_LINUX").is_ok());
        assert!(check_identity("c", "STANDARD", false, None, Some(&["system:masters".into()])).is_err());
        assert!(check_identity("c", "EC2_LINUX", true, Some("x"), None).is_err());
    }
}
