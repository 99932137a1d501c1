//! The pods that wait for a node: active (to be tried), backing off, waiting for an event, gated.
//!
//! Pure: time is handed in. What always holds: a pod is in one place; it leaves when it is placed, deleted or someone
//! else's; a pod that failed is tried again on an event that may help it, after five minutes at the latest. Upstream's
//! rules: priority first, then time; the back-off doubles from 1 s to 10 s; when nothing is active, pods that back off
//! after an event (not after an error) are tried early.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cove_base::Timestamp;
use cove_kube_client::Key;

use crate::framework::{Events, PodView};
use crate::limits;
use crate::plugins::is_gated;

/// The higher priority first, then who came first.
type Rank = (Reverse<i32>, u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Gated,
    Active(Rank),
    /// `early` may be tried before it is due.
    BackingOff {
        due: Timestamp,
        rank: Rank,
        early: bool,
    },
    Waiting {
        until: Timestamp,
    },
    /// It has been handed out.
    Tried,
}

#[derive(Debug)]
struct Entry {
    pod: Arc<PodView>,
    place: Place,
    attempts: u32,
    tried_at: Timestamp,
    wakes_on: Events,
}

/// A pod that is handed out, and how often it has been.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The pod.
    pub pod: Arc<PodView>,
    /// 1 for the first time.
    pub number: u32,
}

/// The queue.
#[derive(Debug, Default)]
pub struct Queue {
    entries: BTreeMap<Key, Entry>,
    active: BTreeMap<Rank, Key>,
    backing_off: BTreeMap<(Timestamp, Rank), Key>,
    /// Those of `backing_off` that may be tried early.
    early: BTreeSet<(Timestamp, Rank)>,
    waiting: BTreeSet<(Timestamp, Key)>,
    ordinal: u64,
}

impl Queue {
    /// How many pods wait, in any place.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no pod waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds a pod, or takes over a new version of it: a change of what it demands may let it in.
    pub fn put(&mut self, pod: &Arc<PodView>, now: Timestamp) {
        let key = &pod.key;
        if self.entries.get(key).is_some_and(|known| known.pod.uid != pod.uid) {
            self.remove(key);
        }
        let Some(entry) = self.entries.get_mut(key) else {
            let (wakes_on, place) = (Events::NONE, Place::Tried);
            let entry = Entry { pod: pod.clone(), place, attempts: 0, tried_at: now, wakes_on };
            self.entries.insert(key.clone(), entry);
            return self.enter(key);
        };
        if entry.pod == *pod {
            return;
        }
        entry.pod = pod.clone();
        match entry.place {
            Place::Gated | Place::Active(_) => self.enter(key),
            Place::Waiting { .. } => self.wake(key, now),
            Place::BackingOff { .. } | Place::Tried => {}
        }
    }

    /// Forgets a pod.
    pub fn remove(&mut self, key: &Key) {
        self.leave(key);
        self.entries.remove(key);
    }

    /// The next pod to be tried.
    pub fn pop(&mut self, now: Timestamp) -> Option<Attempt> {
        self.activate_due(now);
        let key = match self.active.first_key_value() {
            Some((_, key)) => key.clone(),
            None => self.backing_off.get(self.early.first()?)?.clone(),
        };
        self.leave(&key);
        let entry = self.entries.get_mut(&key)?;
        entry.attempts += 1;
        entry.tried_at = now;
        Some(Attempt { pod: entry.pod.clone(), number: entry.attempts })
    }

    /// No node takes the pod: it waits for one of these events.
    pub fn failed(&mut self, key: &Key, uid: &str, wakes_on: Events, now: Timestamp) {
        let Some(entry) = self.tried(key, uid) else { return };
        let until = now + limits::UNSCHEDULABLE_MAX;
        (entry.wakes_on, entry.place) = (wakes_on, Place::Waiting { until });
        self.waiting.insert((until, key.clone()));
    }

    /// Something went wrong: the pod is tried again after its back-off.
    pub fn retry(&mut self, key: &Key, uid: &str) {
        if self.tried(key, uid).is_some() {
            self.back_off(key, false);
        }
    }

    /// Something has happened in the cluster: pods that it may help leave their waiting.
    pub fn happened(&mut self, events: Events, now: Timestamp) {
        if events.is_empty() {
            return;
        }
        let helped = |key: &Key| self.entries.get(key).is_some_and(|entry| entry.wakes_on.meets(events));
        let keys: Vec<Key> = self.waiting.iter().map(|(_, key)| key).filter(|key| helped(key)).cloned().collect();
        // In the order of their rank, not of their names.
        let mut keys: Vec<(Timestamp, Key)> =
            keys.into_iter().filter_map(|key| Some((self.entries.get(&key)?.pod.created, key))).collect();
        keys.sort();
        keys.iter().for_each(|(_, key)| self.wake(key, now));
    }

    /// When to look again, if nothing happens before.
    pub fn next_due(&self) -> Option<Timestamp> {
        let backing_off = self.backing_off.keys().next().map(|(due, _)| *due);
        let waiting = self.waiting.first().map(|(until, _)| *until);
        backing_off.into_iter().chain(waiting).min()
    }

    fn tried(&mut self, key: &Key, uid: &str) -> Option<&mut Entry> {
        self.entries.get_mut(key).filter(|entry| *entry.pod.uid == *uid && entry.place == Place::Tried)
    }

    fn activate_due(&mut self, now: Timestamp) {
        while let Some((&(due, _), key)) = self.backing_off.first_key_value()
            && due <= now
        {
            let key = key.clone();
            self.enter(&key);
        }
        while let Some((until, key)) = self.waiting.first()
            && *until <= now
        {
            let key = key.clone();
            self.wake(&key, now);
        }
    }

    /// Takes a pod out of its place.
    fn leave(&mut self, key: &Key) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        match std::mem::replace(&mut entry.place, Place::Tried) {
            Place::Active(rank) => drop(self.active.remove(&rank)),
            Place::BackingOff { due, rank, .. } => {
                self.backing_off.remove(&(due, rank));
                self.early.remove(&(due, rank));
            }
            Place::Waiting { until } => drop(self.waiting.remove(&(until, key.clone()))),
            Place::Gated | Place::Tried => {}
        }
    }

    fn next_rank(&mut self, key: &Key) -> Rank {
        self.ordinal += 1;
        (Reverse(self.entries.get(key).map_or(0, |entry| entry.pod.priority)), self.ordinal)
    }

    /// Makes a pod active, unless it is gated.
    fn enter(&mut self, key: &Key) {
        self.leave(key);
        let rank = self.next_rank(key);
        let Some(entry) = self.entries.get_mut(key) else { return };
        if is_gated(&entry.pod) {
            entry.place = Place::Gated;
            return;
        }
        entry.place = Place::Active(rank);
        self.active.insert(rank, key.clone());
    }

    /// A pod that waited is to be tried again, now or when it has backed off.
    fn wake(&mut self, key: &Key, now: Timestamp) {
        self.leave(key);
        let Some(entry) = self.entries.get(key) else { return };
        if entry.tried_at + back_off(entry.attempts) <= now {
            self.enter(key);
        } else {
            self.back_off(key, true);
        }
    }

    fn back_off(&mut self, key: &Key, early: bool) {
        let rank = self.next_rank(key);
        let Some(entry) = self.entries.get_mut(key) else { return };
        let due = entry.tried_at + back_off(entry.attempts);
        entry.place = Place::BackingOff { due, rank, early };
        self.backing_off.insert((due, rank), key.clone());
        if early {
            self.early.insert((due, rank));
        }
    }
}

/// How long a pod backs off after so many attempts.
fn back_off(attempts: u32) -> Duration {
    let doublings = attempts.saturating_sub(1).min(16);
    limits::BACKOFF_INITIAL.saturating_mul(1 << doublings).min(limits::BACKOFF_MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::framework::Event;
    use crate::testing::pod;

    const START: Timestamp = Timestamp::from_secs(1_000);

    fn after(secs: u64) -> Timestamp {
        START + Duration::from_secs(secs)
    }

    fn with_priority(name: &str, priority: i32) -> Arc<PodView> {
        pod(name, json!({"spec": {"priority": priority}}))
    }

    fn popped(queue: &mut Queue, now: Timestamp) -> Option<String> {
        queue.pop(now).map(|attempt| attempt.pod.key.name.clone())
    }

    fn fail(queue: &mut Queue, name: &str, now: Timestamp) {
        queue.failed(&Key::new("default", name), name, Events::of([Event::NodeAdded]), now);
    }

    #[test]
    fn priority_first_then_time() {
        let mut queue = Queue::default();
        for (name, priority) in [("z", 0), ("a", 0), ("m", 10)] {
            queue.put(&with_priority(name, priority), START);
        }
        let order: Vec<_> = std::iter::from_fn(|| popped(&mut queue, START)).collect();
        assert_eq!(order, ["m", "z", "a"]);
    }

    #[test]
    fn only_what_helps_wakes_and_five_minutes_do() {
        let mut queue = Queue::default();
        queue.put(&with_priority("a", 0), START);
        popped(&mut queue, START);
        fail(&mut queue, "a", START);
        queue.happened(Events::of([Event::PodGone]), after(20));
        assert_eq!((popped(&mut queue, after(20)), queue.next_due()), (None, Some(after(300))));
        queue.happened(Events::of([Event::NodeAdded]), after(30));
        assert_eq!(popped(&mut queue, after(30)).as_deref(), Some("a"));
        fail(&mut queue, "a", after(30));
        assert_eq!(popped(&mut queue, after(329)), None);
        assert_eq!(popped(&mut queue, after(330)).as_deref(), Some("a"));
    }

    #[test]
    fn errors_back_off_events_may_be_early() {
        let mut queue = Queue::default();
        queue.put(&with_priority("a", 0), START);
        let key = Key::new("default", "a");
        let (mut now, mut waits) = (START, Vec::new());
        for _ in 0..6 {
            assert!(queue.pop(now).is_some());
            queue.retry(&key, "a");
            let due = queue.next_due().unwrap();
            assert!(queue.pop(due - Duration::from_nanos(1)).is_none());
            waits.push(due.since(now).as_secs());
            now = due;
        }
        assert_eq!(waits, [1, 2, 4, 8, 10, 10]);
        queue.pop(now);
        fail(&mut queue, "a", now);
        queue.happened(Events::ALL, now);
        assert_eq!(popped(&mut queue, now).as_deref(), Some("a"), "nothing else is active");
    }

    #[test]
    fn gates_hold_back_and_changes_let_in() {
        let mut queue = Queue::default();
        queue.put(&pod("a", json!({"spec": {"schedulingGates": [{"name": "g"}]}})), START);
        assert_eq!(popped(&mut queue, START), None);
        queue.put(&pod("a", json!(null)), START);
        assert_eq!(popped(&mut queue, START).as_deref(), Some("a"));
        fail(&mut queue, "a", START);
        queue.put(&pod("a", json!(null)), after(60));
        assert_eq!(popped(&mut queue, after(60)), None, "the same pod again is no news");
        queue.put(&pod("a", json!({"spec": {"tolerations": [{"operator": "Exists"}]}})), after(60));
        assert_eq!(popped(&mut queue, after(60)).as_deref(), Some("a"));
    }

    #[test]
    fn an_answer_about_an_earlier_pod_of_that_name_is_ignored() {
        let mut queue = Queue::default();
        queue.put(&with_priority("a", 0), START);
        queue.pop(START);
        queue.put(&pod("a", json!({"metadata": {"uid": "other"}})), START);
        fail(&mut queue, "a", START);
        assert_eq!(queue.pop(START).unwrap().pod.uid.as_ref(), "other");
    }

    #[derive(Clone, Debug)]
    enum Step {
        Put(u8, i32),
        Remove(u8),
        Pop,
        Fail,
        Retry,
        Happen(bool),
        Pass(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => (0..5u8, 0..3i32).prop_map(|(name, priority)| Step::Put(name, priority)),
            1 => (0..5u8).prop_map(Step::Remove),
            3 => Just(Step::Pop),
            2 => Just(Step::Fail),
            2 => Just(Step::Retry),
            1 => any::<bool>().prop_map(Step::Happen),
            2 => (0..15_000u64).prop_map(Step::Pass),
        ];
        proptest::collection::vec(step, 0..60)
    }

    proptest! {
        /// Whatever happens, every pod that waits comes out in the end, once.
        #[test]
        fn no_pod_is_lost_or_doubled(steps in steps()) {
            let (mut queue, mut now) = (Queue::default(), START);
            let (mut waiting, mut tried) = (BTreeSet::new(), BTreeSet::new());
            for step in steps {
                match step {
                    Step::Put(name, priority) => {
                        let name = name.to_string();
                        queue.put(&with_priority(&name, priority), now);
                        if !tried.contains(&name) {
                            waiting.insert(name);
                        }
                    }
                    Step::Remove(name) => {
                        let name = name.to_string();
                        queue.remove(&Key::new("default", name.as_str()));
                        waiting.remove(&name);
                        tried.remove(&name);
                    }
                    Step::Pop => if let Some(name) = popped(&mut queue, now) {
                        prop_assert!(waiting.remove(&name), "{} was not waiting", name);
                        tried.insert(name);
                    },
                    Step::Fail => if let Some(name) = tried.pop_first() {
                        fail(&mut queue, &name, now);
                        waiting.insert(name);
                    },
                    Step::Retry => if let Some(name) = tried.pop_first() {
                        queue.retry(&Key::new("default", name.as_str()), &name);
                        waiting.insert(name);
                    },
                    Step::Happen(helps) => {
                        queue.happened(if helps { Events::ALL } else { Events::of([Event::PodGone]) }, now);
                    }
                    Step::Pass(ms) => now = now + Duration::from_millis(ms),
                }
                prop_assert_eq!(queue.len(), waiting.len() + tried.len());
            }
            now = now + limits::UNSCHEDULABLE_MAX;
            // Who has waited for five minutes may still have to back off.
            while let Some(name) = popped(&mut queue, now) {
                prop_assert!(waiting.remove(&name));
            }
            prop_assert!(waiting.is_empty(), "{:?} never came", waiting);
        }
    }
}
