//! The scheduler's one task: follows the cluster, takes pods from the queue, picks nodes, and starts the writes.
//!
//! Started by `cove-region` for each cluster. A cycle is computed without waiting, on state that only this task owns;
//! bindings run beside it, bounded, on pods that count as placed already. Drop the handle to end everything.

use std::collections::BTreeMap;
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
use crate::framework::{ClusterState, Event, Events, Labels, NodeView, PodView, Selector};
use crate::inbox::{Inbox, Kind};
use crate::limits;
use crate::preemption;
use crate::queue::{Attempt, Queue};
use crate::writes::{self, PODS};

/// The scheduler that pods mean if they name none.
const NAME: &str = "default-scheduler";

/// What is followed.
const FOLLOWED: [(Kind, Resource); 7] = [
    (Kind::Namespace, Resource::core("namespaces")),
    (Kind::Service, Resource::core("services")),
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
    let (finished, results) = mpsc::channel(limits::WRITES_IN_FLIGHT);
    let scheduler = Scheduler {
        recorder: Sink::start(&rt).recorder(client.clone(), NAME, ""),
        caches: caches.clone(),
        rt: rt.clone(),
        state: ClusterState::default(),
        queue: Queue::default(),
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
    /// `None` for a condition.
    binding: Option<Binding>,
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
        // A failed attempt writes a condition, a successful one a binding: at most one write each.
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
            Some(pod) if !placed => self.queue.put(&pod, self.rt.now()),
            // While it is being bound, the queue knows how often it has been tried.
            Some(pod) if self.state.is_assumed(&pod) => {}
            _ => self.queue.remove(key),
        }
        events
    }

    fn attempt(&mut self, attempt: Attempt) {
        let Attempt { pod, number } = attempt;
        let seed = self.rt.seed();
        let pick = |count: usize| seed.below(&format!("place {}", pod.uid), u64::from(number), count as u64) as usize;
        match cycle::place(&self.state, &pod, pick) {
            Ok(node) => {
                let node: Box<str> = node.name().into();
                self.state.assume(pod.clone(), &node);
                self.start_binding(pod, node);
            }
            Err(diagnosis) => self.no_room(&pod, &diagnosis),
        }
    }

    fn no_room(&mut self, pod: &PodView, diagnosis: &Diagnosis) {
        let message = diagnosis.message(&preemption::explain(&self.state, pod, diagnosis));
        self.queue.failed(&pod.key, &pod.uid, diagnosis.wakes_on(), self.rt.now());
        self.report(pod, "Unschedulable", &message);
    }

    /// Tells people and programs why a pod is not placed.
    fn report(&mut self, pod: &PodView, reason: &str, message: &str) {
        let Some(object) = self.pods().get(&pod.key).filter(|object| *object.uid() == *pod.uid) else { return };
        self.recorder.warning(&object, "FailedScheduling", writes::event_message(message));
        if let Some(patch) = writes::unplaced(&object, reason, message, self.rt.now()) {
            let client = self.client.clone();
            self.start_write(async move {
                writes::patch_status(client, object, patch).await;
                None
            });
        }
    }

    fn start_binding(&mut self, pod: Arc<PodView>, node: Box<str>) {
        let client = self.client.clone();
        self.start_write(async move {
            let result = writes::bind(&client, &pod, &node).await;
            Some(Binding { pod, node, result })
        });
    }

    fn start_write(&mut self, write: impl Future<Output = Option<Binding>> + Send + 'static) {
        self.next_write += 1;
        let (ordinal, finished) = (self.next_write, self.finished.clone());
        let task = self.rt.spawn("scheduler write", async move {
            let binding = write.await;
            let _ = finished.send(Written { ordinal, binding }).await;
        });
        self.writes.insert(ordinal, task.abort_on_drop());
    }

    fn written(&mut self, written: Written) {
        self.writes.remove(&written.ordinal);
        let Some(Binding { pod, node, result }) = written.binding else { return };
        match result {
            Ok(()) => self.bound(&pod, &node),
            Err(status) => self.not_bound(&pod, &status),
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
