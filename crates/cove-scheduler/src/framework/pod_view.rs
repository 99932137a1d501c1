//! What the scheduler needs of a pod, decoded once per version.

use std::sync::Arc;

use cove_base::Timestamp;
use cove_kube_api::object::Object;
use cove_kube_client::Key;
use serde_json::Value;

use super::affinity::{NodeDemand, PodAffinity, SpreadConstraint};
use super::class::Class;
use super::labels::Labels;
use super::resources::{PodRequests, is_sidecar};
use super::taints::Toleration;

/// A port of the node that a pod occupies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostPort {
    /// The number.
    pub port: u16,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: Box<str>,
    /// The address; `0.0.0.0` for all.
    pub address: Box<str>,
}

impl HostPort {
    /// Whether both cannot be on one node.
    pub fn conflicts(&self, other: &Self) -> bool {
        const ALL: &str = "0.0.0.0";
        let overlap = self.address == other.address || self.address.as_ref() == ALL || other.address.as_ref() == ALL;
        overlap && self.port == other.port && self.protocol == other.protocol
    }
}

/// The controller that owns a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Such as `apps/v1`.
    pub api_version: Box<str>,
    /// Such as `ReplicaSet`.
    pub kind: Box<str>,
    /// Its name.
    pub name: Box<str>,
}

/// A pod as the scheduler sees it. Two versions that differ in nothing of this are equal.
#[derive(Clone, Debug, PartialEq)]
pub struct PodView {
    /// Namespace and name.
    pub key: Key,
    /// `metadata.uid`.
    pub uid: Box<str>,
    /// When it was made.
    pub created: Timestamp,
    /// Who places it.
    pub scheduler_name: Box<str>,
    /// Where it is; empty if it is not placed.
    pub node_name: Box<str>,
    /// It is being deleted.
    pub terminating: bool,
    /// It is leaving for a pod of higher priority.
    pub preempted: bool,
    /// It has ended.
    pub ended: bool,
    /// Its priority.
    pub priority: i32,
    /// It must not evict others (`preemptionPolicy: Never`).
    pub never_preempts: bool,
    /// When it started to run.
    pub started: Option<Timestamp>,
    /// What holds it back.
    pub gates: Vec<Box<str>>,
    /// What it asks for.
    pub requests: PodRequests,
    /// Ports of the node that it occupies.
    pub ports: Vec<HostPort>,
    /// What it demands of its node.
    pub node: NodeDemand,
    /// The taints that it tolerates.
    pub tolerations: Vec<Toleration>,
    /// How it is to be spread.
    pub spread: Vec<SpreadConstraint>,
    /// Its controller.
    pub owner: Option<Owner>,
    /// The images of all its containers.
    pub images: Vec<Box<str>>,
    /// It mounts persistent volume claims.
    pub has_volume_claims: bool,
    /// It uses claims of dynamic resources.
    pub has_resource_claims: bool,
    /// What other pods see of it: namespace, labels, affinity.
    pub class: Arc<Class>,
}

impl PodView {
    /// From a pod.
    pub fn of(pod: &Object) -> Self {
        Self::of_value(pod.value())
    }

    /// From a pod's value, such as one made of a template.
    pub fn of_value(pod: &Value) -> Self {
        let (meta, spec, status) = (&pod["metadata"], &pod["spec"], &pod["status"]);
        let text = |value: &Value| -> Box<str> { value.as_str().unwrap_or_default().into() };
        let time = |value: &Value| value.as_str().and_then(Timestamp::parse_rfc3339);
        let (namespace, labels) = (text(&meta["namespace"]), Labels::of(&meta["labels"]));
        let terminating = meta.get("deletionTimestamp").is_some_and(|t| !t.is_null());
        Self {
            key: Key::new(&*namespace, &*text(&meta["name"])),
            uid: text(&meta["uid"]),
            created: time(&meta["creationTimestamp"]).unwrap_or_default(),
            scheduler_name: text(&spec["schedulerName"]),
            node_name: text(&spec["nodeName"]),
            terminating,
            preempted: items(&status["conditions"])
                .any(|c| c["type"] == "DisruptionTarget" && c["reason"] == "PreemptionByScheduler"),
            ended: matches!(status["phase"].as_str(), Some("Succeeded" | "Failed")),
            priority: spec["priority"].as_i64().and_then(|p| i32::try_from(p).ok()).unwrap_or_default(),
            never_preempts: spec["preemptionPolicy"] == "Never",
            started: time(&status["startTime"]),
            gates: items(&spec["schedulingGates"]).map(|gate| text(&gate["name"])).collect(),
            requests: PodRequests::of(pod),
            ports: host_ports(spec),
            node: NodeDemand::of(spec),
            tolerations: Toleration::all(&spec["tolerations"]),
            spread: SpreadConstraint::all(spec, &labels),
            owner: items(&meta["ownerReferences"]).find(|o| o["controller"] == true).map(|owner| Owner {
                api_version: text(&owner["apiVersion"]),
                kind: text(&owner["kind"]),
                name: text(&owner["name"]),
            }),
            images: containers(spec).map(|container| text(&container["image"])).collect(),
            has_volume_claims: items(&spec["volumes"])
                .any(|volume| ["persistentVolumeClaim", "ephemeral"].iter().any(|source| volume.get(source).is_some())),
            has_resource_claims: items(&spec["resourceClaims"]).next().is_some(),
            class: Arc::new(Class {
                affinity: PodAffinity::of(spec, &namespace, &labels),
                namespace,
                labels,
                terminating,
            }),
        }
    }

    /// Its labels.
    pub fn labels(&self) -> &Labels {
        &self.class.labels
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        &self.key.namespace
    }

    /// What it demands of its neighbours.
    pub fn affinity(&self) -> &PodAffinity {
        &self.class.affinity
    }
}

fn items(array: &Value) -> impl Iterator<Item = &Value> {
    array.as_array().into_iter().flatten()
}

fn containers(spec: &Value) -> impl Iterator<Item = &Value> {
    items(&spec["initContainers"]).chain(items(&spec["containers"]))
}

fn host_ports(spec: &Value) -> Vec<HostPort> {
    let sidecars = items(&spec["initContainers"]).filter(|c| is_sidecar(c));
    let ports = items(&spec["containers"]).chain(sidecars).flat_map(|container| items(&container["ports"]));
    let or = |value: &Value, other: &str| -> Box<str> {
        value.as_str().filter(|text| !text.is_empty()).unwrap_or(other).into()
    };
    let of = |port: &Value| {
        let number = port["hostPort"].as_u64().and_then(|n| u16::try_from(n).ok()).filter(|n| *n > 0)?;
        Some(HostPort { port: number, protocol: or(&port["protocol"], "TCP"), address: or(&port["hostIP"], "0.0.0.0") })
    };
    ports.filter_map(of).collect()
}
