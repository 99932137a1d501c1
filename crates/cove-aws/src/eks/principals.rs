//! What EKS asks IAM about roles and principals.

use cove_aws_wire::fault::Fault;
use cove_base::arn::Arn;
use cove_base::percent;
use cove_policy::context::Context;
use cove_policy::document::{Document, Kind};
use cove_policy::trust::{self, Requester, Trust};
use serde_json::{Value, json};

use super::faults;
use super::network::as_eks;
use crate::operation::Cx;

/// Refuses a cluster role that EKS cannot assume.
pub async fn check_cluster_role(cx: &Cx, cluster: &str, role_arn: &str) -> Result<(), Fault> {
    match role(cx, role_arn).await? {
        Some(role) if trusts(&role, "eks.amazonaws.com") => Ok(()),
        _ => {
            let message = format!(
                "Role with arn: {role_arn}, could not be assumed because it does not exist or the trusted entity is not \
                 correct"
            );
            Err(faults::parameter(cluster, message))
        }
    }
}

/// Refuses a node role that does not exist or that EC2 cannot assume.
pub async fn check_node_role(cx: &Cx, cluster: &str, role_arn: &str) -> Result<(), Fault> {
    let Some(name) = role_name(role_arn) else {
        return Err(faults::parameter(cluster, format!("The specified nodeRole {role_arn} is not a valid role ARN")));
    };
    match role(cx, role_arn).await? {
        None => Err(faults::parameter(cluster, format!("The role with name {name} cannot be found."))),
        Some(role) if trusts(&role, "ec2.amazonaws.com") => Ok(()),
        Some(_) => {
            let message = format!(
                "Following required service principals [ec2.amazonaws.com] were not found in the trust relationships of \
                 nodeRole {role_arn}"
            );
            Err(faults::parameter(cluster, message))
        }
    }
}

/// The role of that ARN as IAM shows it.
async fn role(cx: &Cx, role_arn: &str) -> Result<Option<Value>, Fault> {
    let Some(name) = role_name(role_arn) else { return Ok(None) };
    match as_eks(cx, "iam", "GetRole", json!({ "RoleName": name })).await {
        Ok(mut found) => Ok(Some(found["Role"].take()).filter(|r| r["Arn"] == role_arn)),
        Err(fault) if fault.status < 500 => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Whether a role's trust policy lets a service assume it.
fn trusts(role: &Value, service: &str) -> bool {
    // IAM shows policy documents percent-encoded.
    let text = percent::decode(role["AssumeRolePolicyDocument"].as_str().unwrap_or_default());
    let Ok(document) = Document::parse(&text, Kind::Trust) else { return false };
    let requester = Requester { service: service.into(), ..Requester::default() };
    trust::trusts(&document, "sts:AssumeRole", &requester, &Context::default()) == Trust::Named
}

/// The name of a role without its path.
pub fn role_name(role_arn: &str) -> Option<String> {
    let arn: Arn = role_arn.parse().ok()?;
    let path = arn.resource.strip_prefix("role/")?;
    (arn.service == "iam").then(|| path.rsplit('/').next().unwrap_or(path).to_string())
}

/// The unique id of a user or role of this account, `None` if there is no such principal.
pub async fn unique_id(cx: &Cx, principal: &Arn) -> Result<Option<String>, Fault> {
    let (kind, path) = principal.resource.split_once('/').unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    let (operation, member, id) = match kind {
        "role" => ("GetRole", "Role", "RoleId"),
        "user" => ("GetUser", "User", "UserId"),
        _ => return Ok(None),
    };
    match as_eks(cx, "iam", operation, json!({ format!("{member}Name"): name })).await {
        Ok(found) if found[member]["Arn"] == principal.to_string() => Ok(found[member][id].as_str().map(Into::into)),
        Ok(_) => Ok(None),
        Err(fault) if fault.status < 500 => Ok(None),
        Err(fault) => Err(fault),
    }
}
