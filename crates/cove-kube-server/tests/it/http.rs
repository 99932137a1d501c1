//! The HTTP front: identities, forms of answers, discovery, watches; and revisions that are too old.

use std::sync::Arc;

use bytes::Bytes;
use cove_kube_api::door::{Options, UserInfo};
use cove_kube_api::protobuf;
use cove_kube_server::bootstrap::bootstrap;
use cove_kube_server::config::Config;
use cove_kube_server::front::handler::{Answer, Peer, handle};
use cove_kube_server::{housekeeping, pki};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use crate::help::{Api, run, run_with, shown};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

fn admin(api: &Api) -> Peer {
    peer(api, "admin", "system:masters")
}

fn peer(api: &Api, user: &str, group: &str) -> Peer {
    let now = api.server.runtime().now();
    let pair = pki::client(&pki::authority(now).unwrap(), user, group, now).unwrap();
    let (_, pem) = x509_parser::pem::parse_x509_pem(pair.certificate.as_bytes()).unwrap();
    Peer { certificate: Some(Arc::from(pem.contents.as_slice())) }
}

async fn get(api: &Api, peer: &Peer, path: &str, headers: &[(&str, &str)]) -> Answer {
    send(api, peer, "GET", path, headers, "").await
}

async fn send(api: &Api, peer: &Peer, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request = http::Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    handle(&api.server, peer, request.body(Bytes::from(body.to_string())).unwrap()).await
}

async fn text(answer: Answer) -> String {
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn value(answer: Answer) -> Value {
    serde_json::from_str(&text(answer).await).unwrap()
}

#[test]
fn without_a_credential_only_health_shows() {
    run(|api| async move {
        bootstrap(&api.server).await.unwrap();
        let nobody = Peer::default();
        assert_eq!(text(get(&api, &nobody, "/healthz", &[]).await).await, "ok");
        for path in ["/api", "/version", "/api/v1/pods"] {
            let answer = get(&api, &nobody, path, &[]).await;
            assert_eq!(answer.status(), 401, "{path}");
            assert_eq!(value(answer).await["message"], "Unauthorized");
        }
        let wrong = get(&api, &nobody, "/healthz", &[("authorization", "Bearer nonsense")]).await;
        assert_eq!(wrong.status(), 401);
    });
}

#[test]
fn impersonation_needs_leave_and_changes_who_asks() {
    run(|api| async move {
        bootstrap(&api.server).await.unwrap();
        let as_bob = [("impersonate-user", "bob"), ("impersonate-group", "g")];
        let refused = get(&api, &admin(&api), "/api/v1/pods", &as_bob).await;
        let text =
            "pods is forbidden: User \"bob\" cannot list resource \"pods\" in API group \"\" at the cluster scope";
        assert_eq!(value(refused).await["message"], text);
        let carol = peer(&api, "carol", "h");
        let refused = get(&api, &carol, "/api/v1/pods", &as_bob).await;
        let text = "users \"bob\" is forbidden: User \"carol\" cannot impersonate resource \"users\" in API group \"\" at \
                    the cluster scope";
        assert_eq!(value(refused).await["message"], text);
    });
}

#[test]
fn tables_and_metadata() {
    run(|api| async move {
        bootstrap(&api.server).await.unwrap();
        let admin = admin(&api);
        let table = value(get(&api, &admin, "/api/v1/namespaces", &[("accept", TABLE)]).await).await;
        assert_eq!((&table["kind"], &table["apiVersion"]), (&json!("Table"), &json!("meta.k8s.io/v1")));
        assert_eq!(table["columnDefinitions"][0]["name"], "Name");
        assert_eq!(table["rows"][0]["cells"][0], "default");
        assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
        let none = value(get(&api, &admin, "/api/v1/namespaces/default/secrets", &[("accept", TABLE)]).await).await;
        assert_eq!(none["rows"], Value::Null);
        let partial = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
        let list = value(get(&api, &admin, "/api/v1/namespaces", &[("accept", partial)]).await).await;
        assert_eq!(list["kind"], "PartialObjectMetadataList");
        assert!(list["items"][0].get("spec").is_none());
        let wrong = get(&api, &admin, "/api/v1/namespaces?includeObject=x", &[("accept", TABLE)]).await;
        let text = "Unable to convert to Table as requested: unrecognized includeObject value: \"x\"";
        assert_eq!(value(wrong).await["message"], text);
        let review = r#"{"spec":{"token":"x"}}"#;
        let path = "/apis/authentication.k8s.io/v1/tokenreviews";
        let only = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io"), ("content-type", "application/json")];
        assert_eq!(send(&api, &admin, "POST", path, &only, review).await.status(), 406);
        let yaml = text_of(&api, &admin).await;
        assert!(yaml.contains("kind: Namespace\n"), "{yaml}");
    });
}

async fn text_of(api: &Api, admin: &Peer) -> String {
    let path = "/api/v1/namespaces/default";
    text(get(api, admin, path, &[("accept", "application/yaml")]).await).await
}

#[test]
fn a_watched_table_sends_its_columns_once() {
    run(|api| async move {
        bootstrap(&api.server).await.unwrap();
        let path = "/api/v1/namespaces?watch=1&timeoutSeconds=1";
        let lines = text(get(&api, &admin(&api), path, &[("accept", TABLE)]).await).await;
        let events: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(events.len(), 4);
        let columns = |event: &Value| event["object"]["columnDefinitions"].as_array().map_or(0, Vec::len);
        assert!(columns(&events[0]) > 0 && columns(&events[1]) == 0);
        assert_eq!(events[3]["type"], "ADDED");
    });
}

#[test]
fn protobuf_watches_are_framed() {
    run(|api| async move {
        bootstrap(&api.server).await.unwrap();
        let path = "/api/v1/namespaces?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Ddefault";
        let accept = [("accept", "application/vnd.kubernetes.protobuf;stream=watch")];
        let answer = get(&api, &admin(&api), path, &accept).await;
        assert_eq!(answer.headers()["content-type"], "application/vnd.kubernetes.protobuf;stream=watch");
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        let length = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
        assert_eq!(bytes.len(), length + 4);
        let magic = bytes.windows(4).position(|window| window == b"k8s\0").unwrap();
        assert_eq!(protobuf::decode(&bytes[magic..]).unwrap()["metadata"]["name"], "default");
    });
}

#[test]
fn discovery_in_all_its_forms() {
    run(|api| async move {
        bootstrap(&api.server).await.unwrap();
        let admin = admin(&api);
        for version in ["v2", "v2beta1"] {
            let accept = format!("application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList");
            let answer = get(&api, &admin, "/apis", &[("accept", &accept)]).await;
            assert_eq!(answer.headers()["content-type"], accept.as_str());
            let tag = answer.headers()["etag"].to_str().unwrap().to_string();
            let groups = value(answer).await;
            assert_eq!(groups["apiVersion"], format!("apidiscovery.k8s.io/{version}"));
            let apps = groups["items"].as_array().unwrap().iter().find(|g| g["metadata"]["name"] == "apps").unwrap();
            let deployments = &apps["versions"][0]["resources"];
            let deployments = deployments.as_array().unwrap().iter().find(|r| r["resource"] == "deployments").unwrap();
            assert_eq!(deployments["responseKind"], json!({"group": "", "version": "", "kind": "Deployment"}));
            let scale = deployments["subresources"].as_array().unwrap().iter().find(|s| s["subresource"] == "scale");
            assert_eq!(
                scale.unwrap()["responseKind"],
                json!({"group": "autoscaling", "version": "v1", "kind": "Scale"})
            );
            let again = get(&api, &admin, "/apis", &[("accept", &accept), ("if-none-match", &tag)]).await;
            assert_eq!(again.status(), 304);
        }
        let groups = value(get(&api, &admin, "/apis/", &[]).await).await;
        assert_eq!(
            (&groups["kind"], &groups["groups"][0]["name"]),
            (&json!("APIGroupList"), &json!("apiregistration.k8s.io"))
        );
        let core = value(get(&api, &admin, "/api/v1", &[]).await).await;
        let pods = core["resources"].as_array().unwrap().iter().find(|r| r["name"] == "pods").unwrap();
        assert_eq!((&pods["singularName"], &pods["shortNames"]), (&json!("pod"), &json!(["po"])));
        assert_eq!(get(&api, &admin, "/apis/nothing", &[]).await.status(), 404);
        assert_eq!(text(get(&api, &admin, "/nothing", &[]).await).await, "404 page not found\n");
        assert_eq!(value(get(&api, &admin, "/version", &[]).await).await["minor"], "35");
        let v2 = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
        let answer = get(&api, &admin, "/openapi/v2", &[("accept", v2)]).await;
        let media = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
        assert_eq!(answer.headers()["content-type"], media);
        assert_eq!(get(&api, &admin, "/openapi/v3/apis/apps/v1", &[]).await.status(), 200);
    });
}

/// Method, path, media type, body; then the code and some of the words of the answer.
const WRONG: &[(&str, &str, &str, &str, u16, &str)] = &[
    ("POST", MAPS, "text/plain", "{}", 415, "the body of the request was in an unknown format"),
    ("PATCH", "/api/v1/namespaces/default", "text/plain", "{}", 415, "415: Unsupported Media Type"),
    (
        "PATCH",
        "/api/v1/namespaces/default",
        "application/apply-patch+yaml",
        "{}",
        415,
        "Cove does not implement server-side apply yet",
    ),
    ("POST", MAPS, "application/json", "{", 400, "the object provided is unrecognized"),
    (
        "POST",
        MAPS,
        "application/json",
        r#"{"kind":"Pod","apiVersion":"v1"}"#,
        400,
        "Pod in version \"v1\" cannot be handled as a ConfigMap",
    ),
    (
        "PUT",
        "/api/v1/namespaces/default",
        "application/json",
        r#"{"metadata":{"name":"x"}}"#,
        400,
        "the name of the object (x) does not match the name on the URL (default)",
    ),
    (
        "DELETE",
        "/api/v1/namespaces/default",
        "application/json",
        "",
        403,
        "namespaces \"default\" is forbidden: this namespace may not be deleted",
    ),
    ("PUT", "/api/v1/namespaces", "application/json", "{}", 405, "the server does not allow this method"),
    ("GET", "/api/v1/nothing", "", "", 404, "the server could not find the requested resource"),
    ("GET", "/api/v1/pods?limit=x", "", "", 400, "strconv.ParseInt: parsing \"x\": invalid syntax"),
    (
        "GET",
        "/api/v1/pods?resourceVersion=x",
        "",
        "",
        400,
        "invalid resource version: resourceVersion: Invalid value: \"x\"",
    ),
    ("GET", "/api/v1/pods?watch=1&resourceVersion=x", "", "", 500, "resourceVersion: Invalid value: \"x\""),
    ("GET", "/api/v1/pods?continue=x", "", "", 400, "invalid continue token: continue key is not valid"),
    (
        "GET",
        "/api/v1/pods?resourceVersionMatch=Exact",
        "",
        "",
        422,
        "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
    ),
    ("GET", "/api/v1/pods?resourceVersion=99999999", "", "", 504, "Timeout: Too large resource version: 99999999"),
    (
        "POST",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        "application/json",
        r#"{"metadata":{"name":"a.b"}}"#,
        403,
        "Cove does not serve custom resources yet",
    ),
];

#[test]
fn wrong_requests_get_upstreams_words() {
    run(|api| async move {
        bootstrap(&api.server).await.unwrap();
        let admin = admin(&api);
        for (method, path, media, body, code, words) in WRONG {
            let answer = send(&api, &admin, method, path, &[("content-type", media)], body).await;
            let status = answer.status().as_u16();
            let message = value(answer).await["message"].as_str().unwrap_or("").to_string();
            assert!(status == *code && message.contains(words), "{method} {path}: {status} {message}");
        }
    });
}

#[test]
fn unknown_fields_are_told_by_strictness() {
    run(|api| async move {
        bootstrap(&api.server).await.unwrap();
        let (admin, maps) = (admin(&api), MAPS);
        let json_type = ("content-type", "application/json");
        let unknown = r#"{"metadata":{"name":"u","x":1},"data":{},"dat":{}}"#;
        let strict = send(&api, &admin, "POST", &format!("{maps}?fieldValidation=Strict"), &[json_type], unknown).await;
        let words = "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: unknown field \
                     \"metadata.x\", unknown field \"dat\"";
        let strict = value(strict).await;
        let sorted = |text: &str| {
            let mut parts: Vec<String> = text.split(", ").map(String::from).collect();
            parts.sort();
            parts
        };
        assert_eq!(
            sorted(&strict["message"].as_str().unwrap().replace("error: ", "error: , ")),
            sorted(&words.replace("error: ", "error: , "))
        );
        let warned = send(&api, &admin, "POST", maps, &[json_type], unknown).await;
        assert_eq!((warned.status().as_u16(), warned.headers().get_all("warning").iter().count()), (201, 2));
        let patch = [("content-type", "application/merge-patch+json")];
        let path = format!("{maps}/u?fieldValidation=Strict");
        let strict = value(send(&api, &admin, "PATCH", &path, &patch, r#"{"x":1}"#).await).await;
        let words =
            "\"\" is invalid: patch: Invalid value: \"{\\\"x\\\":1}\": strict decoding error: unknown field \"x\"";
        assert_eq!((&strict["code"], strict["message"].as_str().unwrap().trim_start()), (&json!(422), words));
    });
}

#[test]
fn dry_runs_leave_nothing() {
    run(|api| async move {
        bootstrap(&api.server).await.unwrap();
        let admin = admin(&api);
        let before = api.list("v1/configmaps", "", Options::default()).await.unwrap().revision;
        let path = "/api/v1/namespaces/default/services?dryRun=All";
        let body = r#"{"metadata":{"name":"s"},"spec":{"type":"NodePort","ports":[{"port":80}]}}"#;
        let made = send(&api, &admin, "POST", path, &[("content-type", "application/json")], body).await;
        assert_eq!(made.status(), 201);
        assert!(value(made).await["spec"]["clusterIP"].is_string());
        let gone =
            send(&api, &admin, "DELETE", "/api/v1/namespaces/default/services/kubernetes?dryRun=All", &[], "").await;
        assert_eq!(gone.status(), 200);
        let after = api.list("v1/configmaps", "", Options::default()).await.unwrap().revision;
        assert_eq!(before, after);
    });
}

#[test]
fn an_expired_page_says_how_to_go_on() {
    run(|api| async move {
        api.namespace("default").await;
        for name in ["a", "b", "c"] {
            api.config_map("default", name, json!({})).await.unwrap();
        }
        let options = Options { limit: 2, ..Options::default() };
        let first = api.list("v1/configmaps", "default", options.clone()).await.unwrap();
        api.config_map("default", "d", json!({})).await.unwrap();
        api.space.compact(first.revision + 1).await.unwrap();
        let next = Options { continue_token: first.continue_token, ..options.clone() };
        let expired = api.list("v1/configmaps", "default", next).await.unwrap_err();
        assert_eq!((expired.code, expired.reason.as_str()), (410, "Expired"));
        let on = Options { continue_token: expired.continue_token, ..options };
        let rest = api.list("v1/configmaps", "default", on).await.unwrap();
        assert_eq!(rest.items.iter().map(|item| item.name()).collect::<Vec<_>>(), ["c", "d"]);
        let old = Options { resource_version: "1".into(), ..Options::default() };
        let mut watch = api.watch("v1/configmaps", "default", old).await;
        assert_eq!(shown(watch.next().await), "ERROR 410 Expired");
    });
}

#[test]
fn watches_end_when_the_server_does() {
    run(|api| async move {
        api.namespace("default").await;
        let mut watch = api.watch("v1/configmaps", "default", Options::default()).await;
        api.server.shut_down();
        assert_eq!(shown(watch.next().await), "END");
    });
}

#[test]
fn events_go_after_an_hour() {
    run(|api| async move {
        api.namespace("default").await;
        let event = json!({
            "metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "namespace": "default", "name": "p"},
            "reason": "r", "type": "Normal",
        });
        api.create("v1/events", "default", event).await.unwrap();
        let same = api.get("events.k8s.io/v1/events", "default", "e").await.unwrap();
        assert_eq!(same.value()["regarding"]["name"], "p");
        let _guard = housekeeping::start(&api.server);
        api.server.runtime().sleep(std::time::Duration::from_secs(3500)).await;
        api.get("v1/events", "default", "e").await.unwrap();
        api.server.runtime().sleep(std::time::Duration::from_secs(500)).await;
        assert!(api.get("v1/events", "default", "e").await.unwrap_err().is_not_found());
    });
}

#[test]
fn a_token_is_a_credential() {
    let config = Config { signing_key: Some(pki::signing_key().unwrap()), ..Config::new(35) };
    run_with(config, |api| async move {
        bootstrap(&api.server).await.unwrap();
        api.create("v1/serviceaccounts", "default", json!({"metadata": {"name": "default"}})).await.unwrap();
        let made = api.create_sub("v1/serviceaccounts/token", "default", "default", json!({"spec": {}})).await.unwrap();
        let bearer = format!("Bearer {}", made.value()["status"]["token"].as_str().unwrap());
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
        let who = value(send(&api, &Peer::default(), "POST", path, &headers, "{}").await).await;
        assert_eq!(who["status"]["userInfo"]["username"], "system:serviceaccount:default:default");
        let keys = value(get(&api, &Peer::default(), "/openid/v1/jwks", &headers).await).await;
        assert_eq!(keys["keys"][0]["kty"], "RSA");
        let user = UserInfo::service_account("default", "default");
        assert_eq!(api.as_user(user).list("v1/pods", "default", Options::default()).await.unwrap_err().code, 403);
    });
}
