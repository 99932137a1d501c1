//! Every verb over every row of the table of kinds, through the door and through HTTP in JSON and protobuf.
//!
//! A row says what to expect: a kind that nothing acts on is refused by name or warned about. The smallest valid
//! object of a kind is in [`SAMPLES`]; a kind without a sample there has none of its own to need.

use std::sync::Arc;

use bytes::Bytes;
use cove_kube_api::door::Encoding;
use cove_kube_api::kinds::{Acts, Kind, kinds};
use cove_kube_api::protobuf;
use cove_kube_server::bootstrap::bootstrap;
use cove_kube_server::config::Config;
use cove_kube_server::front::handler::{Answer, Peer, handle};
use cove_kube_server::pki;
use cove_kube_server::server::ApiServer;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use crate::help::{Api, run_with};

const TEMPLATE: &str = r#"{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}"#;

/// What the kinds need beside a name. `$T` is a pod template.
const SAMPLES: &[(&str, &str)] = &[
    ("Pod", r#"{"spec":{"containers":[{"name":"c","image":"i"}]}}"#),
    ("Endpoints", r#"{}"#),
    ("Event", r#"{"involvedObject":{"kind":"Pod","namespace":"default","name":"x"},"reason":"r","type":"Normal"}"#),
    (
        "PersistentVolume",
        r#"{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"hostPath":{"path":"/x"}}}"#,
    ),
    (
        "PersistentVolumeClaim",
        r#"{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}"#,
    ),
    ("PodTemplate", r#"{"template":$T}"#),
    ("ReplicationController", r#"{"spec":{"replicas":1,"selector":{"a":"b"},"template":$T}}"#),
    ("Service", r#"{"spec":{"ports":[{"port":80}]}}"#),
    ("ControllerRevision", r#"{"revision":1,"data":{"a":"b"}}"#),
    ("DaemonSet", r#"{"spec":{"selector":{"matchLabels":{"a":"b"}},"template":$T}}"#),
    ("Deployment", r#"{"spec":{"selector":{"matchLabels":{"a":"b"}},"template":$T}}"#),
    ("ReplicaSet", r#"{"spec":{"selector":{"matchLabels":{"a":"b"}},"template":$T}}"#),
    ("StatefulSet", r#"{"spec":{"serviceName":"s","selector":{"matchLabels":{"a":"b"}},"template":$T}}"#),
    (
        "HorizontalPodAutoscaler",
        r#"{"spec":{"maxReplicas":3,"scaleTargetRef":{"kind":"Deployment","name":"d","apiVersion":"apps/v1"}}}"#,
    ),
    (
        "CronJob",
        r#"{"spec":{"schedule":"* * * * *","jobTemplate":{"spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}}}}"#,
    ),
    (
        "Job",
        r#"{"spec":{"template":{"metadata":{"labels":{"a":"b"}},"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}}"#,
    ),
    (
        "CertificateSigningRequest",
        r#"{"spec":{"request":"$CSR","signerName":"example.com/x","usages":["client auth"]}}"#,
    ),
    ("Lease", r#"{"spec":{"holderIdentity":"x","leaseDurationSeconds":40}}"#),
    ("EndpointSlice", r#"{"addressType":"IPv4","endpoints":[{"addresses":["10.1.2.3"]}]}"#),
    ("FlowSchema", r#"{"spec":{"priorityLevelConfiguration":{"name":"system"},"matchingPrecedence":77}}"#),
    (
        "PriorityLevelConfiguration",
        r#"{"spec":{"type":"Limited","limited":{"nominalConcurrencyShares":3,"limitResponse":{"type":"Reject"}}}}"#,
    ),
    ("IPAddress", r#"{"spec":{"parentRef":{"resource":"services","name":"x","namespace":"default"}}}"#),
    ("Ingress", r#"{"spec":{"defaultBackend":{"service":{"name":"s","port":{"number":80}}}}}"#),
    ("IngressClass", r#"{"spec":{"controller":"example.com/x"}}"#),
    ("NetworkPolicy", r#"{"spec":{"podSelector":{}}}"#),
    ("ServiceCIDR", r#"{"spec":{"cidrs":["10.7.0.0/16"]}}"#),
    ("RuntimeClass", r#"{"handler":"x"}"#),
    ("PodDisruptionBudget", r#"{"spec":{"maxUnavailable":1,"selector":{"matchLabels":{"a":"b"}}}}"#),
    ("RoleBinding", r#"{"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"view"}}"#),
    (
        "ClusterRoleBinding",
        r#"{"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"view"}}"#,
    ),
    ("DeviceClass", r#"{"spec":{}}"#),
    ("ResourceClaim", r#"{"spec":{"devices":{"requests":[{"name":"r","exactly":{"deviceClassName":"x"}}]}}}"#),
    (
        "ResourceClaimTemplate",
        r#"{"spec":{"spec":{"devices":{"requests":[{"name":"r","exactly":{"deviceClassName":"x"}}]}}}}"#,
    ),
    (
        "ResourceSlice",
        r#"{"spec":{"nodeName":"n","driver":"example.com","pool":{"name":"p","generation":1,"resourceSliceCount":1}}}"#,
    ),
    ("PriorityClass", r#"{"value":7}"#),
    ("CSIDriver", r#"{"spec":{}}"#),
    ("CSINode", r#"{"spec":{"drivers":[{"name":"d","nodeID":"n"}]}}"#),
    ("CSIStorageCapacity", r#"{"storageClassName":"s"}"#),
    ("StorageClass", r#"{"provisioner":"example.com/x"}"#),
    ("VolumeAttachment", r#"{"spec":{"attacher":"a","nodeName":"n","source":{"persistentVolumeName":"p"}}}"#),
    ("VolumeAttributesClass", r#"{"driverName":"example.com"}"#),
];

/// The name that the sample of a kind has.
fn name(kind: &Kind) -> &'static str {
    match kind.kind {
        "IPAddress" => "10.100.7.7",
        _ => "sample",
    }
}

fn sample(kind: &Kind) -> Value {
    let text = SAMPLES.iter().find(|(name, _)| *name == kind.kind).map_or("{}", |(_, text)| text);
    let mut value: Value = serde_json::from_str(&text.replace("$T", TEMPLATE).replace("$CSR", CSR)).unwrap();
    if kind.group == "events.k8s.io" {
        value = json!({
            "eventTime": "2026-11-25T15:42:35.000000Z", "reportingController": "x", "reportingInstance": "x", "action": "a",
            "reason": "r", "type": "Normal", "regarding": {"kind": "Pod", "namespace": "default", "name": "x"},
        });
    }
    value["kind"] = kind.kind.into();
    value["apiVersion"] = kind.api_version().into();
    value["metadata"] = json!({"name": name(kind)});
    if kind.namespaced {
        value["metadata"]["namespace"] = "default".into();
    }
    value
}

/// A certificate request (PEM, base64), made once with `openssl req`.
const CSR: &str = include_str!("csr.txt");

struct Http<'a> {
    server: &'a Arc<ApiServer>,
    peer: Peer,
    encoding: Encoding,
}

impl Http<'_> {
    fn media(&self) -> &'static str {
        match self.encoding {
            Encoding::Protobuf => "application/vnd.kubernetes.protobuf",
            _ => "application/json",
        }
    }

    fn encode(&self, value: &Value) -> Bytes {
        match self.encoding {
            Encoding::Protobuf => Bytes::from(protobuf::encode_object(value)),
            _ => Bytes::from(value.to_string()),
        }
    }

    fn decode(&self, bytes: &[u8]) -> Value {
        match self.encoding {
            Encoding::Protobuf => protobuf::decode(bytes).unwrap(),
            _ => serde_json::from_slice(bytes).unwrap(),
        }
    }

    async fn send(&self, method: &str, path: &str, media: &str, body: Bytes) -> Answer {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", media)
            .header("accept", self.media())
            .body(body)
            .unwrap();
        handle(self.server, &self.peer, request).await
    }

    async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value, Vec<String>) {
        let (media, body) = match (method, body) {
            ("PATCH", Some(body)) => ("application/merge-patch+json", Bytes::from(body.to_string())),
            (_, Some(body)) => (self.media(), self.encode(body)),
            _ => ("", Bytes::new()),
        };
        let answer = self.send(method, path, media, body).await;
        let warnings = answer.headers().get_all("warning").iter().map(|w| w.to_str().unwrap().to_string()).collect();
        let code = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (code, self.decode(&bytes), warnings)
    }

    /// The first frame of a watch from `revision` on.
    async fn first_event(&self, path: &str, revision: &str) -> Bytes {
        let path = format!("{path}?watch=1&resourceVersion={revision}&timeoutSeconds=10");
        let mut body = self.send("GET", &path, "", Bytes::new()).await.into_body();
        body.frame().await.unwrap().unwrap().into_data().unwrap()
    }
}

fn collection(kind: &Kind) -> String {
    let root = if kind.group.is_empty() { "/api".to_string() } else { format!("/apis/{}", kind.group) };
    let namespace = if kind.namespaced { "/namespaces/default" } else { "" };
    format!("{root}/{}{namespace}/{}", kind.version, kind.plural)
}

/// As `assert_eq`, but the other kinds are tried too.
macro_rules! same {
    ($left:expr, $right:expr, $($text:tt)+) => {
        if $left != $right {
            return Err(format!("{}: {:?} is not {:?}", format!($($text)+), $left, $right));
        }
    };
}

/// As `assert`, but the other kinds are tried too.
macro_rules! holds {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err(format!($($text)+));
        }
    };
}

async fn every_verb(http: &Http<'_>, kind: &'static Kind) -> Result<(), String> {
    let (path, what) = (collection(kind), format!("{kind:?} in {:?}", http.encoding));
    let object = sample(kind);
    let one = format!("{path}/{}", name(kind));
    let (code, made, warnings) = http.call("POST", &path, Some(&object)).await;
    if let Acts::Refuse(text) = kind.acts {
        same!(code, 403, "{what}: {made}");
        holds!(made["message"].as_str().unwrap().contains(text), "{what}: {made}");
        return Ok(());
    }
    same!(code, 201, "{what}: {made}");
    if let Acts::Warn(text) = kind.acts {
        holds!(warnings.iter().any(|warning| warning.contains(text)), "{what}: {warnings:?}");
    }
    same!((&made["kind"], &made["apiVersion"]), (&object["kind"], &object["apiVersion"]), "{what}");
    let (code, again, _) = http.call("POST", &path, Some(&object)).await;
    same!((code, &again["reason"]), (409, &json!("AlreadyExists")), "{what}");
    let (code, got, _) = http.call("GET", &one, None).await;
    same!((code, &got), (200, &made), "{what}");
    let (code, same, _) = http.call("PUT", &one, Some(&got)).await;
    same!((code, &same), (200, &made), "{what}: an update that changes nothing");
    let patch = json!({"metadata": {"labels": {"x": "y"}}});
    let (code, patched, _) = http.call("PATCH", &one, Some(&patch)).await;
    same!((code, &patched["metadata"]["labels"]["x"]), (200, &json!("y")), "{what}: {patched}");
    let first = http.first_event(&path, made["metadata"]["resourceVersion"].as_str().unwrap()).await;
    holds!(first.windows(8).any(|window| window == b"MODIFIED"), "{what}");
    let (code, list, _) = http.call("GET", &format!("{path}?labelSelector=x%3Dy"), None).await;
    same!((code, &list["kind"]), (200, &json!(kind.list_kind)), "{what}");
    let items = list["items"].as_array().unwrap();
    same!(items.len(), 1, "{what}");
    same!(items[0]["metadata"], patched["metadata"], "{what}");
    if kind.subresource("status").is_some() {
        let (code, status, _) = http.call("GET", &format!("{one}/status"), None).await;
        same!((code, &status["metadata"]), (200, &patched["metadata"]), "{what}");
        let annotated = json!({"metadata": {"annotations": {"x": "y"}}});
        let (code, status, _) = http.call("PATCH", &format!("{one}/status"), Some(&annotated)).await;
        same!(code, 200, "{what}: {status}");
        same!(status.get("spec"), patched.get("spec"), "{what}");
    }
    let (code, gone, _) = http.call("DELETE", &one, None).await;
    same!(code, 200, "{what}: {gone}");
    finish(http, kind, &one, gone).await;
    same!(http.call("GET", &one, None).await.0, 404, "{what}");
    if kind.has_verb("deletecollection") {
        same!(http.call("POST", &path, Some(&object)).await.0, 201, "{what}");
        let (code, list, _) =
            http.call("DELETE", &format!("{path}?fieldSelector=metadata.name%3D{}", name(kind)), None).await;
        same!((code, list["items"].as_array().map(Vec::len)), (200, Some(1)), "{what}: {list}");
        if http.call("GET", &one, None).await.0 == 200 {
            let (_, left, _) = http.call("GET", &one, None).await;
            finish(http, kind, &one, left).await;
        }
    }
    Ok(())
}

/// Takes the finalizers of an object whose deletion waits for them.
async fn finish(http: &Http<'_>, kind: &Kind, one: &str, object: Value) {
    if object["metadata"].get("deletionTimestamp").is_none() {
        return;
    }
    if kind.kind == "Namespace" {
        let mut namespace = object.clone();
        namespace["spec"] = json!({});
        assert_eq!(http.call("PUT", &format!("{one}/finalize"), Some(&namespace)).await.0, 200, "{kind:?}");
    } else {
        let patch = json!({"metadata": {"finalizers": null}});
        assert_eq!(http.call("PATCH", one, Some(&patch)).await.0, 200, "{kind:?}");
    }
}

async fn every_kind(api: Api, minor: u32, encoding: Encoding) {
    bootstrap(&api.server).await.unwrap();
    api.create("v1/serviceaccounts", "default", json!({"metadata": {"name": "default"}})).await.unwrap();
    let now = api.server.runtime().now();
    let authority = pki::authority(now).unwrap();
    let pair = pki::client(&authority, "admin", "system:masters", now).unwrap();
    let (_, pem) = x509_parser::pem::parse_x509_pem(pair.certificate.as_bytes()).unwrap();
    let peer = Peer { certificate: Some(Arc::from(pem.contents.as_slice())) };
    let http = Http { server: &api.server, peer, encoding };
    let mut failures = Vec::new();
    for kind in kinds(minor).iter().copied().filter(|kind| !kind.etcd_prefix.is_empty()) {
        failures.extend(every_verb(&http, kind).await.err());
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn in_json() {
    run_with(Config::new(35), |api| every_kind(api, 35, Encoding::Json));
}

#[test]
fn in_protobuf() {
    run_with(Config::new(35), |api| every_kind(api, 35, Encoding::Protobuf));
}

#[test]
fn in_other_versions() {
    for minor in [32, 36] {
        run_with(Config::new(minor), move |api| every_kind(api, minor, Encoding::Json));
    }
}
