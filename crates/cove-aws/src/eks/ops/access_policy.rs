//! Access policies: ListAccessPolicies, and Associate, Disassociate and ListAssociated on an access entry.

use cove_aws_wire::fault::Fault;
use serde::{Deserialize, Serialize};

use super::access_entry::{Nothing, entries_allowed, entry, no_entry};
use crate::eks::catalog::{ACCESS_POLICIES, ACCESS_POLICY_PREFIX};
use crate::eks::faults;
use crate::eks::paging::page;
use crate::eks::state::{AccessEntry, AccessScope, AssociatedPolicy};
use crate::eks::view::AssociatedPolicyView;
use crate::operation::Cx;

/// The policies that the authorizer of clusters evaluates (`cove-cloud` has their rules). The others, which EKS's own
/// services use, are refused by name: an association that grants nothing would deceive.
const EVALUATED: &[&str] = &[
    "AmazonEKSAdminPolicy",
    "AmazonEKSAdminViewPolicy",
    "AmazonEKSClusterAdminPolicy",
    "AmazonEKSEditPolicy",
    "AmazonEKSSecretReaderPolicy",
    "AmazonEKSViewPolicy",
];

/// The input of AssociateAccessPolicy.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AssociateAccessPolicyInput {
    cluster_name: String,
    principal_arn: String,
    policy_arn: String,
    access_scope: AccessScope,
}

/// The output of AssociateAccessPolicy.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AssociateAccessPolicyOutput {
    cluster_name: String,
    principal_arn: String,
    associated_access_policy: AssociatedPolicyView,
}

/// AssociateAccessPolicy. Associating a policy again replaces its scope.
pub async fn associate_access_policy(
    cx: Cx,
    input: AssociateAccessPolicyInput,
) -> Result<AssociateAccessPolicyOutput, Fault> {
    let name = &input.cluster_name;
    entries_allowed(&cx, name).await?;
    check_policy(name, &input.policy_arn)?;
    check_scope(name, &input.access_scope)?;
    let now = cx.rt.now();
    let id = AccessEntry::id_of(name, &input.principal_arn);
    let records = cx.records::<AccessEntry>().await?;
    let updated = records.update(&id, |entry| {
        if entry.kind != "STANDARD" {
            let message = format!("Access policies cannot be associated with an access entry of type {}", entry.kind);
            return Err(faults::request(name, message));
        }
        let before = entry.policies.iter().position(|p| p.policy_arn == input.policy_arn);
        let associated_at = before.map_or(now, |at| entry.policies.remove(at).associated_at);
        let (policy_arn, scope) = (input.policy_arn.clone(), input.access_scope.clone());
        entry.policies.push(AssociatedPolicy { policy_arn, scope, associated_at, modified_at: now });
        entry.policies.sort_by(|a, b| a.policy_arn.cmp(&b.policy_arn));
        Ok(())
    });
    let entry = updated.await?.ok_or_else(|| no_entry(name))?;
    let policy = entry.policies.iter().find(|p| p.policy_arn == input.policy_arn);
    Ok(AssociateAccessPolicyOutput {
        associated_access_policy: policy.map(Into::into).ok_or_else(|| Fault::internal("the policy was lost"))?,
        cluster_name: input.cluster_name,
        principal_arn: input.principal_arn,
    })
}

fn check_policy(cluster: &str, arn: &str) -> Result<(), Fault> {
    let name = arn.strip_prefix(ACCESS_POLICY_PREFIX).filter(|name| ACCESS_POLICIES.contains(name));
    match name {
        None => Err(faults::parameter(cluster, "The policyArn parameter format is not valid")),
        Some(name) if EVALUATED.contains(&name) => Ok(()),
        Some(name) => Err(faults::unsupported(&format!("the access policy {name}"))),
    }
}

fn check_scope(cluster: &str, scope: &AccessScope) -> Result<(), Fault> {
    match (scope.kind.as_str(), scope.namespaces.is_empty()) {
        ("cluster", true) | ("namespace", false) => Ok(()),
        ("cluster", false) => Err(faults::parameter(
            cluster,
            "The namespaces parameter must be empty when the access scope type is cluster",
        )),
        ("namespace", true) => Err(faults::parameter(
            cluster,
            "The namespaces parameter is required when the access scope type is namespace",
        )),
        _ => Err(faults::parameter(cluster, "The access scope type must be cluster or namespace")),
    }
}

/// The input of DisassociateAccessPolicy.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DisassociateAccessPolicyInput {
    cluster_name: String,
    principal_arn: String,
    policy_arn: String,
}

/// DisassociateAccessPolicy.
pub async fn disassociate_access_policy(cx: Cx, input: DisassociateAccessPolicyInput) -> Result<Nothing, Fault> {
    let name = &input.cluster_name;
    entries_allowed(&cx, name).await?;
    let id = AccessEntry::id_of(name, &input.principal_arn);
    let records = cx.records::<AccessEntry>().await?;
    let updated = records.update(&id, |entry| {
        let before = entry.policies.len();
        entry.policies.retain(|p| p.policy_arn != input.policy_arn);
        if entry.policies.len() == before {
            let message = "The specified policyArn could not be found. You can view the associated access policies with \
                           'list-associated-access-policies'.";
            return Err(faults::not_found(name, message));
        }
        Ok(())
    });
    updated.await?.map(|_| Nothing {}).ok_or_else(|| no_entry(name))
}

/// The input of ListAssociatedAccessPolicies.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListAssociatedInput {
    cluster_name: String,
    principal_arn: String,
    max_results: Option<usize>,
    next_token: Option<String>,
}

/// The output of ListAssociatedAccessPolicies.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListAssociatedOutput {
    cluster_name: String,
    principal_arn: String,
    associated_access_policies: Vec<AssociatedPolicyView>,
    next_token: Option<String>,
}

/// ListAssociatedAccessPolicies.
pub async fn list_associated_access_policies(
    cx: Cx,
    input: ListAssociatedInput,
) -> Result<ListAssociatedOutput, Fault> {
    entries_allowed(&cx, &input.cluster_name).await?;
    let policies = entry(&cx, &input.cluster_name, &input.principal_arn).await?.policies;
    let (policies, next_token) =
        page(policies, |p| p.policy_arn.clone(), input.max_results, input.next_token.as_deref())?;
    Ok(ListAssociatedOutput {
        cluster_name: input.cluster_name,
        principal_arn: input.principal_arn,
        associated_access_policies: policies.iter().map(Into::into).collect(),
        next_token,
    })
}

/// The input of ListAccessPolicies.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListAccessPoliciesInput {
    max_results: Option<usize>,
    next_token: Option<String>,
}

#[derive(Serialize)]
struct AccessPolicyView {
    name: String,
    arn: String,
}

/// The output of ListAccessPolicies.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListAccessPoliciesOutput {
    access_policies: Vec<AccessPolicyView>,
    next_token: Option<String>,
}

/// ListAccessPolicies.
pub async fn list_access_policies(_: Cx, input: ListAccessPoliciesInput) -> Result<ListAccessPoliciesOutput, Fault> {
    let names: Vec<&str> = ACCESS_POLICIES.to_vec();
    let (names, next_token) = page(names, |n| n.to_string(), input.max_results, input.next_token.as_deref())?;
    let view = |name: &str| AccessPolicyView { name: name.into(), arn: format!("{ACCESS_POLICY_PREFIX}{name}") };
    Ok(ListAccessPoliciesOutput { access_policies: names.into_iter().map(view).collect(), next_token })
}
