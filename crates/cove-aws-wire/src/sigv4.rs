//! Signature version 4: verifying (header and presigned forms), signing and presigning.
//!
//! The HTTP front verifies with it; `cove token`, `cove create` and simulated nodes sign with it. Pure: the time and
//! the secret are handed in.

use aws_lc_rs::{constant_time, digest, hmac};
use cove_base::{Timestamp, percent};
use std::time::Duration;

use crate::credentials::Credentials;
use crate::fault::Fault;
use crate::model::Protocol;
use crate::protocol::http::HttpRequest;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATOR: &str = "aws4_request";
/// How far a signed request's time may be off, either way; STS is more generous.
const SKEW: Duration = Duration::from_secs(5 * 60);
const STS_SKEW: Duration = Duration::from_secs(15 * 60);
/// The longest life of a presigned request.
const MAX_EXPIRES_SECS: i64 = 7 * 24 * 3600;

/// The scope of a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// `YYYYMMDD`.
    pub date: String,
    /// The region.
    pub region: String,
    /// The service's signing name.
    pub service: String,
}

impl Scope {
    fn text(&self) -> String {
        format!("{}/{}/{}/{TERMINATOR}", self.date, self.region, self.service)
    }
}

/// A signature as a request presents it.
#[derive(Clone, Debug)]
pub struct Presented {
    /// Who claims to sign.
    pub access_key_id: String,
    /// The scope.
    pub scope: Scope,
    /// `YYYYMMDDTHHMMSSZ`.
    pub amz_date: String,
    /// For presigned requests: their life in seconds.
    pub expires_secs: Option<i64>,
    /// The session's token, if any.
    pub session_token: Option<String>,
    signed_headers: Vec<String>,
    signature: String,
}

/// Why a request is not authentic. The texts are AWS's (facts: iam-notes.md 42-48).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is no signature.
    #[error("Request is missing Authentication Token")]
    Missing,
    /// The signature is malformed.
    #[error("{0}")]
    Incomplete(String),
    /// No such access key, or it is inactive, or its session token is not ours.
    #[error("The security token included in the request is invalid")]
    UnknownKey,
    /// The signature is another than ours.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access \
         Key and signing method. Consult the service documentation for details."
    )]
    Mismatch,
    /// Too old or too new.
    #[error("{0}")]
    Time(String),
    /// The scope is for something else.
    #[error("{0}")]
    Scope(String),
    /// The session is over.
    #[error("The security token included in the request is expired")]
    ExpiredToken,
}

impl SignatureError {
    /// The fault in a protocol's words.
    pub fn fault(&self, protocol: Protocol) -> Fault {
        let text = self.to_string();
        match protocol {
            Protocol::Ec2 => self.ec2_fault(text),
            Protocol::Query => {
                let (status, code) = self.query_code();
                Fault::new(status, code, text)
            }
            Protocol::Json => Fault::new(400, self.json_code(), self.json_text(text)),
            Protocol::RestJson => Fault::new(403, self.json_code(), self.json_text(text)),
        }
    }

    fn ec2_fault(&self, text: String) -> Fault {
        const NOT_VALID: &str = "AWS was not able to validate the provided access credentials";
        match self {
            Self::Missing => Fault::client("MissingParameter", "The request must contain the parameter AWSAccessKeyId"),
            Self::Incomplete(_) => Fault::client("IncompleteSignature", text),
            Self::UnknownKey | Self::Mismatch | Self::Scope(_) => Fault::new(401, "AuthFailure", NOT_VALID),
            Self::Time(_) | Self::ExpiredToken => Fault::client("RequestExpired", "Request has expired."),
        }
    }

    fn query_code(&self) -> (u16, &'static str) {
        match self {
            Self::Missing => (403, "MissingAuthenticationToken"),
            Self::Incomplete(_) => (400, "IncompleteSignature"),
            Self::UnknownKey => (403, "InvalidClientTokenId"),
            Self::Mismatch | Self::Time(_) | Self::Scope(_) => (403, "SignatureDoesNotMatch"),
            Self::ExpiredToken => (403, "ExpiredToken"),
        }
    }

    fn json_code(&self) -> &'static str {
        match self {
            Self::Missing => "MissingAuthenticationTokenException",
            Self::Incomplete(_) => "IncompleteSignatureException",
            Self::UnknownKey => "UnrecognizedClientException",
            Self::Mismatch | Self::Time(_) | Self::Scope(_) => "InvalidSignatureException",
            Self::ExpiredToken => "ExpiredTokenException",
        }
    }

    fn json_text(&self, text: String) -> String {
        match self {
            Self::Missing => "Missing Authentication Token".into(),
            Self::UnknownKey => text + ".",
            _ => text,
        }
    }
}

/// Reads the signature of a request, in either form.
pub fn presented(request: &HttpRequest) -> Result<Presented, SignatureError> {
    let authorization = request.header("authorization");
    if !authorization.is_empty() {
        return from_header(request, authorization);
    }
    let query: Vec<(String, String)> = raw_pairs(&request.query).collect();
    if query.iter().any(|(n, _)| n.eq_ignore_ascii_case("x-amz-algorithm")) {
        return from_query(&query);
    }
    Err(SignatureError::Missing)
}

fn from_header(request: &HttpRequest, authorization: &str) -> Result<Presented, SignatureError> {
    let Some(rest) = authorization.strip_prefix(ALGORITHM) else {
        let algorithm = authorization.split_whitespace().next().unwrap_or_default();
        return Err(SignatureError::Incomplete(format!("Unsupported AWS 'algorithm': '{algorithm}'.")));
    };
    let parts: Vec<(&str, &str)> = rest.split(',').filter_map(|p| p.trim().split_once('=')).collect();
    let part = |name: &str| parts.iter().find(|(n, _)| *n == name).map_or("", |(_, v)| v.trim());
    let amz_date = [request.header("x-amz-date"), request.header("date")].into_iter().find(|d| !d.is_empty());
    let mut missing: Vec<String> = ["Credential", "Signature", "SignedHeaders"]
        .iter()
        .filter(|name| part(name).is_empty())
        .map(|name| format!("Authorization header requires '{name}' parameter."))
        .collect();
    if amz_date.is_none() {
        let wanted = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.";
        missing.push(wanted.into());
    }
    if !missing.is_empty() {
        return Err(SignatureError::Incomplete(missing.join(" ")));
    }
    let (access_key_id, scope) = credential(part("Credential"))?;
    let session_token = Some(request.header("x-amz-security-token")).filter(|t| !t.is_empty()).map(String::from);
    Ok(Presented {
        access_key_id,
        scope,
        amz_date: amz_date.unwrap_or_default().into(),
        expires_secs: None,
        session_token,
        signed_headers: signed_headers(part("SignedHeaders"))?,
        signature: part("Signature").into(),
    })
}

fn from_query(query: &[(String, String)]) -> Result<Presented, SignatureError> {
    let field = |name: &str| query.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str());
    let needed = |name: &str| {
        let text = || SignatureError::Incomplete(format!("AWS query-string parameters must include '{name}'."));
        field(name).filter(|v| !v.is_empty()).ok_or_else(text)
    };
    let algorithm = needed("X-Amz-Algorithm")?;
    if algorithm != ALGORITHM {
        return Err(SignatureError::Incomplete(format!("Unsupported AWS 'algorithm': '{algorithm}'.")));
    }
    let (access_key_id, scope) = credential(needed("X-Amz-Credential")?)?;
    let expires = field("X-Amz-Expires").unwrap_or("900");
    let expires_secs = expires.parse().ok().filter(|e| (0..=MAX_EXPIRES_SECS).contains(e));
    let bad_expires = || SignatureError::Incomplete(format!("X-Amz-Expires is not a valid number: '{expires}'."));
    Ok(Presented {
        access_key_id,
        scope,
        amz_date: needed("X-Amz-Date")?.into(),
        expires_secs: Some(expires_secs.ok_or_else(bad_expires)?),
        session_token: field("X-Amz-Security-Token").map(String::from),
        signed_headers: signed_headers(needed("X-Amz-SignedHeaders")?)?,
        signature: needed("X-Amz-Signature")?.into(),
    })
}

fn credential(text: &str) -> Result<(String, Scope), SignatureError> {
    match text.split('/').collect::<Vec<_>>().as_slice() {
        [key, date, region, service, TERMINATOR] => {
            Ok(((*key).into(), Scope { date: (*date).into(), region: (*region).into(), service: (*service).into() }))
        }
        [_, _, _, _, _] => {
            Err(SignatureError::Scope(format!("Credential should be scoped with a valid terminator: '{TERMINATOR}'.")))
        }
        _ => Err(SignatureError::Incomplete(format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. \
             keyid/date/region/service/term, got '{text}'"
        ))),
    }
}

fn signed_headers(text: &str) -> Result<Vec<String>, SignatureError> {
    let names: Vec<String> = text.split(';').map(str::to_ascii_lowercase).collect();
    if names.iter().any(|n| n == "host") {
        return Ok(names);
    }
    let text = "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.";
    Err(SignatureError::Incomplete(text.into()))
}

/// Checks times and scope, which need no secret. `service` is the signing name that the request was routed to.
pub fn check_claims(presented: &Presented, service: &str, now: Timestamp) -> Result<(), SignatureError> {
    let Scope { date, region, service: scoped } = &presented.scope;
    let amz_date = &presented.amz_date;
    let Some(signed_at) = parse_amz_date(amz_date) else {
        return Err(SignatureError::Incomplete(format!(
            "Date must be in ISO-8601 'basic format'. Got '{amz_date}'. See http://en.wikipedia.org/wiki/ISO_8601"
        )));
    };
    if !amz_date.starts_with(date.as_str()) || date.len() != 8 {
        return Err(SignatureError::Scope(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: \
             '{date}' != '{}', from '{amz_date}'.",
            &amz_date[..8]
        )));
    }
    if scoped != service {
        let text = format!("Credential should be scoped to correct service: '{service}'. ");
        return Err(SignatureError::Scope(text));
    }
    if !is_region(region) {
        return Err(SignatureError::Scope("Credential should be scoped to a valid region. ".into()));
    }
    check_time(presented, signed_at, now)
}

fn check_time(presented: &Presented, signed_at: Timestamp, now: Timestamp) -> Result<(), SignatureError> {
    let amz_date = &presented.amz_date;
    let skew = if presented.scope.service == "sts" { STS_SKEW } else { SKEW };
    if signed_at > now + skew {
        return Err(SignatureError::Time(format!(
            "Signature not yet current: {amz_date} is still later than {} ({} + {} min.)",
            (now + skew).amz_date(),
            now.amz_date(),
            skew.as_secs() / 60
        )));
    }
    // A presigned request lives from its own time on.
    let life = presented.expires_secs.map_or(skew, |e| Duration::from_secs(e.unsigned_abs()));
    if signed_at + life < now {
        let minutes = life.as_secs() / 60;
        return Err(SignatureError::Time(format!(
            "Signature expired: {amz_date} is now earlier than {} ({} - {minutes} min.)",
            (now - life).amz_date(),
            now.amz_date()
        )));
    }
    Ok(())
}

/// Whether a text is shaped like a region's name (`us-west-2`).
pub fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let is_word = |p: &&str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_lowercase());
    let last = parts.last().is_some_and(|p| !p.is_empty() && p.len() <= 2 && p.bytes().all(|b| b.is_ascii_digit()));
    (3..=5).contains(&parts.len()) && parts[..parts.len() - 1].iter().all(is_word) && last
}

/// Reads `YYYYMMDDTHHMMSSZ`.
pub fn parse_amz_date(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let shaped = bytes.len() == 16 && bytes[8] == b'T' && bytes[15] == b'Z' && text.is_ascii();
    let digits = |from: usize, to: usize| &text[from..to];
    let rfc3339 = shaped.then(|| {
        let date = format!("{}-{}-{}", digits(0, 4), digits(4, 6), digits(6, 8));
        format!("{date}T{}:{}:{}Z", digits(9, 11), digits(11, 13), digits(13, 15))
    })?;
    Timestamp::parse_rfc3339(&rfc3339)
}

/// Compares the signature with the one that the secret gives.
pub fn check_signature(
    request: &HttpRequest,
    presented: &Presented,
    secret_access_key: &str,
) -> Result<(), SignatureError> {
    let canonical = canonical_request(request, &presented.signed_headers);
    let wanted = signature(secret_access_key, &presented.scope, &presented.amz_date, &canonical);
    constant_time::verify_slices_are_equal(wanted.as_bytes(), presented.signature.as_bytes())
        .map_err(|_| SignatureError::Mismatch)
}

fn canonical_request(request: &HttpRequest, signed_headers: &[String]) -> String {
    let headers: String =
        signed_headers.iter().map(|name| format!("{name}:{}\n", canonical_header(request, name))).collect();
    format!(
        "{}\n{}\n{}\n{headers}\n{}\n{}",
        request.method,
        canonical_path(&request.path),
        canonical_query(&request.query),
        signed_headers.join(";"),
        hex(digest::digest(&digest::SHA256, &request.body).as_ref())
    )
}

/// The path is encoded a second time, by all services but S3; empty and dot segments go.
fn canonical_path(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    // A dot segment at the end leaves the slash before it.
    let ends_open = ["/", "/.", "/.."].iter().any(|end| path.ends_with(end));
    let slash = if ends_open && !kept.is_empty() { "/" } else { "" };
    percent::encode(&format!("/{}{slash}", kept.join("/")), true)
}

fn raw_pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (percent::decode(name), percent::decode(value)))
}

fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = raw_pairs(query)
        .filter(|(name, _)| !name.eq_ignore_ascii_case("x-amz-signature"))
        .map(|(name, value)| (percent::encode(&name, false), percent::encode(&value, false)))
        .collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn canonical_header(request: &HttpRequest, name: &str) -> String {
    let values = request.headers.get_all(name).iter().map(|v| {
        let text = String::from_utf8_lossy(v.as_bytes()).into_owned();
        text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
    });
    values.collect::<Vec<_>>().join(",")
}

fn signature(secret: &str, scope: &Scope, amz_date: &str, canonical_request: &str) -> String {
    let hashed = hex(digest::digest(&digest::SHA256, canonical_request.as_bytes()).as_ref());
    let to_sign = format!("{ALGORITHM}\n{amz_date}\n{}\n{hashed}", scope.text());
    let key = [scope.date.as_str(), &scope.region, &scope.service, TERMINATOR]
        .iter()
        .fold(format!("AWS4{secret}").into_bytes(), |key, part| mac(&key, part));
    hex(&mac(&key, &to_sign))
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Signs a request in the header form: the headers to add to it. `request` has its `host` header.
pub fn sign(
    request: &HttpRequest,
    credentials: &Credentials,
    region: &str,
    service: &str,
    now: Timestamp,
) -> Vec<(&'static str, String)> {
    let amz_date = now.amz_date();
    let scope = Scope { date: amz_date[..8].into(), region: region.into(), service: service.into() };
    let mut added = vec![("x-amz-date", amz_date.clone())];
    added.extend(credentials.session_token.clone().map(|t| ("x-amz-security-token", t)));
    let mut signed = request.clone();
    for (name, value) in &added {
        if let Ok(value) = http::HeaderValue::from_str(value) {
            signed.headers.insert(*name, value);
        }
    }
    let mut names = vec!["host".to_string()];
    names.extend(added.iter().map(|(n, _)| n.to_string()));
    names.extend(Some("content-type".to_string()).filter(|n| request.headers.contains_key(n)));
    names.sort();
    let signature = signature(&credentials.secret_access_key, &scope, &amz_date, &canonical_request(&signed, &names));
    let authorization = format!(
        "{ALGORITHM} Credential={}/{}, SignedHeaders={}, Signature={signature}",
        credentials.access_key_id,
        scope.text(),
        names.join(";")
    );
    added.push(("authorization", authorization));
    added
}

/// Presigns a request: its query with the signature. `request` has the headers that are to be signed, `host` among
/// them.
pub fn presign(
    request: &HttpRequest,
    credentials: &Credentials,
    (region, service): (&str, &str),
    expires_secs: u32,
    now: Timestamp,
) -> String {
    let amz_date = now.amz_date();
    let scope = Scope { date: amz_date[..8].into(), region: region.into(), service: service.into() };
    let mut names: Vec<String> = request.headers.keys().map(|n| n.as_str().to_string()).collect();
    names.sort();
    let credential = format!("{}/{}", credentials.access_key_id, scope.text());
    let mut fields = vec![
        ("X-Amz-Algorithm", ALGORITHM.to_string()),
        ("X-Amz-Credential", credential),
        ("X-Amz-Date", amz_date.clone()),
        ("X-Amz-Expires", expires_secs.to_string()),
        ("X-Amz-SignedHeaders", names.join(";")),
    ];
    fields.extend(credentials.session_token.clone().map(|t| ("X-Amz-Security-Token", t)));
    let encoded = fields.iter().map(|(name, value)| format!("{name}={}", percent::encode(value, false)));
    let own = Some(request.query.clone()).filter(|q| !q.is_empty());
    let query = own.into_iter().chain(encoded).collect::<Vec<_>>().join("&");
    let unsigned = HttpRequest { query: query.clone(), ..request.clone() };
    let signature = signature(&credentials.secret_access_key, &scope, &amz_date, &canonical_request(&unsigned, &names));
    format!("{query}&X-Amz-Signature={signature}")
}
