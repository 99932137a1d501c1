//! Label selectors.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use super::{Status, aggregate, bad, names};
use crate::field_error::{FieldError, FieldErrorKind};

/// What a requirement demands of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// The value is one of several (also `=` and `==`).
    In,
    /// The value is none of several, or there is no label (also `!=`).
    NotIn,
    /// The label exists.
    Exists,
    /// The label does not exist.
    DoesNotExist,
    /// The value is a number above.
    GreaterThan,
    /// The value is a number below.
    LessThan,
}

/// One demand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The label's key.
    pub key: String,
    /// What is demanded.
    pub operator: Operator,
    /// With which values.
    pub values: BTreeSet<String>,
    /// How it was written, for printing: `=`, `==`, `!=` or the operator's own form.
    written: &'static str,
}

impl Requirement {
    fn matches(&self, label: Option<&str>) -> bool {
        match self.operator {
            Operator::In => label.is_some_and(|l| self.values.contains(l)),
            Operator::NotIn => label.is_none_or(|l| !self.values.contains(l)),
            Operator::Exists => label.is_some(),
            Operator::DoesNotExist => label.is_none(),
            Operator::GreaterThan => self.compares(label, |l, bound| l > bound),
            Operator::LessThan => self.compares(label, |l, bound| l < bound),
        }
    }

    fn compares(&self, label: Option<&str>, compare: fn(i64, i64) -> bool) -> bool {
        let label = label.and_then(|l| l.parse().ok());
        let bound = self.values.first().and_then(|v| v.parse().ok());
        label.zip(bound).is_some_and(|(l, b)| compare(l, b))
    }

    /// Checks what upstream's `NewRequirement` checks.
    fn checked(key: String, written: &'static str, values: BTreeSet<String>) -> Result<Self, String> {
        let operator = match written {
            "in" | "=" | "==" => Operator::In,
            "notin" | "!=" => Operator::NotIn,
            "!" => Operator::DoesNotExist,
            "gt" | ">" => Operator::GreaterThan,
            "lt" | "<" => Operator::LessThan,
            _ => Operator::Exists,
        };
        let mut errors: Vec<String> = key_error(&key, "key").into_iter().collect();
        if matches!(operator, Operator::GreaterThan | Operator::LessThan) {
            for value in values.iter().filter(|v| v.parse::<i64>().is_err()) {
                let why = "for 'Gt', 'Lt' operators, the value must be an integer";
                errors.push(FieldError::invalid("values[0]", value, why).to_string());
            }
        }
        for (index, value) in values.iter().enumerate() {
            let wrong = names::label_value(value);
            if !wrong.is_empty() {
                let field = format!("values[{index}][{key}]");
                errors.push(FieldError::invalid(field, value, wrong.join("; ")).to_string());
            }
        }
        if !errors.is_empty() {
            return Err(aggregate(&errors));
        }
        Ok(Self { key, operator, values, written })
    }
}

fn key_error(key: &str, path: &str) -> Option<String> {
    let wrong = names::qualified_name(key);
    (!wrong.is_empty()).then(|| FieldError::invalid(path, key, wrong.join("; ")).to_string())
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values: Vec<&str> = self.values.iter().map(String::as_str).collect();
        match self.written {
            "!" => write!(f, "!{}", self.key),
            "in" | "notin" => write!(f, "{} {} ({})", self.key, self.written, values.join(",")),
            "" => f.write_str(&self.key),
            "gt" | ">" => write!(f, "{}>{}", self.key, values.join(",")),
            "lt" | "<" => write!(f, "{}<{}", self.key, values.join(",")),
            operator => write!(f, "{}{operator}{}", self.key, values.join(",")),
        }
    }
}

/// A conjunction of requirements. The default selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    /// All must hold.
    pub requirements: Vec<Requirement>,
    /// Selects nothing whatever the requirements (a LabelSelector object that is absent).
    nothing: bool,
}

impl LabelSelector {
    /// From the text of a `labelSelector` parameter; empty selects everything.
    pub fn parse(text: &str) -> Result<Self, Status> {
        let mut requirements = Parser::new(text).parse().map_err(bad)?;
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(Self { requirements, nothing: false })
    }

    /// The selector that selects nothing.
    pub fn nothing() -> Self {
        Self { requirements: Vec::new(), nothing: true }
    }

    /// The labels that must be there: equality selectors such as a service's.
    pub fn from_map(labels: &Value) -> Self {
        let map = labels.as_object().into_iter().flatten();
        let requirements = map
            .map(|(key, value)| Requirement {
                key: key.clone(),
                operator: Operator::In,
                values: value.as_str().map(str::to_string).into_iter().collect(),
                written: "=",
            })
            .collect();
        Self { requirements, nothing: false }
    }

    /// From a `LabelSelector` object: absent (null) selects nothing, empty selects everything.
    pub fn from_json(selector: &Value) -> Result<Self, Status> {
        if selector.is_null() {
            return Ok(Self::nothing());
        }
        let mut made = Self::from_map(selector.get("matchLabels").unwrap_or(&Value::Null));
        for expression in selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
            made.requirements.push(expression_requirement(expression).map_err(bad)?);
        }
        made.requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(made)
    }

    /// Whether it selects everything.
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty() && !self.nothing
    }

    /// Whether an object with these labels (`metadata.labels`, or null) is selected.
    pub fn matches(&self, labels: &Value) -> bool {
        !self.nothing && self.requirements.iter().all(|r| r.matches(labels.get(&r.key).and_then(Value::as_str)))
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.requirements.iter().map(Requirement::to_string).collect();
        f.write_str(&all.join(","))
    }
}

fn expression_requirement(expression: &Value) -> Result<Requirement, String> {
    let text = |member: &str| expression.get(member).and_then(Value::as_str).unwrap_or_default().to_string();
    let values = expression.get("values").and_then(Value::as_array).into_iter().flatten();
    let values: BTreeSet<String> = values.filter_map(Value::as_str).map(str::to_string).collect();
    let written = match text("operator").as_str() {
        "In" => "in",
        "NotIn" => "notin",
        "Exists" => "",
        "DoesNotExist" => "!",
        other => return Err(format!("{other:?} is not a valid label selector operator")),
    };
    if matches!(written, "in" | "notin") && values.is_empty() {
        let why = "for 'in', 'notin' operators, values set can't be empty";
        let error = FieldError { kind: FieldErrorKind::Invalid, ..FieldError::invalid_raw("values", "[]", why) };
        return Err(error.to_string());
    }
    Requirement::checked(text("key"), written, values)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Token {
    Identifier,
    /// `=`, `==`, `!=`, `>`, `<`, `in`, `notin`: the literal tells which.
    Operator,
    Not,
    Comma,
    Open,
    Close,
    End,
}

struct Parser<'a> {
    tokens: Vec<(Token, &'a str)>,
    at: usize,
}

const END: (Token, &str) = (Token::End, "");

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Self {
        Self { tokens: lex(text), at: 0 }
    }

    /// Where values stand, `in` and `notin` are ordinary identifiers.
    fn peek(&self, values: bool) -> (Token, &'a str) {
        match self.tokens.get(self.at).copied().unwrap_or(END) {
            (Token::Operator, word @ ("in" | "notin")) if values => (Token::Identifier, word),
            other => other,
        }
    }

    fn take(&mut self, values: bool) -> (Token, &'a str) {
        let token = self.peek(values);
        self.at += 1;
        token
    }

    fn parse(mut self) -> Result<Vec<Requirement>, String> {
        let mut found = Vec::new();
        loop {
            match self.peek(true) {
                (Token::Identifier | Token::Not, _) => {
                    found.push(self.requirement().map_err(|e| format!("unable to parse requirement: {e}"))?);
                    match self.take(true) {
                        (Token::End, _) => return Ok(found),
                        (Token::Comma, _) => match self.peek(true) {
                            (Token::Identifier | Token::Not, _) => {}
                            (_, literal) => return Err(format!("found '{literal}', expected: identifier after ','")),
                        },
                        (_, literal) => return Err(format!("found '{literal}', expected: ',' or 'end of string'")),
                    }
                }
                (Token::End, _) => return Ok(found),
                (_, literal) => return Err(format!("found '{literal}', expected: !, identifier, or 'end of string'")),
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let negated = self.peek(true).0 == Token::Not;
        if negated {
            self.take(true);
        }
        let (token, key) = self.take(true);
        if token != Token::Identifier {
            return Err(format!("found '{key}', expected: identifier"));
        }
        if let Some(error) = key_error(key, "<nil>") {
            return Err(error);
        }
        let alone = matches!(self.peek(true).0, Token::End | Token::Comma);
        if negated || alone {
            return Requirement::checked(key.into(), if negated { "!" } else { "" }, BTreeSet::new());
        }
        let written = self.operator()?;
        let values = if matches!(written, "in" | "notin") { self.values()? } else { self.exact()? };
        Requirement::checked(key.into(), written, values)
    }

    fn operator(&mut self) -> Result<&'static str, String> {
        const KNOWN: [&str; 7] = ["in", "notin", "=", "==", "!=", ">", "<"];
        let (token, literal) = self.take(false);
        let known = KNOWN.into_iter().find(|k| token == Token::Operator && *k == literal);
        known.ok_or_else(|| format!("found '{literal}', expected: in, notin, =, ==, !=, gt, lt"))
    }

    fn exact(&mut self) -> Result<BTreeSet<String>, String> {
        if matches!(self.peek(true).0, Token::End | Token::Comma) {
            return Ok(BTreeSet::from([String::new()]));
        }
        match self.take(true) {
            (Token::Identifier, literal) => Ok(BTreeSet::from([literal.to_string()])),
            (_, literal) => Err(format!("found '{literal}', expected: identifier")),
        }
    }

    fn values(&mut self) -> Result<BTreeSet<String>, String> {
        let (token, literal) = self.take(true);
        if token != Token::Open {
            return Err(format!("found '{literal}' expected: '('"));
        }
        match self.peek(true) {
            (Token::Identifier | Token::Comma, _) => self.list(),
            (Token::Close, _) => {
                self.take(true);
                Ok(BTreeSet::from([String::new()]))
            }
            (_, literal) => Err(format!("found '{literal}', expected: ',', ')' or identifier")),
        }
    }

    /// The values up to and with the closing parenthesis; an omitted value is the empty text.
    fn list(&mut self) -> Result<BTreeSet<String>, String> {
        let mut values = BTreeSet::new();
        loop {
            match self.take(true) {
                (Token::Identifier, literal) => {
                    values.insert(literal.to_string());
                    match self.peek(true) {
                        (Token::Comma, _) => {}
                        (Token::Close, _) => break,
                        (_, literal) => return Err(format!("found '{literal}', expected: ',' or ')'")),
                    }
                }
                (Token::Comma, _) => {
                    if values.is_empty() {
                        values.insert(String::new());
                    }
                    match self.peek(true).0 {
                        Token::Close => {
                            values.insert(String::new());
                            break;
                        }
                        Token::Comma => {
                            self.take(true);
                            values.insert(String::new());
                        }
                        _ => {}
                    }
                }
                (_, literal) => return Err(format!("found '{literal}', expected: ',', or identifier")),
            }
        }
        self.take(true);
        Ok(values)
    }
}

fn lex(text: &str) -> Vec<(Token, &str)> {
    let special = |c: char| "=!(),><".contains(c);
    let space = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n');
    let mut tokens = Vec::new();
    let mut rest = text.trim_start_matches(space);
    while let Some(first) = rest.chars().next() {
        let length = if special(first) {
            ["==", "!="].iter().find(|op| rest.starts_with(**op)).map_or(1, |op| op.len())
        } else {
            rest.find(|c| special(c) || space(c)).unwrap_or(rest.len())
        };
        let (literal, after) = rest.split_at(length);
        let token = match literal {
            "=" | "==" | "!=" | ">" | "<" | "in" | "notin" => Token::Operator,
            "!" => Token::Not,
            "," => Token::Comma,
            "(" => Token::Open,
            ")" => Token::Close,
            _ => Token::Identifier,
        };
        tokens.push((token, literal));
        rest = after.trim_start_matches(space);
    }
    tokens
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn matching(selector: &str, labels: Value) -> bool {
        LabelSelector::parse(selector).unwrap().matches(&labels)
    }

    #[test]
    fn operators() {
        let labels = json!({"a": "1", "tier": "web", "empty": ""});
        for good in [
            "",
            "a",
            "a=1",
            "a==1",
            "a!=2",
            "b!=1",
            "!b",
            "tier in (web,db)",
            "tier notin (db)",
            "b notin (x)",
            "a>0",
            "a<2",
            "empty=",
            "empty in ()",
            " tier  in ( web , x ) , a = 1",
            "in!=x",
            "tier in (in,web)",
        ] {
            assert!(matching(good, labels.clone()), "{good}");
        }
        for bad in ["b", "!a", "a=2", "a!=1", "tier in (db)", "a>1", "tier>0", "a=1,b"] {
            assert!(!matching(bad, labels.clone()), "{bad}");
        }
    }

    #[test]
    fn errors_are_upstreams() {
        let message = |text: &str| LabelSelector::parse(text).unwrap_err().message;
        assert_eq!(message("a=1,"), "found '', expected: identifier after ','");
        assert_eq!(message("a b"), "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt");
        assert_eq!(message("=a"), "found '=', expected: !, identifier, or 'end of string'");
        assert_eq!(message("a in x"), "unable to parse requirement: found 'x' expected: '('");
        assert!(
            message("a/b/c=1").starts_with("unable to parse requirement: <nil>: Invalid value: \"a/b/c\": a valid")
        );
        assert!(message("a=-").starts_with("unable to parse requirement: values[0][a]: Invalid value: \"-\": a valid"));
    }

    #[test]
    fn objects() {
        let selector = json!({"matchLabels": {"app": "x"}, "matchExpressions": [
            {"key": "tier", "operator": "NotIn", "values": ["db"]}, {"key": "z", "operator": "DoesNotExist"}]});
        let selector = LabelSelector::from_json(&selector).unwrap();
        assert!(selector.matches(&json!({"app": "x"})));
        assert!(!selector.matches(&json!({"app": "x", "tier": "db"})));
        assert_eq!(selector.to_string(), "app=x,tier notin (db),!z");
        assert!(!LabelSelector::from_json(&Value::Null).unwrap().matches(&Value::Null));
        assert!(LabelSelector::from_json(&json!({})).unwrap().matches(&Value::Null));
        assert!(LabelSelector::from_json(&json!({"matchExpressions": [{"operator": "Near"}]})).is_err());
    }

    proptest! {
        #[test]
        fn hostile_text_never_panics_and_printing_parses(text in "[a-z0-9=!(), <>/.\\-äö]{0,40}") {
            if let Ok(selector) = LabelSelector::parse(&text) {
                prop_assert_eq!(LabelSelector::parse(&selector.to_string()).unwrap().to_string(), selector.to_string());
            }
        }
    }
}
