//! What EKS asks IAM about roles and principals.

use cove_aws_wire::door::Caller;
use cove_aws_wire::fault::Fault;
use cove_base::arn::Arn;
use serde_json::json;

use super::faults;
use super::network::as_eks;
use crate::operation::Cx;

/// Refuses a cluster role that EKS cannot assume.
pub async fn check_cluster_role(cx: &Cx, cluster: &str, role_arn: &str) -> Result<(), Fault> {
    if assumable(cx, "eks.amazonaws.com", role_arn).await? {
        return Ok(());
    }
    let message = format!(
        "Role with arn: {role_arn}, could not be assumed because it does not exist or the trusted entity is not correct"
    );
    Err(faults::parameter(cluster, message))
}

/// Refuses a node role that does not exist or that EC2 cannot assume.
pub async fn check_node_role(cx: &Cx, cluster: &str, role_arn: &str) -> Result<(), Fault> {
    let Some(name) = role_name(role_arn) else {
        return Err(faults::parameter(cluster, format!("The specified nodeRole {role_arn} is not a valid role ARN")));
    };
    let found = as_eks(cx, "iam", "GetRole", json!({ "RoleName": name })).await;
    let found = found.map_err(|fault| super::network::of_caller(cluster, fault))?;
    if found["Role"]["Arn"].as_str() != Some(role_arn) {
        return Err(faults::parameter(cluster, format!("The role with name {name} cannot be found.")));
    }
    if assumable(cx, "ec2.amazonaws.com", role_arn).await? {
        return Ok(());
    }
    let message = format!(
        "Following required service principals [ec2.amazonaws.com] were not found in the trust relationships of \
         nodeRole {role_arn}"
    );
    Err(faults::parameter(cluster, message))
}

/// The name of a role without its path.
pub fn role_name(role_arn: &str) -> Option<String> {
    let arn: Arn = role_arn.parse().ok()?;
    let path = arn.resource.strip_prefix("role/")?;
    (arn.service == "iam").then(|| path.rsplit('/').next().unwrap_or(path).to_string())
}

/// Whether a service may assume a role: asked of STS, as the service.
async fn assumable(cx: &Cx, service: &str, role_arn: &str) -> Result<bool, Fault> {
    let input = json!({ "RoleArn": role_arn, "RoleSessionName": "eks-validation" });
    match cx.call(Caller::service(service), "sts", "AssumeRole", input).await {
        Ok(_) => Ok(true),
        Err(fault) if fault.status < 500 => Ok(false),
        Err(fault) => Err(fault),
    }
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
