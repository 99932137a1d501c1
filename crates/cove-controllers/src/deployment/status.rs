//! How far a rollout is: counts and conditions, in the words that `kubectl rollout status` reads.

use std::sync::Arc;
use std::time::Duration;

use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use cove_kube_client::Requeue;
use serde_json::{Map, Value, json};

use super::Rollout;
use crate::conditions;
use crate::view::{count, flag, int, items, object_mut, put_count, text, time};

const TIMED_OUT: &str = "ProgressDeadlineExceeded";
const AVAILABLE: &str = "NewReplicaSetAvailable";

/// A `Progressing` condition without its times.
pub(super) fn progressing(status: &str, reason: &str, message: &str) -> Value {
    json!({ "type": "Progressing", "status": status, "reason": reason, "message": message })
}

impl Rollout<'_> {
    /// The condition of a type, as last written.
    pub(super) fn condition(&self, kind: &str) -> Option<&Value> {
        conditions::find(items(self.value(), "/status/conditions"), kind)
    }

    /// Whether `progressDeadlineSeconds` says something.
    pub(super) fn has_deadline(&self) -> bool {
        int(self.value(), "/spec/progressDeadlineSeconds").is_some_and(|seconds| seconds != i64::from(i32::MAX))
    }

    /// Puts a condition (without its times) into a deployment's status.
    pub(super) fn put_condition(&self, deployment: &mut Value, condition: Value) {
        let mut list = items(deployment, "/status/conditions").to_vec();
        self.put_into(&mut list, condition);
        object_mut(deployment, &["status"]).insert("conditions".into(), Value::Array(list));
    }

    fn put_into(&self, list: &mut Vec<Value>, mut condition: Value) {
        let now = self.cx.rt.now().rfc3339();
        condition["lastUpdateTime"] = now.clone().into();
        condition["lastTransitionTime"] = now.into();
        conditions::set_last(list, condition);
    }

    /// Notes pausing and resuming, so that the deadline does not run meanwhile.
    pub(super) async fn note_pause(&mut self) -> Result<(), Status> {
        if !self.has_deadline() {
            return Ok(());
        }
        let reason = self.condition("Progressing").map_or("", |c| text(c, "/reason"));
        if reason == TIMED_OUT {
            return Ok(());
        }
        let (reason, message) = match (flag(self.value(), "/spec/paused"), reason == "DeploymentPaused") {
            (true, false) => ("DeploymentPaused", "Deployment is paused"),
            (false, true) => ("DeploymentResumed", "Deployment is resumed"),
            _ => return Ok(()),
        };
        let mut deployment = self.value().clone();
        self.put_condition(&mut deployment, progressing("Unknown", reason, message));
        self.write_status(deployment).await
    }

    fn sum(&self, sets: &[Arc<Object>], member: &str) -> i64 {
        sets.iter().map(|set| count(set.value(), member)).sum()
    }

    /// The counts, and the condition `Available`; other conditions as they were.
    fn calculate(&self) -> Map<String, Value> {
        let all = &self.sets;
        let new: Vec<Arc<Object>> = self.new_set().cloned().into_iter().collect();
        let (replicas, available) = (self.sum(all, "/status/replicas"), self.sum(all, "/status/availableReplicas"));
        let mut status = Map::new();
        put_count(&mut status, "observedGeneration", count(self.value(), "/metadata/generation"));
        put_count(&mut status, "replicas", replicas);
        put_count(&mut status, "updatedReplicas", self.sum(&new, "/status/replicas"));
        put_count(&mut status, "readyReplicas", self.sum(all, "/status/readyReplicas"));
        put_count(&mut status, "availableReplicas", available);
        put_count(&mut status, "unavailableReplicas", (replicas - available).max(0));
        if self.cx.shared.config.minor >= 35 {
            status.insert("terminatingReplicas".into(), self.sum(all, "/status/terminatingReplicas").into());
        }
        if let Some(collisions) = int(self.value(), "/status/collisionCount") {
            status.insert("collisionCount".into(), collisions.into());
        }
        let mut list = items(self.value(), "/status/conditions").to_vec();
        let enough = available >= self.wanted() - self.max_unavailable();
        let (value, reason, message) = if enough {
            ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
        } else {
            ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
        };
        let condition = json!({ "type": "Available", "status": value, "reason": reason, "message": message });
        self.put_into(&mut list, condition);
        status.insert("conditions".into(), Value::Array(list));
        status
    }

    /// Whether a status says that the rollout is over.
    pub(super) fn is_complete(&self, status: &Value) -> bool {
        let wanted = self.wanted();
        let all = ["/updatedReplicas", "/replicas", "/availableReplicas"];
        all.iter().all(|member| count(status, member) == wanted)
            && count(status, "/observedGeneration") >= count(self.value(), "/metadata/generation")
    }

    fn is_progressing(&self, new: &Value) -> bool {
        let old = &self.value()["status"];
        let grew = |member: &str| count(new, member) > count(old, member);
        let outdated = |status: &Value| count(status, "/replicas") - count(status, "/updatedReplicas");
        grew("/updatedReplicas")
            || outdated(new) < outdated(old)
            || grew("/readyReplicas")
            || grew("/availableReplicas")
    }

    /// How long until the deadline passes, zero if it has.
    fn time_left(&self, condition: &Value) -> Duration {
        let seconds = count(self.value(), "/spec/progressDeadlineSeconds").max(0).unsigned_abs();
        let since = time(condition, "/lastUpdateTime").unwrap_or_default();
        (since + Duration::from_secs(seconds)).since(self.cx.rt.now())
    }

    /// Writes counts and the condition `Available` only.
    pub(super) async fn sync_status(&mut self) -> Result<Requeue, Status> {
        let status = Value::Object(self.calculate());
        if self.value()["status"] != status {
            let mut deployment = self.value().clone();
            deployment["status"] = status;
            self.write_status(deployment).await?;
        }
        Ok(Requeue::Done)
    }

    /// Writes counts and conditions; asks to be called again when the deadline passes.
    pub(super) async fn sync_rollout_status(&mut self) -> Result<Requeue, Status> {
        let mut status = self.calculate();
        let mut list = match status.remove("conditions") {
            Some(Value::Array(list)) => list,
            _ => Vec::new(),
        };
        let counts = Value::Object(status.clone());
        self.progress(&mut list, &counts);
        match self.failure() {
            Some(failure) => conditions::set_last(&mut list, failure),
            None => conditions::remove(&mut list, "ReplicaFailure"),
        }
        status.insert("conditions".into(), Value::Array(list));
        let status = Value::Object(status);
        if self.value()["status"] != status {
            let mut deployment = self.value().clone();
            deployment["status"] = status;
            self.write_status(deployment).await?;
        }
        Ok(self.when_stuck())
    }

    fn progress(&self, list: &mut Vec<Value>, counts: &Value) {
        if !self.has_deadline() {
            conditions::remove(list, "Progressing");
            return;
        }
        let current = self.condition("Progressing").cloned();
        let reason = current.as_ref().map_or("", |c| text(c, "/reason"));
        if reason == AVAILABLE && count(counts, "/replicas") == count(counts, "/updatedReplicas") {
            return;
        }
        let subject = match self.new_set() {
            Some(set) => format!("ReplicaSet {:?}", set.name()),
            None => format!("Deployment {:?}", self.deployment.name()),
        };
        if self.is_complete(counts) {
            let message = format!("{subject} has successfully progressed.");
            self.put_into(list, progressing("True", AVAILABLE, &message));
        } else if self.is_progressing(counts) {
            let condition = progressing("True", "ReplicaSetUpdated", &format!("{subject} is progressing."));
            // The time of the last update moves with every progress, even if the reason stays.
            conditions::remove(list, "Progressing");
            self.put_into(list, condition);
            if let (Some(current), Some(last)) = (&current, list.last_mut())
                && text(current, "/status") == "True"
            {
                last["lastTransitionTime"] = current["lastTransitionTime"].clone();
            }
        } else if self.timed_out(list) {
            let message = format!("{subject} has timed out progressing.");
            self.put_into(list, progressing("False", TIMED_OUT, &message));
        }
    }

    fn timed_out(&self, list: &[Value]) -> bool {
        let Some(condition) = conditions::find(list, "Progressing") else { return false };
        match text(condition, "/reason") {
            AVAILABLE => false,
            TIMED_OUT => true,
            _ => self.time_left(condition).is_zero(),
        }
    }

    /// A ReplicaSet's failure as the deployment's, the new one's first.
    fn failure(&self) -> Option<Value> {
        let of =
            |set: &Arc<Object>| conditions::find(items(set.value(), "/status/conditions"), "ReplicaFailure").cloned();
        let mut failure = self.new_set().and_then(of).or_else(|| self.sets.iter().find_map(of))?;
        failure["lastUpdateTime"] = failure["lastTransitionTime"].clone();
        Some(failure)
    }

    fn when_stuck(&self) -> Requeue {
        let Some(condition) = self.condition("Progressing") else { return Requeue::Done };
        let over = self.is_complete(&self.value()["status"]) || text(condition, "/reason") == TIMED_OUT;
        if over || !self.has_deadline() || flag(self.value(), "/spec/paused") {
            return Requeue::Done;
        }
        Requeue::After(self.time_left(condition) + Duration::from_secs(1))
    }
}
