//! HTTP messages as the protocols see them: whole bodies, raw paths.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, Method};

/// A request with its whole body. The path and the query are as they came, percent-encoded: EKS puts ARNs into path
/// labels, so decoding comes after routing.
#[derive(Clone, Debug)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// The raw path.
    pub path: String,
    /// The raw query, empty if there is none.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl HttpRequest {
    /// A header's value, empty if it is missing or not text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    /// Whether the body is a form.
    pub fn is_form(&self) -> bool {
        self.header("content-type").trim_start().starts_with("application/x-www-form-urlencoded")
    }

    /// The form fields in the order they came: the query's, then a form body's.
    pub fn form(&self) -> Vec<(String, String)> {
        let body = if self.is_form() { String::from_utf8_lossy(&self.body) } else { Cow::Borrowed("") };
        [self.query.as_str(), &body].iter().flat_map(|text| pairs(text)).collect()
    }
}

/// A reply with its whole body.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpReply {
    /// The status.
    pub status: u16,
    /// Header names and values.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

impl HttpReply {
    /// A reply with a content type.
    pub fn new(status: u16, content_type: &str, body: String) -> Self {
        Self { status, headers: vec![("content-type", content_type.into())], body }
    }

    /// Adds a header.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// Decodes the pairs of a query or form, `+` as a space.
pub fn pairs(text: &str) -> Vec<(String, String)> {
    let decode = |part: &str| percent_decode(&part.replace('+', " "));
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

/// Decodes `%XX`; what is no such escape stays as it is, bytes that are no UTF-8 become the replacement character.
pub fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = (bytes[at] == b'%').then(|| bytes.get(at + 1..at + 3)).flatten().and_then(hex_byte);
        out.push(escape.unwrap_or(bytes[at]));
        at += if escape.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let digit = |d: u8| char::from(d).to_digit(16);
    Some((digit(digits[0])? * 16 + digit(digits[1])?) as u8)
}

/// Encodes all but the unreserved characters, as signatures require (and `/` too, unless it is to be kept).
pub fn percent_encode(text: &str, keep_slash: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte as char),
            b'/' if keep_slash => out.push('/'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_round_trip_and_broken_ones_stay() {
        let text = "arn:aws:iam::1:role/a b+ü";
        assert_eq!(percent_decode(&percent_encode(text, false)), text);
        assert_eq!(percent_decode("%zz%4"), "%zz%4");
        assert_eq!(
            pairs("A=b+c&D&E=%3D"),
            [("A".into(), "b c".into()), ("D".into(), "".into()), ("E".into(), "=".into())]
        );
    }
}
