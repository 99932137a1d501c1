//! Node selectors and required node affinity, as the scheduler reads them.

use cove_kube_api::object::Object;
use serde_json::Value;

use crate::view::{items, labels, text};

const REQUIRED: &str = "/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution";

/// Whether a pod's spec allows the node.
pub fn matches(spec: &Value, node: &Object) -> bool {
    let node_labels = labels(node.value());
    let selector = spec.get("nodeSelector").and_then(Value::as_object);
    if selector.into_iter().flatten().any(|(key, value)| node_labels.get(key) != Some(value)) {
        return false;
    }
    let Some(required) = spec.pointer(REQUIRED) else { return true };
    items(required, "/nodeSelectorTerms").iter().any(|term| term_matches(term, node))
}

/// An empty term matches nothing.
fn term_matches(term: &Value, node: &Object) -> bool {
    let (expressions, fields) = (items(term, "/matchExpressions"), items(term, "/matchFields"));
    if expressions.is_empty() && fields.is_empty() {
        return false;
    }
    let label = |key: &str| labels(node.value()).get(key).and_then(Value::as_str);
    let field = |key: &str| (key == "metadata.name").then(|| node.name());
    expressions.iter().all(|e| requirement_holds(e, label(text(e, "/key"))))
        && fields.iter().all(|f| requirement_holds(f, field(text(f, "/key"))))
}

fn requirement_holds(requirement: &Value, actual: Option<&str>) -> bool {
    let values = items(requirement, "/values");
    let among = |actual: &str| values.iter().any(|value| value.as_str() == Some(actual));
    let number = |text: &str| text.parse::<i64>().ok();
    let bound = values.first().and_then(Value::as_str).and_then(number);
    match text(requirement, "/operator") {
        "In" => actual.is_some_and(among),
        "NotIn" => !actual.is_some_and(among),
        "Exists" => actual.is_some(),
        "DoesNotExist" => actual.is_none(),
        "Gt" => actual.and_then(number).zip(bound).is_some_and(|(actual, bound)| actual > bound),
        "Lt" => actual.and_then(number).zip(bound).is_some_and(|(actual, bound)| actual < bound),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn terms_are_alternatives_and_requirements_are_not() {
        let node = Object::transient(json!({ "metadata": { "name": "n1", "labels": { "zone": "a", "cpu": "8" } } }));
        let spec = |terms: Value| {
            json!({ "affinity": { "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": terms },
            }}})
        };
        let zone = |z: &str| json!({ "key": "zone", "operator": "In", "values": [z] });
        let big = json!({ "key": "cpu", "operator": "Gt", "values": ["4"] });
        let name = json!({ "key": "metadata.name", "operator": "In", "values": ["n1"] });
        assert!(matches(
            &spec(json!([{ "matchExpressions": [zone("b")] }, { "matchExpressions": [zone("a"), big] }])),
            &node
        ));
        assert!(!matches(&spec(json!([{ "matchExpressions": [zone("b"), big] }, {}])), &node));
        assert!(matches(&spec(json!([{ "matchFields": [name] }])), &node));
        assert!(!matches(&json!({ "nodeSelector": { "zone": "b" } }), &node));
    }
}
