//! Reading inputs and outputs by member paths (`accessConfig.authenticationMode`, `Reservations.Instances.State.Name`),
//! and filling ARN templates from them. Lists on the way are walked through.

use cove_base::arn::ACCOUNT;
use serde_json::Value;

/// All values at a path. Scalars as text; a structure or map at the end counts as one empty text.
pub fn texts(value: &Value, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    walk(value, &path.split('.').collect::<Vec<_>>(), &mut found);
    found
}

fn walk(value: &Value, path: &[&str], found: &mut Vec<String>) {
    match (value, path) {
        (Value::Array(items), _) => items.iter().for_each(|item| walk(item, path, found)),
        (Value::Object(members), [name, rest @ ..]) => {
            if let Some(value) = members.get(*name) {
                walk(value, rest, found);
            }
        }
        (Value::Null, _) => {}
        (Value::Object(_), []) => found.push(String::new()),
        (Value::String(text), []) => found.push(text.clone()),
        (other, []) => found.push(other.to_string()),
        (_, [_, ..]) => {}
    }
}

/// Whether an input has something at a path: not null, not an empty list or map.
pub fn is_given(input: &Value, path: &str) -> bool {
    let at_end = path.split('.').try_fold(input, |value, name| value.get(name));
    match at_end {
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(members)) => !members.is_empty(),
        Some(Value::Null) => false,
        Some(_) => true,
        // Behind a list.
        None => !texts(input, path).is_empty(),
    }
}

/// The resources that a template stands for: one per item of the lists in it. What the input does not name is `*`, as
/// AWS does it for what does not exist yet.
pub fn resources(template: &str, input: &Value, region: &str) -> Vec<String> {
    let Some((before, rest)) = template.split_once("${") else { return vec![template.into()] };
    let Some((name, after)) = rest.split_once('}') else { return vec![template.into()] };
    let values = match name {
        "Region" => vec![region.to_string()],
        "Account" => vec![ACCOUNT.to_string()],
        "Partition" => vec!["aws".to_string()],
        path => Some(texts(input, path)).filter(|v| !v.is_empty()).unwrap_or_else(|| vec!["*".into()]),
    };
    let tails = resources(after, input, region);
    values.iter().flat_map(|value| tails.iter().map(move |tail| format!("{before}{value}{tail}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn templates_fill_from_lists_and_absence_is_a_star() {
        let input = json!({"Ids": ["i-1", "i-2"], "a": {"b": [{"c": 1}, {"c": true}]}});
        assert_eq!(
            resources("arn:aws:ec2:${Region}:${Account}:instance/${Ids}", &input, "us-west-2"),
            ["arn:aws:ec2:us-west-2:123456789012:instance/i-1", "arn:aws:ec2:us-west-2:123456789012:instance/i-2"]
        );
        assert_eq!(resources("x/${No}", &input, ""), ["x/*"]);
        assert_eq!(texts(&input, "a.b.c"), ["1", "true"]);
        assert!(is_given(&input, "Ids") && is_given(&input, "a.b.c") && !is_given(&input, "a.x"));
        assert!(!is_given(&json!({"tags": {}}), "tags"));
    }
}
