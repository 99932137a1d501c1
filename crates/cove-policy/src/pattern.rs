//! Patterns: `*` and `?`, and policy variables (`${aws:username}`), whose values never act as wildcards.

use cove_base::wildcard::{self, Piece};

use crate::context::Context;

/// A pattern with its variables filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Piece>);

impl Pattern {
    /// A pattern whose wildcards count. `None` if a variable has no value: then nothing matches.
    pub fn wild(text: &str, variables: Option<&Context>) -> Option<Self> {
        Self::read(text, variables, true)
    }

    /// A text in which only variables count.
    pub fn literal(text: &str, variables: Option<&Context>) -> Option<Self> {
        Self::read(text, variables, false)
    }

    fn read(text: &str, variables: Option<&Context>, wild: bool) -> Option<Self> {
        let mut pieces = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let variable = variables.and_then(|context| {
                let (inner, after) = rest.strip_prefix("${")?.split_once('}')?;
                Some((value(inner, context), after))
            });
            if let Some((value, after)) = variable {
                pieces.extend(value?.chars().map(Piece::Exactly));
                rest = after;
                continue;
            }
            pieces.push(if wild { Piece::of(first) } else { Piece::Exactly(first) });
            rest = &rest[first.len_utf8()..];
        }
        Some(Self(pieces))
    }

    /// Whether the whole of `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        wildcard::matches(&self.0, text)
    }
}

/// A variable's value: `aws:username`, `aws:username, 'default'`, or one of the three escapes.
fn value(inner: &str, context: &Context) -> Option<String> {
    if matches!(inner, "*" | "?" | "$") {
        return Some(inner.into());
    }
    let (key, default) = inner.split_once(',').map_or((inner, None), |(key, default)| (key, Some(default)));
    let default = default.map(|d| d.trim().trim_matches('\'').to_string());
    match context.get(key.trim()) {
        Some([only]) => Some(only.clone()),
        _ => default,
    }
}

/// Whether an ARN matches a pattern: the six parts are compared one by one, so that no wildcard reaches over a colon of
/// the first five. A pattern with fewer parts is compared as a whole.
pub fn arn_matches(pattern: &str, arn: &str, variables: Option<&Context>) -> bool {
    let wild = |pattern: &str, text: &str| Pattern::wild(pattern, variables).is_some_and(|p| p.matches(text));
    let (patterns, texts) = (parts(pattern), parts(arn));
    if patterns.len() < 6 || texts.len() < 6 {
        return wild(pattern, arn);
    }
    patterns.iter().zip(&texts).all(|(p, t)| wild(p, t))
}

/// Splits at the first five colons that are not inside a variable.
fn parts(text: &str) -> Vec<&str> {
    let (mut found, mut start, mut inside) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match c {
            '{' if text[..at].ends_with('$') => inside = true,
            '}' => inside = false,
            ':' if !inside && found.len() < 5 => {
                found.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(&text[start..]);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wild(pattern: &str, text: &str) -> bool {
        Pattern::wild(pattern, None).is_some_and(|p| p.matches(text))
    }

    #[test]
    fn wildcards_and_variables() {
        assert!(wild("a*c?", "abbcd") && wild("*", "") && !wild("a?", "a") && !wild("a*b", "ac"));
        let context = Context::default().with("aws:username", "a*b");
        let pattern = Pattern::wild("home/${aws:username}/*", Some(&context)).expect("a value");
        assert!(pattern.matches("home/a*b/x") && !pattern.matches("home/aXb/x"));
        assert_eq!(Pattern::wild("${aws:nothing}", Some(&context)), None);
        assert!(Pattern::wild("${aws:nothing, 'x'}", Some(&context)).is_some_and(|p| p.matches("x")));
        assert!(Pattern::wild("${*}", Some(&context)).is_some_and(|p| p.matches("*") && !p.matches("y")));
    }

    #[test]
    fn no_wildcard_of_an_arn_reaches_over_a_colon() {
        let arn = "arn:aws:ec2:us-west-2:123456789012:instance/i-1";
        assert!(arn_matches("arn:aws:ec2:*:*:instance/*", arn, None));
        assert!(!arn_matches("arn:aws:ec2:*:instance/*:x:y", arn, None));
        assert!(arn_matches("arn:aws:ec2:*", arn, None));
        assert!(arn_matches(
            "arn:*:ec2:*:${aws:PrincipalAccount}:*",
            arn,
            Some(&Context::default().with("aws:PrincipalAccount", "123456789012"))
        ));
    }

    proptest! {
        #[test]
        fn hostile_text_never_panics(pattern in ".{0,60}", text in ".{0,60}") {
            let context = Context::default();
            let _ = Pattern::wild(&pattern, Some(&context)).map(|p| p.matches(&text));
            let _ = arn_matches(&pattern, &text, Some(&context));
        }
    }
}
