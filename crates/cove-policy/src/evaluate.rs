//! Evaluating policies for one action on one resource.
//!
//! An explicit deny anywhere wins; else an identity policy must allow, and so must the boundary and the session
//! policies where there are any. All actions of one call are separate requests.

use crate::context::Context;
use crate::document::{Document, Effect, Element, Statement};
use crate::pattern::{Pattern, arn_matches};

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Such as `ec2:RunInstances`.
    pub action: &'a str,
    /// An ARN, or `*` where the action knows no resources.
    pub resource: &'a str,
    /// Condition keys.
    pub context: &'a Context,
}

/// What applies to a principal.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policies<'a> {
    /// Its identity policies.
    pub identity: &'a [&'a Document],
    /// Its permissions boundary.
    pub boundary: Option<&'a Document>,
    /// The session's policies; empty means that there are none, not that nothing is allowed.
    pub session: &'a [&'a Document],
}

/// Which policies of a principal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PolicyType {
    /// Identity policies.
    Identity,
    /// The permissions boundary.
    Boundary,
    /// Session policies.
    Session,
}

/// A statement that decided: the policy's index within its type, the statement's within the policy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Matched {
    /// The policy.
    pub policy: usize,
    /// The statement.
    pub statement: usize,
}

/// Why not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Denial {
    /// Whose fault it is.
    pub policy_type: PolicyType,
    /// The statement that denies; `None` if none allows.
    pub explicit: Option<Matched>,
}

/// The answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Allowed, by this statement of an identity policy.
    Allowed(Matched),
    /// Denied.
    Denied(Denial),
}

/// Decides.
pub fn authorize(policies: Policies<'_>, request: Request<'_>) -> Decision {
    let boundary: Vec<&Document> = policies.boundary.into_iter().collect();
    let all = [
        (PolicyType::Identity, policies.identity),
        (PolicyType::Boundary, &boundary),
        (PolicyType::Session, policies.session),
    ];
    let explicit = all.iter().find_map(|(policy_type, documents)| {
        let explicit = Some(find(documents, Effect::Deny, request)?);
        Some(Denial { policy_type: *policy_type, explicit })
    });
    if let Some(denial) = explicit {
        return Decision::Denied(denial);
    }
    let implicit = |policy_type| Decision::Denied(Denial { policy_type, explicit: None });
    let Some(matched) = find(policies.identity, Effect::Allow, request) else { return implicit(PolicyType::Identity) };
    for (policy_type, documents) in &all[1..] {
        if !documents.is_empty() && find(documents, Effect::Allow, request).is_none() {
            return implicit(*policy_type);
        }
    }
    Decision::Allowed(matched)
}

fn find(documents: &[&Document], effect: Effect, request: Request<'_>) -> Option<Matched> {
    documents.iter().enumerate().find_map(|(policy, document)| {
        let fits = |s: &Statement| s.effect == effect && s.covers(request);
        document.statements.iter().position(fits).map(|statement| Matched { policy, statement })
    })
}

impl Statement {
    /// Whether action, resource and conditions match (principals are the trust policy's affair).
    pub fn covers(&self, request: Request<'_>) -> bool {
        self.covers_action(request.action)
            && self.covers_resource(request.resource, request.context)
            && self.conditions_hold(request.context)
    }

    pub(crate) fn covers_action(&self, action: &str) -> bool {
        let action = action.to_ascii_lowercase();
        let fits = |p: &String| Pattern::wild(&p.to_ascii_lowercase(), None).is_some_and(|p| p.matches(&action));
        self.actions.matches(fits)
    }

    fn covers_resource(&self, resource: &str, context: &Context) -> bool {
        let fits = |p: &String| p == "*" || arn_matches(p, resource, self.variables(context));
        self.resources.as_ref().is_none_or(|r| r.matches(fits))
    }

    pub(crate) fn conditions_hold(&self, context: &Context) -> bool {
        self.conditions.iter().all(|c| c.holds(context, self.variables(context)))
    }

    fn variables<'a>(&self, context: &'a Context) -> Option<&'a Context> {
        self.variables.then_some(context)
    }
}

impl Element {
    fn matches(&self, fits: impl Fn(&String) -> bool) -> bool {
        self.patterns.iter().any(fits) != self.negated
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Kind;
    use proptest::prelude::*;

    fn document(statements: &str) -> Document {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
        Document::parse(&text, Kind::Identity).expect("a document")
    }

    fn decide(document: &Document, action: &str, resource: &str, context: &Context) -> Decision {
        authorize(Policies { identity: &[document], ..Policies::default() }, Request { action, resource, context })
    }

    const ROLE: &str = "arn:aws:iam::123456789012:role/a";

    #[test]
    fn deny_wins_and_nothing_is_allowed_by_silence() {
        let context = Context::default();
        let policy = document(
            r#"{"Effect":"Allow","Action":"IAM:*","Resource":"*"},
               {"Effect":"Deny","Action":"iam:DeleteRole","Resource":"arn:aws:iam::*:role/a"}"#,
        );
        let at = |policy, statement| Matched { policy, statement };
        assert_eq!(decide(&policy, "iam:GetRole", ROLE, &context), Decision::Allowed(at(0, 0)));
        let denied = Denial { policy_type: PolicyType::Identity, explicit: Some(at(0, 1)) };
        assert_eq!(decide(&policy, "iam:DeleteRole", ROLE, &context), Decision::Denied(denied));
        let silent = Denial { policy_type: PolicyType::Identity, explicit: None };
        assert_eq!(decide(&policy, "ec2:RunInstances", "*", &context), Decision::Denied(silent));
    }

    #[test]
    fn negated_elements_and_variables() {
        let context = Context::default().with("aws:username", "ann");
        let policy = document(r#"{"Effect":"Allow","NotAction":"iam:*","NotResource":"arn:aws:s3:::x"}"#);
        assert!(matches!(decide(&policy, "s3:GetObject", "arn:aws:s3:::y", &context), Decision::Allowed(_)));
        assert!(matches!(decide(&policy, "s3:GetObject", "arn:aws:s3:::x", &context), Decision::Denied(_)));
        assert!(matches!(decide(&policy, "iam:GetUser", "*", &context), Decision::Denied(_)));
        let own = document(r#"{"Effect":"Allow","Action":"iam:*","Resource":"arn:aws:iam::*:user/${aws:username}"}"#);
        assert!(matches!(decide(&own, "iam:GetUser", "arn:aws:iam::1:user/ann", &context), Decision::Allowed(_)));
        assert!(matches!(decide(&own, "iam:GetUser", "arn:aws:iam::1:user/bob", &context), Decision::Denied(_)));
    }

    #[test]
    fn boundaries_and_sessions_only_take_away() {
        let context = Context::default();
        let all = document(r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#);
        let reads = document(r#"{"Effect":"Allow","Action":"iam:Get*","Resource":"*"}"#);
        let request = |action| Request { action, resource: ROLE, context: &context };
        let policies = Policies { identity: &[&all], boundary: Some(&reads), session: &[] };
        assert!(matches!(authorize(policies, request("iam:GetRole")), Decision::Allowed(_)));
        let denied = Denial { policy_type: PolicyType::Boundary, explicit: None };
        assert_eq!(authorize(policies, request("iam:DeleteRole")), Decision::Denied(denied));
        let policies = Policies { identity: &[&reads], boundary: None, session: &[&all] };
        assert!(matches!(authorize(policies, request("iam:DeleteRole")), Decision::Denied(_)));
    }

    proptest! {
        #[test]
        fn adding_a_deny_never_allows_more(action in "(iam|ec2):[A-C]{1,2}", pattern in "(iam|ec2):[A-C*?]{1,2}") {
            let context = Context::default();
            let open = document(r#"{"Effect":"Allow","Action":["iam:A*","ec2:?"],"Resource":"*"}"#);
            let deny = document(&format!(r#"{{"Effect":"Deny","Action":"{pattern}","Resource":"*"}}"#));
            let request = Request { action: &action, resource: "*", context: &context };
            let before = authorize(Policies { identity: &[&open], ..Policies::default() }, request);
            let after = authorize(Policies { identity: &[&open, &deny], ..Policies::default() }, request);
            prop_assert!(matches!(before, Decision::Allowed(_)) || matches!(after, Decision::Denied(_)));
        }

        #[test]
        fn hostile_documents_never_panic(text in ".{0,200}") {
            let _ = Document::parse(&text, Kind::Identity);
            let _ = Document::parse(&text, Kind::Trust);
        }
    }
}
