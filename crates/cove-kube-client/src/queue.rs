//! A keyed work queue: a key waits at most once, is never handed out twice at the same time, and comes back after a
//! delay or a growing back-off. The order is that of arrival, and for equal due times that of the calls.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cove_base::{Runtime, Timestamp};
use tokio::sync::Notify;

use crate::limits;

/// A handle to a queue. Cheap to clone.
pub struct Queue<K> {
    rt: Runtime,
    /// A lock, not messages: adding must be possible from a cache's subscriber, which cannot wait.
    state: Arc<Mutex<State<K>>>,
    changed: Arc<Notify>,
}

impl<K> Clone for Queue<K> {
    fn clone(&self) -> Self {
        Self { rt: self.rt.clone(), state: self.state.clone(), changed: self.changed.clone() }
    }
}

struct State<K> {
    ready: VecDeque<K>,
    /// Every key that must be handed out (again): in `ready`, or in `running` and to follow.
    dirty: BTreeSet<K>,
    running: BTreeSet<K>,
    later: BTreeMap<(Timestamp, u64), K>,
    due: BTreeMap<K, (Timestamp, u64)>,
    ordinal: u64,
    failures: BTreeMap<K, u32>,
}

impl<K: Ord + Clone> Queue<K> {
    /// An empty queue.
    pub fn new(rt: Runtime) -> Self {
        let state = State {
            ready: VecDeque::new(),
            dirty: BTreeSet::new(),
            running: BTreeSet::new(),
            later: BTreeMap::new(),
            due: BTreeMap::new(),
            ordinal: 0,
            failures: BTreeMap::new(),
        };
        Self { rt, state: Arc::new(Mutex::new(state)), changed: Arc::new(Notify::new()) }
    }

    fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands the key out as soon as possible; once more after the current turn if it is being worked on.
    pub fn add(&self, key: K) {
        if self.lock().add(key) {
            self.changed.notify_one();
        }
    }

    /// Adds the key when `delay` has passed. The earliest of several delays counts.
    pub fn add_after(&self, key: K, delay: Duration) {
        if delay.is_zero() {
            return self.add(key);
        }
        let at = self.rt.now() + delay;
        let mut state = self.lock();
        if let Some(&known) = state.due.get(&key) {
            if known.0 <= at {
                return;
            }
            state.later.remove(&known);
        }
        state.ordinal += 1;
        let place = (at, state.ordinal);
        state.due.insert(key.clone(), place);
        state.later.insert(place, key);
        drop(state);
        self.changed.notify_one();
    }

    /// Adds the key after its back-off, which doubles with every call until [`Queue::forget`].
    pub fn retry(&self, key: K) {
        let mut state = self.lock();
        let failures = state.failures.entry(key.clone()).or_insert(0);
        let delay = limits::RETRY_BASE.saturating_mul(1 << (*failures).min(20)).min(limits::RETRY_MAX);
        *failures = failures.saturating_add(1);
        drop(state);
        self.add_after(key, delay);
    }

    /// The key has been dealt with: its back-off starts over.
    pub fn forget(&self, key: &K) {
        self.lock().failures.remove(key);
    }

    /// How often the key has failed since it was last forgotten.
    pub fn failures(&self, key: &K) -> u32 {
        self.lock().failures.get(key).copied().unwrap_or(0)
    }

    /// Waits for the next key. The caller must give it back with [`Queue::done`]. A delay that is pending for the key
    /// is dropped: whoever works on it now says anew when to come back.
    pub async fn next(&self) -> K {
        loop {
            let changed = self.changed.notified();
            let (key, wake) = self.lock().take(self.rt.now());
            match (key, wake) {
                (Some(key), _) => {
                    if !self.is_empty() {
                        self.changed.notify_one();
                    }
                    return key;
                }
                (None, None) => changed.await,
                (None, Some(at)) => tokio::select! {
                    biased;
                    () = changed => {}
                    () = self.rt.sleep_until(at) => {}
                },
            }
        }
    }

    /// Gives a key back; it is handed out again if it was added meanwhile.
    pub fn done(&self, key: &K) {
        let mut state = self.lock();
        state.running.remove(key);
        if state.dirty.contains(key) {
            state.ready.push_back(key.clone());
            drop(state);
            self.changed.notify_one();
        }
    }

    /// Keys that are ready to be handed out.
    pub fn len(&self) -> usize {
        self.lock().ready.len()
    }

    /// Whether no key is ready to be handed out.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether nothing is ready or being worked on (delayed keys do not count).
    pub fn is_idle(&self) -> bool {
        let state = self.lock();
        state.dirty.is_empty() && state.running.is_empty()
    }
}

impl<K: Ord + Clone> State<K> {
    /// True if the key became ready.
    fn add(&mut self, key: K) -> bool {
        if !self.dirty.insert(key.clone()) || self.running.contains(&key) {
            return false;
        }
        self.ready.push_back(key);
        true
    }

    /// The next key, or when to look again.
    fn take(&mut self, now: Timestamp) -> (Option<K>, Option<Timestamp>) {
        while let Some((&(at, _), key)) = self.later.first_key_value() {
            if at > now {
                break;
            }
            let key = key.clone();
            self.cancel(&key);
            self.add(key);
        }
        let Some(key) = self.ready.pop_front() else {
            return (None, self.later.keys().next().map(|(at, _)| *at));
        };
        self.cancel(&key);
        self.dirty.remove(&key);
        self.running.insert(key.clone());
        (Some(key), None)
    }

    fn cancel(&mut self, key: &K) {
        if let Some(place) = self.due.remove(key) {
            self.later.remove(&place);
        }
    }
}

#[cfg(test)]
mod tests {
    use cove_base::Seed;
    use cove_base::virtual_runtime::VirtualDriver;
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Add(u8),
        AddAfter(u8, u64),
        Retry(u8),
        Take,
        Done,
        Pass(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (0..4u8).prop_map(Step::Add),
            (0..4u8, 0..50u64).prop_map(|(key, ms)| Step::AddAfter(key, ms)),
            (0..4u8).prop_map(Step::Retry),
            Just(Step::Take),
            Just(Step::Done),
            (0..30u64).prop_map(Step::Pass),
        ];
        proptest::collection::vec(step, 0..80)
    }

    /// Runs the steps, then drains the queue. Every key that was added after it was last taken must come out again.
    async fn run(rt: Runtime, steps: Vec<Step>) -> Vec<u8> {
        let queue = Queue::new(rt.clone());
        let (mut running, mut wanted, mut seen) = (Vec::new(), BTreeSet::new(), Vec::new());
        let take = |running: &mut Vec<u8>, wanted: &mut BTreeSet<u8>, key: u8| {
            assert!(!running.contains(&key), "{key} was handed out twice at once");
            assert!(wanted.remove(&key), "{key} was handed out though nobody asked for it");
            running.push(key);
        };
        for step in steps {
            match step {
                Step::Add(key) => {
                    queue.add(key);
                    wanted.insert(key);
                }
                Step::AddAfter(key, ms) => {
                    queue.add_after(key, Duration::from_millis(ms));
                    wanted.insert(key);
                }
                Step::Retry(key) => {
                    queue.retry(key);
                    wanted.insert(key);
                }
                Step::Take => {
                    if let Some(key) = rt.timeout(Duration::from_millis(1), queue.next()).await {
                        take(&mut running, &mut wanted, key);
                        seen.push(key);
                    }
                }
                Step::Done => {
                    if let Some(key) = running.pop() {
                        queue.done(&key);
                    }
                }
                Step::Pass(ms) => rt.sleep(Duration::from_millis(ms)).await,
            }
        }
        running.drain(..).for_each(|key| queue.done(&key));
        while !wanted.is_empty() {
            let key = rt.timeout(Duration::from_secs(2_000), queue.next()).await.expect("a wanted key never came");
            take(&mut running, &mut wanted, key);
            running.clear();
            queue.done(&key);
            seen.push(key);
        }
        assert!(rt.timeout(Duration::from_secs(2_000), queue.next()).await.is_none(), "a key came unasked");
        seen
    }

    fn in_virtual_time(steps: Vec<Step>) -> Vec<u8> {
        let driver = VirtualDriver::new(Timestamp::from_secs(1));
        let rt = driver.runtime(Seed::new(1));
        driver.block_on(run(rt, steps))
    }

    proptest! {
        #[test]
        fn no_key_is_lost_doubled_or_run_twice_at_once(steps in steps()) {
            prop_assert_eq!(in_virtual_time(steps.clone()), in_virtual_time(steps));
        }
    }

    #[test]
    fn back_off_doubles_up_to_its_limit_and_starts_over() {
        let driver = VirtualDriver::new(Timestamp::from_secs(1));
        let rt = driver.runtime(Seed::new(1));
        driver.block_on(async move {
            let queue = Queue::new(rt.clone());
            let mut waits = Vec::new();
            for _ in 0..20 {
                let from = rt.now();
                queue.retry("key");
                queue.next().await;
                queue.done(&"key");
                waits.push(rt.now().since(from).as_millis());
            }
            assert_eq!(&waits[..4], [5, 10, 20, 40]);
            assert_eq!(waits[19], 1_000_000);
            queue.forget(&"key");
            assert_eq!(queue.failures(&"key"), 0);
        });
    }
}
