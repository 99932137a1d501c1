//! The watch hub of one space: bounded queues, one per watcher. Owned by `space.rs`; the writer publishes.
//!
//! Always holds: a watcher gets every revision that has events under its prefix, once, in order, all events of a
//! revision in one batch; or it is ended. Watchers of one prefix share the filtered batch.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, Weak};

use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::api::{EventBatch, Watch, WatchEnd};
use crate::limits::Limits;
use crate::locks::lock;

/// See the head of the file.
#[derive(Default)]
pub(crate) struct Hub {
    watchers: BTreeMap<Arc<str>, Vec<Sink>>,
    next_id: u64,
}

/// The hub's end of one watcher's queue.
struct Sink {
    id: u64,
    sender: mpsc::Sender<EventBatch>,
    end: Arc<OnceLock<WatchEnd>>,
    told: u64,
}

/// The watcher's end.
pub(crate) struct Watcher {
    hub: Weak<Mutex<Hub>>,
    id: u64,
    prefix: Arc<str>,
    replay: std::vec::IntoIter<EventBatch>,
    queue: mpsc::Receiver<EventBatch>,
    end: Arc<OnceLock<WatchEnd>>,
}

impl Hub {
    /// Registers a watcher that first gets `replay` (unfiltered), which ends at `revision`, then what is published
    /// from now on. The caller holds the space's index, so that nothing is published between the two.
    pub fn register(
        hub: &Arc<Mutex<Hub>>,
        prefix: &str,
        replay: Vec<EventBatch>,
        revision: u64,
        limits: &Limits,
    ) -> Watcher {
        let (sender, queue) = mpsc::channel(limits.watch_queue);
        let (end, prefix) = (Arc::new(OnceLock::new()), Arc::<str>::from(prefix));
        let mut inner = lock(hub);
        let id = inner.next_id;
        inner.next_id += 1;
        let sink = Sink { id, sender, end: end.clone(), told: revision };
        inner.watchers.entry(prefix.clone()).or_default().push(sink);
        Watcher { hub: Arc::downgrade(hub), id, prefix, replay: replay.into_iter(), queue, end }
    }

    /// Hands one revision to all watchers.
    pub fn publish(&mut self, batch: &EventBatch, limits: &Limits) {
        for (prefix, sinks) in &mut self.watchers {
            let selected = select(batch, prefix);
            sinks.retain_mut(|sink| match &selected {
                Some(selected) => sink.send(selected.clone()),
                None => sink.mark(batch.revision, limits),
            });
        }
        self.watchers.retain(|_, sinks| !sinks.is_empty());
    }

    /// Ends all watchers, after what is in their queues.
    pub fn end(&mut self) {
        for sink in std::mem::take(&mut self.watchers).into_values().flatten() {
            let _ = sink.end.set(WatchEnd::Closed);
        }
    }

    fn leave(&mut self, prefix: &str, id: u64) {
        if let Some(sinks) = self.watchers.get_mut(prefix) {
            sinks.retain(|sink| sink.id != id);
            if sinks.is_empty() {
                self.watchers.remove(prefix);
            }
        }
    }
}

impl Sink {
    /// False when the watcher is to be forgotten.
    fn send(&mut self, batch: EventBatch) -> bool {
        self.told = batch.revision;
        match self.sender.try_send(batch) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                let _ = self.end.set(WatchEnd::Lagged);
                false
            }
            Err(TrySendError::Closed(_)) => false,
        }
    }

    /// Tells a watcher how far it is if it has not heard for long; never at the cost of room for events.
    fn mark(&mut self, revision: u64, limits: &Limits) -> bool {
        let due = revision - self.told >= limits.progress_revisions;
        if due && self.sender.capacity() > limits.watch_queue / 2 {
            return self.send(EventBatch { revision, events: Arc::from([]) });
        }
        true
    }
}

/// The part of a batch under a prefix.
fn select(batch: &EventBatch, prefix: &str) -> Option<EventBatch> {
    let matching = batch.events.iter().filter(|event| event.entry.key.starts_with(prefix));
    match matching.clone().count() {
        0 => None,
        all if all == batch.events.len() => Some(batch.clone()),
        _ => Some(EventBatch { revision: batch.revision, events: matching.cloned().collect() }),
    }
}

#[async_trait]
impl Watch for Watcher {
    async fn next(&mut self) -> Result<EventBatch, WatchEnd> {
        if let Some(batch) = self.replay.find_map(|batch| select(&batch, &self.prefix)) {
            return Ok(batch);
        }
        match self.queue.recv().await {
            Some(batch) => Ok(batch),
            None => Err(self.end.get().cloned().unwrap_or(WatchEnd::Closed)),
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if let Some(hub) = self.hub.upgrade() {
            lock(&hub).leave(&self.prefix, self.id);
        }
    }
}
