//! Tokens of EKS clusters (`k8s-aws-v1.`): a presigned GetCallerIdentity request, made by clients and checked here.
//!
//! The verifier checks the signature itself instead of sending the request on, so it accepts whatever STS endpoint the
//! client was configured with: the public ones, the region's own address, loopback (facts: clients.md 3.3).

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use cove_base::{Timestamp, percent};
use http::{HeaderMap, HeaderValue, Method};

use crate::credentials::{Credentials, KeyLookup, KnownKey};
use crate::protocol::http::HttpRequest;
use crate::sigv4::{self, Presented};

const PREFIX: &str = "k8s-aws-v1.";
const MAX_LEN: usize = 4096;
const CLUSTER_HEADER: &str = "x-k8s-aws-id";
/// A token is good for so long after its date, whatever its `X-Amz-Expires` says.
const VALIDITY: Duration = Duration::from_secs(15 * 60);
const MAX_SKEW: Duration = Duration::from_secs(5 * 60);
const MAX_EXPIRES_SECS: i64 = 900;
const PARAMETERS: &[&str] = &[
    "action",
    "version",
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
];

/// Why a token is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is no such token, so another authenticator may know it.
    #[error("input token was not properly formatted: {0}")]
    Format(String),
    /// It is one, but not authentic.
    #[error("sts getCallerIdentity failed: {0}")]
    Sts(String),
}

/// A token that was found good.
pub struct Verified {
    /// Who made it.
    pub key: KnownKey,
    /// The access key it was made with.
    pub access_key_id: String,
}

/// Whether a bearer token claims to be one of ours.
pub fn is_eks_token(token: &str) -> bool {
    token.starts_with(PREFIX)
}

/// Makes a token for a cluster, signed for an STS endpoint such as `https://sts.us-west-2.amazonaws.com/`.
pub fn make(cluster: &str, credentials: &Credentials, region: &str, sts_endpoint: &str, now: Timestamp) -> String {
    let authority = sts_endpoint.split_once("://").map_or(sts_endpoint, |(_, rest)| rest);
    let host = authority.split('/').next().unwrap_or_default();
    let request = identity_request(host, cluster, "Action=GetCallerIdentity&Version=2011-06-15");
    let query = sigv4::presign(&request, credentials, (region, "sts"), 60, now);
    let scheme = if sts_endpoint.starts_with("http://") { "http" } else { "https" };
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(format!("{scheme}://{host}/?{query}")))
}

fn identity_request(host: &str, cluster: &str, query: &str) -> HttpRequest {
    let mut headers = HeaderMap::new();
    for (name, value) in [("host", host), (CLUSTER_HEADER, cluster)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    HttpRequest { method: Method::GET, path: "/".into(), query: query.into(), headers, body: Bytes::new() }
}

/// Verifies a token for a cluster. `own_hosts` are the region's own addresses (`host:port`) besides loopback.
pub async fn verify(
    token: &str,
    cluster: &str,
    own_hosts: &[String],
    keys: &dyn KeyLookup,
    now: Timestamp,
) -> Result<Verified, TokenError> {
    let request = read(token, cluster, own_hosts)?;
    let presented = sigv4::presented(&request).map_err(|e| TokenError::Format(e.to_string()))?;
    check_date(&presented, now)?;
    let sts = |e: sigv4::SignatureError| TokenError::Sts(e.to_string());
    let key = keys.known_key(&presented.access_key_id, presented.session_token.as_deref()).await.map_err(sts)?;
    sigv4::check_signature(&request, &presented, &key.secret_access_key).map_err(sts)?;
    Ok(Verified { key, access_key_id: presented.access_key_id })
}

fn read(token: &str, cluster: &str, own_hosts: &[String]) -> Result<HttpRequest, TokenError> {
    let format = |text: &str| TokenError::Format(text.into());
    if token.len() > MAX_LEN {
        return Err(format("token is too large"));
    }
    let encoded =
        token.strip_prefix(PREFIX).ok_or_else(|| format("token is missing expected \"k8s-aws-v1.\" prefix"))?;
    let url = URL_SAFE_NO_PAD.decode(encoded).map_err(|e| TokenError::Format(e.to_string()))?;
    let url = String::from_utf8(url).map_err(|_| format("URL is not UTF-8"))?;
    let (scheme, rest) = url.split_once("://").ok_or_else(|| format("missing protocol scheme"))?;
    let (location, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (host, path) = location.split_once('/').unwrap_or((location, ""));
    if !accepts(scheme, host, own_hosts) {
        return Err(TokenError::Format(format!("unexpected hostname \"{host}\" in pre-signed URL")));
    }
    if !path.is_empty() {
        return Err(format("unexpected path in pre-signed URL"));
    }
    check_parameters(query)?;
    Ok(identity_request(host, cluster, query))
}

fn accepts(scheme: &str, host: &str, own_hosts: &[String]) -> bool {
    let name = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(name, _)| name);
    let loopback = matches!(name, "127.0.0.1" | "localhost" | "[::1]");
    let own = loopback || own_hosts.iter().any(|h| h == host);
    let regional = |middle: &str| middle.strip_suffix(".api").unwrap_or(middle).split('.').all(sigv4::is_region);
    let public = name == "sts.amazonaws.com"
        || name
            .strip_prefix("sts.")
            .or_else(|| name.strip_prefix("sts-fips."))
            .and_then(|n| n.strip_suffix(".amazonaws.com").or_else(|| n.strip_suffix(".api.aws")))
            .is_some_and(regional);
    match scheme {
        "https" => own || public,
        "http" => own,
        _ => false,
    }
}

fn check_parameters(query: &str) -> Result<(), TokenError> {
    let mut seen = std::collections::BTreeMap::new();
    for (name, value) in percent::pairs(query) {
        let lower = name.to_ascii_lowercase();
        if !PARAMETERS.contains(&lower.as_str()) {
            return Err(TokenError::Format(format!("non-whitelisted query parameter \"{name}\"")));
        }
        if seen.insert(lower, value).is_some() {
            return Err(TokenError::Format(format!("query parameter with multiple values not supported: {name}")));
        }
    }
    let field = |name: &str| seen.get(name).map_or("", String::as_str);
    if field("action") != "GetCallerIdentity" {
        return Err(TokenError::Format("unexpected action parameter in pre-signed URL".into()));
    }
    if !field("x-amz-signedheaders").split(';').any(|h| h.eq_ignore_ascii_case(CLUSTER_HEADER)) {
        return Err(TokenError::Format(format!(
            "client did not sign the {CLUSTER_HEADER} header in the pre-signed URL"
        )));
    }
    let expires: Option<i64> = field("x-amz-expires").parse().ok();
    if !expires.is_some_and(|e| (0..=MAX_EXPIRES_SECS).contains(&e)) {
        let text = format!("invalid X-Amz-Expires parameter in pre-signed URL: {}", field("x-amz-expires"));
        return Err(TokenError::Format(text));
    }
    Ok(())
}

fn check_date(presented: &Presented, now: Timestamp) -> Result<(), TokenError> {
    let date = &presented.amz_date;
    let Some(signed_at) = sigv4::parse_amz_date(date) else {
        return Err(TokenError::Format(format!("error parsing X-Amz-Date parameter {date}")));
    };
    if signed_at + VALIDITY < now {
        let late = format!("X-Amz-Date parameter is expired (15m0s expiration) {date}");
        return Err(TokenError::Format(late));
    }
    if signed_at > now + MAX_SKEW {
        return Err(TokenError::Sts(format!("Signature not yet current: {date}")));
    }
    if presented.scope.service != "sts" || !date.starts_with(presented.scope.date.as_str()) {
        return Err(TokenError::Sts("Credential should be scoped to correct service: 'sts'. ".into()));
    }
    Ok(())
}
