//! Field selectors: a conjunction of `label=value` and `label!=value` over the labels that a kind's row allows.

use std::borrow::Cow;

use serde_json::Value;

use super::{Kind, Status, bad, lookup};

/// A parsed field selector of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    /// The path that is matched; `None` never has a value.
    path: Option<&'static str>,
    equal: bool,
    value: String,
}

impl FieldSelector {
    /// From the text of a `fieldSelector` parameter; empty selects everything.
    pub fn parse(kind: &Kind, text: &str) -> Result<Self, Status> {
        let mut terms = Vec::new();
        for part in split(text).into_iter().filter(|p| !p.is_empty()) {
            let understood = split_term(part);
            let (label, equal, raw) =
                understood.ok_or_else(|| bad(format!("invalid selector: '{text}'; can't understand '{part}'")))?;
            let value = unescape(raw).map_err(bad)?;
            let known = kind.field_selectors.iter().find(|f| f.label == label);
            let known = known.ok_or_else(|| bad(unsupported(kind, label)))?;
            terms.push(Term { path: known.target, equal, value });
        }
        Ok(Self { terms })
    }

    /// Whether it selects everything.
    pub fn is_everything(&self) -> bool {
        self.terms.is_empty()
    }

    /// The value that `label` must have, if the selector says so: lists by name read one key.
    pub fn required(&self, label: &str) -> Option<&str> {
        self.terms.iter().find(|t| t.equal && t.path == Some(label)).map(|t| t.value.as_str())
    }

    /// Whether an object is selected.
    pub fn matches(&self, object: &Value) -> bool {
        self.terms.iter().all(|t| (t.path.map_or(Cow::Borrowed(""), |p| field(object, p)) == t.value) == t.equal)
    }
}

/// Kinds with selectors of their own answer otherwise than those with the default conversion.
fn unsupported(kind: &Kind, label: &str) -> String {
    let own = kind.field_selectors.iter().any(|f| !f.label.starts_with("metadata."));
    match kind.kind {
        "Job" => format!("field label {label:?} not supported for Job"),
        _ if own => format!("field label not supported: {label}"),
        _ => format!("{label:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\""),
    }
}

/// The value of a selectable field. Events are matched in either of their forms.
fn field<'a>(object: &'a Value, path: &str) -> Cow<'a, str> {
    let first = |paths: &[&str]| paths.iter().find_map(|p| lookup(object, p).filter(|v| !v.is_null()));
    let found = match path {
        "source" => first(&["source.component", "deprecatedSource.component", "reportingComponent"]),
        "reportingComponent" => first(&["reportingComponent", "reportingController"]),
        "status.successful" => first(&["status.succeeded"]),
        _ => match path.strip_prefix("involvedObject.") {
            Some(member) => first(&[path, &format!("regarding.{member}")]),
            None => first(&[path]),
        },
    };
    match found {
        Some(Value::String(text)) => Cow::Borrowed(text),
        Some(Value::Bool(flag)) => Cow::Borrowed(if *flag { "true" } else { "false" }),
        Some(Value::Number(number)) => Cow::Owned(number.to_string()),
        _ => Cow::Borrowed(match path {
            "spec.unschedulable" | "spec.hostNetwork" => "false",
            "status.replicas" | "status.successful" => "0",
            _ => "",
        }),
    }
}

/// Splits at commas that are not escaped.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut escaped) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        if c == ',' && !escaped {
            parts.push(&text[start..at]);
            start = at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    parts.push(&text[start..]);
    parts
}

fn split_term(term: &str) -> Option<(&str, bool, &str)> {
    let at = term.find('=')?;
    let (left, right) = (&term[..at], &term[at + 1..]);
    match left.strip_suffix('!') {
        Some(label) => Some((label, false, right)),
        None => Some((left, true, right.strip_prefix('=').unwrap_or(right))),
    }
}

fn unescape(raw: &str) -> Result<String, String> {
    let mut value = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(next @ ('\\' | ',' | '=')) => value.push(next),
                next => {
                    let sequence: String = next.into_iter().collect();
                    return Err(format!("invalid field selector: invalid escape sequence: \\{sequence}"));
                }
            },
            ',' | '=' => return Err(format!("invalid field selector: unescaped character in value: {c}")),
            _ => value.push(c),
        }
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::kinds::by_resource;

    fn pods(text: &str) -> Result<FieldSelector, Status> {
        FieldSelector::parse(by_resource(35, "", "v1", "pods").unwrap(), text)
    }

    #[test]
    fn pods_are_selected() {
        let pod = json!({"metadata": {"name": "a", "namespace": "x"}, "spec": {"nodeName": "n", "hostNetwork": true}});
        for good in [
            "",
            "metadata.name=a",
            "metadata.name==a,spec.nodeName!=m",
            "spec.host=n",
            "spec.hostNetwork=true",
            "status.phase=",
            "status.podIPs=",
            "status.podIP!=1.2.3.4",
        ] {
            assert!(pods(good).unwrap().matches(&pod), "{good}");
        }
        assert!(!pods("metadata.name=b").unwrap().matches(&pod));
        assert_eq!(pods("metadata.name=a\\,b").unwrap().required("metadata.name"), Some("a,b"));
    }

    #[test]
    fn errors_are_upstreams() {
        let error = pods("spec.foo=x").unwrap_err();
        assert_eq!((error.code, error.message.as_str()), (400, "field label not supported: spec.foo"));
        assert_eq!(pods("what").unwrap_err().message, "invalid selector: 'what'; can't understand 'what'");
        let maps = by_resource(35, "", "v1", "configmaps").unwrap();
        let error = FieldSelector::parse(maps, "data=x").unwrap_err();
        let text = r#""data" is not a known field selector: only "metadata.name", "metadata.namespace""#;
        assert_eq!(error.message, text);
    }

    #[test]
    fn events_match_in_both_forms() {
        let events = by_resource(35, "events.k8s.io", "v1", "events").unwrap();
        let selector = FieldSelector::parse(events, "regarding.name=web").unwrap();
        assert!(selector.matches(&json!({"involvedObject": {"name": "web"}})));
        assert!(selector.matches(&json!({"regarding": {"name": "web"}})));
    }

    proptest! {
        #[test]
        fn hostile_text_never_panics(text in "[a-z.=!,\\\\ä]{0,40}") {
            let _ = pods(&text);
        }
    }
}
