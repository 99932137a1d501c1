//! A fault: how every AWS error travels, from the rule that found it to the reply in the protocol's own form.

use serde_json::{Map, Value};

/// A failed call. The code is the one on the wire (`NoSuchEntity`, not the shape name `NoSuchEntityException`).
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Fault {
    /// The wire code.
    pub code: String,
    /// What a person reads.
    pub message: String,
    /// The HTTP status.
    pub status: u16,
    /// Further members of the error shape (EKS names the cluster and the node group, for example). Boxed: faults are
    /// rare, results are everywhere.
    pub members: Box<Map<String, Value>>,
}

impl Fault {
    /// A fault with its status.
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), status, members: Box::default() }
    }

    /// A caller's mistake with status 400.
    pub fn client(code: &str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    /// Our own failure: status 500.
    pub fn internal(message: impl std::fmt::Display) -> Self {
        Self::new(500, "InternalFailure", message.to_string())
    }

    /// Adds a member of the error shape.
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.members.insert(member.into(), value.into());
        self
    }
}
