//! The request log: one record per request, for whoever the region names.

use std::time::Duration;

use cove_base::time::Timestamp;

/// One finished request (of a watch: when it began to answer).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestRecord {
    /// When it came.
    pub time: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// The `Audit-Id` of the answer.
    pub id: String,
    /// Who called; empty if that is unknown.
    pub user: String,
    /// Whom the caller acted as, if as another.
    pub impersonated: Option<String>,
    /// The verb in RBAC's spelling, or the method in lower case.
    pub verb: String,
    /// The path, without the query: it may hold a token.
    pub path: String,
    /// The HTTP code.
    pub code: u16,
    /// What the client says it is.
    pub user_agent: String,
    /// The message of a failure.
    pub error: Option<String>,
}

/// A port: where records go. Called on the request's task: hand over, do not wait.
pub trait RequestLog: Send + Sync {
    /// Takes a record.
    fn record(&self, record: RequestRecord);
}

/// Keeps nothing.
pub struct NoLog;

impl RequestLog for NoLog {
    fn record(&self, _record: RequestRecord) {}
}
