//! Whatever comes over HTTP gets an answer: nothing panics, nothing is 5xx but what says that Cove refuses it.

use std::sync::Arc;

use bytes::Bytes;
use cove_kube_server::bootstrap::bootstrap;
use cove_kube_server::front::handler::{Peer, handle};
use cove_kube_server::pki;
use http_body_util::BodyExt as _;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::help::{Api, run};

const PATHS: &[&str] = &[
    "/api/v1/namespaces/default/pods",
    "/api/v1/namespaces/default/pods/p",
    "/api/v1/namespaces/default/pods/p/log",
    "/api/v1/namespaces/default/pods/p/eviction",
    "/api/v1/namespaces/default/pods/p/binding",
    "/api/v1/namespaces/default/services",
    "/api/v1/namespaces/default/services/kubernetes",
    "/api/v1/namespaces/default/serviceaccounts/default/token",
    "/api/v1/nodes",
    "/apis/apps/v1/namespaces/default/deployments",
    "/apis/apps/v1/namespaces/default/deployments/d/scale",
    "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers",
    "/apis/rbac.authorization.k8s.io/v1/clusterroles/view",
    "/apis/authorization.k8s.io/v1/subjectaccessreviews",
    "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
    "/apis/authentication.k8s.io/v1/tokenreviews",
    "/openapi/v3/",
    "/apis",
    "/%2e%2e/%ff",
];
const QUERIES: &[&str] = &[
    "",
    "watch=1&timeoutSeconds=1",
    "limit=1&continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEifQ",
    "labelSelector=a+in+%28b%2C&fieldSelector=%3D%3D",
    "labelSelector=%00&limit=18446744073709551616",
    "resourceVersion=1&resourceVersionMatch=Exact",
    "dryRun=All&fieldValidation=Strict&includeObject=Object",
    "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1",
    "gracePeriodSeconds=-7&propagationPolicy=Foreground",
    "container=%F0%9F%92%A9&tailLines=-1",
];
const MEDIA: &[&str] = &[
    "",
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/json;as=Table;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
    ";;;=,,q=q",
];

/// JSON of the members that requests know, with values of every type.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let scalar = prop_oneof![
        Just("null".to_string()),
        Just("true".to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        "[a-z0-9/.-]{0,12}".prop_map(|s| format!("{s:?}")),
    ];
    let members = "metadata|name|spec|status|labels|kind|apiVersion|containers|ports|port|type|clusterIP|clusterIPs|replicas|\
                   selector|template|rules|verbs|finalizers|ownerReferences|op|path|value|target|token|boundObjectRef|nodePort";
    let json = scalar.prop_recursive(5, 48, 6, move |inner| {
        let member = proptest::string::string_regex(members).unwrap();
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            proptest::collection::vec((member, inner), 0..6).prop_map(|members| {
                let members: Vec<String> =
                    members.into_iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    });
    let noise = proptest::collection::vec(any::<u8>(), 0..64);
    let framed = proptest::collection::vec(any::<u8>(), 0..64).prop_map(|bytes| [b"k8s\0".as_slice(), &bytes].concat());
    prop_oneof![6 => json.prop_map(String::into_bytes), 1 => noise, 2 => framed]
}

async fn throw(api: &Api, peer: &Peer, parts: Parts) {
    let (method, path, query, media, accept, body) = parts;
    let method = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"][method];
    let uri = format!("{}?{}", PATHS[path], QUERIES[query]);
    let shown = format!("{method} {uri} {:?} {:?} {}", MEDIA[media], MEDIA[accept], String::from_utf8_lossy(&body));
    let request = http::Request::builder()
        .method(method)
        .uri(uri)
        .header("content-type", MEDIA[media])
        .header("accept", MEDIA[accept])
        .body(Bytes::from(body))
        .unwrap();
    let answer = handle(&api.server, peer, request).await;
    let code = answer.status().as_u16();
    let text = answer.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8_lossy(&text);
    // Upstream answers 500 and 504 to some wrong revisions and bindings.
    let plain = code < 500 || code == 501 || code == 504 || !text.contains("InternalError");
    assert!(plain, "{shown}\n{code} {text}");
}

type Parts = (usize, usize, usize, usize, usize, Vec<u8>);

/// The same requests in every run.
fn requests() -> Vec<Parts> {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let parts = (0..6usize, 0..PATHS.len(), 0..QUERIES.len(), 0..MEDIA.len(), 0..MEDIA.len(), body());
    (0..1500).map(|_| parts.new_tree(&mut runner).unwrap().current()).collect()
}

#[test]
fn everything_gets_an_answer() {
    let requests = requests();
    run(|api| async move {
        bootstrap(&api.server).await.unwrap();
        let now = api.server.runtime().now();
        let pair = pki::client(&pki::authority(now).unwrap(), "admin", "system:masters", now).unwrap();
        let (_, pem) = x509_parser::pem::parse_x509_pem(pair.certificate.as_bytes()).unwrap();
        let peer = Peer { certificate: Some(Arc::from(pem.contents.as_slice())) };
        for parts in requests {
            throw(&api, &peer, parts).await;
        }
    });
}
