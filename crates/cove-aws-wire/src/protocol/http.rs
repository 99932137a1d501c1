//! HTTP messages as the protocols see them: whole bodies, raw paths.

use cove_base::percent;
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
        [self.query.as_str(), &body].iter().flat_map(|text| percent::pairs(text)).collect()
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
