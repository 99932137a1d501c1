//! What has changed in the caches since the scheduler looked: names only, each once, in the order of their first
//! change. So a burst of changes needs no more room than there are objects.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cove_kube_client::{Cache, Key};
use tokio::sync::Notify;

/// What kind of object has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A pod.
    Pod,
    /// A node.
    Node,
    /// A namespace.
    Namespace,
    /// A service.
    Service,
    /// A disruption budget.
    Budget,
    /// A controller with a selector, by its kind.
    Controller(&'static str),
}

#[derive(Default)]
struct State {
    order: VecDeque<(Kind, Key)>,
    known: BTreeSet<(Kind, Key)>,
}

/// A handle to the inbox. Cheap to clone.
#[derive(Clone, Default)]
pub struct Inbox {
    /// A lock, not messages: a cache's subscriber cannot wait; it is held for set operations only.
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hears of every change of a cache from now on.
    pub fn follow(&self, cache: &Cache, kind: Kind) {
        let inbox = self.clone();
        cache.subscribe(move |change| {
            let name = (kind, Key::of(change.latest()));
            let mut state = inbox.lock();
            if state.known.insert(name.clone()) {
                state.order.push_back(name);
            }
            drop(state);
            inbox.changed.notify_one();
        });
    }

    /// The next name.
    pub fn take(&self) -> Option<(Kind, Key)> {
        let mut state = self.lock();
        let name = state.order.pop_front()?;
        state.known.remove(&name);
        Some(name)
    }

    /// Waits until something may have changed since the last call.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}
