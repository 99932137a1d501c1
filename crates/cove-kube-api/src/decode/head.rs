//! `apiVersion` and `kind` of a body, read before the body itself: they say what it is.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::limits::MAX_JSON_DEPTH;

/// What a body says it is. Empty where it does not.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// `apiVersion`.
    pub api_version: String,
    /// `kind`.
    pub kind: String,
}

/// The struct into which upstream reads the two, as its errors print it.
const GO_TYPE: &str =
    r#"struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"#;

/// Reads the head of JSON text.
pub fn of_json(bytes: &[u8]) -> Result<Head, String> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let wrap = |e: String| format!("couldn't get version/kind; json parse error: {e}");
    if let Some(found) = too_deep(bytes) {
        return Err(wrap(format!("invalid character '{found}' exceeded max depth")));
    }
    let head = deserializer.deserialize_any(HeadVisitor).map_err(|e| wrap(go_syntax_error(&e, bytes)))?;
    deserializer.end().map_err(|e| wrap(go_syntax_error(&e, bytes)))?;
    head.map_err(wrap)
}

/// The bracket that opens one level too many. serde skips unknown fields at any depth.
fn too_deep(bytes: &[u8]) -> Option<char> {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_JSON_DEPTH {
            return Some(*byte as char);
        }
    }
    None
}

/// Reads the head of a value.
pub fn of_value(value: &Value) -> Result<Head, String> {
    let head = Deserializer::deserialize_any(value, HeadVisitor).map_err(|e| e.to_string())?;
    head.map_err(|e| format!("couldn't get version/kind; json parse error: {e}"))
}

struct HeadVisitor;

impl<'de> Visitor<'de> for HeadVisitor {
    type Value = Result<Head, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Ok(Head::default()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(mismatch("bool"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(mismatch("number"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(mismatch("number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(mismatch("number"))
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(mismatch("string"))
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(mismatch("array"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut head = Head::default();
        let mut wrong = None;
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            let target = match key.as_ref() {
                "apiVersion" => &mut head.api_version,
                "kind" => &mut head.kind,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            match map.next_value::<Value>()? {
                Value::String(text) => *target = text,
                Value::Null => {}
                other => _ = wrong.get_or_insert((key.into_owned(), other)),
            }
        }
        Ok(match wrong {
            None => Ok(head),
            Some((key, value)) => {
                let got = go_kind(&value);
                Err(format!("json: cannot unmarshal {got} into Go struct field .{key} of type string"))
            }
        })
    }
}

fn mismatch(got: &str) -> Result<Head, String> {
    Err(format!("json: cannot unmarshal {got} into Go value of type {GO_TYPE}"))
}

/// What Go's decoder calls a value in errors.
pub fn go_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A syntax error in the words of Go's decoder, as far as they can be told from serde's.
pub fn go_syntax_error(error: &serde_json::Error, bytes: &[u8]) -> String {
    let text = error.to_string();
    if error.is_eof() {
        return "unexpected end of JSON input".into();
    }
    if text.starts_with("recursion limit") {
        return "exceeded max depth".into();
    }
    if !error.is_syntax() {
        return text;
    }
    let line_start =
        bytes.split(|b| *b == b'\n').take(error.line().saturating_sub(1)).map(|l| l.len() + 1).sum::<usize>();
    let at = line_start + error.column().saturating_sub(1);
    let found = bytes.get(at).copied().unwrap_or(b' ') as char;
    let place = if text.starts_with("expected `,` or `}`") {
        "after object key:value pair"
    } else if text.starts_with("expected `,` or `]`") {
        "after array element"
    } else if text.starts_with("expected `:`") {
        "after object key"
    } else if text.starts_with("key must be a string") || text.starts_with("trailing comma") && found == '}' {
        "looking for beginning of object key string"
    } else if text.starts_with("trailing characters") {
        "after top-level value"
    } else if text.starts_with("control character") {
        "in string literal"
    } else {
        "looking for beginning of value"
    };
    format!("invalid character {found:?} {place}")
}
