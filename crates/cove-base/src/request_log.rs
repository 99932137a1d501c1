//! The request log: one line per request of either door, for whoever the region names.

use std::net::IpAddr;
use std::time::Duration;

use crate::time::Timestamp;

/// One answered request (of a watch: when it began to answer). What a door does not know stays empty; secrets and tokens
/// never get here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestLine {
    /// `aws` or `kubernetes`.
    pub door: &'static str,
    /// When it came.
    pub time: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// Its id, which is in the reply too (`x-amzn-requestid`, `Audit-Id`).
    pub request_id: String,
    /// Who called: the principal's ARN, or the Kubernetes user.
    pub principal: String,
    /// Whom the caller acted as, if as another.
    pub acted_as: Option<String>,
    /// The access key that signed.
    pub access_key_id: String,
    /// botocore's name of the AWS service.
    pub service: String,
    /// The AWS operation; the Kubernetes verb in RBAC's spelling, or the method in lower case.
    pub operation: String,
    /// The AWS region of the credential scope.
    pub region: String,
    /// The path of a Kubernetes request, without the query: it may hold a token.
    pub path: String,
    /// Where from.
    pub source_ip: Option<IpAddr>,
    /// What the client says it is.
    pub user_agent: String,
    /// The HTTP status.
    pub status: u16,
    /// Of a failure: the AWS fault's code, the Kubernetes status' message.
    pub error: Option<String>,
}

/// A port: where lines go. Called on the request's task: hand over, do not wait.
pub trait RequestLog: Send + Sync {
    /// Takes a line.
    fn record(&self, line: RequestLine);
}

/// Keeps nothing.
pub struct NoLog;

impl RequestLog for NoLog {
    fn record(&self, _line: RequestLine) {}
}
