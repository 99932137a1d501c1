//! The scheduler's one task: follows the cluster, takes pods from the queue, picks nodes, and starts the writes.
//!
//! Started by `cove-region` for each cluster. A cycle is computed without waiting, on state that only this task owns;
//! bindings run beside it, bounded, on pods that count as placed already. Drop the handle to end everything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cove_base::Runtime;
use cove_base::runtime::AbortOnDrop;
use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use cove_kube_client::events::{Recorder, Sink};
use cove_kube_client::{Cache, Caches, Client, Key, Resource};
use tokio::sync::mpsc;

use crate::cycle;
use crate::diagnosis::Diagnosis;
use crate::framework::budget::Budget;
use crate::framework::nominations::Nominations;
use crate::framework::{ClusterState, Event, Events, Labels, NodeView, PodView, Selector};
use crate::inbox::{Inbox, Kind};
use crate::limits;
use crate::preemption::{self, Plan};
use crate::queue::{Attempt, Queue};
use crate::writes::{self, PODS};

/// The scheduler that pods mean if they name none.
const NAME: &str = "default-scheduler";

/// What is followed.
const FOLLOWED: [(Kind, Resource); 8] = [
    (Kind::Namespace, Resource::core("namespaces")),
    (Kind::Service, Resource::core("services")),
    (Kind::Budget, Resource::new("policy", "v1", "poddisruptionbudgets")),
    (Kind::Controller("ReplicaSet"), Resource::new("apps", "v1", "replicasets")),
    (Kind::Controller("StatefulSet"), Resource::new("apps", "v1", "statefulsets")),
    (Kind::Controller("ReplicationController"), Resource::core("replicationcontrollers")),
    (Kind::Node, Resource::core("nodes")),
    (Kind::Pod, PODS),
];

/// A running scheduler. It ends when this is dropped.
pub struct Handle {
    caches: Caches,
    _task: AbortOnDrop,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.caches.stop();
    }
}

/// Starts a scheduler. `client` is its identity, upstream's `system:kube-scheduler`.
pub fn run(rt: Runtime, client: Client) -> Handle {
    let caches = Caches::new(rt.clone(), client.clone());
    let inbox = Inbox::default();
    for (kind, resource) in FOLLOWED {
        inbox.follow(&caches.get(resource), kind);
    }
    let (finished, results) = mpsc::channel(limits::WRITES_IN_FLIGHT + 1);
    let scheduler = Scheduler {
        recorder: Sink::start(&rt).recorder(client.clone(), NAME, ""),
        caches: caches.clone(),
        rt: rt.clone(),
        state: ClusterState::default(),
        queue: Queue::default(),
        nominations: Nominations::default(),
        preempting: BTreeSet::new(),
        writes: BTreeMap::new(),
        next_write: 0,
        client,
        inbox,
        finished,
        results,
    };
    Handle { caches, _task: rt.spawn("scheduler", scheduler.run()).abort_on_drop() }
}

/// The end of a write.
struct Written {
    ordinal: u64,
    outcome: Outcome,
}

/// What came of a write.
enum Outcome {
    /// A condition, written or not.
    Condition,
    /// A binding.
    Binding(Binding),
    /// The victims of a pod have been told to leave.
    Preempted(Key),
}

/// A binding that was tried.
struct Binding {
    pod: Arc<PodView>,
    node: Box<str>,
    result: Result<(), Status>,
}

struct Scheduler {
    rt: Runtime,
    client: Client,
    caches: Caches,
    inbox: Inbox,
    recorder: Recorder,
    state: ClusterState,
    queue: Queue,
    nominations: Nominations,
    /// Pods whose victims are being told to leave: they do not look for others meanwhile.
    preempting: BTreeSet<Key>,
    /// Writes that are under way. They end with this task.
    writes: BTreeMap<u64, AbortOnDrop>,
    next_write: u64,
    finished: mpsc::Sender<Written>,
    results: mpsc::Receiver<Written>,
}

impl Scheduler {
    async fn run(mut self) {
        for (_, resource) in FOLLOWED {
            self.caches.get(resource).synced().await;
        }
        loop {
            self.look();
            match self.next() {
                Some(attempt) => {
                    self.attempt(attempt);
                    // Let the writes get on.
                    yield_now().await;
                }
                None => self.wait().await,
            }
        }
    }

    fn next(&mut self) -> Option<Attempt> {
        // A failed attempt writes a condition and evictions, a successful one a binding: one or two writes each.
        if self.writes.len() >= limits::WRITES_IN_FLIGHT { None } else { self.queue.pop(self.rt.now()) }
    }

    async fn wait(&mut self) {
        let due = self.queue.next_due().filter(|_| self.writes.len() < limits::WRITES_IN_FLIGHT);
        let rt = self.rt.clone();
        let timer = async move {
            match due {
                Some(due) => rt.sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        let written = tokio::select! {
            biased;
            written = self.results.recv() => written,
            () = self.inbox.changed() => None,
            () = timer => None,
        };
        written.into_iter().for_each(|written| self.written(written));
    }

    /// Takes over everything that has happened.
    fn look(&mut self) {
        while let Ok(written) = self.results.try_recv() {
            self.written(written);
        }
        while let Some((kind, key)) = self.inbox.take() {
            let events = self.changed(kind, &key);
            self.queue.happened(events, self.rt.now());
        }
    }

    fn pods(&self) -> Cache {
        self.caches.get(PODS)
    }

    fn changed(&mut self, kind: Kind, key: &Key) -> Events {
        let resource = FOLLOWED.iter().find(|(known, _)| *known == kind).map(|(_, resource)| *resource);
        let object = resource.and_then(|resource| self.caches.get(resource).get(key));
        let object = object.as_deref();
        match kind {
            Kind::Pod => return self.pod_changed(key, object),
            Kind::Node => return self.state.set_node(&key.name, object.map(NodeView::of)),
            Kind::Namespace => {
                let labels = object.map(|namespace| Labels::of(&namespace.value()["metadata"]["labels"]));
                return self.state.set_namespace(&key.name, labels);
            }
            Kind::Service => {
                self.state.set_service(key.clone(), object.map(|o| Selector::of_map(&o.value()["spec"]["selector"])));
            }
            Kind::Budget => self.state.set_budget(key.clone(), object.map(|o| Budget::of(o.value()))),
            Kind::Controller(kind) => {
                let selector = object.map(|o| controller_selector(kind, o));
                self.state.set_controller(kind, key.clone(), selector);
            }
        }
        Events::NONE
    }

    fn pod_changed(&mut self, key: &Key, object: Option<&Object>) -> Events {
        let pod = object.map(|object| Arc::new(PodView::of(object)));
        let events = self.state.set_pod(key, pod.as_ref());
        let placed = self.state.placement(key).is_some();
        match pod.filter(|pod| is_to_be_placed(pod)) {
            Some(pod) if !placed => {
                self.take_over_nomination(&pod, object);
                self.queue.put(&pod, self.rt.now());
            }
            // While it is being bound, the queue knows how often it has been tried.
            Some(pod) if self.state.is_assumed(&pod) => {}
            _ => {
                self.nominations.remove(key);
                self.queue.remove(key);
            }
        }
        events
    }

    /// A nomination outlives the process that made it.
    fn take_over_nomination(&mut self, pod: &Arc<PodView>, object: Option<&Object>) {
        let node = object.and_then(|object| object.value()["status"]["nominatedNodeName"].as_str());
        if let Some(node) = node.filter(|node| !node.is_empty())
            && self.nominations.node_of(&pod.key).is_none()
        {
            self.nominations.set(pod, node);
        }
    }

    fn attempt(&mut self, attempt: Attempt) {
        let Attempt { pod, number } = attempt;
        match self.choose(&pod, number) {
            Ok(node) => {
                self.nominations.remove(&pod.key);
                self.state.assume(pod.clone(), &node);
                self.start_binding(pod, node);
            }
            Err(diagnosis) => self.no_room(&pod, &diagnosis),
        }
    }

    /// The node for a pod: the one where room was made for it, or the best that leaves others' room alone.
    fn choose(&mut self, pod: &Arc<PodView>, number: u32) -> Result<Box<str>, Diagnosis> {
        let among = self.respecting_nominations(pod)?;
        let nominated = self.nominations.node_of(&pod.key).and_then(|name| self.state.node(name));
        if let Some(node) = nominated
            && among.as_ref().is_none_or(|names| names.contains(node.name()))
            && cycle::would_fit(&self.state, pod, node).is_ok()
        {
            return Ok(node.name().into());
        }
        let seed = self.rt.seed();
        let pick = |count: usize| seed.below(&format!("place {}", pod.uid), u64::from(number), count as u64) as usize;
        Ok(cycle::place_among(&self.state, pod, among.as_ref(), pick)?.name().into())
    }

    /// The nodes that would take the pod if those that room is being made for were there already; `None` for all.
    fn respecting_nominations(&mut self, pod: &PodView) -> Result<Option<BTreeSet<Box<str>>>, Diagnosis> {
        let mut others = self.nominations.before(pod);
        others.retain(|(other, _)| self.state.placement(&other.key).is_none());
        if others.is_empty() {
            return Ok(None);
        }
        others.iter().for_each(|(other, node)| self.state.assume(other.clone(), node));
        let names = cycle::fitting(&self.state, pod);
        others.iter().for_each(|(other, _)| self.state.forget(&other.key));
        names.map(Some)
    }

    fn no_room(&mut self, pod: &Arc<PodView>, diagnosis: &Diagnosis) {
        self.queue.failed(&pod.key, &pod.uid, diagnosis.wakes_on(), self.rt.now());
        if self.preempting.contains(&pod.key) {
            return;
        }
        let nominated = self.nominations.node_of(&pod.key);
        match preemption::plan(&self.state, pod, diagnosis, nominated) {
            Ok(plan) => {
                self.nominations.set(pod, &plan.node);
                self.report(pod, "Unschedulable", &diagnosis.message(None));
                self.preempt(pod, plan);
            }
            Err(refusal) => {
                if refusal.is_hopeless {
                    self.nominations.remove(&pod.key);
                }
                self.report(pod, "Unschedulable", &diagnosis.message(Some(&refusal.message)));
            }
        }
    }

    /// Tells the victims of a pod to leave.
    fn preempt(&mut self, pod: &PodView, plan: Plan) {
        let pods = self.pods();
        let objects = plan.victims.iter().filter_map(|victim| pods.get(&victim.key));
        let victims: Vec<Arc<Object>> = objects.collect();
        for victim in &victims {
            let message = format!("Preempted by pod {} on node {}", pod.uid, plan.node);
            self.recorder.normal(victim, "Preempted", message);
        }
        self.preempting.insert(pod.key.clone());
        let (client, key, now) = (self.client.clone(), pod.key.clone(), self.rt.now());
        self.start_write(async move {
            for victim in &victims {
                writes::evict(&client, victim, now).await;
            }
            Outcome::Preempted(key)
        });
    }

    /// Tells people and programs why a pod is not placed.
    fn report(&mut self, pod: &PodView, reason: &str, message: &str) {
        let Some(object) = self.pods().get(&pod.key).filter(|object| *object.uid() == *pod.uid) else { return };
        self.recorder.warning(&object, "FailedScheduling", writes::event_message(message));
        let nominated = self.nominations.node_of(&pod.key);
        if let Some(patch) = writes::unplaced(&object, reason, message, nominated, self.rt.now()) {
            let client = self.client.clone();
            self.start_write(async move {
                writes::patch_status(client, object, patch).await;
                Outcome::Condition
            });
        }
    }

    fn start_binding(&mut self, pod: Arc<PodView>, node: Box<str>) {
        let client = self.client.clone();
        self.start_write(async move {
            let result = writes::bind(&client, &pod, &node).await;
            Outcome::Binding(Binding { pod, node, result })
        });
    }

    fn start_write(&mut self, write: impl Future<Output = Outcome> + Send + 'static) {
        self.next_write += 1;
        let (ordinal, finished) = (self.next_write, self.finished.clone());
        let task = self.rt.spawn("scheduler write", async move {
            let outcome = write.await;
            let _ = finished.send(Written { ordinal, outcome }).await;
        });
        self.writes.insert(ordinal, task.abort_on_drop());
    }

    fn written(&mut self, written: Written) {
        self.writes.remove(&written.ordinal);
        match written.outcome {
            Outcome::Condition => {}
            Outcome::Preempted(key) => drop(self.preempting.remove(&key)),
            Outcome::Binding(Binding { pod, node, result: Ok(()) }) => self.bound(&pod, &node),
            Outcome::Binding(Binding { pod, result: Err(status), .. }) => self.not_bound(&pod, &status),
        }
    }

    fn bound(&mut self, pod: &PodView, node: &str) {
        if self.state.is_assumed(pod) {
            self.queue.remove(&pod.key);
        }
        if let Some(object) = self.pods().get(&pod.key).filter(|object| *object.uid() == *pod.uid) {
            let message = format!("Successfully assigned {} to {node}", pod.key);
            self.recorder.normal(&object, "Scheduled", writes::event_message(&message));
        }
    }

    fn not_bound(&mut self, pod: &Arc<PodView>, status: &Status) {
        if !self.state.is_assumed(pod) {
            return;
        }
        self.state.forget(&pod.key);
        self.queue.retry(&pod.key, &pod.uid);
        self.queue.happened(Events::of([Event::PodGone]), self.rt.now());
        let message = format!("binding rejected: running Bind plugin \"DefaultBinder\": {status}");
        self.report(pod, "SchedulerError", &message);
    }
}

fn is_to_be_placed(pod: &PodView) -> bool {
    pod.node_name.is_empty() && !pod.terminating && !pod.ended && *pod.scheduler_name == *NAME
}

fn controller_selector(kind: &str, object: &Object) -> Selector {
    let selector = &object.value()["spec"]["selector"];
    if kind == "ReplicationController" { Selector::of_map(selector) } else { Selector::of(selector) }
}

/// Lets other tasks run.
async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}
