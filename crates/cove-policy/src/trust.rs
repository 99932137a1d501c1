//! Trust policies: who may take on a role. STS asks.

use crate::context::Context;
use crate::document::{Document, Effect, Principals};

/// Who wants to take on a role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requester {
    /// The ARNs that name it: a user's; a role session's own and its role's.
    pub arns: Vec<String>,
    /// Its unique id, such as `AIDA...`.
    pub id: String,
    /// Its account; empty for services and federated identities.
    pub account: String,
    /// `ec2.amazonaws.com`, for a service.
    pub service: String,
    /// The ARN (or name) of the identity provider, for a federated identity.
    pub federated: String,
}

/// What a trust policy says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trust {
    /// Yes, and by name: nothing else is needed within the account.
    Named,
    /// Yes for the whole account: an identity policy must allow it too.
    Account,
    /// An explicit deny.
    Denied,
    /// Nothing matches.
    Silent,
}

/// Asks a trust policy for an action such as `sts:AssumeRole`.
pub fn trusts(document: &Document, action: &str, requester: &Requester, context: &Context) -> Trust {
    let mut answer = Trust::Silent;
    for statement in &document.statements {
        let matched = statement.principals.as_ref().map_or(Trust::Silent, |p| matches(p, requester));
        if matched == Trust::Silent || !statement.covers_action(action) || !statement.conditions_hold(context) {
            continue;
        }
        match (statement.effect, answer) {
            (Effect::Deny, _) => return Trust::Denied,
            (Effect::Allow, Trust::Named) => {}
            (Effect::Allow, _) => answer = matched,
        }
    }
    answer
}

fn matches(principals: &Principals, requester: &Requester) -> Trust {
    let of_entry = |(kind, value): &(String, String)| match kind.as_str() {
        "*" => Trust::Named,
        "AWS" if value == "*" && !requester.account.is_empty() => Trust::Named,
        "AWS" if requester.arns.contains(value) => Trust::Named,
        "AWS" if !requester.id.is_empty() && *value == requester.id => Trust::Named,
        "AWS" if !requester.account.is_empty() && account_of(value) == Some(&requester.account) => Trust::Account,
        "Service" if !requester.service.is_empty() && *value == requester.service => Trust::Named,
        "Federated" if !requester.federated.is_empty() && *value == requester.federated => Trust::Named,
        _ => Trust::Silent,
    };
    let found: Vec<Trust> = principals.entries.iter().map(of_entry).collect();
    let best = [Trust::Named, Trust::Account].into_iter().find(|t| found.contains(t)).unwrap_or(Trust::Silent);
    match (principals.negated, best) {
        (false, best) => best,
        (true, Trust::Silent) => Trust::Named,
        (true, _) => Trust::Silent,
    }
}

/// The account that a principal stands for as a whole: twelve digits, or its root.
fn account_of(value: &str) -> Option<&str> {
    let account = value.strip_prefix("arn:aws:iam::").and_then(|v| v.strip_suffix(":root")).unwrap_or(value);
    (account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit())).then_some(account)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Kind;

    fn ask(principal: &str, effect: &str, requester: &Requester) -> Trust {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"{effect}","Action":"sts:AssumeRole",{principal}}}]}}"#
        );
        let document = Document::parse(&text, Kind::Trust).expect("a document");
        trusts(&document, "sts:AssumeRole", requester, &Context::default())
    }

    #[test]
    fn names_accounts_services_and_providers() {
        let ann = Requester {
            arns: vec!["arn:aws:iam::123456789012:user/ann".into()],
            account: "123456789012".into(),
            ..Requester::default()
        };
        assert_eq!(ask(r#""Principal":{"AWS":"arn:aws:iam::123456789012:user/ann"}"#, "Allow", &ann), Trust::Named);
        assert_eq!(ask(r#""Principal":{"AWS":"arn:aws:iam::123456789012:root"}"#, "Allow", &ann), Trust::Account);
        assert_eq!(ask(r#""Principal":{"AWS":"210987654321"}"#, "Allow", &ann), Trust::Silent);
        assert_eq!(ask(r#""Principal":{"AWS":"123456789012"}"#, "Deny", &ann), Trust::Denied);
        assert_eq!(ask(r#""NotPrincipal":{"AWS":"123456789012"}"#, "Deny", &ann), Trust::Silent);
        let node = Requester { service: "ec2.amazonaws.com".into(), ..Requester::default() };
        assert_eq!(
            ask(r#""Principal":{"Service":["eks.amazonaws.com","ec2.amazonaws.com"]}"#, "Allow", &node),
            Trust::Named
        );
        assert_eq!(ask(r#""Principal":{"AWS":"*"}"#, "Allow", &node), Trust::Silent);
    }
}
