//! The front with the real chain behind it: signed requests in, replies in the protocol's form out.

use cove_aws_wire::credentials::Credentials;
use cove_aws_wire::door::{Principal, Session};
use cove_base::Seed;
use cove_base::request_log::NoLog;
use cove_base::tokio_runtime::TokioDriver;
use http::{HeaderMap, HeaderValue, Method};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::door::{Door, DoorParts};
use crate::iam::identities::StoredIdentities;
use crate::iam::state::AccessKey;
use crate::testing::Bench;

const ORIGIN: Origin = Origin { source_ip: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), secure: false };

async fn front() -> (Arc<Front>, Bench) {
    let bench = Bench::new();
    let rt = TokioDriver::runtime(Seed::new(1));
    let identities = Arc::new(StoredIdentities::new(bench.cx.store.clone()));
    let root = AccessKey { id: "AKIA1".into(), secret: "s".into(), user_name: None, active: true, created: 0 };
    identities.put_access_key(root).await.expect("a key");
    let door = Door::new(DoorParts {
        rt: rt.clone(),
        store: bench.cx.store.clone(),
        identities,
        sessions: bench.cx.sessions.clone(),
        ports: bench.cx.ports.clone(),
        services: crate::services(),
    });
    let front = Front {
        rt,
        door: door.clone(),
        keys: door,
        default_region: "us-west-2".into(),
        tls: None,
        log: Arc::new(NoLog),
        requests: AtomicU64::new(0),
    };
    (Arc::new(front), bench)
}

fn form(body: &'static str) -> HttpRequest {
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("127.0.0.1:4566"));
    headers.insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8"));
    let body = Bytes::from_static(body.as_bytes());
    HttpRequest { method: Method::POST, path: "/".into(), query: String::new(), headers, body }
}

fn signed(mut request: HttpRequest, credentials: &Credentials, service: &str) -> HttpRequest {
    for (name, value) in sigv4::sign(&request, credentials, "us-west-2", service, wall_clock()) {
        request.headers.insert(name, HeaderValue::from_str(&value).expect("a header"));
    }
    request
}

fn root_key() -> Credentials {
    Credentials { access_key_id: "AKIA1".into(), secret_access_key: "s".into(), session_token: None }
}

const WHO: &str = "Action=GetCallerIdentity&Version=2011-06-15";

#[tokio::test]
async fn signed_calls_are_answered_in_their_protocol() {
    let (front, bench) = front().await;
    let reply = front.answer(&signed(form(WHO), &root_key(), "sts"), ORIGIN).await;
    assert_eq!(reply.status, 200);
    let wanted = "<GetCallerIdentityResult><UserId>123456789012</UserId><Account>123456789012</Account>\
                  <Arn>arn:aws:iam::123456789012:root</Arn></GetCallerIdentityResult>";
    assert!(reply.body.contains(wanted), "{}", reply.body);

    let mut in_json = form(WHO);
    in_json.headers.insert("accept", HeaderValue::from_static("application/json"));
    let reply = front.answer(&signed(in_json, &root_key(), "sts"), ORIGIN).await;
    let body: serde_json::Value = serde_json::from_str(&reply.body).expect("JSON");
    let result = &body["GetCallerIdentityResponse"]["GetCallerIdentityResult"];
    assert_eq!(result["Arn"], "arn:aws:iam::123456789012:root");

    // Temporary credentials, as STS mints them.
    let principal = Principal::Role {
        name: "r".into(),
        role_arn: "arn:aws:iam::123456789012:role/a/r".into(),
        id: "AROA1".into(),
        session_name: "sess".into(),
        tags: Default::default(),
    };
    let session =
        Session { issued: bench.cx.rt.now(), expires: wall_clock() + Duration::from_secs(60), policies: vec![] };
    let minted = bench.cx.sessions.mint(&principal, &session).expect("credentials");
    let reply = front.answer(&signed(form(WHO), &minted, "sts"), ORIGIN).await;
    assert!(reply.body.contains("<Arn>arn:aws:sts::123456789012:assumed-role/r/sess</Arn>"), "{}", reply.body);
    let denied = front.answer(&signed(form("Action=DescribeVpcs&Version=2016-11-15"), &minted, "ec2"), ORIGIN).await;
    assert_eq!(denied.status, 403);
    assert!(denied.body.contains("<Response><Errors><Error><Code>UnauthorizedOperation</Code>"), "{}", denied.body);
}

#[tokio::test]
async fn every_refusal_has_the_form_of_its_protocol() {
    let (front, _bench) = front().await;
    let answer = async |request: HttpRequest| front.answer(&request, ORIGIN).await;
    let unsigned = answer(form(WHO)).await;
    assert!(unsigned.status == 403 && unsigned.body.contains("<Code>MissingAuthenticationToken</Code>"));
    let mut tampered = signed(form(WHO), &root_key(), "sts");
    tampered.body = Bytes::from_static(b"Action=GetSessionToken&Version=2011-06-15");
    let reply = answer(tampered).await;
    assert!(reply.status == 403 && reply.body.contains("<Code>SignatureDoesNotMatch</Code>"), "{}", reply.body);
    let stranger = Credentials { access_key_id: "AKIA2".into(), ..root_key() };
    let reply = answer(signed(form("Action=DescribeVpcs&Version=2016-11-15"), &stranger, "ec2")).await;
    assert!(reply.status == 401 && reply.body.contains("<Code>AuthFailure</Code>"), "{}", reply.body);
    let reply = answer(signed(form("Action=DescribeVpcs&Version=2016-11-15&Foo.1=x"), &root_key(), "ec2")).await;
    assert!(reply.body.contains("The parameter Foo.1 is not recognized"), "{}", reply.body);
    let clusters = HttpRequest { method: Method::GET, path: "/clusters".into(), body: Bytes::new(), ..form("") };
    let reply = answer(signed(clusters.clone(), &stranger, "eks")).await;
    let code = reply.headers.iter().find(|(n, _)| *n == "x-amzn-errortype").map(|(_, v)| v.as_str());
    assert_eq!((reply.status, code), (403, Some("UnrecognizedClientException")));
    let nowhere = HttpRequest { path: "/nowhere".into(), ..clusters };
    assert_eq!(answer(signed(nowhere, &root_key(), "eks")).await.status, 404);
    let reply = answer(signed(form("Action=GetSomething&Version=2010-05-08"), &root_key(), "iam")).await;
    assert!(reply.body.contains("Could not find operation GetSomething for version 2010-05-08"), "{}", reply.body);
}

/// A certificate of its own for `localhost`, and a client that trusts it.
fn tls() -> (TlsAcceptor, tokio_rustls::TlsConnector) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_string()]).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let certificate = made.cert.der().clone();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .and_then(|b| b.with_no_client_auth().with_single_cert(vec![certificate.clone()], key))
        .expect("a server");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).expect("a root");
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("a client")
        .with_root_certificates(roots)
        .with_no_client_auth();
    (TlsAcceptor::from(Arc::new(server)), tokio_rustls::TlsConnector::from(Arc::new(client)))
}

async fn health(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> String {
    let request = b"GET /_cove/health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.expect("written");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.expect("read");
    reply
}

#[tokio::test]
async fn one_port_speaks_http_and_tls_and_stops() {
    let (front, _bench) = front().await;
    let (acceptor, connector) = tls();
    let Ok(mut front) = Arc::try_unwrap(front) else { panic!("nobody else has the front") };
    front.tls = Some(acceptor);
    let front = Arc::new(front);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = front.serve(listener, async move {
        let _ = stopped.await;
    });
    let client = async move {
        let plain = health(TcpStream::connect(address).await.expect("connected")).await;
        let stream = TcpStream::connect(address).await.expect("connected");
        let name = rustls::pki_types::ServerName::try_from("localhost").expect("a name");
        let secure = health(connector.connect(name, stream).await.expect("TLS")).await;
        stop.send(()).expect("it serves");
        [plain, secure]
    };
    let ((), replies) = tokio::join!(serving, client);
    for reply in replies {
        assert!(reply.starts_with("HTTP/1.1 200 OK") && reply.contains("\"status\":\"ok\""), "{reply}");
    }
}
