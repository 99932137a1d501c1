//! What the front tells about each request. The region writes the lines; secrets and tokens never get here.

use std::net::IpAddr;
use std::time::Duration;

use cove_base::Timestamp;

/// One request, after its answer was made.
#[derive(Clone, Debug)]
pub struct RequestLine {
    /// When it came.
    pub time: Timestamp,
    /// Its id, which is in the reply too.
    pub request_id: String,
    /// botocore's name of the service; empty if none could be told.
    pub service: String,
    /// The operation; empty if none could be told.
    pub operation: String,
    /// The region of the credential scope.
    pub region: String,
    /// The principal's ARN; empty for unsigned requests.
    pub principal: String,
    /// The access key id.
    pub access_key_id: String,
    /// Where from.
    pub source_ip: IpAddr,
    /// The User-Agent.
    pub user_agent: String,
    /// The HTTP status.
    pub status: u16,
    /// The fault's code, for failed requests.
    pub error_code: Option<String>,
    /// How long it took.
    pub duration: Duration,
}

/// Where the lines go.
pub trait RequestLog: Send + Sync {
    /// Takes a line. Must not block.
    fn record(&self, line: RequestLine);
}

/// Keeps nothing; for tests.
pub struct NoLog;

impl RequestLog for NoLog {
    fn record(&self, _: RequestLine) {}
}
