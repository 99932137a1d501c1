//! Taking up a pod again after a restart: the machine's state from the status that the API has.

use cove_base::Timestamp;
use serde_json::Value;

use super::machine::{Container, Effect, Phase, PodMachine, Sandbox, Termination};
use super::spec::{PodSpec, ProbeKind};

impl PodMachine {
    /// The machine of a pod that may have run before, with the effects that resume waiting for what runs.
    pub fn restore(spec: PodSpec, status: &Value, network: bool, now: Timestamp) -> (Self, Vec<Effect>) {
        let mut machine = Self::new(spec, network, now);
        if let Some(started) = status["startTime"].as_str().and_then(Timestamp::parse_rfc3339) {
            machine.start_time = started;
        }
        let mut effects = Vec::new();
        for index in 0..machine.containers.len() {
            let spec = &machine.spec.containers[index];
            let Some(known) = find(status, &spec.name) else { continue };
            let container = Container::restore(known);
            if container.is_running() {
                let run = container.restarts;
                effects.push(Effect::Wait { container: index, run });
                for kind in [ProbeKind::Readiness, ProbeKind::Liveness] {
                    if spec.probe(kind).is_some() {
                        effects.push(Effect::Probe { container: index, run, kind, known: Some(container.ready) });
                    }
                }
            }
            machine.containers[index] = container;
        }
        let ip = status["podIP"].as_str().unwrap_or_default().to_string();
        machine.sandbox = if machine.containers.iter().any(Container::is_running) {
            Sandbox::Ready { ip }
        } else if matches!(status["phase"].as_str(), Some("Succeeded" | "Failed")) {
            Sandbox::Removed { ip }
        } else {
            Sandbox::None
        };
        machine.update_conditions(now);
        (machine, effects)
    }
}

fn find<'a>(status: &'a Value, name: &str) -> Option<&'a Value> {
    let lists = ["initContainerStatuses", "containerStatuses"];
    lists.iter().filter_map(|l| status[*l].as_array()).flatten().find(|s| s["name"] == name)
}

fn time(value: &Value) -> Timestamp {
    value.as_str().and_then(Timestamp::parse_rfc3339).unwrap_or_default()
}

fn termination(value: &Value, run: u32) -> Option<Termination> {
    let code = i32::try_from(value["exitCode"].as_i64()?).ok()?;
    Some(Termination { code, started: time(&value["startedAt"]), finished: time(&value["finishedAt"]), run })
}

impl Container {
    fn restore(status: &Value) -> Self {
        let mut container = Self::new();
        let restarts = status["restartCount"].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        container.restarts = restarts;
        container.last = termination(&status["lastState"]["terminated"], restarts.saturating_sub(1));
        if let Some(running) = status["state"].get("running") {
            container.phase = Phase::Running { started: time(&running["startedAt"]) };
            container.ready = status["ready"].as_bool().unwrap_or(false);
            container.started = status["started"].as_bool().unwrap_or(false);
        } else if let Some(end) = termination(&status["state"]["terminated"], restarts) {
            container.phase = Phase::Terminated(end);
        }
        container
    }
}
