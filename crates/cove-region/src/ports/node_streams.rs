//! `kubectl logs`: the API server's port to the agents of nodes, filled with the runtime behind the cluster's fleet.
//!
//! What the kubelet checks and words about a container's log is here; the lines come from the runtime.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cove_base::{Runtime, Timestamp};
use cove_kube_api::status::Status;
use cove_kube_client::cache::Cache;
use cove_kube_server::front::streams::{ByteStream, LogRequest, NodeStreams};
use cove_nodes::pod::PodSpec;
use cove_nodes::runtime::{LogLine, PodRuntime};
use futures_util::stream;
use serde_json::Value;

/// How often a followed log is looked at.
const FOLLOW_PERIOD: Duration = Duration::from_millis(200);

/// The port of one cluster. The fleet is a client of the server that asks it, so it comes after the server was made, and
/// the cluster owns it: the two would keep each other alive after the cluster's end.
#[derive(Default)]
pub(crate) struct PodLogs {
    agents: OnceLock<Weak<Agents>>,
}

/// What logs are read from. Followed logs end with it.
pub(crate) struct Agents {
    rt: Runtime,
    pods: Cache,
    runtime: Arc<dyn PodRuntime>,
}

impl PodLogs {
    /// Joins the fleet's runtime and its view of the pods, once. Logs can be read for as long as the answer is kept.
    pub(crate) fn join(&self, rt: &Runtime, pods: Cache, runtime: Arc<dyn PodRuntime>) -> Arc<Agents> {
        let agents = Arc::new(Agents { rt: rt.clone(), pods, runtime });
        let _ = self.agents.set(Arc::downgrade(&agents));
        agents
    }
}

#[async_trait]
impl NodeStreams for PodLogs {
    async fn log(&self, request: LogRequest) -> Result<ByteStream, Status> {
        let agents = self.agents.get().and_then(Weak::upgrade);
        let agents =
            agents.ok_or_else(|| Status::new(503, "ServiceUnavailable", "the cluster is starting or ending"))?;
        let pod = agents.pod(&request).ok_or_else(|| Status::not_found("", "pods", &request.pod))?;
        check_status(&pod.raw, &request)?;
        let lines = agents.lines(&request).await.map_err(Status::bad_request)?;
        let seen = lines.len();
        let mut limit = Limit { left: request.limit_bytes.and_then(|b| usize::try_from(b).ok()) };
        let first = limit.cut(render(select(lines, &request, agents.rt.now()), request.timestamps));
        let ready = stream::iter([first]);
        if !request.follow || request.previous {
            return Ok(Box::pin(ready));
        }
        let agents = Arc::downgrade(&agents);
        let rest = stream::unfold((agents, request, seen, limit), |(agents, request, seen, mut limit)| async move {
            let (text, seen) = next(&agents, &request, seen).await?;
            let bytes = limit.cut(text);
            (!limit.is_reached() || !bytes.is_empty()).then_some((bytes, (agents, request, seen, limit)))
        });
        Ok(Box::pin(futures_util::StreamExt::chain(ready, rest)))
    }
}

impl Agents {
    fn pod(&self, request: &LogRequest) -> Option<Arc<PodSpec>> {
        let object = self.pods.find(&request.namespace, &request.pod).filter(|o| o.uid() == request.uid)?;
        Some(Arc::new(PodSpec::read(object.value())))
    }

    async fn lines(&self, request: &LogRequest) -> Result<Vec<LogLine>, String> {
        let pod = self.pod(request).ok_or_else(|| format!("pod {} is gone", request.pod))?;
        self.runtime.log(pod, &request.container, request.previous).await
    }
}

/// What has been written after the first `seen` lines, once there is any. `None` when the container or the cluster has
/// ended and everything was read.
async fn next(agents: &Weak<Agents>, request: &LogRequest, seen: usize) -> Option<(String, usize)> {
    loop {
        let agents = agents.upgrade()?;
        // Read after the look at its state, so that the last lines are not missed.
        let runs = agents.pod(request).is_some_and(|p| {
            status_of(&p.raw, &request.container).is_some_and(|s| s["state"].get("running").is_some())
        });
        let lines = agents.lines(request).await.ok()?;
        if lines.len() > seen {
            let total = lines.len();
            return Some((render(lines.into_iter().skip(seen).collect(), request.timestamps), total));
        }
        if !runs {
            return None;
        }
        let rt = agents.rt.clone();
        drop(agents);
        rt.sleep(FOLLOW_PERIOD).await;
    }
}

/// `limitBytes`: how much may still be sent.
struct Limit {
    left: Option<usize>,
}

impl Limit {
    fn cut(&mut self, text: String) -> Bytes {
        let mut bytes = Bytes::from(text);
        if let Some(left) = &mut self.left {
            bytes.truncate(*left);
            *left -= bytes.len();
        }
        bytes
    }

    fn is_reached(&self) -> bool {
        self.left == Some(0)
    }
}

fn status_of<'a>(pod: &'a Value, container: &str) -> Option<&'a Value> {
    let lists = ["initContainerStatuses", "containerStatuses"];
    lists.iter().filter_map(|list| pod["status"][*list].as_array()).flatten().find(|s| s["name"] == container)
}

/// The kubelet's own check: whether there is a run whose log could be read.
fn check_status(pod: &Value, request: &LogRequest) -> Result<(), Status> {
    let (container, name) = (&request.container, &request.pod);
    let Some(status) = status_of(pod, container) else {
        return Err(Status::bad_request(format!("container {container:?} in pod {name:?} is not available")));
    };
    let last = status["lastState"]["terminated"].is_object();
    if request.previous {
        let message = format!("previous terminated container {container:?} in pod {name:?} not found");
        return if last { Ok(()) } else { Err(Status::bad_request(message)) };
    }
    let Some(reason) = status["state"]["waiting"]["reason"].as_str().filter(|_| !last) else { return Ok(()) };
    let why = match reason {
        "ErrImagePull" => "image can't be pulled",
        "ImagePullBackOff" => "trying and failing to pull image",
        other => other,
    };
    Err(Status::bad_request(format!("container {container:?} in pod {name:?} is waiting to start: {why}")))
}

/// The lines that the request wants: not too old, and only the last of them.
fn select(lines: Vec<LogLine>, request: &LogRequest, now: Timestamp) -> Vec<LogLine> {
    let seconds = request.since_seconds.and_then(|s| u64::try_from(s).ok());
    let since = seconds.map(|s| now.since(Timestamp::EPOCH).saturating_sub(Duration::from_secs(s)));
    let since = since.map(|after| Timestamp::EPOCH + after);
    let since = since.or(request.since_time.as_deref().and_then(Timestamp::parse_rfc3339));
    let mut wanted: VecDeque<LogLine> = lines.into_iter().filter(|l| since.is_none_or(|s| l.time >= s)).collect();
    if let Some(tail) = request.tail_lines.and_then(|n| usize::try_from(n).ok()) {
        wanted.drain(..wanted.len().saturating_sub(tail));
    }
    wanted.into()
}

fn render(lines: Vec<LogLine>, timestamps: bool) -> String {
    let line = |l: LogLine| match timestamps {
        true => format!("{} {}\n", l.time.rfc3339_micros(), l.text),
        false => format!("{}\n", l.text),
    };
    lines.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request() -> LogRequest {
        LogRequest { pod: "p".into(), container: "c".into(), ..LogRequest::default() }
    }

    fn pod(state: Value, last: Value) -> Value {
        json!({"status": {"containerStatuses": [{"name": "c", "state": state, "lastState": last}]}})
    }

    #[test]
    fn a_log_needs_a_run() {
        let says = |pod: Value, previous: bool| {
            check_status(&pod, &LogRequest { previous, ..request() }).err().map(|s| s.message)
        };
        let ended = json!({"terminated": {"exitCode": 3}});
        let waiting = |reason: &str| json!({"waiting": {"reason": reason}});
        assert_eq!(says(pod(json!({"running": {}}), json!({})), false), None);
        assert_eq!(says(pod(waiting("CrashLoopBackOff"), ended.clone()), false), None);
        assert_eq!(says(pod(waiting("CrashLoopBackOff"), ended), true), None);
        let text = |s: &str| Some(s.to_string());
        let creating = pod(waiting("ContainerCreating"), json!({}));
        assert_eq!(says(creating, false), text("container \"c\" in pod \"p\" is waiting to start: ContainerCreating"));
        let pulling = pod(waiting("ImagePullBackOff"), json!({}));
        let wanted = "container \"c\" in pod \"p\" is waiting to start: trying and failing to pull image";
        assert_eq!(says(pulling, false), text(wanted));
        let first = pod(json!({"running": {}}), json!({}));
        assert_eq!(says(first, true), text("previous terminated container \"c\" in pod \"p\" not found"));
    }

    #[test]
    fn lines_are_selected_by_age_and_number() {
        let line = |secs: i64| LogLine { time: Timestamp::from_secs(secs), text: secs.to_string() };
        let pick = |request: LogRequest| {
            let lines = select((1..=5).map(line).collect(), &request, Timestamp::from_secs(6));
            render(lines, false).replace('\n', " ")
        };
        assert_eq!(pick(request()), "1 2 3 4 5 ");
        assert_eq!(pick(LogRequest { tail_lines: Some(2), ..request() }), "4 5 ");
        assert_eq!(pick(LogRequest { tail_lines: Some(0), ..request() }), "");
        assert_eq!(pick(LogRequest { since_seconds: Some(3), ..request() }), "3 4 5 ");
        let since_time = Some("1970-01-01T00:00:04Z".to_string());
        assert_eq!(pick(LogRequest { since_time, ..request() }), "4 5 ");
        let text = render(vec![line(1)], true);
        assert_eq!(text, "1970-01-01T00:00:01.000000Z 1\n");
        let mut limit = Limit { left: Some(4) };
        assert_eq!((limit.cut("abc".into()), limit.cut("def".into())), ("abc".into(), "d".into()));
        assert!(limit.is_reached());
    }
}
