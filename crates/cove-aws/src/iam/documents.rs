//! Policy documents as IAM takes them in: what it refuses at writing time.

use cove_aws_wire::fault::Fault;
use serde_json::Value;

use crate::limits;

fn malformed(message: impl Into<String>) -> Fault {
    Fault::client("MalformedPolicyDocument", message)
}

/// Checks a document that is attached to a user or role, or is a managed policy.
pub fn check_identity_policy(document: &str) -> Result<(), Fault> {
    for statement in statements(document)? {
        if statement.get("Principal").is_some() || statement.get("NotPrincipal").is_some() {
            return Err(malformed("Policy document should not specify a principal."));
        }
        check_statement(&statement)?;
        if statement.get("Resource").is_none() && statement.get("NotResource").is_none() {
            return Err(malformed("Policy statement must contain resources."));
        }
    }
    Ok(())
}

/// Checks a managed policy, whose size is bounded by itself.
pub fn check_managed_policy(document: &str) -> Result<(), Fault> {
    check_identity_policy(document)?;
    let size = document.chars().filter(|c| !c.is_whitespace()).count();
    match size > limits::MANAGED_POLICY_BYTES {
        true => Err(Fault::new(409, "LimitExceeded", "Cannot exceed quota for PolicySize: 6144")),
        false => Ok(()),
    }
}

/// Checks a role's trust policy.
pub fn check_trust(document: &str) -> Result<(), Fault> {
    for statement in statements(document)? {
        if statement.get("Resource").is_some() || statement.get("NotResource").is_some() {
            return Err(malformed("Has prohibited field Resource"));
        }
        check_statement(&statement)?;
        if statement.get("Principal").is_none() && statement.get("NotPrincipal").is_none() {
            return Err(malformed("Missing required field Principal"));
        }
        let actions = statement.get("Action").or(statement.get("NotAction"));
        if texts(actions).any(|action| !action.eq_ignore_ascii_case("*") && !lower(action).starts_with("sts:")) {
            return Err(malformed("AssumeRole policy may only specify STS AssumeRole actions."));
        }
    }
    match document.chars().filter(|c| !c.is_whitespace()).count() > limits::TRUST_POLICY_BYTES {
        true => Err(Fault::new(409, "LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048")),
        false => Ok(()),
    }
}

fn lower(text: &str) -> String {
    text.to_ascii_lowercase()
}

fn texts(value: Option<&Value>) -> impl Iterator<Item = &str> {
    let one = value.and_then(Value::as_str);
    let many = value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    one.into_iter().chain(many)
}

fn statements(document: &str) -> Result<Vec<Value>, Fault> {
    let parsed: Value = serde_json::from_str(document).map_err(|_| malformed("This policy contains invalid Json"))?;
    let Value::Object(policy) = parsed else { return Err(malformed("Syntax errors in policy.")) };
    if policy.keys().any(|key| !["Version", "Id", "Statement"].contains(&key.as_str())) {
        return Err(malformed("Syntax errors in policy."));
    }
    match policy.get("Version") {
        None => {}
        Some(version) if version == "2012-10-17" || version == "2008-10-17" => {}
        Some(_) => return Err(malformed("The policy must contain a valid version string")),
    }
    match policy.get("Statement") {
        Some(Value::Array(many)) if !many.is_empty() => Ok(many.clone()),
        Some(one @ Value::Object(_)) => Ok(vec![one.clone()]),
        _ => Err(malformed("Syntax errors in policy.")),
    }
}

const MEMBERS: &[&str] =
    &["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];

fn check_statement(statement: &Value) -> Result<(), Fault> {
    let Value::Object(members) = statement else { return Err(malformed("Syntax errors in policy.")) };
    if members.keys().any(|key| !MEMBERS.contains(&key.as_str())) {
        return Err(malformed("Syntax errors in policy."));
    }
    match members.get("Effect").and_then(Value::as_str) {
        Some("Allow" | "Deny") => {}
        None => return Err(malformed("Missing required field Effect")),
        Some(_) => return Err(malformed("Syntax errors in policy.")),
    }
    let actions = match (members.get("Action"), members.get("NotAction")) {
        (Some(actions), None) | (None, Some(actions)) => actions,
        (None, None) => return Err(malformed("Policy statement must contain actions.")),
        (Some(_), Some(_)) => return Err(malformed("Syntax errors in policy.")),
    };
    for action in texts(Some(actions)) {
        let Some((vendor, _)) = action.split_once(':') else {
            match action {
                "*" => continue,
                _ => {
                    return Err(malformed(
                        "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
                    ));
                }
            }
        };
        if vendor.is_empty() || !vendor.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err(malformed(format!("Vendor {vendor} is not valid")));
        }
    }
    for resource in texts(members.get("Resource").or(members.get("NotResource"))) {
        if resource != "*" && !resource.starts_with("arn:") && !resource.starts_with("${") && !resource.starts_with("*")
        {
            return Err(malformed(format!("Resource {resource} must be in ARN format or \"*\".")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_iams() {
        let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"eks.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
        assert_eq!(check_trust(trust), Ok(()));
        let message = |result: Result<(), Fault>| result.expect_err("refused").message;
        assert_eq!(message(check_trust("{")), "This policy contains invalid Json");
        assert_eq!(message(check_identity_policy(trust)), "Policy document should not specify a principal.");
        assert_eq!(
            message(check_trust(&trust.replace(r#""Principal":{"Service":"eks.amazonaws.com"},"#, ""))),
            "Missing required field Principal"
        );
        let identity = r#"{"Statement":{"Effect":"Allow","Action":["s3:*"],"Resource":"bucket"}}"#;
        assert_eq!(message(check_identity_policy(identity)), "Resource bucket must be in ARN format or \"*\".");
        assert_eq!(check_identity_policy(&identity.replace("bucket", "*")), Ok(()));
    }
}
