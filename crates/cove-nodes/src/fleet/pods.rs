//! The pods of a fleet: a machine each, and what is on its way to the API.

use std::collections::BTreeMap;
use std::sync::Arc;

use cove_base::Timestamp;
use cove_kube_api::door::PatchKind;
use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use cove_kube_client::cache::Key;
use cove_kube_client::{Client, Resource};
use serde_json::{Value, json};

use crate::pod::{Effect, Event, PodMachine, PodSpec, Verdict};

pub(super) const PODS: Resource = Resource::core("pods");

/// One pod of the fleet.
pub(super) struct Pod {
    pub machine: PodMachine,
    pub spec: Arc<PodSpec>,
    /// The API object's deletion has been seen.
    pub leaving: bool,
    /// A write is on its way; another follows when it has arrived, if the status has changed by then.
    pub writing: bool,
    /// The status that the API has, as far as this node wrote it.
    pub written: Value,
}

/// All pods of the fleet's nodes, by key. A pod that was deleted and made again under its name is another pod.
#[derive(Default)]
pub(super) struct Pods {
    pods: BTreeMap<Key, Pod>,
}

/// What came of a look at a pod's API object.
pub(super) enum Seen {
    /// Nothing to do.
    Nothing,
    /// A new or changed pod, with effects to perform.
    Effects(Vec<Effect>),
    /// The pod is gone from the API (or another has its name): forget it and free what it held.
    Gone,
}

impl Pods {
    pub(super) fn get_mut(&mut self, key: &Key) -> Option<&mut Pod> {
        self.pods.get_mut(key)
    }

    pub(super) fn remove(&mut self, key: &Key) -> Option<Pod> {
        self.pods.remove(key)
    }

    /// The keys of the pods on a node.
    pub(super) fn on_node(&self, node: &str) -> Vec<Key> {
        self.pods.iter().filter(|(_, p)| p.spec.node == node).map(|(k, _)| k.clone()).collect()
    }

    /// Whether the CNI's agent runs on a node: until then, pods that do not use the node's network must wait.
    pub(super) fn network_agent_runs(&self, node: &str) -> bool {
        let agent = |p: &&Pod| p.spec.node == node && p.spec.raw["metadata"]["labels"]["k8s-app"] == "aws-node";
        self.pods.values().filter(agent).any(|p| p.machine.phase() == "Running" && !p.leaving)
    }

    /// Takes note of a pod's API object as the cache has it (`None`: gone).
    pub(super) fn observe(&mut self, key: &Key, object: Option<&Object>, network: bool, now: Timestamp) -> Seen {
        let Some(object) = object else {
            return if self.pods.contains_key(key) { Seen::Gone } else { Seen::Nothing };
        };
        match self.pods.get_mut(key) {
            Some(pod) if pod.spec.uid != object.uid() => Seen::Gone,
            Some(pod) => pod.changed(object, now),
            None => self.adopt(key, object, network, now),
        }
    }

    /// A pod that this fleet sees for the first time: new, or running since before a restart.
    fn adopt(&mut self, key: &Key, object: &Object, network: bool, now: Timestamp) -> Seen {
        let value = object.value();
        let spec = Arc::new(PodSpec::read(value));
        let status = value.get("status").cloned().unwrap_or_default();
        let (mut machine, mut effects) = PodMachine::restore(spec.as_ref().clone(), &status, network, now);
        if machine.verdict() == Verdict::Finished && deadline(object).is_none() {
            return Seen::Nothing;
        }
        effects.extend(machine.step(Event::Tick, now));
        let pod = Pod { machine, spec, leaving: false, writing: false, written: Value::Null };
        let pod = self.pods.entry(key.clone()).or_insert(pod);
        if let Some(deadline) = deadline(object) {
            pod.leaving = true;
            effects.extend(pod.machine.step(Event::DeletionRequested { deadline }, now));
        }
        Seen::Effects(effects)
    }
}

impl Pod {
    fn changed(&mut self, object: &Object, now: Timestamp) -> Seen {
        let spec = Arc::new(PodSpec::read(object.value()));
        self.machine.observe(spec.as_ref().clone());
        self.spec = spec;
        match deadline(object) {
            Some(deadline) => {
                self.leaving = true;
                Seen::Effects(self.machine.step(Event::DeletionRequested { deadline }, now))
            }
            None => Seen::Effects(self.machine.step(Event::Tick, now)),
        }
    }

    /// The write that is due, if the API lacks something and none is on its way.
    pub(super) fn due_write(&mut self, host_ip: &str) -> Option<Write> {
        if self.writing {
            return None;
        }
        let status = self.machine.status(host_ip);
        let (namespace, name, uid) = (self.spec.namespace.clone(), self.spec.name.clone(), self.spec.uid.clone());
        if status != self.written {
            self.writing = true;
            return Some(Write { namespace, name, uid, status: Some(status) });
        }
        if self.machine.verdict() == Verdict::Gone {
            self.writing = true;
            return Some(Write { namespace, name, uid, status: None });
        }
        None
    }
}

/// `metadata.deletionTimestamp`, if the object is being deleted.
fn deadline(object: &Object) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(object.meta("deletionTimestamp"))
}

/// One write to the API: a status, or (without one) the final deletion.
pub(super) struct Write {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub status: Option<Value>,
}

impl Write {
    /// Sends it. The uid guards against another pod of the same name.
    pub(super) async fn send(&self, client: &Client) -> Result<(), Status> {
        match &self.status {
            Some(status) => {
                let patch = json!({"metadata": {"uid": self.uid}, "status": status});
                let sent = client.patch(PODS, &self.namespace, &self.name, "status", PatchKind::Strategic, patch);
                sent.await.map(drop)
            }
            None => {
                let options = json!({"gracePeriodSeconds": 0, "preconditions": {"uid": self.uid}});
                client.delete(PODS, &self.namespace, &self.name, options).await
            }
        }
    }
}
