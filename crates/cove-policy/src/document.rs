//! Policy documents: the text that IAM takes in, read once into statements, refused in IAM's own words.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::condition::{Condition, Operator};

/// What a document is for; each allows other elements.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Attached to a user or role, a managed policy, a boundary or a session policy.
    Identity,
    /// A role's trust policy.
    Trust,
}

/// A refused document. The text is what IAM says in `MalformedPolicyDocument`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

/// A document.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// The statements in their order.
    pub statements: Vec<Statement>,
}

/// What a statement does when it matches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// It allows.
    Allow,
    /// It denies, whatever else allows.
    Deny,
}

/// One statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// Its id, empty if it has none.
    pub sid: String,
    /// What it does.
    pub effect: Effect,
    /// Whom it is about (trust policies).
    pub principals: Option<Principals>,
    /// `Action` or `NotAction`.
    pub actions: Element,
    /// `Resource` or `NotResource`; none in trust policies.
    pub resources: Option<Element>,
    /// All must hold.
    pub conditions: Vec<Condition>,
    /// Whether `${...}` are variables: only documents of version 2012-10-17 have them.
    pub variables: bool,
}

/// A list of patterns, or its negation (`NotAction`).
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    /// Whether the element matches what the patterns do not.
    pub negated: bool,
    /// The patterns.
    pub patterns: Vec<String>,
}

/// `Principal` or `NotPrincipal`.
#[derive(Clone, Debug, PartialEq)]
pub struct Principals {
    /// `NotPrincipal`.
    pub negated: bool,
    /// Type (`AWS`, `Service`, `Federated`) and value; (`*`, `*`) for everybody.
    pub entries: Vec<(String, String)>,
}

const MEMBERS: &[&str] =
    &["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];
const PRINCIPAL_TYPES: &[&str] = &["AWS", "Service", "Federated", "CanonicalUser"];
const TRUST_ACTIONS: &[&str] = &[
    "sts:assumerole",
    "sts:assumerolewithsaml",
    "sts:assumerolewithwebidentity",
    "sts:tagsession",
    "sts:setsourceidentity",
    "sts:setcontext",
];

fn malformed<T>(text: impl Into<String>) -> Result<T, Malformed> {
    Err(Malformed(text.into()))
}

fn syntax<T>() -> Result<T, Malformed> {
    malformed("Syntax errors in policy.")
}

impl Document {
    /// Reads a document.
    pub fn parse(text: &str, kind: Kind) -> Result<Self, Malformed> {
        let value: Value = match serde_json::from_str(text) {
            Ok(value) => value,
            Err(_) => return malformed("This policy contains invalid Json"),
        };
        let Value::Object(members) = value else { return syntax() };
        if members.keys().any(|k| !["Version", "Id", "Statement"].contains(&k.as_str())) {
            return syntax();
        }
        let variables = match members.get("Version").map(Value::as_str) {
            None | Some(Some("2008-10-17")) => false,
            Some(Some("2012-10-17")) => true,
            Some(_) => return malformed("The policy must contain a valid version string"),
        };
        let statements = match members.get("Statement") {
            Some(Value::Array(many)) if !many.is_empty() => many.iter().collect(),
            Some(one @ Value::Object(_)) => vec![one],
            _ => return syntax(),
        };
        let statements: Vec<Statement> =
            statements.into_iter().map(|s| statement(s, kind, variables)).collect::<Result<_, _>>()?;
        let mut sids = BTreeSet::new();
        if statements.iter().any(|s| !s.sid.is_empty() && !sids.insert(&s.sid)) {
            return malformed("Statement IDs (SID) in a single policy must be unique.");
        }
        Ok(Self { statements })
    }
}

fn statement(value: &Value, kind: Kind, variables: bool) -> Result<Statement, Malformed> {
    let Value::Object(members) = value else { return syntax() };
    if members.keys().any(|key| !MEMBERS.contains(&key.as_str())) {
        return syntax();
    }
    let effect = match members.get("Effect").map(Value::as_str) {
        Some(Some("Allow")) => Effect::Allow,
        Some(Some("Deny")) => Effect::Deny,
        None => return malformed("Missing required field Effect"),
        Some(_) => return syntax(),
    };
    let Some(actions) = element(members, "Action", "NotAction")? else {
        return malformed("Policy statement must contain actions.");
    };
    check_actions(&actions.patterns, kind)?;
    Ok(Statement {
        sid: sid(members)?,
        effect,
        principals: principals(members, kind)?,
        actions,
        resources: resources(members, kind)?,
        conditions: conditions(members)?,
        variables,
    })
}

fn sid(members: &Map<String, Value>) -> Result<String, Malformed> {
    match members.get("Sid").map(Value::as_str) {
        None => Ok(String::new()),
        Some(Some(sid)) if sid.bytes().all(|b| b.is_ascii_alphanumeric()) => Ok(sid.into()),
        Some(Some(_)) => malformed(
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression \
             [0-9A-Za-z]*",
        ),
        Some(None) => syntax(),
    }
}

/// One text or a list of texts; booleans and numbers count as their text, as IAM takes them.
fn texts(value: &Value) -> Result<Vec<String>, Malformed> {
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        _ => syntax(),
    };
    match value {
        Value::Array(many) => many.iter().map(text).collect(),
        one => Ok(vec![text(one)?]),
    }
}

fn element(members: &Map<String, Value>, is: &str, is_not: &str) -> Result<Option<Element>, Malformed> {
    let (negated, value) = match (members.get(is), members.get(is_not)) {
        (None, None) => return Ok(None),
        (Some(value), None) => (false, value),
        (None, Some(value)) => (true, value),
        (Some(_), Some(_)) => return syntax(),
    };
    let patterns = texts(value)?;
    if patterns.is_empty() { Ok(None) } else { Ok(Some(Element { negated, patterns })) }
}

fn check_actions(actions: &[String], kind: Kind) -> Result<(), Malformed> {
    for action in actions {
        let vendor = match action.split_once(':') {
            None if action == "*" => continue,
            None => return malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."),
            Some((vendor, _)) => vendor,
        };
        if vendor.is_empty() || !vendor.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return malformed(format!("Vendor {vendor} is not valid"));
        }
        let lower = action.to_ascii_lowercase();
        if kind == Kind::Trust && !lower.contains(['*', '?']) && !TRUST_ACTIONS.contains(&lower.as_str()) {
            return malformed("AssumeRole policy may only specify STS AssumeRole actions.");
        }
        if kind == Kind::Trust && vendor != "sts" {
            return malformed("AssumeRole policy may only specify STS AssumeRole actions.");
        }
    }
    Ok(())
}

fn resources(members: &Map<String, Value>, kind: Kind) -> Result<Option<Element>, Malformed> {
    let resources = element(members, "Resource", "NotResource")?;
    match (kind, resources) {
        (Kind::Trust, Some(_)) => malformed("Has prohibited field Resource"),
        (Kind::Trust, None) => Ok(None),
        (Kind::Identity, None) => malformed("Policy statement must contain resources."),
        (Kind::Identity, Some(element)) => match element.patterns.iter().find(|r| !is_resource(r)) {
            Some(resource) => malformed(format!("Resource {resource} must be in ARN format or \"*\".")),
            None => Ok(Some(element)),
        },
    }
}

fn is_resource(text: &str) -> bool {
    text == "*" || text.starts_with("arn:") || text.starts_with("${") || text.starts_with("*:")
}

fn principals(members: &Map<String, Value>, kind: Kind) -> Result<Option<Principals>, Malformed> {
    let (negated, value) = match (members.get("Principal"), members.get("NotPrincipal")) {
        (None, None) if kind == Kind::Identity => return Ok(None),
        (None, None) => return malformed("Missing required field Principal"),
        _ if kind == Kind::Identity => return malformed("Policy document should not specify a principal."),
        (Some(value), None) => (false, value),
        (None, Some(value)) => (true, value),
        (Some(_), Some(_)) => return syntax(),
    };
    let mut entries = Vec::new();
    match value {
        Value::String(all) if all == "*" => entries.push(("*".into(), "*".into())),
        Value::Object(types) => {
            for (name, values) in types {
                if !PRINCIPAL_TYPES.contains(&name.as_str()) {
                    return malformed(format!("Invalid principal in policy: {name}"));
                }
                for value in texts(values)? {
                    check_principal(name, &value)?;
                    entries.push((name.clone(), value));
                }
            }
        }
        _ => return malformed("Invalid principal in policy"),
    }
    if entries.is_empty() {
        malformed("Missing required field Principal")
    } else {
        Ok(Some(Principals { negated, entries }))
    }
}

fn check_principal(kind: &str, value: &str) -> Result<(), Malformed> {
    let is_account = value.len() == 12 && value.bytes().all(|b| b.is_ascii_digit());
    let is_id = ["AIDA", "AROA"].iter().any(|p| value.starts_with(p));
    let valid = match kind {
        "AWS" => value == "*" || is_account || is_id || (value.starts_with("arn:") && !value.contains(['*', '?'])),
        "Service" => value.contains('.') && !value.contains(['*', '?', ':']),
        _ => !value.is_empty(),
    };
    if valid { Ok(()) } else { malformed(format!("Invalid principal in policy: \"{kind}\":\"{value}\"")) }
}

fn conditions(members: &Map<String, Value>) -> Result<Vec<Condition>, Malformed> {
    let mut found = Vec::new();
    let blocks = match members.get("Condition") {
        None => return Ok(found),
        Some(Value::Object(blocks)) => blocks,
        Some(_) => return syntax(),
    };
    for (name, keys) in blocks {
        let Some(operator) = Operator::parse(name) else {
            return malformed(format!("Invalid Condition type : {name}."));
        };
        let Value::Object(keys) = keys else { return syntax() };
        for (key, values) in keys {
            if !key.contains(':') {
                return malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.");
            }
            found.push(Condition { operator: operator.clone(), key: key.clone(), values: texts(values)? });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str, kind: Kind) -> String {
        Document::parse(text, kind).expect_err("a refusal").to_string()
    }

    #[test]
    fn refusals_are_iams() {
        let identity = |s: &str| refused(&format!(r#"{{"Version":"2012-10-17","Statement":[{s}]}}"#), Kind::Identity);
        assert_eq!(refused("{", Kind::Identity), "This policy contains invalid Json");
        assert_eq!(refused("[]", Kind::Identity), "Syntax errors in policy.");
        assert_eq!(identity(r#"{"Effect":"Allow","Action":"s3:*"}"#), "Policy statement must contain resources.");
        assert_eq!(identity(r#"{"Effect":"Allow","Resource":"*"}"#), "Policy statement must contain actions.");
        assert_eq!(identity(r#"{"Action":"s3:*","Resource":"*"}"#), "Missing required field Effect");
        assert_eq!(identity(r#"{"Effect":"Allow","Action":"s3*:x","Resource":"*"}"#), "Vendor s3* is not valid");
        assert_eq!(
            identity(r#"{"Effect":"Allow","Action":"s3:*","Resource":"b"}"#),
            "Resource b must be in ARN format or \"*\"."
        );
        assert_eq!(
            identity(r#"{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"Like":{"a:b":"c"}}}"#),
            "Invalid Condition type : Like."
        );
        let trust = r#"{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"arn:*"}}}"#;
        assert_eq!(refused(trust, Kind::Trust), "Invalid principal in policy: \"AWS\":\"arn:*\"");
    }
}
