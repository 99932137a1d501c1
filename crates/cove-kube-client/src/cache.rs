//! A list-watch cache: one resource (of one namespace or all, with selectors or without) kept in memory as shared
//! objects.
//!
//! Controllers, the scheduler and node agents read clusters through it. What always holds: a change is visible in
//! [`Cache::get`] before its subscribers hear of it; subscribers hear changes in the order of revisions, and first
//! everything that existed when they subscribed; the revision of [`Cache::caught_up`] is published last.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cove_base::Runtime;
use cove_base::runtime::AbortOnDrop;
use cove_kube_api::door::{Options, WatchEvent};
use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use tokio::sync::Notify;

use crate::client::{Client, Resource};
use crate::limits;

/// What names an object within a resource. Ordered by namespace, then name.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Key {
    /// Joins namespace (empty for none) and name.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// The key of an object.
    pub fn of(object: &Object) -> Self {
        Self::new(object.namespace(), object.name())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One change: `old` is `None` for a new object, `new` is `None` for one that is gone.
#[derive(Clone, Debug)]
pub struct Change {
    /// The resource of both states.
    pub resource: Resource,
    /// The state before.
    pub old: Option<Arc<Object>>,
    /// The state after.
    pub new: Option<Arc<Object>>,
}

impl Change {
    /// The newest known state.
    pub fn latest(&self) -> &Arc<Object> {
        match (&self.new, &self.old) {
            (Some(object), _) | (None, Some(object)) => object,
            (None, None) => unreachable!("a change has a state before or after"),
        }
    }

    /// The states before and after, as far as they exist.
    pub fn states(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.old.iter().chain(self.new.iter())
    }
}

/// Computes the values under which an object is found in an index.
pub type IndexFn = fn(&Object) -> Vec<String>;

/// An index: a name and its function. Two of one name must be the same.
#[derive(Clone, Copy)]
pub struct Index {
    /// The name for [`Cache::indexed`].
    pub name: &'static str,
    /// The values of an object.
    pub values: IndexFn,
}

/// Objects by the uid of each of their owners.
pub const BY_OWNER: Index = Index { name: "owner", values: owner_uids };
/// Pods by `spec.nodeName` (those without one under the empty string).
pub const BY_NODE: Index = Index { name: "node", values: node_name };

fn owner_uids(object: &Object) -> Vec<String> {
    let owners = object.value()["metadata"]["ownerReferences"].as_array();
    owners.into_iter().flatten().filter_map(|o| o["uid"].as_str()).map(str::to_string).collect()
}

fn node_name(object: &Object) -> Vec<String> {
    vec![object.value()["spec"]["nodeName"].as_str().unwrap_or_default().to_string()]
}

type Subscriber = Box<dyn Fn(&Change) + Send + Sync>;

/// A handle to a running cache. Cheap to clone; the cache ends with its last handle.
#[derive(Clone)]
pub struct Cache {
    shared: Arc<Shared>,
    rt: Runtime,
    _task: Arc<AbortOnDrop>,
}

struct Shared {
    resource: Resource,
    /// A lock, not messages: reads must be immediate and many; it is held for map operations only.
    state: Mutex<State>,
    /// Held while a change is applied and told, so that a new subscriber misses nothing and hears nothing twice.
    /// Subscribers may read the cache, but not subscribe to it.
    subscribers: Mutex<Vec<Subscriber>>,
    /// The revision up to which everything has been applied and told; 0 until the first list.
    revision: Progress,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<Key, Arc<Object>>,
    indexes: Vec<(Index, BTreeMap<String, BTreeSet<Key>>)>,
}

/// How far a cache is. Wakes who waits in the order in which they came; tokio's `watch` does so by chance, and a run on
/// the virtual clock must not depend on that.
#[derive(Default)]
struct Progress {
    /// A lock, not messages: it is held to read or raise the number only.
    seen: Mutex<u64>,
    moved: Notify,
}

impl Progress {
    fn get(&self) -> u64 {
        *lock(&self.seen)
    }

    fn advance(&self, revision: u64) {
        let mut seen = lock(&self.seen);
        *seen = revision.max(*seen);
        drop(seen);
        self.moved.notify_waiters();
    }

    /// Returns when `condition` holds. It is asked now, and whenever the cache has moved.
    async fn until(&self, condition: impl Fn(u64) -> bool) {
        loop {
            let mut moved = std::pin::pin!(self.moved.notified());
            moved.as_mut().enable();
            if condition(self.get()) {
                return;
            }
            moved.await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Cache {
    /// Starts a cache. `options` may carry selectors; `namespace` is empty for all.
    pub fn start(rt: &Runtime, client: Client, resource: Resource, namespace: &str, options: Options) -> Self {
        let shared = Arc::new(Shared {
            resource,
            state: Mutex::default(),
            subscribers: Mutex::default(),
            revision: Progress::default(),
        });
        let feed = Feed { rt: rt.clone(), client, namespace: namespace.into(), options, shared: shared.clone() };
        let task = rt.spawn(format!("cache of {}", resource.plural), feed.run()).abort_on_drop();
        Self { shared, rt: rt.clone(), _task: Arc::new(task) }
    }

    /// What is cached.
    pub fn resource(&self) -> Resource {
        self.shared.resource
    }

    /// Waits for the first list.
    pub async fn synced(&self) {
        self.shared.revision.until(|seen| seen > 0).await;
    }

    /// The revision up to which the cache is complete.
    pub fn revision(&self) -> u64 {
        self.shared.revision.get()
    }

    /// Waits until the cache has applied `revision`, which must be that of a write to this cache's resource. False if
    /// that takes longer than [`limits::CATCH_UP`].
    pub async fn caught_up(&self, revision: u64) -> bool {
        let wait = self.shared.revision.until(|seen| seen >= revision);
        self.rt.timeout(limits::CATCH_UP, wait).await.is_some()
    }

    /// Waits until the object `key` (or its absence) fulfils `condition`. False after [`limits::CATCH_UP`].
    pub async fn until(&self, key: &Key, condition: impl Fn(Option<&Object>) -> bool) -> bool {
        let wait = self.shared.revision.until(|_| condition(self.get(key).as_deref()));
        self.rt.timeout(limits::CATCH_UP, wait).await.is_some()
    }

    /// One object.
    pub fn get(&self, key: &Key) -> Option<Arc<Object>> {
        lock(&self.shared.state).objects.get(key).cloned()
    }

    /// One object by namespace and name.
    pub fn find(&self, namespace: &str, name: &str) -> Option<Arc<Object>> {
        self.get(&Key::new(namespace, name))
    }

    /// All objects of a namespace (empty: of all), in the order of their keys.
    pub fn list(&self, namespace: &str) -> Vec<Arc<Object>> {
        let state = lock(&self.shared.state);
        if namespace.is_empty() {
            return state.objects.values().cloned().collect();
        }
        let from = state.objects.range(Key::new(namespace, "")..);
        from.take_while(|(key, _)| key.namespace == namespace).map(|(_, object)| object.clone()).collect()
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        lock(&self.shared.state).objects.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps an index from now on; one of that name that exists already is kept.
    pub fn add_index(&self, index: Index) {
        let mut state = lock(&self.shared.state);
        if state.indexes.iter().any(|(known, _)| known.name == index.name) {
            return;
        }
        let mut entries: BTreeMap<String, BTreeSet<Key>> = BTreeMap::new();
        for (key, object) in &state.objects {
            for value in (index.values)(object) {
                entries.entry(value).or_default().insert(key.clone());
            }
        }
        state.indexes.push((index, entries));
    }

    /// The objects that an index holds under `value`, in the order of their keys. Adds the index if it is missing.
    pub fn indexed(&self, index: Index, value: &str) -> Vec<Arc<Object>> {
        self.add_index(index);
        let state = lock(&self.shared.state);
        let entries = state.indexes.iter().find(|(known, _)| known.name == index.name).map(|(_, entries)| entries);
        let keys = entries.and_then(|entries| entries.get(value));
        keys.into_iter().flatten().filter_map(|key| state.objects.get(key).cloned()).collect()
    }

    /// Calls `subscriber` for everything that exists, and then for every change. It must return quickly, typically
    /// after it has put a key into a queue, and must not subscribe to the same cache.
    pub fn subscribe(&self, subscriber: impl Fn(&Change) + Send + Sync + 'static) {
        let mut subscribers = lock(&self.shared.subscribers);
        for object in self.list("") {
            subscriber(&Change { resource: self.resource(), old: None, new: Some(object) });
        }
        subscribers.push(Box::new(subscriber));
    }

    /// Forgets all subscribers (they may hold this cache).
    pub fn unsubscribe_all(&self) {
        let dropped = std::mem::take(&mut *lock(&self.shared.subscribers));
        drop(dropped);
    }
}

impl State {
    /// Puts or removes an object; `None` if nothing changes.
    fn apply(&mut self, resource: Resource, key: Key, new: Option<Arc<Object>>) -> Option<Change> {
        let old = match &new {
            Some(object) => self.objects.insert(key.clone(), object.clone()),
            None => self.objects.remove(&key),
        };
        if old.as_ref().map(|o| o.revision()) == new.as_ref().map(|o| o.revision()) {
            return None;
        }
        for (index, entries) in &mut self.indexes {
            for value in old.iter().flat_map(|o| (index.values)(o)) {
                if let Some(keys) = entries.get_mut(&value) {
                    keys.remove(&key);
                    if keys.is_empty() {
                        entries.remove(&value);
                    }
                }
            }
            for value in new.iter().flat_map(|o| (index.values)(o)) {
                entries.entry(value).or_default().insert(key.clone());
            }
        }
        Some(Change { resource, old, new })
    }
}

impl Shared {
    fn tell(&self, changes: Vec<(Key, Option<Arc<Object>>)>, revision: u64) {
        let subscribers = lock(&self.subscribers);
        for (key, new) in changes {
            let change = lock(&self.state).apply(self.resource, key, new);
            for change in change.iter() {
                subscribers.iter().for_each(|subscriber| subscriber(change));
            }
        }
        drop(subscribers);
        self.revision.advance(revision);
    }

    /// Makes the state what a list says. An object that was replaced under the same name is told as gone and new.
    fn replace(&self, items: Vec<Arc<Object>>, revision: u64) {
        let new: BTreeMap<Key, Arc<Object>> = items.into_iter().map(|o| (Key::of(&o), o)).collect();
        let mut changes = Vec::new();
        for (key, old) in &lock(&self.state).objects {
            if new.get(key).is_none_or(|new| new.uid() != old.uid()) {
                changes.push((key.clone(), None));
            }
        }
        changes.extend(new.into_iter().map(|(key, object)| (key, Some(object))));
        self.tell(changes, revision);
    }
}

/// The task behind a cache.
struct Feed {
    rt: Runtime,
    client: Client,
    namespace: String,
    options: Options,
    shared: Arc<Shared>,
}

impl Feed {
    async fn run(self) {
        let mut failures = 0;
        loop {
            if let Err(status) = self.list_and_watch(&mut failures).await {
                tracing::debug!(resource = self.shared.resource.plural, "list or watch ended: {status}");
            }
            let pause = limits::RELIST_BASE.saturating_mul(1 << failures.min(16)).min(limits::RELIST_MAX);
            failures += 1;
            self.rt.sleep(pause).await;
        }
    }

    /// Lists once and watches until an error; a watch that merely ends is taken up where it ended.
    async fn list_and_watch(&self, failures: &mut u32) -> Result<(), Status> {
        let list = self.client.list(self.shared.resource, &self.namespace, self.options.clone()).await?;
        let mut revision = list.revision;
        self.shared.replace(list.items, list.revision.max(1));
        loop {
            let options =
                Options { resource_version: revision.to_string(), allow_watch_bookmarks: true, ..self.options.clone() };
            let mut stream = self.client.watch(self.shared.resource, &self.namespace, options).await?;
            let started = self.rt.now();
            let mut idle = true;
            while let Some(event) = stream.next().await {
                (*failures, idle) = (0, false);
                revision = self.apply(event)?.max(revision);
            }
            if idle && self.rt.now().since(started) < limits::WATCH_AT_LEAST {
                // A server that ends watches at once (it shuts down) is asked again more and more slowly.
                return Err(Status::internal("the watch ended at once"));
            }
        }
    }

    fn apply(&self, event: WatchEvent) -> Result<u64, Status> {
        let (object, gone) = match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => (object, false),
            WatchEvent::Deleted(object) => (object, true),
            WatchEvent::Bookmark { revision, .. } => {
                self.shared.tell(Vec::new(), revision);
                return Ok(revision);
            }
            WatchEvent::Error(status) => return Err(status),
        };
        let revision = object.revision();
        let change = (Key::of(&object), if gone { None } else { Some(object) });
        self.shared.tell(vec![change], revision);
        Ok(revision)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn object(name: &str, owner: &str, revision: u64) -> Arc<Object> {
        let value = json!({ "metadata": {
            "name": name, "namespace": "n", "uid": format!("u-{name}"), "ownerReferences": [{ "uid": owner }],
        }});
        Arc::new(Object::new(value.to_string().into(), revision))
    }

    #[derive(Clone, Debug)]
    enum Step {
        Put(u8, u8),
        Remove(u8),
        /// A list that holds these names.
        List(Vec<u8>),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (0..5u8, 0..3u8).prop_map(|(name, owner)| Step::Put(name, owner)),
            (0..5u8).prop_map(Step::Remove),
            proptest::collection::vec(0..5u8, 0..4).prop_map(Step::List),
        ];
        proptest::collection::vec(step, 0..40)
    }

    fn cache() -> Shared {
        Shared {
            resource: Resource::core("pods"),
            state: Mutex::default(),
            subscribers: Mutex::default(),
            revision: Progress::default(),
        }
    }

    proptest! {
        /// After any feed, the cache, its index and a subscriber's picture agree with a model.
        #[test]
        fn cache_index_and_subscriber_agree(steps in steps()) {
            let shared = cache();
            lock(&shared.state).indexes.push((BY_OWNER, BTreeMap::new()));
            let picture: Arc<Mutex<BTreeMap<String, u64>>> = Arc::default();
            let told = picture.clone();
            lock(&shared.subscribers).push(Box::new(move |change| {
                let mut told = lock(&told);
                let name = change.latest().name().to_string();
                assert_eq!(told.get(&name).copied(), change.old.as_ref().map(|o| o.revision()), "a change was missed");
                match &change.new {
                    Some(new) => told.insert(name, new.revision()),
                    None => told.remove(&name),
                };
            }));
            let mut model: BTreeMap<String, (String, u64)> = BTreeMap::new();
            for (revision, step) in (1u64..).zip(steps) {
                match step {
                    Step::Put(name, owner) => {
                        let (name, owner) = (name.to_string(), owner.to_string());
                        let new = object(&name, &owner, revision);
                        shared.tell(vec![(Key::of(&new), Some(new))], revision);
                        model.insert(name, (owner, revision));
                    }
                    Step::Remove(name) => {
                        shared.tell(vec![(Key::new("n", name.to_string()), None)], revision);
                        model.remove(&name.to_string());
                    }
                    Step::List(names) => {
                        let listed: BTreeMap<String, (String, u64)> =
                            names.iter().map(|name| (name.to_string(), ("0".to_string(), revision))).collect();
                        let items = listed.keys().map(|name| object(name, "0", revision)).collect();
                        shared.replace(items, revision);
                        model = listed;
                    }
                }
                prop_assert_eq!(shared.revision.get(), revision);
            }
            let state = lock(&shared.state);
            let cached: BTreeMap<String, u64> =
                state.objects.values().map(|o| (o.name().to_string(), o.revision())).collect();
            let expected: BTreeMap<String, u64> = model.iter().map(|(n, (_, r))| (n.clone(), *r)).collect();
            prop_assert_eq!(&cached, &expected);
            prop_assert_eq!(&*lock(&picture), &expected);
            let mut by_owner: BTreeMap<String, BTreeSet<Key>> = BTreeMap::new();
            for (name, (owner, _)) in &model {
                by_owner.entry(owner.clone()).or_default().insert(Key::new("n", name.clone()));
            }
            prop_assert_eq!(&state.indexes[0].1, &by_owner);
        }
    }
}
