//! The loop that every reconciler of AWS resources runs in: key in, "when again" out (invariant 7).
//!
//! A service starts one loop per kind of resource from its `start` function. A step reads the records, does one round
//! of work and says when it wants to be called again; it remembers nothing, never sleeps and never retries. The loop
//! wakes a key when a record that concerns it changes, runs one step per key at a time, and lets steps of different
//! keys run side by side, so that a control plane that starts slowly does not hold up another.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cove_aws_wire::fault::Fault;
use cove_base::Timestamp;
use cove_base::runtime::BoxFuture;
use cove_store::{Event, Space, StoreError, WatchEnd};
use tokio::sync::mpsc;

use crate::operation::Cx;

/// The first wait after a step that failed; it doubles up to [`RETRY_LIMIT`].
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// The longest wait after a step that failed.
const RETRY_LIMIT: Duration = Duration::from_secs(60);
/// How many wake-ups may wait before watchers are held back.
const QUEUE: usize = 4096;

/// When a key wants to be looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// When a record changes, or at the loop's period.
    OnChange,
    /// After this time at the latest.
    After(Duration),
}

/// One kind of reconciler.
#[derive(Clone, Copy)]
pub struct Reconciler {
    /// A name for diagnostics, such as `autoscaling/group`.
    pub name: &'static str,
    /// Key prefixes in the region's space whose events are looked at.
    pub prefixes: &'static [&'static str],
    /// The keys that an event concerns.
    pub concerns: fn(&Event) -> Vec<String>,
    /// All keys, for the start, the period and a watch that fell behind.
    pub keys: fn(Cx) -> BoxFuture<Result<Vec<String>, Fault>>,
    /// One round for one key. A key whose record is gone answers [`Again::OnChange`].
    pub step: fn(Cx, String) -> BoxFuture<Result<Again, Fault>>,
    /// How often all keys are looked at without a reason.
    pub period: Duration,
}

impl Reconciler {
    /// Starts the loop in the region of `cx`.
    pub fn start(self, cx: &Cx) {
        let cx = cx.clone();
        cx.rt.clone().spawn(format!("{} in {}", self.name, cx.region), async move { Loop::run(self, cx).await });
    }
}

enum Message {
    /// Look at this key.
    Wake(String),
    /// Look at all keys.
    WakeAll,
    /// The store has closed: the region ends, and the loop with it.
    Closed,
    /// A step has ended.
    Done(String, Result<Again, Fault>),
}

/// What is known of a key whose step runs or that is due.
#[derive(Default)]
struct Key {
    running: bool,
    /// Woken while it ran.
    dirty: bool,
    due: Option<Timestamp>,
    failures: u32,
}

struct Loop {
    reconciler: Reconciler,
    cx: Cx,
    sender: mpsc::Sender<Message>,
    keys: BTreeMap<String, Key>,
    next_sweep: Timestamp,
}

impl Loop {
    async fn run(reconciler: Reconciler, cx: Cx) {
        let (sender, mut receiver) = mpsc::channel(QUEUE);
        for prefix in reconciler.prefixes {
            let (cx, sender) = (cx.clone(), sender.clone());
            let name = format!("{} watches {prefix}", reconciler.name);
            cx.rt.clone().spawn(name, async move { watch(cx, prefix, reconciler.concerns, sender).await });
        }
        let next_sweep = cx.rt.now();
        let mut this = Self { reconciler, cx, sender, keys: BTreeMap::new(), next_sweep };
        loop {
            this.start_due().await;
            let wake = this.cx.rt.sleep_until(this.next_deadline());
            tokio::select! {
                biased;
                message = receiver.recv() => match message {
                    Some(Message::Closed) | None => return,
                    Some(message) => this.take(message).await,
                },
                () = wake => {}
            }
        }
    }

    fn next_deadline(&self) -> Timestamp {
        self.keys
            .values()
            .filter(|k| !k.running)
            .filter_map(|k| k.due)
            .min()
            .unwrap_or(self.next_sweep)
            .min(self.next_sweep)
    }

    async fn take(&mut self, message: Message) {
        match message {
            Message::Wake(key) => self.wake(key),
            Message::WakeAll => self.wake_all().await,
            Message::Done(key, result) => self.done(key, result),
            Message::Closed => {}
        }
    }

    fn wake(&mut self, key: String) {
        let now = self.cx.rt.now();
        let entry = self.keys.entry(key).or_default();
        if entry.running {
            entry.dirty = true;
        } else {
            entry.due = Some(now);
        }
    }

    async fn wake_all(&mut self) {
        match (self.reconciler.keys)(self.cx.clone()).await {
            Ok(keys) => keys.into_iter().for_each(|key| self.wake(key)),
            Err(fault) => {
                tracing::warn!(reconciler = self.reconciler.name, %fault, "cannot list");
                self.next_sweep = self.next_sweep.min(self.cx.rt.now() + RETRY_FIRST);
            }
        }
    }

    fn done(&mut self, key: String, result: Result<Again, Fault>) {
        let now = self.cx.rt.now();
        let entry = self.keys.entry(key.clone()).or_default();
        entry.running = false;
        let dirty = std::mem::take(&mut entry.dirty);
        let again = match result {
            Ok(again) => {
                entry.failures = 0;
                again
            }
            Err(fault) => {
                tracing::warn!(reconciler = self.reconciler.name, key, %fault, "step failed");
                entry.failures = entry.failures.saturating_add(1);
                Again::After(RETRY_FIRST.saturating_mul(1 << (entry.failures - 1).min(6)).min(RETRY_LIMIT))
            }
        };
        match again {
            _ if dirty && entry.failures == 0 => entry.due = Some(now),
            Again::After(wait) => entry.due = Some(now + wait),
            Again::OnChange => {
                self.keys.remove(&key);
            }
        }
    }

    /// Starts a step for every key that is due, in the order of the keys.
    async fn start_due(&mut self) {
        let now = self.cx.rt.now();
        if self.next_sweep <= now {
            self.next_sweep = now + self.reconciler.period;
            self.wake_all().await;
        }
        for (key, entry) in &mut self.keys {
            if entry.running || entry.due.is_none_or(|due| due > now) {
                continue;
            }
            entry.running = true;
            entry.due = None;
            let step = (self.reconciler.step)(self.cx.clone(), key.clone());
            let (key, sender) = (key.clone(), self.sender.clone());
            self.cx.rt.spawn(format!("{} {key}", self.reconciler.name), async move {
                let result = step.await;
                let _ = sender.send(Message::Done(key, result)).await;
            });
        }
    }
}

/// Turns the events of one prefix into wake-ups, until the store closes. A watch that fell behind is opened anew, with a look at all
/// keys after the new one is open, so that nothing is missed.
async fn watch(cx: Cx, prefix: &'static str, concerns: fn(&Event) -> Vec<String>, sender: mpsc::Sender<Message>) {
    loop {
        match watch_once(&cx, prefix, concerns, &sender).await {
            Ok(WatchEnd::Lagged) => {}
            Ok(WatchEnd::Closed) | Err(StoreError::Closed) => {
                let _ = sender.send(Message::Closed).await;
                return;
            }
            Err(error) => {
                tracing::warn!(prefix, %error, "cannot watch");
                cx.rt.sleep(RETRY_FIRST).await;
            }
        }
        if sender.is_closed() {
            return;
        }
    }
}

async fn watch_once(
    cx: &Cx,
    prefix: &str,
    concerns: fn(&Event) -> Vec<String>,
    sender: &mpsc::Sender<Message>,
) -> Result<WatchEnd, StoreError> {
    let space: Arc<dyn Space> = cx.store.space(&format!("aws/{}", cx.region)).await?;
    let mut watch = space.watch(prefix, space.revision()).await?;
    let _ = sender.send(Message::WakeAll).await;
    loop {
        let batch = match watch.next().await {
            Ok(batch) => batch,
            Err(end) => return Ok(end),
        };
        for key in batch.events.iter().flat_map(concerns) {
            if sender.send(Message::Wake(key)).await.is_err() {
                return Ok(WatchEnd::Closed);
            }
        }
    }
}
