//! Escalation: nobody gives away what they do not have, except by the verbs `escalate` and `bind`.
//!
//! Called for every create and update of a role or a binding.

use cove_kube_api::door::UserInfo;
use cove_kube_api::status::Status;
use serde_json::Value;

use crate::admission::Review;
use crate::authorization::rbac::{Policy, Rule};
use crate::authorization::{Attributes, Decision, MASTERS, decide};
use crate::server::ApiServer;
use crate::value::{at, items, text};

const GROUP: &str = "rbac.authorization.k8s.io";

/// Refuses a role or binding that gives more than the user has.
pub async fn check(server: &ApiServer, review: &Review<'_>, object: &Value) -> Result<(), Status> {
    if review.kind.group != GROUP || review.user.groups.iter().any(|group| group == MASTERS) {
        return Ok(());
    }
    let policy = server.authorization.rbac().policy(server).await?;
    match review.kind.kind {
        "Role" | "ClusterRole" => role(server, review, object, &policy).await,
        _ => binding(server, review, object, &policy).await,
    }
}

async fn may(server: &ApiServer, review: &Review<'_>, verb: &str, resource: &str, name: &str) -> Result<bool, Status> {
    let attributes = Attributes {
        user: review.user.clone(),
        verb: verb.into(),
        is_resource: true,
        group: GROUP.into(),
        version: "v1".into(),
        resource: resource.into(),
        namespace: review.namespace.into(),
        name: name.into(),
        ..Attributes::default()
    };
    Ok(matches!(decide(server, &attributes).await?, Decision::Allow(_)))
}

async fn role(server: &ApiServer, review: &Review<'_>, object: &Value, policy: &Policy) -> Result<(), Status> {
    let rules_of = |value: &Value| items(value, &["rules"]).iter().map(Rule::of).collect::<Vec<_>>();
    let wanted = rules_of(object);
    let unchanged = review.old.is_some_and(|old| {
        rules_of(old) == wanted && at(old, &["aggregationRule"]) == at(object, &["aggregationRule"])
    });
    if unchanged || may(server, review, "escalate", review.kind.plural, review.name).await? {
        return Ok(());
    }
    if !at(object, &["aggregationRule"]).is_null() && !is_admin(review.user, policy) {
        return Err(review.forbidden("must have cluster-admin privileges to use the aggregationRule"));
    }
    covered(review, policy, &wanted)
}

fn is_admin(user: &UserInfo, policy: &Policy) -> bool {
    let mut found = false;
    policy.visit(user, "", |granted| {
        let all = |list: &[String]| list.iter().any(|entry| entry == "*");
        let rule = granted.rule;
        found |= all(&rule.verbs) && all(&rule.groups) && all(&rule.resources);
        !found
    });
    found
}

async fn binding(server: &ApiServer, review: &Review<'_>, object: &Value, policy: &Policy) -> Result<(), Status> {
    let (kind, name) = (text(object, &["roleRef", "kind"]), text(object, &["roleRef", "name"]));
    let same = |old: &Value| {
        at(old, &["roleRef"]) == at(object, &["roleRef"]) && at(old, &["subjects"]) == at(object, &["subjects"])
    };
    let plural = if kind == "ClusterRole" { "clusterroles" } else { "roles" };
    if review.old.is_some_and(same) || may(server, review, "bind", plural, name).await? {
        return Ok(());
    }
    match policy.role(kind, review.namespace, name) {
        Some(rules) => covered(review, policy, rules),
        None => Err(Status::not_found(GROUP, plural, name)),
    }
}

/// Refuses what the user's own rules do not cover.
fn covered(review: &Review<'_>, policy: &Policy, wanted: &[Rule]) -> Result<(), Status> {
    let mut own: Vec<Rule> = Vec::new();
    policy.visit(review.user, review.namespace, |granted| {
        own.push(granted.rule.clone());
        true
    });
    let missing: Vec<String> = wanted.iter().flat_map(pieces).filter(|piece| !covers(&own, piece)).map(shown).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let groups: Vec<String> = review.user.groups.iter().map(|group| format!("{group:?}")).collect();
    Err(review.forbidden(&format!(
        "user {:?} (groups=[{}]) is attempting to grant RBAC permissions not currently held:\n{}",
        review.user.username,
        groups.join(" "),
        missing.join("\n")
    )))
}

/// A rule as rules of one verb, one resource, one name each.
fn pieces(rule: &Rule) -> Vec<Rule> {
    let mut pieces = Vec::new();
    for verb in &rule.verbs {
        let one = |list: &mut Vec<String>, value: &String| list.push(value.clone());
        for path in &rule.paths {
            let mut piece = Rule { verbs: vec![verb.clone()], ..Rule::default() };
            one(&mut piece.paths, path);
            pieces.push(piece);
        }
        for group in &rule.groups {
            for resource in &rule.resources {
                let piece = Rule {
                    verbs: vec![verb.clone()],
                    groups: vec![group.clone()],
                    resources: vec![resource.clone()],
                    ..Rule::default()
                };
                if rule.names.is_empty() {
                    pieces.push(piece);
                } else {
                    pieces.extend(rule.names.iter().map(|n| Rule { names: vec![n.clone()], ..piece.clone() }));
                }
            }
        }
    }
    pieces
}

fn covers(own: &[Rule], piece: &Rule) -> bool {
    let has = |list: &[String], wanted: &[String]| {
        wanted.iter().all(|wanted| list.iter().any(|entry| entry == "*" || entry == wanted))
    };
    own.iter().any(|rule| {
        if !has(&rule.verbs, &piece.verbs) {
            return false;
        }
        if !piece.paths.is_empty() {
            return piece.paths.iter().all(|path| {
                rule.paths.iter().any(|own| own == path || own.strip_suffix('*').is_some_and(|p| path.starts_with(p)))
            });
        }
        let resource = piece.resources.iter().all(|wanted| {
            let any = |sub: &str| format!("*/{sub}");
            let sub = wanted.split_once('/').map(|(_, sub)| any(sub));
            rule.resources.iter().any(|own| own == "*" || own == wanted || Some(own) == sub.as_ref())
        });
        let named = rule.names.is_empty() || (!piece.names.is_empty() && has(&rule.names, &piece.names));
        has(&rule.groups, &piece.groups) && resource && named
    })
}

/// Upstream's compact form of a rule.
fn shown(rule: Rule) -> String {
    let list = |name: &str, values: &[String]| {
        let quoted: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
        (!values.is_empty()).then(|| format!("{name}:[{}]", quoted.join(" ")))
    };
    let parts = [
        list("APIGroups", &rule.groups),
        list("Resources", &rule.resources),
        list("ResourceNames", &rule.names),
        list("NonResourceURLs", &rule.paths),
        list("Verbs", &rule.verbs),
    ];
    format!("{{{}}}", parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}
