//! EKS access policies: permissions beside RBAC for the principal of an access entry (facts: `eks.md` 1.7).
//!
//! The authorizer of a cluster asks [`Authenticator::policy_allows`] with the ARN that the authenticator put into the
//! user's extra facts; impersonated users have none and are judged by RBAC alone. What a policy grants is a table;
//! the policies that are not in it are refused by name when they are associated (`cove-aws`).

use cove_base::wildcard::{Piece, matches};
use cove_kube_api::door::UserInfo;
use serde_json::{Value, json};

use super::Authenticator;

/// How the ARN of an access policy begins.
const PREFIX: &str = "arn:aws:eks::aws:cluster-access-policy/";

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Action<'a> {
    /// The verb, in RBAC's spelling.
    pub verb: &'a str,
    /// The path; empty for an action on a resource.
    pub path: &'a str,
    /// The API group of the resource.
    pub group: &'a str,
    /// The plural resource.
    pub resource: &'a str,
    /// The subresource, empty for none.
    pub subresource: &'a str,
    /// The namespace; empty: cluster-wide.
    pub namespace: &'a str,
}

impl Authenticator {
    /// The reason to allow a user's action, if a policy of its access entry does.
    pub async fn policy_allows(&self, user: &UserInfo, action: Action<'_>) -> Option<String> {
        let arn = user.extra.get("canonicalArn")?.first()?;
        let input = json!({"clusterName": self.cluster, "principalArn": arn});
        let answer = self.call("eks", "ListAssociatedAccessPolicies", input).await.ok()?;
        let policies = answer["associatedAccessPolicies"].as_array()?;
        let allows = |policy: &&Value| {
            let name = policy["policyArn"].as_str().and_then(|arn| arn.strip_prefix(PREFIX)).unwrap_or_default();
            in_scope(&policy["accessScope"], action.namespace) && grants(name, action)
        };
        let policy = policies.iter().find(allows)?;
        Some(format!("EKS Access Policy: allowed by {}", policy["policyArn"].as_str().unwrap_or_default()))
    }
}

/// Whether a policy has a rule for an action.
fn grants(policy: &str, action: Action<'_>) -> bool {
    let table = include_str!("../../data/eks-access-policies.tsv");
    let mut rules = table.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t'));
    rules.any(|mut rule| rule.next() == Some(policy) && rule_allows(rule, action))
}

/// The cells of a rule after its policy: groups, paths, resources, verbs.
fn rule_allows<'t>(mut cells: impl Iterator<Item = &'t str>, action: Action<'_>) -> bool {
    let mut next = || cells.next().unwrap_or_default();
    let (groups, paths, resources, verbs) = (next(), next(), next(), next());
    let any = |list: &str, wanted: &str| list.split(' ').any(|entry| entry == "*" || entry == wanted);
    if !any(verbs, action.verb) {
        return false;
    }
    if !action.path.is_empty() {
        return any(paths, action.path);
    }
    let group = if action.group.is_empty() { "core" } else { action.group };
    let resource = match action.subresource {
        "" => action.resource.to_string(),
        subresource => format!("{}/{subresource}", action.resource),
    };
    any(groups, group) && any(resources, &resource)
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

    /// The actions, as `verb group/resource/subresource` or `verb /path`, that a policy grants of those asked about.
    fn granted(policy: &str, asked: &[&'static str]) -> Vec<&'static str> {
        let may = |text: &&&str| {
            let (verb, what) = text.split_once(' ').expect("a verb");
            if what.starts_with('/') {
                return grants(policy, Action { verb, path: what, ..Action::default() });
            }
            let mut parts = what.split('/');
            let mut next = || parts.next().unwrap_or_default();
            let (group, resource, subresource) = (next(), next(), next());
            let group = if group == "core" { "" } else { group };
            grants(policy, Action { verb, group, resource, subresource, ..Action::default() })
        };
        asked.iter().filter(may).copied().collect()
    }

    #[test]
    fn each_policy_grants_what_the_user_guide_says() {
        let view = ["list core/pods", "get core/pods/log", "watch apps/deployments"];
        let edit = ["create apps/deployments", "get core/secrets", "create core/pods/exec"];
        let admin = ["create rbac.authorization.k8s.io/rolebindings"];
        let look = ["list core/nodes", "get rbac.authorization.k8s.io/clusterroles"];
        let all = ["delete core/nodes", "get /metrics"];
        let asked = [&view[..], &edit, &admin, &look, &all].concat();
        assert_eq!(granted("AmazonEKSViewPolicy", &asked), view);
        assert_eq!(granted("AmazonEKSEditPolicy", &asked), [&view[..], &edit].concat());
        assert_eq!(granted("AmazonEKSAdminPolicy", &asked), [&view[..], &edit, &admin].concat());
        assert_eq!(granted("AmazonEKSAdminViewPolicy", &asked), [&view[..], &edit[1..2], &look].concat());
        assert_eq!(granted("AmazonEKSSecretReaderPolicy", &asked), [edit[1]]);
        assert_eq!(granted("AmazonEKSClusterAdminPolicy", &asked), asked);
        assert!(granted("AmazonEKSHybridPolicy", &asked).is_empty(), "not in the table");
        assert!(granted("", &asked).is_empty());
    }
}
