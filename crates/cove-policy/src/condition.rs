//! Conditions: operators with their qualifiers, over keys that may be missing or have several values.

use std::net::IpAddr;
use std::str::FromStr;

use cove_base::Timestamp;
use ipnet::IpNet;

use crate::context::Context;
use crate::pattern::{Pattern, arn_matches};

/// One operator with one key: `"StringLike": {"aws:PrincipalArn": [...]}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// How to compare.
    pub operator: Operator,
    /// The condition key.
    pub key: String,
    /// The values in the document.
    pub values: Vec<String>,
}

/// An operator with its qualifiers.
#[derive(Clone, Debug, PartialEq)]
pub struct Operator {
    test: Test,
    negated: bool,
    if_exists: bool,
    set: Option<Set>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    All,
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    Equal,
    EqualIgnoringCase,
    Like,
    Numeric(Order),
    Date(Order),
    Bool,
    Binary,
    IpAddress,
    Arn,
    Null,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Operator {
    /// Reads `ForAnyValue:StringLikeIfExists` and the like.
    pub fn parse(name: &str) -> Option<Self> {
        let (set, name) = match name.split_once(':') {
            Some(("ForAllValues", rest)) => (Some(Set::All), rest),
            Some(("ForAnyValue", rest)) => (Some(Set::Any), rest),
            Some(_) => return None,
            None => (None, name),
        };
        let (if_exists, name) = name.strip_suffix("IfExists").map_or((false, name), |name| (true, name));
        let (test, negated) = match name {
            "StringEquals" => (Test::Equal, false),
            "StringNotEquals" => (Test::Equal, true),
            "StringEqualsIgnoreCase" => (Test::EqualIgnoringCase, false),
            "StringNotEqualsIgnoreCase" => (Test::EqualIgnoringCase, true),
            "StringLike" => (Test::Like, false),
            "StringNotLike" => (Test::Like, true),
            "ArnEquals" | "ArnLike" => (Test::Arn, false),
            "ArnNotEquals" | "ArnNotLike" => (Test::Arn, true),
            "IpAddress" => (Test::IpAddress, false),
            "NotIpAddress" => (Test::IpAddress, true),
            "Bool" => (Test::Bool, false),
            "BinaryEquals" => (Test::Binary, false),
            "Null" if !if_exists => (Test::Null, false),
            other => ordered(other)?,
        };
        Some(Self { test, negated, if_exists, set })
    }
}

fn ordered(name: &str) -> Option<(Test, bool)> {
    let (make, rest): (fn(Order) -> Test, &str) = match (name.strip_prefix("Numeric"), name.strip_prefix("Date")) {
        (Some(rest), _) => (Test::Numeric, rest),
        (_, Some(rest)) => (Test::Date, rest),
        _ => return None,
    };
    let (order, negated) = match rest {
        "Equals" => (Order::Equal, false),
        "NotEquals" => (Order::Equal, true),
        "LessThan" => (Order::Less, false),
        "LessThanEquals" => (Order::LessOrEqual, false),
        "GreaterThan" => (Order::Greater, false),
        "GreaterThanEquals" => (Order::GreaterOrEqual, false),
        _ => return None,
    };
    Some((make(order), negated))
}

impl Condition {
    /// Whether it holds. A missing key fails a positive operator and passes a negated one.
    pub fn holds(&self, context: &Context, variables: Option<&Context>) -> bool {
        let Operator { test, negated, if_exists, set } = self.operator;
        let given = context.get(&self.key);
        if test == Test::Null {
            return self.values.iter().any(|v| v.eq_ignore_ascii_case(if given.is_none() { "true" } else { "false" }));
        }
        let Some(given) = given else { return if_exists || set == Some(Set::All) || (negated && set.is_none()) };
        let listed = |value: &String| self.values.iter().any(|wanted| compare(test, wanted, value, variables));
        let fits = |value: &String| listed(value) != negated;
        match set {
            Some(Set::All) => given.iter().all(fits),
            Some(Set::Any) => given.iter().any(fits),
            // Of several values none may be listed for a negated operator, one must be for a positive one.
            None if negated => given.iter().all(fits),
            None => given.iter().any(fits),
        }
    }
}

fn compare(test: Test, wanted: &str, given: &str, variables: Option<&Context>) -> bool {
    match test {
        Test::Equal => Pattern::literal(wanted, variables).is_some_and(|p| p.matches(given)),
        Test::EqualIgnoringCase => {
            Pattern::literal(&wanted.to_lowercase(), variables).is_some_and(|p| p.matches(&given.to_lowercase()))
        }
        Test::Like => Pattern::wild(wanted, variables).is_some_and(|p| p.matches(given)),
        Test::Arn => arn_matches(wanted, given, variables),
        Test::Numeric(order) => {
            matches!((f64::from_str(given), f64::from_str(wanted)), (Ok(g), Ok(w)) if order.holds(g, w))
        }
        Test::Date(order) => matches!((date(given), date(wanted)), (Some(g), Some(w)) if order.holds(g, w)),
        Test::Bool => wanted.eq_ignore_ascii_case(given),
        Test::Binary => wanted == given,
        Test::IpAddress => in_network(wanted, given),
        Test::Null => false,
    }
}

impl Order {
    fn holds<T: PartialOrd>(self, given: T, wanted: T) -> bool {
        match self {
            Self::Equal => given == wanted,
            Self::Less => given < wanted,
            Self::LessOrEqual => given <= wanted,
            Self::Greater => given > wanted,
            Self::GreaterOrEqual => given >= wanted,
        }
    }
}

/// ISO 8601 or seconds since the epoch.
fn date(text: &str) -> Option<Timestamp> {
    let midnight = || Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z"));
    let epoch = || text.parse().ok().filter(|s: &i64| s.unsigned_abs() < 9_000_000_000).map(Timestamp::from_secs);
    Timestamp::parse_rfc3339(text).or_else(midnight).or_else(epoch)
}

fn in_network(network: &str, address: &str) -> bool {
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    match (network.parse::<IpNet>(), network.parse::<IpAddr>()) {
        (Ok(network), _) => network.contains(&address),
        (_, Ok(single)) => single == address,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(operator: &str, values: &[&str], context: &Context) -> bool {
        let operator = Operator::parse(operator).expect("an operator");
        let values = values.iter().map(|v| v.to_string()).collect();
        Condition { operator, key: "k:K".into(), values }.holds(context, Some(context))
    }

    fn one(value: &str) -> Context {
        Context::default().with("k:k", value)
    }

    #[test]
    fn operators_compare_as_documented() {
        assert!(holds("StringEquals", &["a", "b"], &one("b")) && !holds("StringEquals", &["B"], &one("b")));
        assert!(
            holds("StringEqualsIgnoreCase", &["B"], &one("b")) && !holds("StringNotEquals", &["a", "b"], &one("b"))
        );
        assert!(holds("StringLike", &["a*"], &one("abc")) && !holds("StringEquals", &["a*"], &one("abc")));
        assert!(holds("NumericLessThanEquals", &["10"], &one("10.0")) && !holds("NumericLessThan", &["x"], &one("1")));
        assert!(holds("DateGreaterThan", &["2020-01-01T00:00:00Z"], &one("2026-11-25T00:00:00Z")));
        assert!(holds("DateLessThan", &["2026-11-25"], &one("1577836800")));
        assert!(holds("Bool", &["TRUE"], &one("true")));
        assert!(
            holds("IpAddress", &["10.0.0.0/8"], &one("10.1.2.3"))
                && holds("NotIpAddress", &["10.0.0.0/8"], &one("::1"))
        );
        assert!(holds("ArnLike", &["arn:aws:iam::*:role/*"], &one("arn:aws:iam::123456789012:role/a/b")));
        assert!(Operator::parse("StringMatches").is_none() && Operator::parse("NullIfExists").is_none());
    }

    #[test]
    fn missing_keys_and_sets() {
        let none = Context::default();
        assert!(!holds("StringEquals", &["a"], &none) && holds("StringNotEquals", &["a"], &none));
        assert!(holds("StringEqualsIfExists", &["a"], &none) && holds("Null", &["true"], &none));
        assert!(!holds("Null", &["true"], &one("a")) && holds("Null", &["false"], &one("a")));
        let two = one("a").with("k:k", "b");
        assert!(
            holds("ForAllValues:StringEquals", &["a", "b", "c"], &two)
                && holds("ForAllValues:StringEquals", &["a"], &none)
        );
        assert!(!holds("ForAllValues:StringEquals", &["a"], &two) && holds("ForAnyValue:StringEquals", &["a"], &two));
        assert!(
            !holds("ForAnyValue:StringEquals", &["a"], &none)
                && holds("ForAllValues:StringEqualsIfExists", &["a"], &none)
        );
        assert!(
            holds("ForAnyValue:StringNotEquals", &["a"], &two) && !holds("ForAnyValue:StringNotEquals", &["a"], &none)
        );
    }
}
