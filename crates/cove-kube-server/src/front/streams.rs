//! Streams to the agent of a node: logs now; exec, attach, port-forward and proxy are refused by name.
//!
//! [`NodeStreams`] is the port behind it. A real node's agent is reached over HTTPS, a simulated one by a call.

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cove_kube_api::door::{Options, Request, Target, UserInfo, Verb};
use cove_kube_api::field_error::FieldError;
use cove_kube_api::status::Status;
use futures_util::Stream;
use serde_json::Value;

use crate::authorization;
use crate::front::query::Query;
use crate::server::ApiServer;
use crate::subresources::refused;
use crate::value::{items, text};

/// Bytes as they come.
pub type ByteStream = Pin<Box<dyn Stream<Item = Bytes> + Send>>;

/// Which log is wanted, and how much of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogRequest {
    /// The node that runs the pod.
    pub node: String,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The pod's uid.
    pub uid: String,
    /// The container.
    pub container: String,
    /// Whether to go on with what is yet to be written.
    pub follow: bool,
    /// Whether the run before the last restart is meant.
    pub previous: bool,
    /// Whether each line begins with its time.
    pub timestamps: bool,
    /// Only so many lines from the end.
    pub tail_lines: Option<i64>,
    /// Only what is younger than this.
    pub since_seconds: Option<i64>,
    /// Only what was written after this (RFC 3339).
    pub since_time: Option<String>,
    /// Only so many bytes.
    pub limit_bytes: Option<i64>,
}

/// A port: the agents of the nodes.
#[async_trait]
pub trait NodeStreams: Send + Sync {
    /// The log of a container.
    async fn log(&self, request: LogRequest) -> Result<ByteStream, Status>;
}

/// Whether a subresource is a stream.
pub fn is_stream(target: &Target) -> bool {
    let streams = ["log", "exec", "attach", "portforward", "proxy"];
    streams.contains(&target.subresource.as_str()) && matches!(target.resource.as_str(), "pods" | "nodes" | "services")
}

/// Answers a request for a stream.
pub async fn stream(
    server: &Arc<ApiServer>,
    user: UserInfo,
    verb: Verb,
    target: Target,
    query: &Query,
) -> Result<ByteStream, Status> {
    let options = Options::default();
    let request = Request { user, verb, target: target.clone(), options, body: Default::default() };
    authorization::check(server, &request).await?;
    if target.resource != "pods" {
        return Err(refused(&format!("{}/proxy yet", target.resource)));
    }
    let key = format!("/registry/pods/{}/{}", target.namespace, target.name);
    let pod = server.storage.get(&key).await?.ok_or_else(|| Status::not_found("", "pods", &target.name))?.object;
    if target.subresource != "log" {
        if text(pod.value(), &["spec", "nodeName"]).is_empty() {
            return Err(Status::bad_request(format!("pod {} does not have a host assigned", target.name)));
        }
        return Err(refused(&format!("pods/{} yet", target.subresource)));
    }
    let wanted = log_request(pod.value(), &target, query)?;
    if wanted.node.is_empty() {
        // Upstream: no node yet, no log, no error.
        return Ok(Box::pin(futures_util::stream::empty()));
    }
    match &server.config.node_streams {
        Some(streams) => streams.log(wanted).await,
        None => Err(refused("pods/log: no node agents are connected to this cluster")),
    }
}

fn log_request(pod: &Value, target: &Target, query: &Query) -> Result<LogRequest, Status> {
    let wanted = LogRequest {
        node: text(pod, &["spec", "nodeName"]).into(),
        namespace: target.namespace.clone(),
        pod: target.name.clone(),
        uid: text(pod, &["metadata", "uid"]).into(),
        container: container(pod, &target.name, query.get("container"))?,
        follow: query.flag("follow"),
        previous: query.flag("previous"),
        timestamps: query.flag("timestamps"),
        tail_lines: query.number("tailLines")?,
        since_seconds: query.number("sinceSeconds")?,
        since_time: query.find("sinceTime").filter(|time| !time.is_empty()).map(String::from),
        limit_bytes: query.number("limitBytes")?,
    };
    let mut errors = Vec::new();
    if let Some(lines) = wanted.tail_lines.filter(|lines| *lines < 0) {
        errors.push(FieldError::invalid_raw("tailLines", lines, "must be greater than or equal to 0"));
    }
    if let Some(bytes) = wanted.limit_bytes.filter(|bytes| *bytes < 1) {
        errors.push(FieldError::invalid_raw("limitBytes", bytes, "must be greater than 0"));
    }
    if let Some(seconds) = wanted.since_seconds.filter(|seconds| *seconds < 1) {
        errors.push(FieldError::invalid_raw("sinceSeconds", seconds, "must be greater than 0"));
    }
    if wanted.since_seconds.is_some() && wanted.since_time.is_some() {
        errors.push(FieldError::forbidden("", "at most one of `sinceTime` or `sinceSeconds` may be specified"));
    }
    if errors.is_empty() { Ok(wanted) } else { Err(Status::invalid("", "PodLogOptions", &target.name, &errors)) }
}

/// The container that is meant: the only one, or the one named.
fn container(pod: &Value, name: &str, wanted: &str) -> Result<String, Status> {
    let names = |member: &str| -> Vec<&str> {
        items(pod, &["spec", member]).iter().map(|container| text(container, &["name"])).collect()
    };
    let (init, plain, ephemeral) = (names("initContainers"), names("containers"), names("ephemeralContainers"));
    let all: Vec<&str> = [init, plain.clone(), ephemeral].concat();
    match (wanted, plain.as_slice()) {
        ("", [only]) if all.len() == 1 => Ok((*only).to_string()),
        ("", _) => Err(Status::bad_request(format!(
            "a container name must be specified for pod {name}, choose one of: [{}]",
            all.join(" ")
        ))),
        (wanted, _) if all.contains(&wanted) => Ok(wanted.to_string()),
        (wanted, _) => Err(Status::bad_request(format!("container {wanted} is not valid for pod {name}"))),
    }
}
