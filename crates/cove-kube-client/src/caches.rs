//! The caches that the controllers of one cluster share: one per resource, started on first demand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cove_base::Runtime;
use cove_kube_api::door::Options;

use crate::cache::Cache;
use crate::client::{Client, Resource};

/// A factory of shared caches over all namespaces. Cheap to clone.
#[derive(Clone)]
pub struct Caches {
    rt: Runtime,
    client: Client,
    /// A lock, not messages: taken once per look-up, for a map operation.
    started: Arc<Mutex<BTreeMap<Resource, Cache>>>,
}

impl Caches {
    /// Caches that list and watch as `client` (upstream: `system:kube-controller-manager`).
    pub fn new(rt: Runtime, client: Client) -> Self {
        Self { rt, client, started: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Resource, Cache>> {
        self.started.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The identity that lists and watches.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The cache of a resource.
    pub fn get(&self, resource: Resource) -> Cache {
        let start = || Cache::start(&self.rt, self.client.clone(), resource, "", Options::default());
        self.lock().entry(resource).or_insert_with(start).clone()
    }

    /// The cache of a resource, if it has been started.
    pub fn started(&self, resource: Resource) -> Option<Cache> {
        self.lock().get(&resource).cloned()
    }

    /// Waits for the first list of every cache that has been started so far.
    pub async fn synced(&self) {
        let caches: Vec<Cache> = self.lock().values().cloned().collect();
        for cache in caches {
            cache.synced().await;
        }
    }

    /// Ends the caches: forgets them and their subscribers.
    pub fn stop(&self) {
        let caches = std::mem::take(&mut *self.lock());
        caches.values().for_each(Cache::unsubscribe_all);
    }
}
