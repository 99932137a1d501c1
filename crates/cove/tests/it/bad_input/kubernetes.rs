//! Requests to a cluster's API server that it has to refuse, over TLS with an AWS token.

use serde_json::{Value, json};

use super::says;
use super::state;
use crate::doors::Kube;
use crate::http::Answer;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const JSON: &str = "application/json";
const YAML: &str = "application/yaml";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
const ACCEPTED: &str = "the body of the request was in an unknown format - accepted media types include: \
                        application/json, application/yaml, application/vnd.kubernetes.protobuf";

/// What is sent, what it is called, and the refusal: code, reason, message.
struct Case {
    name: &'static str,
    line: (&'static str, &'static str),
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    wanted: (u16, &'static str, &'static str),
}

fn case(
    name: &'static str,
    line: (&'static str, &'static str),
    media: &str,
    body: impl Into<Vec<u8>>,
    wanted: (u16, &'static str, &'static str),
) -> Case {
    let headers = if media.is_empty() { vec![] } else { vec![("content-type", media.to_string())] };
    Case { name, line, headers, body: body.into(), wanted }
}

fn refusal(answer: &Answer) -> (u16, String, String) {
    let status: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let text = |name: &str| status[name].as_str().unwrap_or_default().to_string();
    assert!(status.is_null() || status["code"] == answer.status && status["kind"] == "Status", "{answer:?}");
    let message = if status.is_null() { answer.body.clone() } else { text("message") };
    (answer.status, text("reason"), message)
}

fn nested(depth: usize, open: &str, inner: &str, close: &str) -> String {
    format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
}

fn identities(kube: &Kube) {
    let mut forged = kube.token.clone();
    forged.truncate(forged.len() - 4);
    let bearer = |token: &str| format!("Bearer {token}");
    let wrong = [
        String::new(),
        bearer("k8s-aws-v1.garbage"),
        bearer(&forged),
        bearer("a.b.c"),
        bearer(&"x".repeat(20_000)),
        "Basic YWRtaW46YWRtaW4=".to_string(),
    ];
    for authorization in &wrong {
        let headers: &[(&str, &str)] =
            if authorization.is_empty() { &[] } else { &[("authorization", authorization.as_str())] };
        let answer = kube.send_as_is("GET", MAPS, headers, b"");
        let wanted = (401, "Unauthorized".to_string(), "Unauthorized".to_string());
        assert_eq!(refusal(&answer), wanted, "{authorization:.60}");
    }
}

fn bodies() -> Vec<Case> {
    let post = ("POST", MAPS);
    let unrecognized = |why: &'static str| (400, "BadRequest", why);
    macro_rules! unrecognized {
        ($why:literal) => {
            unrecognized(concat!("the object provided is unrecognized (must be of type ConfigMap): ", $why))
        };
    }
    let map = |data: &str| format!(r#"{{"metadata":{{"name":"left-behind"}},"data":{data}}}"#);
    let bombs = (0..12).fold(String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"), |text, level| {
        let alias = format!("*a{level},").repeat(10);
        format!("{text}a{}: &a{} [{alias}]\n", level + 1, level + 1)
    });
    vec![
        case(
            "no body",
            post,
            JSON,
            "",
            unrecognized!("couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)"),
        ),
        case(
            "broken JSON",
            post,
            JSON,
            r#"{"metadata":"#,
            unrecognized!("couldn't get version/kind; json parse error: unexpected end of JSON input ({\"metadata\":)"),
        ),
        case(
            "JSON after JSON",
            post,
            JSON,
            map("{}") + "}",
            unrecognized!(
                "couldn't get version/kind; json parse error: invalid character '}' after top-level value ({\"metadata\":{\"name\":\"left-behi ...)"
            ),
        ),
        case(
            "JSON too deep",
            post,
            JSON,
            format!(r#"{{"x":{}}}"#, nested(50_000, r#"{"a":"#, "1", "}")),
            unrecognized!("couldn't get version/kind; json parse error: invalid character '{' exceeded max depth (…"),
        ),
        case(
            "broken YAML",
            post,
            YAML,
            "metadata: {name: left-behind\ndata: [",
            unrecognized!(
                "yaml: while parsing a flow mapping, did not find expected ',' or '}' at line 2, column 5 (…"
            ),
        ),
        case(
            "YAML too deep",
            post,
            YAML,
            nested(50_000, "[", "", "]"),
            unrecognized!("yaml: recursion limit exceeded at line 1, column 256 (…"),
        ),
        case("a YAML bomb", post, YAML, bombs, unrecognized!("yaml: document contains excessive aliasing (…")),
        case(
            "protobuf garbage",
            post,
            PROTOBUF,
            &b"k8s\0\xff\xff\xff\xff\xff\xff"[..],
            unrecognized!("unexpected EOF (6b387300ffffffffffff)"),
        ),
        case(
            "protobuf without its mark",
            post,
            PROTOBUF,
            &b"\x0a\x04junk"[..],
            unrecognized!(
                "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0] (0a046a756e6b)"
            ),
        ),
        case(
            "bytes that are no text",
            post,
            JSON,
            &b"\xff\xfe{}"[..],
            unrecognized!(
                "couldn't get version/kind; json parse error: invalid character 'ÿ' looking for beginning of value (fffe7b7d)"
            ),
        ),
        case(
            "a body too large",
            post,
            JSON,
            map(&format!(r#"{{"a":"{}"}}"#, "x".repeat(3 * 1024 * 1024))),
            (413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728"),
        ),
        case(
            "an object too large",
            post,
            JSON,
            map(&format!(r#"{{"a":"{}"}}"#, "x".repeat(1024 * 1024 + 1))),
            (422, "Invalid", "ConfigMap \"left-behind\" is invalid: []: Too long: may not be more than 1048576 bytes"),
        ),
        case(
            "another kind",
            post,
            JSON,
            r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p"}}"#,
            (
                400,
                "BadRequest",
                "Pod in version \"v1\" cannot be handled as a ConfigMap: converting (v1.Pod) to (core.ConfigMap): unknown conversion",
            ),
        ),
        case(
            "a field of the wrong type",
            post,
            JSON,
            map("7"),
            (
                400,
                "BadRequest",
                "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ConfigMap.data of type map[string]string",
            ),
        ),
        case(
            "a name that is none",
            post,
            JSON,
            format!(r#"{{"metadata":{{"name":"{}"}}}}"#, "X".repeat(3)),
            (
                422,
                "Invalid",
                "ConfigMap \"XXX\" is invalid: metadata.name: Invalid value: \"XXX\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
            ),
        ),
        case(
            "no name",
            post,
            JSON,
            "{}",
            (
                422,
                "Invalid",
                "ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName is required",
            ),
        ),
    ]
}

fn requests() -> Vec<Case> {
    let object = r#"{"metadata":{"name":"left-behind"}}"#;
    let accept = |media: &str| vec![("accept", media.to_string())];
    let mut picky = case(
        "an answer that it cannot give",
        ("GET", MAPS),
        "",
        "",
        (
            406,
            "NotAcceptable",
            "only the following media types are accepted: application/json, application/yaml, \
         application/vnd.kubernetes.protobuf…",
        ),
    );
    picky.headers = accept("text/html");
    let missing = "the server could not find the requested resource";
    vec![
        picky,
        case("a body of another kind", ("POST", MAPS), "text/plain", object, (415, "UnsupportedMediaType", ACCEPTED)),
        case(
            "a form",
            ("POST", MAPS),
            "application/x-www-form-urlencoded",
            "a=b",
            (415, "UnsupportedMediaType", ACCEPTED),
        ),
        case(
            "a patch of another kind",
            ("PATCH", "/api/v1/namespaces/default"),
            JSON,
            "{}",
            (415, "UnsupportedMediaType", "415: Unsupported Media Type"),
        ),
        case(
            "a patch that is no JSON",
            ("PATCH", "/api/v1/namespaces/default"),
            "application/merge-patch+json",
            "{",
            (400, "BadRequest", "error decoding patch: unexpected end of JSON input"),
        ),
        case(
            "a group that is not there",
            ("GET", "/apis/coffee.example.com/v1/cups"),
            "",
            "",
            (404, "NotFound", missing),
        ),
        case("a resource that is not there", ("GET", "/api/v1/cups"), "", "", (404, "NotFound", missing)),
        case(
            "an object that is not there",
            ("GET", "/api/v1/namespaces/default/configmaps/nothing"),
            "",
            "",
            (404, "NotFound", "configmaps \"nothing\" not found"),
        ),
        case(
            "a namespace that is not there",
            ("POST", "/api/v1/namespaces/nothing/configmaps"),
            JSON,
            object,
            (404, "NotFound", "namespaces \"nothing\" not found"),
        ),
        case("a path that is not there", ("GET", "/coffee"), "", "", (404, "", "404 page not found\n")),
        case(
            "a method that is not there",
            ("PUT", MAPS),
            JSON,
            object,
            (405, "MethodNotAllowed", "the server does not allow this method on the requested resource"),
        ),
        case(
            "a selector that is none",
            ("GET", "/api/v1/pods?labelSelector=a%20b%20c"),
            "",
            "",
            (400, "BadRequest", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ),
        case(
            "a limit that is no number",
            ("GET", "/api/v1/pods?limit=x"),
            "",
            "",
            (400, "BadRequest", "strconv.ParseInt: parsing \"x\": invalid syntax"),
        ),
        case(
            "a revision from the future",
            ("GET", "/api/v1/pods?resourceVersion=99999999999"),
            "",
            "",
            (504, "Timeout", "Timeout: Too large resource version: 99999999999, current:…"),
        ),
    ]
}

/// Sends everything wrong; then what is right still works, and nothing else has changed.
pub fn refuses_by_name(kube: &Kube) {
    let before = state::kubernetes(kube);
    identities(kube);
    let mut wrong = Vec::new();
    for case in bodies().into_iter().chain(requests()) {
        let headers: Vec<(&str, &str)> = case.headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let answer = kube.send(case.line.0, case.line.1, &headers, &case.body);
        let got = refusal(&answer);
        if got.0 != case.wanted.0 || got.1 != case.wanted.1 || !says(case.wanted.2, &got.2) || case.wanted.2 == "…" {
            wrong.push(format!("{}: {} {} {}", case.name, got.0, got.1, got.2));
        }
    }
    let long = "x".repeat(254);
    let answer = kube.create(MAPS, &json!({"metadata": {"name": long}}));
    let told = format!(
        "ConfigMap \"{long}\" is invalid: metadata.name: Invalid value: \"{long}\": must be no more than 253 characters"
    );
    assert_eq!(refusal(&answer), (422, "Invalid".into(), told));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(before, state::kubernetes(kube), "something was left behind");
    let made = kube.create(MAPS, &json!({"metadata": {"name": "right"}}));
    assert_eq!(made.status, 201, "{made:?}");
}
