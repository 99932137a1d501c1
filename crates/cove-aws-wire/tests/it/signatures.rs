//! Requests signed by AWS's own Rust signer verify here, in both forms, and nothing else does.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials as AwsCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use cove_aws_wire::credentials::Credentials;
use cove_aws_wire::model::Protocol;
use cove_aws_wire::protocol::HttpRequest;
use cove_aws_wire::sigv4::{self, SignatureError};
use cove_base::Timestamp;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::prelude::*;

use crate::example;

const NOW_S: u64 = 1_795_621_355;

fn now() -> Timestamp {
    Timestamp::from_secs(NOW_S as i64)
}

fn request(method: &str, path: &str, query: &str, headers: &[(&str, &str)], body: &[u8]) -> HttpRequest {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name: HeaderName = name.parse().expect("a header's name");
        map.append(name, HeaderValue::from_str(value).expect("a header's value"));
    }
    HttpRequest {
        method: Method::from_bytes(method.as_bytes()).expect("a method"),
        path: path.into(),
        query: query.into(),
        headers: map,
        body: Bytes::copy_from_slice(body),
    }
}

/// Signs with `aws-sigv4` and applies what it says to the request.
fn aws_signed(mut request: HttpRequest, credentials: &Credentials, location: SignatureLocation) -> HttpRequest {
    let identity = AwsCredentials::new(
        &credentials.access_key_id,
        &credentials.secret_access_key,
        credentials.session_token.clone(),
        None,
        "test",
    )
    .into();
    let mut settings = SigningSettings::default();
    settings.expires_in = (location == SignatureLocation::QueryParams).then_some(Duration::from_secs(60));
    settings.signature_location = location;
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-west-2")
        .name("eks")
        .time(UNIX_EPOCH + Duration::from_secs(NOW_S))
        .settings(settings)
        .build()
        .expect("parameters")
        .into();
    let uri = format!("http://127.0.0.1:4566{}?{}", request.path, request.query);
    let headers = request.headers.iter().map(|(n, v)| (n.as_str(), v.to_str().expect("text")));
    let body = SignableBody::Bytes(&request.body);
    let signable = SignableRequest::new(request.method.as_str(), &uri, headers, body).expect("signable");
    let (instructions, _) = sign(signable, &params).expect("signed").into_parts();
    let (headers, fields) = instructions.into_parts();
    for header in headers {
        let name: HeaderName = header.name().parse().expect("a header's name");
        request.headers.insert(name, HeaderValue::from_str(header.value()).expect("a header's value"));
    }
    for (name, value) in fields {
        let value: String = value
            .bytes()
            .map(|b| if b.is_ascii_alphanumeric() { (b as char).to_string() } else { format!("%{b:02X}") })
            .collect();
        let separator = if request.query.is_empty() { "" } else { "&" };
        request.query = format!("{}{separator}{name}={value}", request.query);
    }
    request
}

fn verify(request: &HttpRequest, secret: &str, now: Timestamp) -> Result<(), SignatureError> {
    let presented = sigv4::presented(request)?;
    sigv4::check_claims(&presented, "eks", now)?;
    sigv4::check_signature(request, &presented, secret)
}

fn check(request: HttpRequest, credentials: &Credentials) {
    for location in [SignatureLocation::Headers, SignatureLocation::QueryParams] {
        let signed = aws_signed(request.clone(), credentials, location);
        assert_eq!(verify(&signed, &credentials.secret_access_key, now()), Ok(()), "{signed:?}");
        assert_eq!(verify(&signed, "another", now()), Err(SignatureError::Mismatch));
        let other = HttpRequest { method: Method::PUT, ..signed.clone() };
        assert_eq!(verify(&other, &credentials.secret_access_key, now()), Err(SignatureError::Mismatch));
        let session = sigv4::presented(&signed).expect("a signature").session_token;
        assert_eq!(session, credentials.session_token);
    }
}

const HOST: (&str, &str) = ("host", "127.0.0.1:4566");

#[test]
fn requests_of_awss_signer_verify() {
    check(request("GET", "/", "", &[HOST], b""), &example());
    let arn = "/clusters/c/access-entries/arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fa%2Fb";
    check(request("GET", arn, "a=b&A=%20%2F&empty=&a=a", &[HOST], b""), &example());
    let headers = [HOST, ("content-type", "application/json"), ("x-amz-meta", "  two   words ")];
    check(request("POST", "/clusters", "", &headers, br#"{"name":"c"}"#), &example());
    let session = Credentials { session_token: Some("abc/+= def".into()), ..example() };
    check(request("GET", "/clusters", "maxResults=1", &[HOST], b""), &session);
}

#[test]
fn our_signer_agrees_with_our_verifier_and_with_awss() {
    let plain = request("POST", "/clusters", "b=2&a=1", &[HOST, ("content-type", "application/json")], b"{}");
    let session = Credentials { session_token: Some("tok/+=".into()), ..example() };
    for credentials in [example(), session] {
        let mut signed = plain.clone();
        for (name, value) in sigv4::sign(&plain, &credentials, "us-west-2", "eks", now()) {
            signed.headers.insert(name, HeaderValue::from_str(&value).expect("a header"));
        }
        assert_eq!(verify(&signed, &credentials.secret_access_key, now()), Ok(()));
        let aws = aws_signed(plain.clone(), &credentials, SignatureLocation::Headers);
        assert_eq!(signed.header("authorization"), aws.header("authorization"));
        let query = sigv4::presign(&plain, &credentials, ("us-west-2", "eks"), 60, now());
        assert_eq!(verify(&HttpRequest { query, ..plain.clone() }, &credentials.secret_access_key, now()), Ok(()));
    }
}

#[test]
fn times_and_scopes_are_checked_in_awss_words() {
    let plain = request("GET", "/clusters", "", &[HOST], b"");
    let signed = aws_signed(plain.clone(), &example(), SignatureLocation::Headers);
    let secret = &example().secret_access_key;
    let text = |result: Result<(), SignatureError>| result.expect_err("refused").to_string();
    let at = |secs: i64| Timestamp::from_secs(NOW_S as i64 + secs);
    assert_eq!(verify(&signed, secret, at(299)), Ok(()));
    assert_eq!(
        text(verify(&signed, secret, at(301))),
        "Signature expired: 20261125T154235Z is now earlier than 20261125T154236Z (20261125T154736Z - 5 min.)"
    );
    assert!(text(verify(&signed, secret, at(-301))).starts_with("Signature not yet current: 20261125T154235Z"));
    let presigned = aws_signed(plain, &example(), SignatureLocation::QueryParams);
    assert_eq!(verify(&presigned, secret, at(59)), Ok(()));
    assert!(text(verify(&presigned, secret, at(61))).starts_with("Signature expired"));
    let presented = sigv4::presented(&signed).expect("a signature");
    let wrong = sigv4::check_claims(&presented, "sts", now()).expect_err("another service");
    assert_eq!(wrong.to_string(), "Credential should be scoped to correct service: 'sts'. ");
    assert_eq!(wrong.fault(Protocol::Query).code, "SignatureDoesNotMatch");
    assert_eq!(wrong.fault(Protocol::RestJson).code, "InvalidSignatureException");
}

#[test]
fn malformed_signatures_are_named() {
    let with = |value: &str| sigv4::presented(&request("GET", "/", "", &[HOST, ("authorization", value)], b""));
    assert_eq!(sigv4::presented(&request("GET", "/", "", &[HOST], b"")).err(), Some(SignatureError::Missing));
    let text = with("AWS4-HMAC-SHA256 Credential=a/20261125/r/s/aws4_request").expect_err("refused").to_string();
    assert_eq!(
        text,
        "Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' \
         parameter. Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
    );
    assert!(matches!(with("Bearer secret"), Err(SignatureError::Incomplete(text)) if !text.contains("secret")));
}

proptest! {
    #[test]
    fn any_path_and_query_round_trips(
        segments in proptest::collection::vec("[A-Za-z0-9_.~%-]{1,8}", 1..4),
        pairs in proptest::collection::vec(("[a-zA-Z]{1,4}", "[ -~]{0,8}"), 0..4),
    ) {
        let encode = |text: &str| cove_base::percent::encode(text, false);
        let path: String = segments.iter().map(|s| format!("/{}", encode(s))).collect();
        let query = pairs.iter().map(|(n, v)| format!("{n}={}", encode(v))).collect::<Vec<_>>().join("&");
        check(request("GET", &path, &query, &[HOST], b""), &example());
    }

    #[test]
    fn hostile_headers_never_panic(authorization in "[ -~]{0,120}", date in "[ -~]{0,20}") {
        for prefix in ["", "AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256 Signature=x,SignedHeaders=host,Credential="] {
            let value = format!("{prefix}{authorization}");
            let request = request("GET", "/", &authorization, &[HOST, ("authorization", &value), ("x-amz-date", &date)], b"");
            let _ = verify(&request, "s", now());
        }
    }
}
