//! EKS access policies: permissions beside RBAC for the principal of an access entry (facts: `eks.md` 1.7).
//!
//! The authorizer of a cluster asks [`Authenticator::policy_allows`] with the ARN that the authenticator put into the
//! user's extra facts; impersonated users have none and are judged by RBAC alone.

use cove_base::wildcard::{Piece, matches};
use cove_kube_api::door::UserInfo;
use serde_json::{Value, json};

use super::Authenticator;

/// Grants everything. The other policies of EKS are refused by name when they are associated.
const CLUSTER_ADMIN: &str = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy";

impl Authenticator {
    /// The reason to allow a request of this user in this namespace (empty: cluster-wide), if a policy does.
    pub async fn policy_allows(&self, user: &UserInfo, namespace: &str) -> Option<String> {
        let arn = user.extra.get("canonicalArn")?.first()?;
        let input = json!({"clusterName": self.cluster, "principalArn": arn});
        let answer = self.call("eks", "ListAssociatedAccessPolicies", input).await.ok()?;
        let policies = answer["associatedAccessPolicies"].as_array()?;
        let policy =
            policies.iter().find(|p| p["policyArn"] == CLUSTER_ADMIN && in_scope(&p["accessScope"], namespace))?;
        Some(format!("EKS Access Policy: allowed by {}", policy["policyArn"].as_str().unwrap_or_default()))
    }
}

/// Whether a scope covers a namespace. Namespaces may have wildcards.
fn in_scope(scope: &Value, namespace: &str) -> bool {
    if scope["type"] != "namespace" {
        return true;
    }
    let patterns = scope["namespaces"].as_array().into_iter().flatten().filter_map(Value::as_str);
    !namespace.is_empty() && patterns.into_iter().any(|p| wild(p, namespace))
}

fn wild(pattern: &str, text: &str) -> bool {
    matches(&pattern.chars().map(Piece::of).collect::<Vec<_>>(), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes() {
        let cluster = json!({"type": "cluster"});
        assert!(in_scope(&cluster, "") && in_scope(&cluster, "a"));
        let some = json!({"type": "namespace", "namespaces": ["shop", "team-*"]});
        assert!(in_scope(&some, "shop") && in_scope(&some, "team-a") && in_scope(&some, "team-"));
        assert!(!in_scope(&some, "") && !in_scope(&some, "other") && !in_scope(&some, "shopping"));
    }
}
