//! `Status`: how every Kubernetes error travels, from the rule that found it to the reply.
//!
//! Constructors carry upstream's wording (k8s.io/apimachinery v0.35 pkg/api/errors; facts in `status-errors.csv`).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::field_error::FieldError;

/// A failed call, as clients see it in a `v1/Status`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Status {
    /// The HTTP code.
    pub code: u16,
    /// The machine-readable reason, such as `NotFound`. Empty where upstream leaves it empty.
    pub reason: String,
    /// What a person reads.
    pub message: String,
    /// What it is about. Boxed: errors are rare, results are everywhere.
    pub details: Option<Box<Details>>,
    /// `metadata.continue`: where an expired list may go on, inconsistently. Empty for every other error.
    pub continue_token: String,
}

/// What a [`Status`] is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    /// The object's name.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub name: String,
    /// The API group.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub group: String,
    /// The kind, or for many reasons the plural resource (upstream mixes them).
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub kind: String,
    /// The object's uid.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub uid: String,
    /// One per field error.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub causes: Vec<Cause>,
    /// When to try again, in seconds.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub retry_after_seconds: i32,
}

fn is_zero(n: &i32) -> bool {
    *n == 0
}

/// One cause of a [`Status`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Such as `FieldValueInvalid`.
    pub reason: String,
    /// What a person reads.
    pub message: String,
    /// The path of the field.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub field: String,
}

/// `group` and `resource` joined as upstream prints them: `deployments.apps`, `pods`.
pub fn group_resource(group: &str, resource: &str) -> String {
    if group.is_empty() { resource.into() } else { format!("{resource}.{group}") }
}

impl Status {
    /// Any status; prefer a constructor below.
    pub fn new(code: u16, reason: &str, message: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), message: message.into(), details: None, continue_token: String::new() }
    }

    /// Adds what it is about.
    pub fn about(mut self, group: &str, kind: &str, name: &str) -> Self {
        let details = self.details.get_or_insert_default();
        (details.group, details.kind, details.name) = (group.into(), kind.into(), name.into());
        self
    }

    /// Adds a cause.
    pub fn cause(mut self, reason: &str, message: impl Into<String>, field: &str) -> Self {
        let cause = Cause { reason: reason.into(), message: message.into(), field: field.into() };
        self.details.get_or_insert_default().causes.push(cause);
        self
    }

    /// 404.
    pub fn not_found(group: &str, resource: &str, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} {name:?} not found", group_resource(group, resource)))
            .about(group, resource, name)
    }

    /// 409: the name is taken.
    pub fn already_exists(group: &str, resource: &str, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{} {name:?} already exists", group_resource(group, resource)))
            .about(group, resource, name)
    }

    /// 409: the object has changed. `why` is upstream's inner error.
    pub fn conflict(group: &str, resource: &str, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} {name:?}: {why}", group_resource(group, resource));
        Self::new(409, "Conflict", message).about(group, resource, name)
    }

    /// 409 with the wording for a stale `resourceVersion`.
    pub fn stale(group: &str, resource: &str, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(group, resource, name, why)
    }

    /// 422: the field errors of one object.
    pub fn invalid(group: &str, kind: &str, name: &str, errors: &[FieldError]) -> Self {
        let mut texts: Vec<String> = Vec::new();
        for text in errors.iter().map(FieldError::to_string) {
            // Upstream shows identical messages once, but keeps a cause for each.
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        let list = match texts.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let message = format!("{} {name:?} is invalid: {list}", group_resource(group, kind));
        let status = Self::new(422, "Invalid", message).about(group, kind, name);
        errors.iter().fold(status, |s, e| s.cause(e.kind.reason(), e.body(), &e.field))
    }

    /// 403. `why` is the authorizer's or admission plug-in's text.
    pub fn forbidden(group: &str, resource: &str, name: &str, why: &str) -> Self {
        let message = format!("{} {name:?} is forbidden: {why}", group_resource(group, resource));
        Self::new(403, "Forbidden", message).about(group, resource, name)
    }

    /// 401.
    pub fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 410: the revision is too old.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// 500.
    pub fn internal(message: impl std::fmt::Display) -> Self {
        Self::new(500, "InternalError", format!("Internal error occurred: {message}"))
    }

    /// The `v1/Status` object.
    pub fn to_value(&self) -> Value {
        let mut value = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message,
        });
        if !self.continue_token.is_empty() {
            value["metadata"]["continue"] = self.continue_token.clone().into();
        }
        if let Value::Object(map) = &mut value {
            if !self.reason.is_empty() {
                map.insert("reason".into(), self.reason.clone().into());
            }
            if let Some(details) = &self.details {
                map.insert("details".into(), serde_json::to_value(details).unwrap_or_default());
            }
            map.insert("code".into(), self.code.into());
        }
        value
    }

    /// From a `v1/Status` object, as an HTTP client receives it.
    pub fn from_value(value: &Value) -> Self {
        let text = |member: &str| value.get(member).and_then(Value::as_str).unwrap_or_default().to_string();
        Self {
            code: value.get("code").and_then(Value::as_u64).and_then(|c| u16::try_from(c).ok()).unwrap_or(500),
            reason: text("reason"),
            message: text("message"),
            details: value.get("details").and_then(|d| serde_json::from_value(d.clone()).ok()).map(Box::new),
            continue_token: value["metadata"]["continue"].as_str().unwrap_or_default().to_string(),
        }
    }

    /// Whether this is a 404.
    pub fn is_not_found(&self) -> bool {
        self.code == 404
    }

    /// Whether this is a conflict on update (not: the name is taken).
    pub fn is_conflict(&self) -> bool {
        self.reason == "Conflict"
    }

    /// Whether the name is taken.
    pub fn is_already_exists(&self) -> bool {
        self.reason == "AlreadyExists"
    }
}
