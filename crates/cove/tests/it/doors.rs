//! Clients of a region's two doors that can sign and send anything.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cove_aws_wire::credentials::Credentials;
use cove_aws_wire::protocol::HttpRequest;
use cove_aws_wire::sigv4;
use cove_base::Timestamp;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use rustls::ClientConfig;
use serde_json::Value;

use crate::http::{Answer, exchange, head, over_tls, trust, try_connect};
use crate::region::Region;

/// The kind of body that query services take.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// The time by the wall.
#[allow(clippy::disallowed_methods)] // Signatures are judged by it.
pub fn now() -> Timestamp {
    Timestamp::from_secs(SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() as i64)
}

/// A client of the AWS door.
#[derive(Clone, Debug)]
pub struct Aws {
    pub address: String,
    pub region: String,
    pub credentials: Credentials,
}

impl Aws {
    /// As the admin user, from what `cove env` says.
    pub fn of(region: &Region) -> Self {
        let environment = region.environment();
        let value = |name: &str| {
            let found = environment.iter().find(|(n, _)| n == name);
            found.unwrap_or_else(|| panic!("no {name} in {environment:?}")).1.clone()
        };
        Self {
            address: value("AWS_ENDPOINT_URL").trim_start_matches("http://").into(),
            region: value("AWS_REGION"),
            credentials: Credentials {
                access_key_id: value("AWS_ACCESS_KEY_ID"),
                secret_access_key: value("AWS_SECRET_ACCESS_KEY"),
                session_token: None,
            },
        }
    }

    /// A request, not signed yet.
    pub fn request(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> HttpRequest {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut map = HeaderMap::new();
        for (name, value) in [("host", self.address.as_str())].iter().chain(headers) {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
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

    /// A form for a query service.
    pub fn form(&self, version: &str, action: &str, fields: &[(&str, &str)]) -> HttpRequest {
        let mut body = format!("Action={action}&Version={version}");
        for (name, value) in fields {
            let value: String = value.bytes().map(|b| format!("%{b:02X}")).collect();
            body.push_str(&format!("&{name}={value}"));
        }
        self.request("POST", "/", &[("content-type", FORM)], body.as_bytes())
    }

    /// Signs in the header form.
    pub fn sign(&self, mut request: HttpRequest, service: &str, at: Timestamp) -> HttpRequest {
        for (name, value) in sigv4::sign(&request, &self.credentials, &self.region, service, at) {
            request.headers.insert(name, HeaderValue::from_str(&value).expect("a header's value"));
        }
        request
    }

    /// Sends it. Nobody there is an answer of status 0.
    pub fn send(&self, request: &HttpRequest) -> Answer {
        let query = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
        let target = format!("{}{query}", request.path);
        let text = |v: &HeaderValue| v.to_str().expect("text").to_string();
        let headers: Vec<(String, String)> =
            request.headers.iter().map(|(n, v)| (n.as_str().to_string(), text(v))).collect();
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let Some(stream) = try_connect(&self.address) else { return Answer::default() };
        exchange(stream, &head(request.method.as_str(), &target, &headers, &request.body))
    }

    /// Signs now and sends.
    pub fn call(&self, service: &str, request: HttpRequest) -> Answer {
        self.send(&self.sign(request, service, now()))
    }

    /// An operation of a query service.
    pub fn query(&self, service: &str, action: &str, fields: &[(&str, &str)]) -> Answer {
        let version = match service {
            "ec2" => "2016-11-15",
            "iam" => "2010-05-08",
            "sts" => "2011-06-15",
            _ => "2011-01-01",
        };
        self.call(service, self.form(version, action, fields))
    }

    /// An operation of EKS.
    pub fn eks(&self, method: &str, target: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.call("eks", self.request(method, target, &[("content-type", "application/json")], body.as_bytes()))
    }
}

/// The texts of an XML element, in order.
pub fn elements(body: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let texts = body.split(&open).skip(1).filter_map(|rest| rest.split(&close).next());
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&#39;", "'"), ("&amp;", "&")];
    texts.map(|text| entities.iter().fold(text.to_string(), |text, (from, to)| text.replace(from, to))).collect()
}

/// A fault as an AWS client reads it: status, code, message.
pub fn fault(answer: &Answer) -> (u16, String, String) {
    let first = |name: &str| elements(&answer.body, name).into_iter().next().unwrap_or_default();
    if answer.header("content-type").contains("xml") {
        return (answer.status, first("Code"), first("Message"));
    }
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_string();
    let code = Some(answer.header("x-amzn-errortype")).filter(|c| !c.is_empty()).map(String::from);
    let message = [text("message"), text("Message")].into_iter().find(|m| !m.is_empty());
    (answer.status, code.unwrap_or_else(|| text("__type")), message.unwrap_or_default())
}

/// A client of a cluster's Kubernetes door.
#[derive(Clone)]
pub struct Kube {
    pub address: String,
    pub trust: Arc<ClientConfig>,
    pub token: String,
}

impl Kube {
    /// As the cluster's creator, with a token of `cove token`.
    pub fn of(region: &Region, cluster: &str) -> Self {
        let described = Aws::of(region).eks("GET", &format!("/clusters/{cluster}"), &Value::Null).json();
        let endpoint = described["cluster"]["endpoint"].as_str().expect("an endpoint");
        let authority = described["cluster"]["certificateAuthority"]["data"].as_str().expect("an authority");
        let authority = STANDARD.decode(authority).expect("base64");
        let credential = region.cove(&["token", "--cluster", cluster]).stdout;
        let credential: Value = serde_json::from_slice(&credential).expect("an ExecCredential");
        Self {
            address: endpoint.trim_start_matches("https://").into(),
            trust: trust(&authority),
            token: credential["status"]["token"].as_str().expect("a token").into(),
        }
    }

    /// Sends a request with the token.
    pub fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let headers = [&[("authorization", bearer.as_str())], headers].concat();
        self.send_as_is(method, target, &headers, body)
    }

    /// Sends a request without adding anything but the host.
    pub fn send_as_is(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let headers = [&[("host", self.address.as_str())], headers].concat();
        let Some(stream) = try_connect(&self.address) else { return Answer::default() };
        exchange(over_tls(stream, &self.trust), &head(method, target, &headers, body))
    }

    /// A JSON document of the API.
    pub fn get(&self, target: &str) -> Value {
        let answer = self.send("GET", target, &[], b"");
        assert_eq!(answer.status, 200, "{target}: {answer:?}");
        answer.json()
    }

    /// Creates an object.
    pub fn create(&self, target: &str, object: &Value) -> Answer {
        self.send("POST", target, &[("content-type", "application/json")], object.to_string().as_bytes())
    }
}
