//! Checks an input against its model before anything else sees it: required members, lengths, ranges, values, patterns.

use serde_json::Value;

use crate::fault::Fault;
use crate::model::{Kind, Model, OperationModel, Protocol, Reference, Shape, ShapeId};

/// EC2 words the refusal of these values per operation, so its services check them themselves.
const EC2_OWN_VALUES: &[&str] = &["InstanceType"];

/// One thing wrong with an input.
struct Violation {
    path: String,
    value: String,
    rule: Rule,
}

enum Rule {
    Required,
    MinLength(f64),
    MaxLength(f64),
    MinValue(f64),
    MaxValue(f64),
    Enum(Vec<String>),
    Pattern(String),
}

/// Checks an operation's input.
pub fn validate(model: &Model, operation: &OperationModel, input: &Value) -> Result<(), Fault> {
    let mut found = Vec::new();
    if let Some(shape) = operation.input {
        structure(model, shape, input, "", &mut found);
    }
    if found.is_empty() { Ok(()) } else { Err(fault(model, &found)) }
}

fn structure(model: &Model, shape: ShapeId, value: &Value, path: &str, found: &mut Vec<Violation>) {
    for member in model.members(shape) {
        let path = join(model, path, &member.name, &member.reference);
        match value.get(&member.name).filter(|v| !v.is_null()) {
            Some(value) => check(model, &member.reference, value, &path, found),
            None if member.required => found.push(Violation { path, value: "null".into(), rule: Rule::Required }),
            None => {}
        }
    }
}

/// EC2 names parameters as its clients send them, the others as their Java members are called.
fn join(model: &Model, path: &str, name: &str, reference: &Reference) -> String {
    let own = match (model.protocol, reference.location_name.as_deref()) {
        (Protocol::Ec2, Some(location_name)) => location_name,
        _ => name,
    };
    let name = if model.protocol == Protocol::Ec2 && path.is_empty() { own.to_string() } else { lower_first(own) };
    if path.is_empty() { name } else { format!("{path}.{name}") }
}

fn lower_first(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map(|first| first.to_ascii_lowercase().to_string() + characters.as_str()).unwrap_or_default()
}

fn check(model: &Model, reference: &Reference, value: &Value, path: &str, found: &mut Vec<Violation>) {
    let shape = model.shape(reference.shape);
    match (&shape.kind, value) {
        (Kind::Structure(_), _) => structure(model, reference.shape, value, path, found),
        (Kind::List(item), Value::Array(items)) => {
            length(shape, items.len(), value, path, found);
            let wrapper = if model.protocol == Protocol::Query { ".member" } else { "" };
            for (index, value) in items.iter().enumerate() {
                check(model, item, value, &format!("{path}.{}{wrapper}", index + 1), found);
            }
        }
        (Kind::Map(_, item), Value::Object(entries)) => {
            length(shape, entries.len(), value, path, found);
            entries.iter().for_each(|(key, value)| check(model, item, value, &format!("{path}.{key}"), found));
        }
        (Kind::String, Value::String(text)) => string(model, shape, text, path, found),
        (Kind::Integer | Kind::Long | Kind::Double, Value::Number(number)) => {
            range(shape, number.as_f64().unwrap_or_default(), value, path, found);
        }
        _ => {}
    }
}

fn violation(path: &str, value: &Value, rule: Rule) -> Violation {
    let value = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Violation { path: path.into(), value, rule }
}

fn length(shape: &Shape, length: usize, value: &Value, path: &str, found: &mut Vec<Violation>) {
    let length = length as f64;
    if let Some(max) = shape.max.filter(|max| length > *max) {
        found.push(violation(path, value, Rule::MaxLength(max)));
    }
    if let Some(min) = shape.min.filter(|min| length < *min) {
        found.push(violation(path, value, Rule::MinLength(min)));
    }
}

fn range(shape: &Shape, number: f64, value: &Value, path: &str, found: &mut Vec<Violation>) {
    if let Some(max) = shape.max.filter(|max| number > *max) {
        found.push(violation(path, value, Rule::MaxValue(max)));
    }
    if let Some(min) = shape.min.filter(|min| number < *min) {
        found.push(violation(path, value, Rule::MinValue(min)));
    }
}

fn string(model: &Model, shape: &Shape, text: &str, path: &str, found: &mut Vec<Violation>) {
    let value = Value::from(text);
    let own = model.protocol == Protocol::Ec2 && EC2_OWN_VALUES.contains(&shape.name.as_str());
    if !shape.enum_values.is_empty() && !own && !shape.enum_values.iter().any(|v| v == text) {
        found.push(violation(path, &value, Rule::Enum(shape.enum_values.clone())));
    }
    length(shape, text.chars().count(), &value, path, found);
    if let Some(pattern) = shape.pattern.as_ref().filter(|p| !p.regex.is_match(text)) {
        found.push(violation(path, &value, Rule::Pattern(pattern.text.clone())));
    }
}

fn fault(model: &Model, found: &[Violation]) -> Fault {
    match model.protocol {
        Protocol::Ec2 => ec2_fault(&found[0]),
        Protocol::Query => Fault::client("ValidationError", sentence(found)),
        // EKS checks its inputs itself and says so with its own error.
        Protocol::RestJson if model.error("InvalidParameterException").is_some() => {
            Fault::client("InvalidParameterException", sentence(found))
        }
        Protocol::RestJson | Protocol::Json => Fault::client("ValidationException", sentence(found)),
    }
}

fn ec2_fault(violation: &Violation) -> Fault {
    let Violation { path, value, rule } = violation;
    let invalid = |why: String| {
        Fault::client("InvalidParameterValue", format!("Value ( {value} ) for parameter {path} is invalid.{why}"))
    };
    match rule {
        Rule::Required => Fault::client("MissingParameter", format!("The request must contain the parameter {path}")),
        Rule::MinValue(min) => invalid(format!(" Expecting a value greater than or equal to {min}.")),
        Rule::MaxValue(max) => invalid(format!(" Expecting a value less than or equal to {max}.")),
        Rule::MinLength(min) => invalid(format!(" The minimum length is {min}.")),
        Rule::MaxLength(max) => invalid(format!(" The maximum length is {max}.")),
        Rule::Enum(_) | Rule::Pattern(_) => {
            Fault::client("InvalidParameterValue", format!("Value ({value}) for parameter {path} is invalid."))
        }
    }
}

/// The wording of AWS's generic validation.
fn sentence(found: &[Violation]) -> String {
    let list: Vec<String> = found
        .iter()
        .map(|v| {
            let value = if matches!(v.rule, Rule::Required) { "null".into() } else { format!("'{}'", v.value) };
            let constraint = match &v.rule {
                Rule::Required => "Member must not be null".into(),
                Rule::MinLength(n) => format!("Member must have length greater than or equal to {n}"),
                Rule::MaxLength(n) => format!("Member must have length less than or equal to {n}"),
                Rule::MinValue(n) => format!("Member must have value greater than or equal to {n}"),
                Rule::MaxValue(n) => format!("Member must have value less than or equal to {n}"),
                Rule::Enum(values) => format!("Member must satisfy enum value set: [{}]", values.join(", ")),
                Rule::Pattern(text) => format!("Member must satisfy regular expression pattern: {text}"),
            };
            format!("Value {value} at '{}' failed to satisfy constraint: {constraint}", v.path)
        })
        .collect();
    let plural = if found.len() == 1 { "error" } else { "errors" };
    format!("{} validation {plural} detected: {}", found.len(), list.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::model;
    use serde_json::json;

    fn refused(service: &str, operation: &str, input: Value) -> String {
        let model = model(service).expect("a model");
        let operation = model.operation(operation).expect("an operation");
        validate(model, operation, &input).expect_err("a refusal").to_string()
    }

    #[test]
    fn query_services_list_all_violations() {
        assert_eq!(
            refused("iam", "CreateRole", json!({"RoleName": "a b"})),
            "ValidationError: 2 validation errors detected: Value 'a b' at 'roleName' failed to satisfy constraint: \
             Member must satisfy regular expression pattern: [\\w+=,.@-]+; Value null at 'assumeRolePolicyDocument' \
             failed to satisfy constraint: Member must not be null"
        );
        assert!(
            refused("iam", "TagRole", json!({"RoleName": "r", "Tags": [{"Value": ""}]}))
                .contains("Value null at 'tags.1.member.key'")
        );
    }

    #[test]
    fn ec2_names_the_first_violation() {
        let missing = refused("ec2", "CreateSecurityGroup", json!({"GroupName": "g"}));
        assert_eq!(missing, "MissingParameter: The request must contain the parameter GroupDescription");
        let wrong = refused("ec2", "CreateVpc", json!({"CidrBlock": "10.0.0.0/16", "InstanceTenancy": "x"}));
        assert_eq!(wrong, "InvalidParameterValue: Value (x) for parameter instanceTenancy is invalid.");
    }

    #[test]
    fn what_fits_passes() {
        let ec2 = model("ec2").expect("a model");
        let operation = ec2.operation("RunInstances").expect("an operation");
        let input = json!({"MinCount": 1, "MaxCount": 1, "InstanceType": "zz9.plural"});
        assert_eq!(validate(ec2, operation, &input), Ok(()));
    }
}
