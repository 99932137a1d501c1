//! The cells of pods: what kubectl calls their status.

use cove_base::time::Timestamp;
use serde_json::Value;

use super::cell::{at, count, items_at, number_at, text_at};
use super::duration::{between, human_duration, time};
use super::text::condition;

/// `1/2`.
pub(super) fn ready(pod: &Value, _now: Timestamp) -> Value {
    let seen = Summary::of(pod);
    format!("{}/{}", seen.ready, seen.total).into()
}

/// `Running`, `Init:0/1`, `CrashLoopBackOff`.
pub(super) fn status(pod: &Value, _now: Timestamp) -> Value {
    Summary::of(pod).reason.into()
}

/// `2 (5m ago)`.
pub(super) fn restarts(pod: &Value, now: Timestamp) -> Value {
    let seen = Summary::of(pod);
    match seen.last_restart {
        Some(last) if seen.restarts > 0 => {
            format!("{} ({} ago)", seen.restarts, human_duration(between(last, now))).into()
        }
        _ => seen.restarts.to_string().into(),
    }
}

/// The first address.
pub(super) fn ip(pod: &Value, _now: Timestamp) -> Value {
    let first = items_at(pod, "status.podIPs").next().map_or("", |ip| text_at(ip, "ip"));
    if first.is_empty() { "<none>".into() } else { first.into() }
}

/// `1/2` of the readiness gates.
pub(super) fn gates(pod: &Value, _now: Timestamp) -> Value {
    let total = count(at(pod, "spec.readinessGates"));
    let open =
        items_at(pod, "spec.readinessGates").filter(|g| condition(pod, text_at(g, "conditionType")) == Some("True"));
    if total == 0 { "<none>".into() } else { format!("{}/{total}", open.count()).into() }
}

struct Summary {
    reason: String,
    ready: usize,
    total: usize,
    restarts: i64,
    last_restart: Option<Timestamp>,
}

impl Summary {
    fn of(pod: &Value) -> Self {
        let sidecars = items_at(pod, "spec.initContainers").filter(|c| is_sidecar(c)).count();
        let own = [text_at(pod, "status.reason"), text_at(pod, "status.phase")];
        let mut seen = Self {
            reason: own.into_iter().find(|t| !t.is_empty()).unwrap_or_default().to_string(),
            ready: 0,
            total: count(at(pod, "spec.containers")) + sidecars,
            restarts: 0,
            last_restart: None,
        };
        let gated = |c: &Value| text_at(c, "type") == "PodScheduled" && text_at(c, "reason") == "SchedulingGated";
        if items_at(pod, "status.conditions").any(gated) {
            seen.reason = "SchedulingGated".into();
        }
        let initializing = seen.init_containers(pod);
        if !initializing || condition(pod, "Initialized") == Some("True") {
            seen.containers(pod);
        }
        seen.deletion(pod);
        seen
    }

    /// Tells whether some init container has not done its work yet.
    fn init_containers(&mut self, pod: &Value) -> bool {
        let total = count(at(pod, "spec.initContainers"));
        for (index, status) in items_at(pod, "status.initContainerStatuses").enumerate() {
            self.count_restarts(status);
            if at(status, "state.terminated").is_object() && number_at(status, "state.terminated.exitCode") == 0 {
                continue;
            }
            let started = at(status, "started").as_bool() == Some(true);
            if started && named(pod, text_at(status, "name")).is_some_and(is_sidecar) {
                self.ready += usize::from(at(status, "ready").as_bool() == Some(true));
                continue;
            }
            let waiting = text_at(status, "state.waiting.reason");
            self.reason = match ended(status) {
                Some(reason) => format!("Init:{reason}"),
                None if !matches!(waiting, "" | "PodInitializing") => format!("Init:{waiting}"),
                None => format!("Init:{index}/{total}"),
            };
            return true;
        }
        false
    }

    /// From the last to the first: the first container that has something to say has the last word.
    fn containers(&mut self, pod: &Value) {
        (self.restarts, self.last_restart) = (0, None);
        for status in items_at(pod, "status.initContainerStatuses") {
            if named(pod, text_at(status, "name")).is_some_and(is_sidecar) {
                self.count_restarts(status);
            }
        }
        let (mut running, mut error) = (false, None);
        let statuses: Vec<&Value> = items_at(pod, "status.containerStatuses").collect();
        for status in statuses.into_iter().rev() {
            self.count_restarts(status);
            let waiting = text_at(status, "state.waiting.reason");
            if !waiting.is_empty() {
                self.reason = waiting.to_string();
            } else if let Some(reason) = ended(status) {
                if number_at(status, "state.terminated.exitCode") != 0 {
                    error = Some(reason.clone());
                }
                self.reason = reason;
            } else if at(status, "ready").as_bool() == Some(true) && at(status, "state.running").is_object() {
                running = true;
                self.ready += 1;
            }
        }
        if self.reason == "Completed" {
            self.reason = match error {
                _ if running && condition(pod, "Ready") == Some("True") => "Running".into(),
                Some(error) => error,
                None if running => "NotReady".into(),
                None => return,
            };
        }
    }

    fn count_restarts(&mut self, status: &Value) {
        self.restarts += number_at(status, "restartCount");
        let last = time(at(status, "lastState.terminated.finishedAt"));
        self.last_restart = self.last_restart.max(last);
    }

    fn deletion(&mut self, pod: &Value) {
        if at(pod, "metadata.deletionTimestamp").is_null() {
            return;
        }
        if text_at(pod, "status.reason") == "NodeLost" {
            self.reason = "Unknown".into();
        } else if !matches!(text_at(pod, "status.phase"), "Succeeded" | "Failed") {
            self.reason = "Terminating".into();
        }
    }
}

fn is_sidecar(container: &Value) -> bool {
    text_at(container, "restartPolicy") == "Always"
}

fn named<'a>(pod: &'a Value, name: &str) -> Option<&'a Value> {
    items_at(pod, "spec.initContainers").find(|c| text_at(c, "name") == name)
}

/// Why a container has ended, if it has.
fn ended(status: &Value) -> Option<String> {
    if !at(status, "state.terminated").is_object() {
        return None;
    }
    let (reason, signal) = (text_at(status, "state.terminated.reason"), number_at(status, "state.terminated.signal"));
    Some(match signal {
        _ if !reason.is_empty() => reason.to_string(),
        0 => format!("ExitCode:{}", number_at(status, "state.terminated.exitCode")),
        signal => format!("Signal:{signal}"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn now() -> Timestamp {
        Timestamp::parse_rfc3339("2026-01-01T01:00:00Z").unwrap()
    }

    fn shown(pod: Value) -> [String; 3] {
        [ready, status, restarts].map(|cell| cell(&pod, now()).as_str().unwrap_or_default().to_string())
    }

    #[test]
    fn running_and_waiting() {
        let spec = json!({"containers": [{"name": "a"}]});
        let pod = |status: Value| json!({"spec": spec, "status": status});
        assert_eq!(shown(pod(json!({"phase": "Pending"}))), ["0/1", "Pending", "0"]);
        let running = json!({"phase": "Running", "containerStatuses": [{"name": "a", "ready": true, "state": {"running": {}}, "restartCount": 0}]});
        assert_eq!(shown(pod(running)), ["1/1", "Running", "0"]);
        let crashing = json!({"phase": "Running", "containerStatuses": [{"name": "a", "ready": false, "restartCount": 2,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"finishedAt": "2026-01-01T00:55:00Z"}}}]});
        assert_eq!(shown(pod(crashing)), ["0/1", "CrashLoopBackOff", "2 (5m ago)"]);
        let done = json!({"phase": "Succeeded", "containerStatuses": [{"name": "a", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}]});
        assert_eq!(shown(pod(done))[1], "Completed");
        let failed =
            json!({"phase": "Failed", "containerStatuses": [{"name": "a", "state": {"terminated": {"exitCode": 3}}}]});
        assert_eq!(shown(pod(failed))[1], "ExitCode:3");
    }

    #[test]
    fn init_containers_and_deletion() {
        let pod = json!({"spec": {"containers": [{"name": "a"}], "initContainers": [{"name": "i"}, {"name": "s", "restartPolicy": "Always"}]},
            "status": {"phase": "Pending", "initContainerStatuses": [{"name": "i", "state": {"running": {}}}]}});
        assert_eq!(shown(pod.clone()), ["0/2", "Init:0/2", "0"]);
        let mut failed = pod.clone();
        failed["status"]["initContainerStatuses"][0]["state"] =
            json!({"terminated": {"exitCode": 1, "reason": "Error"}});
        assert_eq!(shown(failed)[1], "Init:Error");
        let mut leaving = pod;
        leaving["metadata"] = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
        assert_eq!(shown(leaving)[1], "Terminating");
    }
}
