//! Compiled selectors over [`Labels`]: label selectors and the terms of node selectors.
//!
//! What the API server has validated is taken as it is; a requirement that makes no sense matches nothing.

use serde_json::Value;

use super::labels::Labels;

/// What is demanded of one label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Test {
    In(Vec<Box<str>>),
    NotIn(Vec<Box<str>>),
    Exists,
    Absent,
    Above(i64),
    Below(i64),
    Never,
}

/// A demand on one label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Requirement {
    key: Box<str>,
    test: Test,
}

impl Requirement {
    /// From `key`, `operator` and `values`, as label and node selectors write them.
    pub fn of(expression: &Value) -> Self {
        let values = || strings(&expression["values"]);
        let number = || values().first().and_then(|v| v.parse().ok());
        let test = match expression["operator"].as_str().unwrap_or_default() {
            "In" => Test::In(values()),
            "NotIn" => Test::NotIn(values()),
            "Exists" => Test::Exists,
            "DoesNotExist" => Test::Absent,
            "Gt" => number().map_or(Test::Never, Test::Above),
            "Lt" => number().map_or(Test::Never, Test::Below),
            _ => Test::Never,
        };
        Self { key: expression["key"].as_str().unwrap_or_default().into(), test }
    }

    /// The label has this value.
    pub fn equal(key: &str, value: &str) -> Self {
        Self { key: key.into(), test: Test::In(vec![value.into()]) }
    }

    /// The label has another value, or there is none.
    pub fn not_equal(key: &str, value: &str) -> Self {
        Self { key: key.into(), test: Test::NotIn(vec![value.into()]) }
    }

    /// The key of the label.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The values that are allowed, if that is what is demanded.
    pub fn allowed(&self) -> Option<&[Box<str>]> {
        match &self.test {
            Test::In(values) => Some(values),
            _ => None,
        }
    }

    /// Whether a label (or its absence) is as demanded.
    pub fn accepts(&self, label: Option<&str>) -> bool {
        let listed = |values: &[Box<str>], label: &str| values.iter().any(|v| v.as_ref() == label);
        let number = || label.and_then(|l| l.parse::<i64>().ok());
        match &self.test {
            Test::In(values) => label.is_some_and(|l| listed(values, l)),
            Test::NotIn(values) => label.is_none_or(|l| !listed(values, l)),
            Test::Exists => label.is_some(),
            Test::Absent => label.is_none(),
            Test::Above(bound) => number().is_some_and(|n| n > *bound),
            Test::Below(bound) => number().is_some_and(|n| n < *bound),
            Test::Never => false,
        }
    }
}

/// The strings of an array.
pub fn strings(array: &Value) -> Vec<Box<str>> {
    array.as_array().into_iter().flatten().filter_map(Value::as_str).map(Into::into).collect()
}

/// A conjunction of requirements. Equal selectors are equal values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selector {
    requirements: Vec<Requirement>,
    nothing: bool,
}

impl Selector {
    /// Selects everything.
    pub fn everything() -> Self {
        Self { requirements: Vec::new(), nothing: false }
    }

    /// Selects nothing.
    pub fn nothing() -> Self {
        Self { requirements: Vec::new(), nothing: true }
    }

    /// The labels that must be there.
    pub fn of_map(map: &Value) -> Self {
        Self::of_labels(&Labels::of(map))
    }

    /// The labels that must be there.
    pub fn of_labels(labels: &Labels) -> Self {
        let requirements = labels.iter().map(|(key, value)| Requirement::equal(key, value)).collect();
        Self { requirements, nothing: false }
    }

    /// From a `LabelSelector` object: absent selects nothing, empty selects everything.
    pub fn of(selector: &Value) -> Self {
        if !selector.is_object() {
            return Self::nothing();
        }
        let mut made = Self::of_map(&selector["matchLabels"]);
        let expressions = selector["matchExpressions"].as_array();
        made.requirements.extend(expressions.into_iter().flatten().map(Requirement::of));
        made.requirements.sort();
        made
    }

    /// Adds requirements. What selects nothing still does.
    pub fn add(&mut self, requirements: impl IntoIterator<Item = Requirement>) {
        self.requirements.extend(requirements);
        self.requirements.sort();
        self.requirements.dedup();
    }

    /// Adds what another selector demands.
    pub fn merge(&mut self, other: &Selector) {
        self.nothing |= other.nothing;
        self.add(other.requirements.iter().cloned());
    }

    /// Whether nothing is demanded.
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty() && !self.nothing
    }

    /// Whether labels are selected.
    pub fn matches(&self, labels: &Labels) -> bool {
        !self.nothing && self.requirements.iter().all(|r| r.accepts(labels.get(&r.key)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn operators() {
        let labels = Labels::of(&json!({"a": "1", "n": "7"}));
        let accepts = |key: &str, operator: &str, values: Value| {
            let requirement = Requirement::of(&json!({"key": key, "operator": operator, "values": values}));
            requirement.accepts(labels.get(key))
        };
        for (key, operator, values, expected) in [
            ("a", "In", json!(["1", "2"]), true),
            ("a", "In", json!(["2"]), false),
            ("b", "In", json!(["2"]), false),
            ("a", "NotIn", json!(["1"]), false),
            ("b", "NotIn", json!(["1"]), true),
            ("a", "Exists", json!(null), true),
            ("b", "Exists", json!(null), false),
            ("b", "DoesNotExist", json!(null), true),
            ("n", "Gt", json!(["6"]), true),
            ("n", "Gt", json!(["7"]), false),
            ("n", "Lt", json!(["8"]), true),
            ("n", "Lt", json!(["x"]), false),
            ("a", "Near", json!(["1"]), false),
        ] {
            assert_eq!(accepts(key, operator, values.clone()), expected, "{key} {operator} {values}");
        }
    }

    #[test]
    fn absent_selects_nothing_and_empty_selects_everything() {
        let labels = Labels::of(&json!({"a": "1"}));
        assert!(!Selector::of(&Value::Null).matches(&labels));
        assert!(Selector::of(&json!({})).matches(&labels));
        assert!(Selector::of(&json!({"matchLabels": {"a": "1"}})).matches(&labels));
        assert!(!Selector::of(&json!({"matchLabels": {"a": "2"}})).matches(&labels));
    }
}
