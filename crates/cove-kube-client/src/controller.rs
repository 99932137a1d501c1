//! The reconcile runtime: controllers are declared as values, and everything around their one function comes from here:
//! caches, queue, back-off, counting, shutdown.
//!
//! A reconcile gets a key, reads through the caches, writes through [`Context`], and says when it wants to see the key
//! again. It is idempotent and never sleeps or retries by itself. Since the writes of [`Context`] return when the cache
//! has seen them, the next reconcile never acts on a state older than its own last write (upstream's
//! "expectations" are not needed).

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cove_base::Runtime;
use cove_base::runtime::{AbortOnDrop, BoxFuture};
use cove_kube_api::door::PatchKind;
use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use futures_util::FutureExt;
use serde_json::{Value, json};

use crate::cache::{Cache, Change, Key};
use crate::caches::Caches;
use crate::client::{Client, Resource};
use crate::events::{Recorder, Sink};
use crate::queue::Queue;

/// When a reconcile wants to see its key again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requeue {
    /// When something that it watches changes.
    Done,
    /// After this time, or when something changes.
    After(Duration),
}

/// Which keys a change of a resource concerns.
pub struct Watch<C: 'static> {
    /// The resource.
    pub resource: Resource,
    /// From a change to keys.
    pub keys: fn(&Context<C>, &Change) -> Vec<Key>,
}

impl<C> Watch<C> {
    /// The changed object itself is the key.
    pub const fn itself(resource: Resource) -> Self {
        Self { resource, keys: |_, change| vec![Key::of(change.latest())] }
    }

    /// Keys from a function.
    pub const fn mapped(resource: Resource, keys: fn(&Context<C>, &Change) -> Vec<Key>) -> Self {
        Self { resource, keys }
    }

    /// Only cached, so that the reconcile may read it.
    pub const fn cached(resource: Resource) -> Self {
        Self { resource, keys: |_, _| Vec::new() }
    }

    /// Everything that changes wakes the one key of a singleton.
    pub const fn singleton(resource: Resource) -> Self {
        Self { resource, keys: |_, _| vec![Key::default()] }
    }
}

/// The future of a reconcile.
pub type Reconcile = BoxFuture<Result<Requeue, Status>>;

/// A declared controller. `C` is what the controllers of a room share besides the cluster (configuration, ports).
pub struct Controller<C: 'static> {
    /// The name in diagnostics, and what [`Setup::client_for`] gets.
    pub name: &'static str,
    /// The component in its events.
    pub component: &'static str,
    /// What it reads and follows.
    pub watches: fn(&C) -> Vec<Watch<C>>,
    /// Whether its empty key is worked on at the start (for controllers that watch a clock).
    pub singleton: bool,
    /// How many keys are worked on at the same time.
    pub workers: usize,
    /// Does one key's work.
    pub reconcile: fn(Arc<Context<C>>, Key) -> Reconcile,
}

/// What a reconcile may use.
pub struct Context<C: 'static> {
    /// Clock and seed.
    pub rt: Runtime,
    /// The controller's own identity.
    pub client: Client,
    /// The shared caches.
    pub caches: Caches,
    /// Writes events as the controller's component.
    pub events: Recorder,
    /// The controller's queue.
    pub queue: Queue<Key>,
    /// What the room's controllers share.
    pub shared: Arc<C>,
}

impl<C> Context<C> {
    /// The cache of a resource.
    pub fn cache(&self, resource: Resource) -> Cache {
        self.caches.get(resource)
    }

    async fn seen(&self, resource: Resource, object: Arc<Object>) -> Result<Arc<Object>, Status> {
        if let Some(cache) = self.caches.started(resource)
            && !cache.caught_up(object.revision()).await
        {
            return Err(Status::internal(format!("the cache of {} did not see {object:?}", resource.plural)));
        }
        Ok(object)
    }

    /// Makes an object, and returns when the cache shows it.
    pub async fn create(&self, resource: Resource, namespace: &str, object: Value) -> Result<Arc<Object>, Status> {
        let made = self.client.create(resource, namespace, object).await?;
        self.seen(resource, made).await
    }

    /// Replaces an object (`subresource` empty) or its subresource, and returns when the cache shows it.
    pub async fn update(&self, resource: Resource, subresource: &str, object: Value) -> Result<Arc<Object>, Status> {
        let made = self.client.update_sub(resource, subresource, object).await?;
        self.seen(resource, made).await
    }

    /// Patches an object or its subresource, and returns when the cache shows it.
    pub async fn patch(
        &self,
        resource: Resource,
        key: &Key,
        subresource: &str,
        kind: PatchKind,
        patch: Value,
    ) -> Result<Arc<Object>, Status> {
        let made = self.client.patch(resource, &key.namespace, &key.name, subresource, kind, patch).await?;
        self.seen(resource, made).await
    }

    /// Deletes exactly this object (by uid); `options` as of [`Client::delete`]. Returns when the cache shows it gone
    /// or marked. An object that is gone already is no error.
    pub async fn delete(&self, resource: Resource, object: &Object, options: Value) -> Result<(), Status> {
        let mut options = if options.is_object() { options } else { json!({}) };
        options["preconditions"] = json!({ "uid": object.uid() });
        match self.client.delete(resource, object.namespace(), object.name(), options).await {
            Err(status) if !status.is_not_found() => return Err(status),
            _ => {}
        }
        let Some(cache) = self.caches.started(resource) else { return Ok(()) };
        let gone = |now: Option<&Object>| {
            now.is_none_or(|now| now.uid() != object.uid() || !now.meta("deletionTimestamp").is_empty())
        };
        if cache.until(&Key::of(object), gone).await {
            return Ok(());
        }
        Err(Status::internal(format!("the cache of {} still shows {object:?}", resource.plural)))
    }
}

/// What [`start`] needs.
pub struct Setup<'a, C: 'static> {
    /// Clock, tasks and seed.
    pub rt: Runtime,
    /// The caches, with their own identity.
    pub caches: Caches,
    /// The client of each controller, by its name.
    pub client_for: &'a dyn Fn(&str) -> Client,
    /// What the room's controllers share.
    pub shared: Arc<C>,
}

/// Counts of one controller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Reconciles that have ended.
    pub reconciles: u64,
    /// Reconciles that have failed (conflicts not counted).
    pub errors: u64,
    /// The last error.
    pub last_error: String,
    /// Keys that wait.
    pub queued: usize,
}

/// Running controllers. Dropping the handle stops them.
pub struct Handle {
    controllers: Vec<Running>,
    caches: Caches,
    _tasks: Vec<AbortOnDrop>,
    _sink: Sink,
}

type Running = (&'static str, Queue<Key>, Arc<Mutex<Counts>>);

impl Handle {
    /// The counts of every controller, by name.
    pub fn counts(&self) -> BTreeMap<&'static str, Counts> {
        let of = |queue: &Queue<Key>, counts: &Mutex<Counts>| Counts {
            queued: queue.len(),
            ..counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
        };
        self.controllers.iter().map(|(name, queue, counts)| (*name, of(queue, counts))).collect()
    }

    /// Whether no controller works or has something to do now.
    pub fn is_idle(&self) -> bool {
        self.controllers.iter().all(|(_, queue, _)| queue.is_idle())
    }

    /// Waits until every cache has its first list: from then on the controllers work.
    pub async fn synced(&self) {
        self.caches.synced().await;
    }

    /// The shared caches.
    pub fn caches(&self) -> &Caches {
        &self.caches
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.caches.stop();
    }
}

/// Starts controllers.
pub fn start<C: Send + Sync + 'static>(setup: Setup<'_, C>, controllers: &[&'static Controller<C>]) -> Handle {
    let sink = Sink::start(&setup.rt);
    let mut handle =
        Handle { controllers: Vec::new(), caches: setup.caches.clone(), _tasks: Vec::new(), _sink: sink.clone() };
    for controller in controllers {
        let client = (setup.client_for)(controller.name);
        let context = Arc::new(Context {
            rt: setup.rt.clone(),
            events: sink.recorder(client.clone(), controller.component, ""),
            client,
            caches: setup.caches.clone(),
            queue: Queue::new(setup.rt.clone()),
            shared: setup.shared.clone(),
        });
        let counts = Arc::new(Mutex::new(Counts::default()));
        handle.controllers.push((controller.name, context.queue.clone(), counts.clone()));
        follow(controller, &context);
        for _ in 0..controller.workers.max(1) {
            let work = work(controller, context.clone(), counts.clone());
            handle._tasks.push(setup.rt.spawn(controller.name, work).abort_on_drop());
        }
    }
    handle
}

fn follow<C: Send + Sync + 'static>(controller: &'static Controller<C>, context: &Arc<Context<C>>) {
    for watch in (controller.watches)(&context.shared) {
        context.cache(watch.resource).subscribe({
            let context = context.clone();
            move |change| (watch.keys)(&context, change).into_iter().for_each(|key| context.queue.add(key))
        });
    }
    if controller.singleton {
        context.queue.add(Key::default());
    }
}

async fn work<C: Send + Sync + 'static>(
    controller: &'static Controller<C>,
    context: Arc<Context<C>>,
    counts: Arc<Mutex<Counts>>,
) {
    for watch in (controller.watches)(&context.shared) {
        context.cache(watch.resource).synced().await;
    }
    loop {
        let key = context.queue.next().await;
        let reconcile = (controller.reconcile)(context.clone(), key.clone());
        // A defect in one reconcile must not end the controller.
        let result = match AssertUnwindSafe(reconcile).catch_unwind().await {
            Ok(result) => result,
            Err(_) => Err(Status::internal("the reconcile panicked")),
        };
        count(controller.name, &key, &result, &counts);
        match result {
            Ok(requeue) => {
                context.queue.forget(&key);
                if let Requeue::After(delay) = requeue {
                    context.queue.add_after(key.clone(), delay);
                }
            }
            Err(_) => context.queue.retry(key.clone()),
        }
        context.queue.done(&key);
    }
}

fn count(name: &str, key: &Key, result: &Result<Requeue, Status>, counts: &Mutex<Counts>) {
    let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
    counts.reconciles += 1;
    match result {
        Ok(_) => {}
        Err(status) if status.is_conflict() => tracing::debug!(controller = name, %key, "conflict: {status}"),
        Err(status) => {
            tracing::warn!(controller = name, %key, "{status}");
            counts.errors += 1;
            counts.last_error = format!("{key}: {status}");
        }
    }
}
