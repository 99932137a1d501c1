//! Events: what a component tells people about an object, with upstream's counting, combining and limiting
//! (client-go tools/record).
//!
//! Recording never waits and never fails: events go through one bounded queue per [`Sink`] and are dropped when it is
//! full. Written as core/v1; the server shows them as events.k8s.io/v1 too.

use std::collections::BTreeMap;
use std::sync::Arc;

use cove_base::runtime::AbortOnDrop;
use cove_base::{Runtime, Timestamp};
use cove_kube_api::door::PatchKind;
use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::client::{Client, Resource};
use crate::limits;

const EVENTS: Resource = Resource::core("events");

/// Writes events of any number of components, in order. Ends with its last handle and recorder.
#[derive(Clone)]
pub struct Sink {
    rt: Runtime,
    queue: mpsc::Sender<Note>,
    _task: Arc<AbortOnDrop>,
}

/// Records events as one component of one host.
#[derive(Clone)]
pub struct Recorder {
    sink: Sink,
    client: Client,
    component: Arc<str>,
    host: Arc<str>,
}

/// What happened to an object.
struct Note {
    client: Client,
    component: Arc<str>,
    host: Arc<str>,
    about: Value,
    kind: &'static str,
    reason: String,
    message: String,
    at: Timestamp,
}

/// The reference to an object as events carry it.
pub fn reference(object: &Object) -> Value {
    let value = object.value();
    let mut reference = json!({ "kind": value["kind"] });
    if !object.namespace().is_empty() {
        reference["namespace"] = object.namespace().into();
    }
    reference["name"] = object.name().into();
    reference["uid"] = object.uid().into();
    reference["apiVersion"] = value["apiVersion"].clone();
    reference["resourceVersion"] = object.revision().to_string().into();
    reference
}

impl Sink {
    /// Starts the writing task.
    pub fn start(rt: &Runtime) -> Self {
        let (queue, notes) = mpsc::channel(limits::EVENTS_QUEUED);
        let writer =
            Writer { rt: rt.clone(), known: BTreeMap::new(), similar: BTreeMap::new(), budget: BTreeMap::new() };
        let task = rt.spawn("events", writer.run(notes)).abort_on_drop();
        Self { rt: rt.clone(), queue, _task: Arc::new(task) }
    }

    /// A recorder. `host` is empty but for node agents.
    pub fn recorder(&self, client: Client, component: &str, host: &str) -> Recorder {
        Recorder { sink: self.clone(), client, component: component.into(), host: host.into() }
    }
}

impl Recorder {
    /// Something expected happened to the object.
    pub fn normal(&self, object: &Object, reason: &str, message: impl Into<String>) {
        self.record(reference(object), "Normal", reason, message);
    }

    /// Something went wrong with the object.
    pub fn warning(&self, object: &Object, reason: &str, message: impl Into<String>) {
        self.record(reference(object), "Warning", reason, message);
    }

    /// Any event: `about` is an `ObjectReference` (with `fieldPath` for a container), `kind` is `Normal` or `Warning`.
    pub fn record(&self, about: Value, kind: &'static str, reason: &str, message: impl Into<String>) {
        let note = Note {
            client: self.client.clone(),
            component: self.component.clone(),
            host: self.host.clone(),
            about,
            kind,
            reason: reason.into(),
            message: message.into(),
            at: self.sink.rt.now(),
        };
        if self.sink.queue.try_send(note).is_err() {
            tracing::warn!(component = %self.component, "an event was dropped: too many wait");
        }
    }
}

/// An event that has been written.
struct Known {
    namespace: String,
    name: String,
    count: u32,
    last: Timestamp,
}

struct Writer {
    rt: Runtime,
    known: BTreeMap<String, Known>,
    /// Per event without its message: the messages of the current window.
    similar: BTreeMap<String, (Timestamp, Vec<String>)>,
    /// Per source and object: tokens left, and when that was.
    budget: BTreeMap<String, (f64, Timestamp)>,
}

/// Forgets what is oldest by `age` once there is too much of it.
fn bound<T>(map: &mut BTreeMap<String, T>, age: impl Fn(&T) -> Timestamp) {
    if map.len() > limits::EVENTS_REMEMBERED {
        let mut ages: Vec<Timestamp> = map.values().map(&age).collect();
        ages.sort();
        let limit = ages[ages.len() / 2];
        map.retain(|_, item| age(item) > limit);
    }
}

impl Writer {
    async fn run(mut self, mut notes: mpsc::Receiver<Note>) {
        while let Some(note) = notes.recv().await {
            let similar = self.combine(&note);
            let (key, message) = match similar {
                Some(key) => (key, format!("(combined from similar events): {}", note.message)),
                None => (note.key(&note.message), note.message.clone()),
            };
            if !self.within_budget(&note) {
                continue;
            }
            if let Err(status) = self.write(&note, key, &message).await {
                tracing::debug!(component = %note.component, reason = note.reason, "an event was not written: {status}");
            }
            bound(&mut self.known, |known| known.last);
        }
    }

    /// The common key once too many events differ in their message only.
    fn combine(&mut self, note: &Note) -> Option<String> {
        let key = note.key("");
        let (since, messages) = self.similar.entry(key.clone()).or_insert((note.at, Vec::new()));
        if note.at.since(*since) > limits::EVENTS_SIMILAR_WINDOW {
            (*since, *messages) = (note.at, Vec::new());
        }
        let combine = !messages.contains(&note.message) && messages.len() >= limits::EVENTS_SIMILAR;
        if !combine && !messages.contains(&note.message) {
            messages.push(note.message.clone());
        }
        bound(&mut self.similar, |(since, _)| *since);
        combine.then_some(key)
    }

    fn within_budget(&mut self, note: &Note) -> bool {
        let key = format!("{}\n{}\n{}", note.component, note.host, note.object());
        let (tokens, since) = self.budget.entry(key).or_insert((limits::EVENTS_BURST, note.at));
        let refilled = note.at.since(*since).as_secs_f64() * limits::EVENTS_REFILL;
        (*tokens, *since) = ((*tokens + refilled).min(limits::EVENTS_BURST), note.at);
        let allowed = *tokens >= 1.0;
        if allowed {
            *tokens -= 1.0;
        }
        bound(&mut self.budget, |(_, since)| *since);
        allowed
    }

    async fn write(&mut self, note: &Note, key: String, message: &str) -> Result<(), Status> {
        if let Some(known) = self.known.get_mut(&key) {
            known.count += 1;
            known.last = note.at;
            let patch = json!({ "count": known.count, "lastTimestamp": note.at.rfc3339(), "message": message });
            let patched = note.client.patch(EVENTS, &known.namespace, &known.name, "", PatchKind::Merge, patch).await;
            match patched {
                Err(status) if status.is_not_found() => self.known.remove(&key),
                other => return other.map(drop),
            };
        }
        let ordinal = note.at.as_nanos().unsigned_abs();
        let suffix = self.rt.seed().hex(&format!("event\n{key}"), ordinal, 16);
        let event = note.event(&suffix, message);
        let text = |member: &str| event["metadata"][member].as_str().unwrap_or_default().to_string();
        let (namespace, name) = (text("namespace"), text("name"));
        note.client.create(EVENTS, &namespace, event).await?;
        self.known.insert(key, Known { namespace, name, count: 1, last: note.at });
        Ok(())
    }
}

impl Note {
    fn object(&self) -> String {
        let about = |member: &str| self.about[member].as_str().unwrap_or_default();
        [about("kind"), about("namespace"), about("name"), about("fieldPath"), about("uid")].join("\n")
    }

    fn key(&self, message: &str) -> String {
        let event = [&self.component, self.host.as_ref(), self.kind, &self.reason, message];
        format!("{}\n{}", self.object(), event.join("\n"))
    }

    fn event(&self, suffix: &str, message: &str) -> Value {
        let about = |member: &str| self.about[member].as_str().unwrap_or_default();
        let namespace = if about("namespace").is_empty() { "default" } else { about("namespace") };
        let mut source = json!({ "component": self.component.as_ref() });
        if !self.host.is_empty() {
            source["host"] = self.host.as_ref().into();
        }
        json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": { "name": format!("{}.{suffix}", about("name")), "namespace": namespace },
            "involvedObject": self.about,
            "reason": self.reason,
            "message": message,
            "source": source,
            "firstTimestamp": self.at.rfc3339(),
            "lastTimestamp": self.at.rfc3339(),
            "count": 1,
            "type": self.kind,
            "reportingComponent": self.component.as_ref(),
            "reportingInstance": self.host.as_ref(),
        })
    }
}
