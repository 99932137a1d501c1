//! Pod conditions as the kubelet writes them (facts: `kubelet-pod-status.csv`, Kubernetes 1.35).

use cove_base::Timestamp;
use serde_json::{Value, json};

use super::machine::{PodMachine, Sandbox};
use super::spec::ContainerRole;

/// One condition with the time of its last change.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Condition {
    pub kind: &'static str,
    pub status: bool,
    pub reason: String,
    pub message: String,
    pub since: Timestamp,
}

impl Condition {
    fn new(kind: &'static str, status: bool, reason: &str, message: String, since: Timestamp) -> Self {
        Self { kind, status, reason: reason.into(), message, since }
    }

    pub(super) fn to_value(&self, generation: i64) -> Value {
        let mut value = json!({
            "type": self.kind,
            "observedGeneration": generation,
            "status": if self.status { "True" } else { "False" },
            "lastProbeTime": null,
            "lastTransitionTime": self.since.rfc3339(),
        });
        if !self.reason.is_empty() {
            value["reason"] = self.reason.clone().into();
        }
        if !self.message.is_empty() {
            value["message"] = self.message.clone().into();
        }
        value
    }
}

impl PodMachine {
    /// Recomputes the conditions, keeping the time of those whose status did not change.
    pub(super) fn update_conditions(&mut self, now: Timestamp) {
        let mut conditions = vec![self.sandbox_condition(now), self.initialized(now)];
        conditions.extend(self.readiness(now));
        conditions.push(Condition::new("PodScheduled", true, "", String::new(), self.start_time));
        for condition in &mut conditions {
            let before = self.conditions.iter().find(|c| c.kind == condition.kind);
            if let Some(before) = before.filter(|b| b.status == condition.status) {
                condition.since = before.since;
            }
        }
        self.conditions = conditions;
    }

    fn sandbox_condition(&self, now: Timestamp) -> Condition {
        let ready = matches!(self.sandbox, Sandbox::Ready { .. });
        Condition::new("PodReadyToStartContainers", ready, "", String::new(), now)
    }

    fn initialized(&self, now: Timestamp) -> Condition {
        if self.phase() == "Succeeded" {
            return Condition::new("Initialized", true, "PodCompleted", String::new(), now);
        }
        let open = self.names(|role, c| match role {
            ContainerRole::Init => c.termination().is_none_or(|t| t.code != 0),
            ContainerRole::Sidecar => !c.started,
            ContainerRole::Main => false,
        });
        if open.is_empty() {
            return Condition::new("Initialized", true, "", String::new(), now);
        }
        let message = format!("containers with incomplete status: [{}]", open.join(" "));
        Condition::new("Initialized", false, "ContainersNotInitialized", message, now)
    }

    /// `Ready` and `ContainersReady`.
    fn readiness(&self, now: Timestamp) -> [Condition; 2] {
        let unready = self.names(|role, c| role != ContainerRole::Init && !c.ready);
        let (reason, message) = match self.phase() {
            "Succeeded" => ("PodCompleted", String::new()),
            "Failed" => ("PodFailed", String::new()),
            _ if !unready.is_empty() => {
                ("ContainersNotReady", format!("containers with unready status: [{}]", unready.join(" ")))
            }
            _ => ("", String::new()),
        };
        let containers = Condition::new("ContainersReady", reason.is_empty(), reason, message.clone(), now);
        let missing = self.missing_gates();
        let ready = if reason.is_empty() && !missing.is_empty() {
            Condition::new("Ready", false, "ReadinessGatesNotReady", missing, now)
        } else {
            Condition::new("Ready", reason.is_empty(), reason, message, now)
        };
        [ready, containers]
    }

    /// What the kubelet says of readiness gates that are not true; empty if all are.
    fn missing_gates(&self) -> String {
        let conditions = self.spec.raw["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let mut texts = Vec::new();
        for gate in &self.spec.readiness_gates {
            match conditions.iter().find(|c| c["type"] == gate.as_str()).map(|c| c["status"].as_str().unwrap_or("")) {
                Some("True") => {}
                Some(status) => {
                    texts.push(format!("the status of pod readiness gate {gate:?} is not \"True\", but {status}"))
                }
                None => texts.push(format!("corresponding condition of pod readiness gate {gate:?} does not exist.")),
            }
        }
        texts.join(", ")
    }

    fn names(&self, wanted: impl Fn(ContainerRole, &super::machine::Container) -> bool) -> Vec<String> {
        let both = self.spec.containers.iter().zip(&self.containers);
        both.filter(|(spec, c)| wanted(spec.role, c)).map(|(spec, _)| spec.name.clone()).collect()
    }
}
