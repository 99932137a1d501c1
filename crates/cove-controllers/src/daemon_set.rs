//! The DaemonSet controller: one pod on every node that the template may run on.
//!
//! Reconcile and status are here; the parts are: [`placement`] says which node should run a pod, [`history`] keeps the
//! template's revisions, [`update`] replaces pods of earlier ones.

mod history;
mod placement;
mod update;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cove_kube_api::object::Object;
use cove_kube_api::selector::LabelSelector;
use cove_kube_api::status::Status;
use cove_kube_client::{Change, Context, Controller, Key, Requeue, Watch};
use serde_json::{Map, Value, json};

use crate::claim::{Claim, owner_keys};
use crate::names::{DEPRECATED_TEMPLATE_GENERATION, REVISION_HASH, TEMPLATE_GENERATION};
use crate::resources::{DAEMON_SETS, NODES, PODS, REVISIONS};
use crate::shared::Shared;
use crate::view::{annotation, count, created, deleting, int, items, label, labels, object_mut, put_count, text};
use crate::{limits, pod_batch, pods};

/// The declaration. Keys are DaemonSets. A node's heartbeat concerns none of them, its labels and taints all.
pub const CONTROLLER: Controller<Shared> = Controller {
    name: "daemon-set-controller",
    component: "daemonset-controller",
    watches: |_| {
        vec![
            Watch::itself(DAEMON_SETS),
            Watch::mapped(REVISIONS, |cx, change| owner_keys(cx, change, "DaemonSet", DAEMON_SETS)),
            Watch::mapped(PODS, |cx, change| owner_keys(cx, change, "DaemonSet", DAEMON_SETS)),
            Watch::mapped(NODES, |cx, change| match concerns_placement(change) {
                true => cx.cache(DAEMON_SETS).list("").iter().map(|set| Key::of(set)).collect(),
                false => Vec::new(),
            }),
        ]
    },
    singleton: false,
    workers: 2,
    reconcile: |cx, key| Box::pin(reconcile(cx, key)),
};

fn concerns_placement(change: &Change) -> bool {
    let (Some(old), Some(new)) = (&change.old, &change.new) else { return true };
    let view = |node: &Object| {
        let value = node.value();
        (labels(value).clone(), value["spec"]["taints"].clone(), value["spec"]["unschedulable"].clone())
    };
    view(old) != view(new)
}

/// The pods of a DaemonSet by the node that they run on or are meant for.
type PodsByNode = BTreeMap<String, Vec<Arc<Object>>>;

/// One reconcile.
struct Daemon<'a> {
    cx: &'a Context<Shared>,
    set: Arc<Object>,
    /// All nodes, by name, and whether a pod should be started there, and whether one that runs there may stay.
    nodes: Vec<(Arc<Object>, bool, bool)>,
    /// The hash of the current revision.
    hash: String,
    /// The pods as they were read last; none after a write.
    read: Option<Arc<PodsByNode>>,
    /// When to look again at the earliest.
    again: Option<Duration>,
}

async fn reconcile(cx: Arc<Context<Shared>>, key: Key) -> Result<Requeue, Status> {
    let Some(set) = cx.cache(DAEMON_SETS).get(&key) else {
        cx.shared.daemon_backoff.forget(&key);
        return Ok(Requeue::Done);
    };
    let Ok(selector) = LabelSelector::from_json(&set.value()["spec"]["selector"]) else { return Ok(Requeue::Done) };
    if selector.is_everything() {
        let message = "This daemon set is selecting all pods. A non-empty selector is required.";
        cx.events.warning(&set, "SelectingAll", message);
        return Ok(Requeue::Done);
    }
    if deleting(&set) {
        return Ok(Requeue::Done);
    }
    let nodes = placement::of_all(&set, cx.cache(NODES).list(""));
    let mut daemon = Daemon { cx: &cx, set, nodes, hash: String::new(), read: None, again: None };
    match daemon.run(&selector).await {
        Err(status) if status.is_not_found() && cx.cache(DAEMON_SETS).get(&key).is_none() => Ok(Requeue::Done),
        Err(status) => Err(status),
        Ok(()) => Ok(daemon.again.map_or(Requeue::Done, Requeue::After)),
    }
}

impl Daemon<'_> {
    async fn run(&mut self, selector: &LabelSelector) -> Result<(), Status> {
        let old = self.revisions(selector).await?;
        let managed = self.manage(selector).await;
        if managed.is_ok() && text(self.value(), "/spec/updateStrategy/type") != "OnDelete" {
            self.roll(selector).await?;
        }
        if managed.is_ok() {
            self.clean_up(selector, old).await?;
        }
        self.write_status(selector).await?;
        managed
    }

    fn value(&self) -> &Value {
        self.set.value()
    }

    fn again_in(&mut self, wait: Duration) {
        self.again = Some(self.again.map_or(wait, |known| known.min(wait)));
    }

    fn min_ready(&self) -> i64 {
        count(self.value(), "/spec/minReadySeconds")
    }

    fn is_available(&self, pod: &Object) -> bool {
        pods::is_available(pod, self.min_ready(), self.cx.rt.now())
    }

    /// Whether a pod is of the current revision.
    fn is_current(&self, pod: &Object) -> bool {
        let generation = annotation(self.value(), DEPRECATED_TEMPLATE_GENERATION);
        label(pod.value(), REVISION_HASH) == self.hash
            || generation.is_some_and(|generation| generation == label(pod.value(), TEMPLATE_GENERATION))
    }

    /// The pods by node, oldest first. Ended pods that are being deleted do not count.
    async fn pods_by_node(&mut self, selector: &LabelSelector) -> Result<Arc<PodsByNode>, Status> {
        if let Some(read) = &self.read {
            return Ok(read.clone());
        }
        let claim = Claim { cx: self.cx, owner_resource: DAEMON_SETS, owner: &self.set, selector };
        let mut by_node = PodsByNode::new();
        for pod in claim.all(PODS, |pod| !(pods::is_terminal(pod) && deleting(pod))).await? {
            if let Some(node) = placement::target_node(pod.value()) {
                by_node.entry(node.to_string()).or_default().push(pod);
            }
        }
        by_node.values_mut().for_each(|pods| pods.sort_by_cached_key(|pod| (created(pod), pod.name().to_string())));
        Ok(self.read.insert(Arc::new(by_node)).clone())
    }

    /// Makes pods where one is missing, deletes those that are too many, in the wrong place or ended.
    async fn manage(&mut self, selector: &LabelSelector) -> Result<(), Status> {
        let by_node = self.pods_by_node(selector).await?;
        let (mut missing, mut surplus) = (Vec::new(), Vec::new());
        for (node, run, keep) in self.nodes.clone() {
            match by_node.get(node.name()) {
                None if run => missing.push(node.name().to_string()),
                None => {}
                Some(pods) if keep => self.sort_out(&node, pods, &mut surplus),
                Some(pods) => surplus.extend(pods.iter().filter(|pod| !deleting(pod)).cloned()),
            }
        }
        let known = |name: &String| self.cx.cache(NODES).find("", name).is_some();
        for (_, pods) in by_node.iter().filter(|(name, _)| !known(name)) {
            // Pods bound to a node that is gone belong to the pod garbage collector.
            let unbound = pods.iter().filter(|pod| text(pod.value(), "/spec/nodeName").is_empty());
            surplus.extend(unbound.cloned());
        }
        self.sync_nodes(surplus, missing).await
    }

    /// Of the pods on a node that should run one, those that must go.
    fn sort_out(&mut self, node: &Object, pods: &[Arc<Object>], surplus: &mut Vec<Arc<Object>>) {
        let mut running: Vec<Arc<Object>> = Vec::new();
        for pod in pods.iter().filter(|pod| !deleting(pod)) {
            let place = format!("{}/{} on node {}", pod.namespace(), pod.name(), node.name());
            match text(pod.value(), "/status/phase") {
                "Failed" => {
                    let key = Key::of(&self.set);
                    if let Some(wait) = self.cx.shared.daemon_backoff.hit(&key, node.name(), self.cx.rt.now()) {
                        self.again_in(wait);
                        continue;
                    }
                    let message = format!("Found failed daemon pod {place}, will try to kill it");
                    self.cx.events.warning(&self.set, "FailedDaemonPod", message);
                    surplus.push(pod.clone());
                }
                "Succeeded" => {
                    let message = format!("Found succeeded daemon pod {place}, will try to delete it");
                    self.cx.events.normal(&self.set, "SucceededDaemonPod", message);
                    surplus.push(pod.clone());
                }
                _ => running.push(pod.clone()),
            }
        }
        if self.surge() == 0 {
            surplus.extend(running.into_iter().skip(1));
            return;
        }
        self.sort_out_surge(running, surplus);
    }

    /// With surge, the oldest pod of the current revision and the oldest earlier one may both run, until the former
    /// is available or the latter is not.
    fn sort_out_surge(&self, running: Vec<Arc<Object>>, surplus: &mut Vec<Arc<Object>>) {
        let (new, old): (Vec<_>, Vec<_>) = running.into_iter().partition(|pod| self.is_current(pod));
        if let (Some(new), Some(old)) = (new.first(), old.first())
            && (!pods::is_ready(old) || self.is_available(new))
        {
            surplus.push(old.clone());
        }
        surplus.extend(new.into_iter().skip(1));
        surplus.extend(old.into_iter().skip(1));
    }

    /// Deletes pods and makes one on each of the named nodes.
    async fn sync_nodes(&mut self, surplus: Vec<Arc<Object>>, missing: Vec<String>) -> Result<(), Status> {
        if surplus.is_empty() && missing.is_empty() {
            return Ok(());
        }
        self.read = None;
        let template = self.template();
        let made: Vec<Value> = missing
            .iter()
            .take(limits::DAEMON_SET_BURST)
            .map(|node| {
                let mut pod = pods::from_template(&template, &self.set);
                placement::pin(&mut pod, node);
                pod
            })
            .collect();
        let created = pod_batch::create(self.cx, &self.set, made).await;
        let most = surplus.len().min(limits::DAEMON_SET_BURST);
        let deleted = pod_batch::delete(self.cx, &self.set, &surplus[..most]).await;
        created.and(deleted)
    }

    /// The template with the tolerations of daemon pods and the labels of its revision.
    fn template(&self) -> Value {
        let mut template = self.value()["spec"]["template"].clone();
        placement::add_tolerations(&mut template);
        let generation = annotation(self.value(), DEPRECATED_TEMPLATE_GENERATION).map(str::to_string);
        let labels = object_mut(&mut template, &["metadata", "labels"]);
        if let Some(generation) = generation {
            labels.insert(TEMPLATE_GENERATION.into(), generation.into());
        }
        labels.insert(REVISION_HASH.into(), self.hash.clone().into());
        template
    }

    async fn write_status(&mut self, selector: &LabelSelector) -> Result<(), Status> {
        let by_node = self.pods_by_node(selector).await?;
        let status = self.status(&by_node);
        if self.value()["status"] == status {
            return Ok(());
        }
        let mut wanted = self.value().clone();
        wanted["status"] = status;
        self.set = self.cx.update(DAEMON_SETS, "status", wanted).await?;
        Ok(())
    }

    fn status(&mut self, by_node: &PodsByNode) -> Value {
        let (mut desired, mut current, mut misplaced, mut ready, mut available, mut updated) = (0, 0, 0, 0, 0, 0);
        for (node, run, _) in self.nodes.clone() {
            let pod = by_node.get(node.name()).and_then(|pods| pods.first()).cloned();
            if !run {
                misplaced += i64::from(pod.is_some());
                continue;
            }
            desired += 1;
            let Some(pod) = pod else { continue };
            current += 1;
            ready += i64::from(pods::is_ready(&pod));
            updated += i64::from(self.is_current(&pod));
            match pods::available_in(&pod, self.min_ready(), self.cx.rt.now()) {
                Some(wait) if wait.is_zero() => available += 1,
                Some(wait) => self.again_in(wait),
                None => {}
            }
        }
        let mut status = Map::new();
        status.insert("currentNumberScheduled".into(), current.into());
        status.insert("numberMisscheduled".into(), misplaced.into());
        status.insert("desiredNumberScheduled".into(), desired.into());
        status.insert("numberReady".into(), ready.into());
        put_count(&mut status, "observedGeneration", count(self.value(), "/metadata/generation"));
        put_count(&mut status, "updatedNumberScheduled", updated);
        put_count(&mut status, "numberAvailable", available);
        put_count(&mut status, "numberUnavailable", desired - available);
        if let Some(collisions) = int(self.value(), "/status/collisionCount") {
            status.insert("collisionCount".into(), collisions.into());
        }
        let conditions = items(self.value(), "/status/conditions");
        if !conditions.is_empty() {
            status.insert("conditions".into(), json!(conditions));
        }
        Value::Object(status)
    }
}
