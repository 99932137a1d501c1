//! The `aws-auth` ConfigMap: YAML texts in `mapRoles`, `mapUsers` and `mapAccounts`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Identity;
use super::mapping::Mapping;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct MapRole {
    rolearn: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    groups: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct MapUser {
    userarn: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    groups: Vec<String>,
}

fn list<T: serde::de::DeserializeOwned>(data: &Value, member: &str) -> Vec<T> {
    let text = data[member].as_str().unwrap_or_default();
    // A map that is no valid YAML maps nobody, as upstream treats it.
    serde_saphyr::from_str(text).unwrap_or_default()
}

/// The mapping of a principal, from the ConfigMap's `data`. ARNs are compared in lower case, as upstream does.
pub(super) fn find(data: &Value, identity: &Identity) -> Option<Mapping> {
    let arn = identity.canonical_arn().to_lowercase();
    let roles: Vec<MapRole> = list(data, "mapRoles");
    if let Some(role) = roles.into_iter().find(|r| r.rolearn.to_lowercase() == arn) {
        return Some(Mapping { username: role.username, groups: role.groups });
    }
    let users: Vec<MapUser> = list(data, "mapUsers");
    if let Some(user) = users.into_iter().find(|u| u.userarn.to_lowercase() == arn) {
        return Some(Mapping { username: user.username, groups: user.groups });
    }
    let accounts: Vec<Value> = list(data, "mapAccounts");
    let ours = accounts.iter().any(|a| a.as_str().map_or_else(|| a.to_string(), str::to_string) == identity.account);
    ours.then(|| Mapping { username: identity.canonical_arn(), groups: Vec::new() })
}

/// A role's ARN as `aws-auth` must name it: without its path.
fn without_path(role_arn: &str) -> String {
    match role_arn.split_once(":role/") {
        Some((account, path)) => format!("{account}:role/{}", path.rsplit('/').next().unwrap_or(path)),
        None => role_arn.to_string(),
    }
}

/// `mapRoles` with a node role added; `None` if it is mapped already.
pub fn add_role(map_roles: &str, role_arn: &str) -> Option<String> {
    let mut roles: Vec<MapRole> = serde_saphyr::from_str(map_roles).unwrap_or_default();
    let rolearn = without_path(role_arn);
    if roles.iter().any(|r| r.rolearn == rolearn) {
        return None;
    }
    roles.push(MapRole {
        rolearn,
        username: "system:node:{{EC2PrivateDNSName}}".into(),
        groups: vec!["system:bootstrappers".into(), "system:nodes".into()],
    });
    Some(write(&roles))
}

/// `mapRoles` with a role removed; `None` if it is not mapped.
pub fn remove_role(map_roles: &str, role_arn: &str) -> Option<String> {
    let mut roles: Vec<MapRole> = serde_saphyr::from_str(map_roles).unwrap_or_default();
    let (rolearn, before) = (without_path(role_arn), roles.len());
    roles.retain(|r| r.rolearn != rolearn);
    (roles.len() < before).then(|| write(&roles))
}

/// The YAML in the form in which EKS writes it.
fn write(roles: &[MapRole]) -> String {
    let mut text = String::new();
    for role in roles {
        text.push_str("- groups:\n");
        for group in &role.groups {
            text.push_str(&format!("  - {group}\n"));
        }
        text.push_str(&format!("  rolearn: {}\n  username: {}\n", role.rolearn, role.username));
    }
    if roles.is_empty() { "[]\n".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node() -> Identity {
        Identity {
            arn: "arn:aws:sts::123456789012:assumed-role/eks-node/i-0123".into(),
            user_id: "AROA1:i-0123".into(),
            account: "123456789012".into(),
            access_key_id: "ASIA1".into(),
        }
    }

    #[test]
    fn a_node_role_is_mapped_and_unmapped() {
        let role = "arn:aws:iam::123456789012:role/some/path/eks-node";
        let text = add_role("", role).expect("added");
        assert_eq!(add_role(&text, role), None);
        let mapping = find(&json!({"mapRoles": text}), &node()).expect("mapped");
        let user = mapping.user(&node(), Some("ip-172-31-0-5.us-west-2.compute.internal")).expect("a user");
        assert_eq!(user.username, "system:node:ip-172-31-0-5.us-west-2.compute.internal");
        assert!(user.groups.iter().any(|g| g == "system:nodes"));
        assert_eq!(mapping.user(&node(), None), None);
        let text = remove_role(&text, role).expect("removed");
        assert_eq!(find(&json!({"mapRoles": text}), &node()), None);
    }

    #[test]
    fn users_and_accounts() {
        let admin = Identity {
            arn: "arn:aws:iam::123456789012:user/admin".into(),
            user_id: "AIDA1".into(),
            account: "123456789012".into(),
            access_key_id: "AKIA1".into(),
        };
        let users = "- userarn: arn:aws:iam::123456789012:user/Admin\n  username: boss\n  groups: [system:masters]\n";
        let mapping = find(&json!({"mapUsers": users}), &admin).expect("mapped");
        assert_eq!((mapping.username.as_str(), mapping.groups.len()), ("boss", 1));
        let by_account = find(&json!({"mapAccounts": "- \"123456789012\"\n"}), &admin).expect("mapped");
        assert_eq!(by_account.username, admin.arn);
        assert_eq!(find(&json!({"mapRoles": "not: [yaml"}), &admin), None);
    }
}
