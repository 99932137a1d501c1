//! The fleet's one task: commands, pod changes and answered effects in, effects and writes out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use cove_base::Runtime;
use cove_base::runtime::{AbortOnDrop, BoxFuture};
use cove_kube_api::door::Heartbeat;
use cove_kube_api::status::Status;
use cove_kube_client::Client;
use cove_kube_client::cache::{Cache, Key};
use cove_kube_client::events::{Recorder, Sink};
use futures_util::StreamExt;
use futures_util::future::{AbortHandle, Abortable};
use futures_util::stream::FuturesUnordered;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc, watch};

use super::pods::{Pods, Seen, Write};
use super::upkeep::Upkeep;
use crate::limits::{FLEET_QUEUE, WRITE_RETRY};
use crate::node::NodeSpec;
use crate::pod::{Effect, Event};
use crate::runtime::PodRuntime;

/// What a fleet is made of.
pub struct FleetConfig {
    /// Clock and tasks.
    pub rt: Runtime,
    /// The fleet's own identity: it may read, and announce heartbeats.
    pub client: Client,
    /// All pods of the cluster, watched under that identity.
    pub pods: Cache,
    /// All nodes of the cluster, watched under that identity.
    pub nodes: Cache,
    /// Performs the pods' effects.
    pub runtime: Arc<dyn PodRuntime>,
    /// Where events go.
    pub events: Sink,
}

enum Command {
    PowerOn { spec: Box<NodeSpec>, client: Client },
    PowerOff { name: String },
}

/// The handle to a running fleet. The fleet ends with its last handle.
#[derive(Clone)]
pub struct Fleet {
    commands: mpsc::Sender<Command>,
    _task: Arc<AbortOnDrop>,
}

impl Fleet {
    /// Starts the fleet of one cluster, without nodes.
    pub fn start(config: FleetConfig) -> Self {
        let (commands, queue) = mpsc::channel(FLEET_QUEUE);
        let rt = config.rt.clone();
        let task = rt.spawn("fleet", Driver::new(config).run(queue)).abort_on_drop();
        Self { commands, _task: Arc::new(task) }
    }

    /// Powers a node on: it registers through `client` (`system:node:NAME`) and runs the pods bound to it. Powering
    /// on a node that is on starts it anew.
    pub async fn power_on(&self, spec: NodeSpec, client: Client) {
        let _ = self.commands.send(Command::PowerOn { spec: Box::new(spec), client }).await;
    }

    /// Cuts a node's power: nothing of it writes to the API any more, as when a machine dies.
    pub async fn power_off(&self, name: &str) {
        let _ = self.commands.send(Command::PowerOff { name: name.into() }).await;
    }
}

struct Node {
    spec: NodeSpec,
    client: Client,
    events: Recorder,
    network: watch::Sender<bool>,
    /// Tells the upkeep that the API's Node has changed.
    changed: Arc<Notify>,
    upkeep: AbortHandle,
}

/// Pods or nodes whose API object has changed since the driver last looked. Bounded by their number.
#[derive(Default)]
struct Changed {
    keys: Mutex<BTreeSet<Key>>,
    notify: Notify,
}

impl Changed {
    fn of(cache: &Cache) -> Arc<Self> {
        let changed = Arc::new(Self::default());
        let told = changed.clone();
        cache.subscribe(move |change| {
            told.keys.lock().unwrap_or_else(PoisonError::into_inner).insert(Key::of(change.latest()));
            told.notify.notify_one();
        });
        changed
    }

    fn take(&self) -> BTreeSet<Key> {
        std::mem::take(&mut *self.keys.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a future of the driver has come to.
enum Done {
    Answer {
        key: Key,
        uid: String,
        event: Option<Event>,
    },
    Written {
        key: Key,
        write: Write,
        result: Result<(), Status>,
    },
    /// A failed write may be tried again.
    Retry {
        key: Key,
        uid: String,
    },
}

struct Driver {
    config: FleetConfig,
    changed_pods: Arc<Changed>,
    changed_nodes: Arc<Changed>,
    nodes: BTreeMap<String, Node>,
    pods: Pods,
    work: FuturesUnordered<BoxFuture<Done>>,
    upkeep: FuturesUnordered<Abortable<BoxFuture<()>>>,
}

impl Driver {
    fn new(config: FleetConfig) -> Self {
        Self {
            changed_pods: Changed::of(&config.pods),
            changed_nodes: Changed::of(&config.nodes),
            config,
            nodes: BTreeMap::new(),
            pods: Pods::default(),
            work: FuturesUnordered::new(),
            upkeep: FuturesUnordered::new(),
        }
    }

    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let (pods, nodes) = (self.changed_pods.clone(), self.changed_nodes.clone());
        loop {
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(Command::PowerOn { spec, client }) => self.power_on(*spec, client),
                    Some(Command::PowerOff { name }) => self.power_off(&name),
                    None => return,
                },
                Some(done) = self.work.next(), if !self.work.is_empty() => self.done(done),
                () = pods.notify.notified() => pods.take().iter().for_each(|key| self.look_at(key)),
                () = nodes.notify.notified() => {
                    let changed = nodes.take();
                    let known = changed.iter().filter_map(|key| self.nodes.get(&key.name));
                    known.for_each(|node| node.changed.notify_one());
                }
                Some(_) = self.upkeep.next(), if !self.upkeep.is_empty() => {}
            }
        }
    }

    fn power_on(&mut self, spec: NodeSpec, client: Client) {
        self.power_off(&spec.name);
        let (network, seen) = watch::channel(false);
        let (abort, registration) = AbortHandle::new_pair();
        let changed = Arc::new(Notify::new());
        let upkeep = Upkeep {
            rt: self.config.rt.clone(),
            spec: spec.clone(),
            client: client.clone(),
            fleet: self.config.runtime.is_simulated().then(|| self.config.client.clone()),
            nodes: self.config.nodes.clone(),
            pods: self.config.pods.clone(),
            network: seen,
            changed: changed.clone(),
        };
        self.upkeep.push(Abortable::new(Box::pin(upkeep.keep()), registration));
        let events = self.config.events.recorder(client.clone(), "kubelet", &spec.name);
        let name = spec.name.clone();
        self.nodes.insert(name.clone(), Node { spec, client, events, network, changed, upkeep: abort });
        for pod in self.config.pods.indexed(cove_kube_client::cache::BY_NODE, &name) {
            self.look_at(&Key::of(&pod));
        }
    }

    fn power_off(&mut self, name: &str) {
        let Some(node) = self.nodes.remove(name) else { return };
        node.upkeep.abort();
        // A server that takes no heartbeats has none of this node.
        let _ = self.config.client.heartbeat(name, Heartbeat::Gone);
        for key in self.pods.on_node(name) {
            self.forget(&key);
        }
    }

    /// Brings one pod's machine in line with its API object.
    fn look_at(&mut self, key: &Key) {
        let object = self.config.pods.get(key);
        let node = object.as_ref().and_then(|o| o.value()["spec"]["nodeName"].as_str().map(str::to_string));
        let object = object.filter(|_| node.as_ref().is_some_and(|n| self.nodes.contains_key(n)));
        let network = node.as_ref().and_then(|n| self.nodes.get(n)).is_some_and(|n| *n.network.borrow());
        match self.pods.observe(key, object.as_deref(), network, self.config.rt.now()) {
            Seen::Nothing => {}
            Seen::Effects(effects) => self.perform(key, effects),
            Seen::Gone => {
                self.forget(key);
                if object.is_some() {
                    self.look_at(key);
                }
            }
        }
    }

    /// Drops a pod and frees its address.
    fn forget(&mut self, key: &Key) {
        let Some(pod) = self.pods.remove(key) else { return };
        let node = pod.spec.node.clone();
        self.config.runtime.forget(&pod.spec);
        if pod.machine.has_sandbox() {
            // Its answer is nothing, so nobody needs to wait for it.
            drop(self.config.runtime.perform(pod.spec, Effect::RemoveSandbox));
        }
        self.check_network(&node);
    }

    fn done(&mut self, done: Done) {
        match done {
            Done::Answer { event: None, .. } => {}
            Done::Answer { key, uid, event: Some(event) } => self.step(&key, &uid, event),
            Done::Retry { key, uid } => {
                if let Some(pod) = self.pods.get_mut(&key).filter(|p| p.spec.uid == uid) {
                    pod.writing = false;
                    self.write_if_due(&key);
                }
            }
            Done::Written { key, write, result } => self.written(key, write, result),
        }
    }

    fn step(&mut self, key: &Key, uid: &str, event: Event) {
        let now = self.config.rt.now();
        if self.pods.get_mut(key).is_none_or(|p| p.spec.uid != uid) {
            return;
        }
        self.record(key, &event);
        let Some(pod) = self.pods.get_mut(key) else { return };
        let effects = pod.machine.step(event, now);
        self.perform(key, effects);
    }

    /// Begins effects and writes what has changed.
    fn perform(&mut self, key: &Key, effects: Vec<Effect>) {
        let Some(pod) = self.pods.get_mut(key) else { return };
        let (spec, node) = (pod.spec.clone(), pod.spec.node.clone());
        for effect in effects {
            self.record_effect(key, &effect);
            let answer = self.config.runtime.perform(spec.clone(), effect);
            let (key, uid) = (key.clone(), spec.uid.clone());
            self.work.push(Box::pin(async move { Done::Answer { key, uid, event: answer.await } }));
        }
        self.write_if_due(key);
        self.check_network(&node);
    }

    /// Tells a node's pods and its upkeep when the CNI's agent has come up or gone.
    fn check_network(&mut self, node: &str) {
        let up = self.pods.network_agent_runs(node);
        let Some(state) = self.nodes.get(node) else { return };
        if !state.network.send_if_modified(|known| std::mem::replace(known, up) != up) {
            return;
        }
        for key in self.pods.on_node(node) {
            if let Some(pod) = self.pods.get_mut(&key) {
                let uid = pod.spec.uid.clone();
                self.step(&key, &uid, Event::Network(up));
            }
        }
    }

    fn write_if_due(&mut self, key: &Key) {
        let Some(pod) = self.pods.get_mut(key) else { return };
        let Some(node) = self.nodes.get(&pod.spec.node) else { return };
        if let Some(write) = pod.due_write(&node.spec.internal_ip) {
            let (key, client) = (key.clone(), node.client.clone());
            self.work.push(Box::pin(async move {
                let result = write.send(&client).await;
                Done::Written { key, write, result }
            }));
        }
    }

    fn written(&mut self, key: Key, write: Write, result: Result<(), Status>) {
        let Some(pod) = self.pods.get_mut(&key).filter(|p| p.spec.uid == write.uid) else { return };
        match result {
            Ok(()) => {
                pod.writing = false;
                match write.status {
                    Some(status) => {
                        pod.written = status;
                        self.write_if_due(&key);
                    }
                    None => self.forget(&key),
                }
            }
            Err(status) if status.is_not_found() => self.forget(&key),
            Err(status) => {
                tracing::debug!(pod = %write.name, "writing a pod's status: {status}");
                let (rt, uid) = (self.config.rt.clone(), write.uid);
                self.work.push(Box::pin(async move {
                    rt.sleep(WRITE_RETRY).await;
                    Done::Retry { key, uid }
                }));
            }
        }
    }

    /// The kubelet's events about what has happened.
    fn record(&mut self, key: &Key, event: &Event) {
        match event {
            Event::Started { container, .. } => {
                self.tell(key, Some(*container), "Normal", "Started", "Container started".into());
            }
            Event::Pulled { container, .. } => {
                let image = self.image(key, *container);
                let message = format!("Container image {image:?} already present on machine");
                self.tell(key, Some(*container), "Normal", "Pulled", message);
                self.tell(key, Some(*container), "Normal", "Created", "Container created".into());
            }
            Event::PullFailed { container, message, .. } => {
                let message = format!("Failed to pull image {:?}: {message}", self.image(key, *container));
                self.tell(key, Some(*container), "Warning", "Failed", message);
            }
            Event::SandboxFailed { message } => {
                self.tell(key, None, "Warning", "FailedCreatePodSandBox", message.clone());
            }
            _ => {}
        }
    }

    /// The kubelet's events about what it is going to do.
    fn record_effect(&mut self, key: &Key, effect: &Effect) {
        if let Effect::Stop { container, .. } = effect {
            let name = self.pods.get_mut(key).map(|p| p.spec.containers[*container].name.clone());
            let message = format!("Stopping container {}", name.unwrap_or_default());
            self.tell(key, Some(*container), "Normal", "Killing", message);
        }
    }

    fn image(&mut self, key: &Key, container: usize) -> String {
        self.pods.get_mut(key).map(|p| p.spec.containers[container].image.clone()).unwrap_or_default()
    }

    fn tell(&mut self, key: &Key, container: Option<usize>, kind: &'static str, reason: &str, message: String) {
        let Some(pod) = self.pods.get_mut(key) else { return };
        let Some(node) = self.nodes.get(&pod.spec.node) else { return };
        let mut about = json!({
            "apiVersion": "v1", "kind": "Pod",
            "namespace": pod.spec.namespace, "name": pod.spec.name, "uid": pod.spec.uid,
        });
        if let Some(spec) = container.and_then(|c| pod.spec.containers.get(c)) {
            let list = match spec.role {
                crate::pod::ContainerRole::Main => "containers",
                _ => "initContainers",
            };
            about["fieldPath"] = Value::String(format!("spec.{list}{{{}}}", spec.name));
        }
        node.events.record(about, kind, reason, message);
    }
}
