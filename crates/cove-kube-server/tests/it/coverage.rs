//! The Kubernetes part of COVERAGE.md: the table of kinds, and what the server says to each subresource.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cove_kube_api::kinds::{Acts, Kind, MAX_MINOR, MIN_MINOR, kinds};
use cove_kube_api::status::Status;
use cove_kube_server::bootstrap::bootstrap;
use cove_kube_server::config::Config;
use cove_kube_server::front::handler::{Peer, handle};
use cove_kube_server::front::streams::{ByteStream, LogRequest, NodeStreams};
use cove_kube_server::pki;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use crate::help::{Api, run_with};

#[path = "../../../../tests/coverage/section.rs"]
mod section;

const ALL_VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// Node agents that have written nothing.
struct Silent;

#[async_trait]
impl NodeStreams for Silent {
    async fn log(&self, _: LogRequest) -> Result<ByteStream, Status> {
        Ok(Box::pin(futures_util::stream::empty()))
    }
}

/// Whether the server refuses a request as not implemented.
async fn refused(api: &Api, peer: &Peer, verb: &str, path: &str) -> bool {
    let method = match verb {
        "create" => "POST",
        "update" => "PUT",
        "patch" => "PATCH",
        "delete" => "DELETE",
        _ => "GET",
    };
    let media = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let request = http::Request::builder().method(method).uri(path).header("content-type", media);
    let body = if method == "GET" { Bytes::new() } else { Bytes::from("{}") };
    let answer = handle(&api.server, peer, request.body(body).unwrap()).await;
    if answer.status() != 501 {
        return false;
    }
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let status: Value = serde_json::from_slice(&body).unwrap();
    assert!(status["message"].as_str().is_some_and(|m| m.starts_with("Cove does not serve")), "{path}: {status}");
    true
}

fn collection(kind: &Kind) -> String {
    let root = if kind.group.is_empty() { "/api".to_string() } else { format!("/apis/{}", kind.group) };
    let namespace = if kind.namespaced { "/namespaces/default" } else { "" };
    format!("{root}/{}{namespace}/{}", kind.version, kind.plural)
}

/// The subresources that answer, and those that are refused by name.
async fn subresources(api: &Api, peer: &Peer, kind: &Kind) -> (Vec<&'static str>, Vec<&'static str>) {
    let (mut works, mut not) = (Vec::new(), Vec::new());
    for sub in &kind.subresources {
        let verb = sub.verbs.iter().find(|v| ["get", "create"].contains(*v)).or(sub.verbs.first()).unwrap();
        let path = format!("{}/sample/{}", collection(kind), sub.name);
        if refused(api, peer, verb, &path).await { not.push(sub.name) } else { works.push(sub.name) }
    }
    (works, not)
}

fn verbs(kind: &Kind) -> String {
    let own: BTreeSet<&str> = kind.verbs.iter().copied().collect();
    if ALL_VERBS.iter().all(|verb| own.contains(verb)) { "all".into() } else { Vec::from_iter(own).join(" ") }
}

async fn state(api: &Api, peer: &Peer, kind: &Kind) -> &'static str {
    let verb = if kind.has_verb("list") { "list" } else { "create" };
    match kind.acts {
        Acts::Refuse(_) => "creating is refused",
        Acts::Warn(_) => "stored, with a warning",
        Acts::Yes if refused(api, peer, verb, &collection(kind)).await => "refused",
        Acts::Yes => "works",
    }
}

fn served(kind: &Kind) -> String {
    let minors: Vec<u32> = (MIN_MINOR..=MAX_MINOR).filter(|minor| kind.served_in(*minor)).collect();
    match minors.as_slice() {
        [MIN_MINOR, .., MAX_MINOR] => "all".into(),
        [only] => format!("1.{only}"),
        [first, .., MAX_MINOR] => format!("from 1.{first}"),
        [first, .., last] => format!("1.{first} to 1.{last}"),
        [] => "none".into(),
    }
}

async fn part(api: Api) -> String {
    bootstrap(&api.server).await.unwrap();
    api.create("v1/serviceaccounts", "default", json!({"metadata": {"name": "default"}})).await.unwrap();
    let spec = json!({"nodeName": "n", "containers": [{"name": "c", "image": "i"}]});
    api.create("v1/pods", "default", json!({"metadata": {"name": "sample"}, "spec": spec})).await.unwrap();
    let now = api.server.runtime().now();
    let pair = pki::client(&pki::authority(now).unwrap(), "admin", "system:masters", now).unwrap();
    let (_, pem) = x509_parser::pem::parse_x509_pem(pair.certificate.as_bytes()).unwrap();
    let peer = Peer { certificate: Some(Arc::from(pem.contents.as_slice())) };
    let every = (MIN_MINOR..=MAX_MINOR).flat_map(|minor| kinds(minor).iter().copied());
    let every: BTreeMap<_, &'static Kind> = every.map(|k| ((k.group, k.kind, k.version), k)).collect();
    let mut text = String::from(
        "\n| API version | kind | state | verbs | subresources | Kubernetes |\n|---|---|---|---|---|---|\n",
    );
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for kind in every.values() {
        let state = state(&api, &peer, kind).await;
        *count.entry(state).or_default() += 1;
        let (works, not) = subresources(&api, &peer, kind).await;
        let not = if not.is_empty() { String::new() } else { format!(" (refused: {})", not.join(" ")) };
        let (version, verbs, served) = (kind.api_version(), verbs(kind), served(kind));
        let _ =
            writeln!(text, "| {version} | {} | {state} | {verbs} | {}{not} | {served} |", kind.kind, works.join(" "));
    }
    let count: Vec<String> = count.iter().map(|(state, n)| format!("{n} {state}")).collect();
    format!("\n{} rows: {}.\n{text}", every.len(), count.join("; "))
}

#[test]
fn coverage() {
    // A server of one version answers for the kinds of all: what it does with a subresource is the same in each.
    let mut config = Config::new(MAX_MINOR - 1);
    config.node_streams = Some(Arc::new(Silent));
    run_with(config, |api| async move { section::check("kubernetes", &part(api).await) });
}
