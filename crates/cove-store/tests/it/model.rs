//! Both back ends against a model so simple that it is right by inspection: a full copy of the space per revision.
//! Transactions of a `Batch` are submitted at once; their order is that of submission.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use cove_store::{Entry, Event, EventBatch, Limits, Range, Space, Store, StoreError, Txn, TxnResult, Watch};
use futures_util::FutureExt;
use futures_util::future::join_all;
use proptest::prelude::*;

use crate::run;

const KEYS: [&str; 7] = ["a", "a/1", "a/2", "a/3", "b", "b/1", "c"];
const PREFIXES: [&str; 5] = ["", "a", "a/", "b/", "none"];

/// value, create revision, mod revision, version
type Version = (Vec<u8>, u64, u64, u64);
type State = BTreeMap<String, Version>;
/// key, deleted, value, previous mod revision
type Happened = (String, bool, Vec<u8>, Option<u64>);

#[derive(Clone, Debug)]
struct Write {
    /// Compared key, and whether the compare is meant to hold.
    compare: Option<(usize, bool)>,
    ops: BTreeMap<usize, Option<Vec<u8>>>,
}

#[derive(Clone, Debug)]
enum Step {
    Batch(Vec<Write>),
    Get(usize),
    Range { prefix: usize, from: Option<usize>, limit: usize, back: Option<u64> },
    Watch { prefix: usize, back: u64 },
    Compact { back: u64 },
    Reopen,
}

fn write() -> impl Strategy<Value = Write> {
    let value = prop::option::weighted(0.7, prop::collection::vec(any::<u8>(), 0..4));
    let compare = prop::option::of((0..KEYS.len(), prop::bool::weighted(0.8)));
    let ops = prop::collection::btree_map(0..KEYS.len(), value, 0..4);
    (compare, ops).prop_map(|(compare, ops)| Write { compare, ops })
}

fn step() -> impl Strategy<Value = Step> {
    let range = (0..PREFIXES.len(), prop::option::of(0..KEYS.len()), 0usize..4, prop::option::of(0u64..9));
    prop_oneof![
        6 => prop::collection::vec(write(), 1..5).prop_map(Step::Batch),
        1 => (0..KEYS.len()).prop_map(Step::Get),
        3 => range.prop_map(|(prefix, from, limit, back)| Step::Range { prefix, from, limit, back }),
        2 => (0..PREFIXES.len(), 0u64..9).prop_map(|(prefix, back)| Step::Watch { prefix, back }),
        1 => (0u64..6).prop_map(|back| Step::Compact { back }),
        1 => Just(Step::Reopen),
    ]
}

struct Model {
    states: Vec<State>,
    events: Vec<Vec<Happened>>,
    compacted: u64,
}

impl Model {
    fn new() -> Self {
        Self { states: vec![State::new()], events: vec![Vec::new()], compacted: 0 }
    }

    fn revision(&self) -> u64 {
        self.states.len() as u64 - 1
    }

    fn now(&self) -> &State {
        self.states.last().unwrap()
    }

    /// The transaction that `write` stands for, given what the model holds when it is submitted.
    fn txn(&self, write: &Write) -> Txn {
        let mut txn = Txn::new();
        if let Some((key, holds)) = write.compare {
            let real = self.now().get(KEYS[key]).map_or(0, |version| version.2);
            txn = txn.expect(KEYS[key], if holds { real } else { real + 1_000 });
        }
        write.ops.iter().fold(txn, |txn, (key, value)| match value {
            Some(value) => txn.put(KEYS[*key], value.clone()),
            None => txn.delete(KEYS[*key]),
        })
    }

    /// What must come of it: `None` is a conflict.
    fn apply(&mut self, txn: &Txn) -> Option<u64> {
        let now = self.now();
        let holds = txn.compares.iter().all(|c| now.get(&c.key).map_or(0, |v| v.2) == c.mod_revision);
        if !holds {
            return None;
        }
        let (mut next, revision, mut events) = (now.clone(), self.revision() + 1, Vec::new());
        for op in &txn.ops {
            let (key, old) = (op.key().to_owned(), now.get(op.key()));
            match op {
                cove_store::Op::Put { value, .. } => {
                    let (create, version) = old.map_or((revision, 1), |old| (old.1, old.3 + 1));
                    next.insert(key.clone(), (value.to_vec(), create, revision, version));
                    events.push((key, false, value.to_vec(), old.map(|old| old.2)));
                }
                cove_store::Op::Delete { .. } => {
                    if let Some(old) = old {
                        next.remove(&key);
                        events.push((key, true, old.0.clone(), Some(old.2)));
                    }
                }
            }
        }
        if !events.is_empty() {
            events.sort();
            self.states.push(next);
            self.events.push(events);
        }
        Some(self.revision())
    }

    /// What a watcher of `prefix` must have seen by now.
    fn seen(&self, prefix: &str, after: u64) -> Vec<(u64, Vec<Happened>)> {
        let of = |events: &Vec<Happened>| events.iter().filter(|e| e.0.starts_with(prefix)).cloned().collect();
        let all = self.events.iter().enumerate().skip(after as usize + 1);
        all.map(|(revision, events)| (revision as u64, of(events)))
            .filter(|(_, events): &(_, Vec<_>)| !events.is_empty())
            .collect()
    }
}

fn version(entry: &Entry) -> (String, Version) {
    (entry.key.to_string(), (entry.value.to_vec(), entry.create_revision, entry.mod_revision, entry.version))
}

fn happened(event: &Event) -> Happened {
    let previous = event.previous.as_ref().map(|previous| previous.mod_revision);
    (event.entry.key.to_string(), event.deleted, event.entry.value.to_vec(), previous)
}

struct Running {
    watch: Box<dyn Watch>,
    prefix: &'static str,
    after: u64,
    seen: Vec<(u64, Vec<Happened>)>,
}

impl Running {
    /// Takes what is there; it must be exactly what the model says.
    fn check(&mut self, model: &Model) {
        // Unconstrained: out of task budget, a queue says that it is empty.
        while let Some(next) = tokio::task::unconstrained(self.watch.next()).now_or_never() {
            let EventBatch { revision, events } = next.expect("not ended");
            assert!(events.iter().all(|event| event.entry.mod_revision == revision));
            self.seen.push((revision, events.iter().map(happened).collect()));
        }
        assert_eq!(self.seen, model.seen(self.prefix, self.after), "watch of {:?} after {}", self.prefix, self.after);
    }
}

struct Trial<'a> {
    directory: Option<&'a Path>,
    store: Arc<dyn Store>,
    space: Arc<dyn Space>,
    model: Model,
    watches: Vec<Running>,
}

fn make(directory: Option<&Path>) -> Arc<dyn Store> {
    directory.map_or_else(cove_store::memory, |path| cove_store::open_with(path, Limits::DEFAULT).expect("open"))
}

impl Trial<'_> {
    async fn step(&mut self, step: Step) {
        match step {
            Step::Batch(writes) => self.batch(&writes).await,
            Step::Get(key) => {
                let found = self.space.get(KEYS[key]).await.unwrap().map(|entry| version(&entry).1);
                assert_eq!(found.as_ref(), self.model.now().get(KEYS[key]));
            }
            Step::Range { prefix, from, limit, back } => self.range(prefix, from, limit, back).await,
            Step::Watch { prefix, back } => self.watch(PREFIXES[prefix], back).await,
            Step::Compact { back } => {
                let revision = self.model.revision().saturating_sub(back);
                self.space.compact(revision).await.unwrap();
                self.model.compacted = self.model.compacted.max(revision);
            }
            Step::Reopen => self.reopen().await,
        }
        assert_eq!(self.space.revision(), self.model.revision());
    }

    async fn batch(&mut self, writes: &[Write]) {
        let txns: Vec<Txn> = writes.iter().map(|write| self.model.txn(write)).collect();
        let results = join_all(txns.iter().map(|txn| self.space.txn(txn.clone()))).await;
        for (txn, result) in txns.iter().zip(results) {
            match (result.unwrap(), self.model.apply(txn)) {
                (TxnResult::Committed { revision, entries }, Some(expected)) => {
                    assert_eq!((revision, entries.len()), (expected, txn.ops.len()));
                }
                (TxnResult::Conflict { current }, None) => {
                    let told = current.iter().flatten().map(version).collect::<State>();
                    let real = txn.compares.iter().filter_map(|c| self.model.now().get_key_value(&c.key));
                    assert_eq!(told, real.map(|(k, v)| (k.clone(), v.clone())).collect::<State>());
                }
                (got, expected) => panic!("{got:?} where {expected:?} was due"),
            }
        }
    }

    async fn range(&self, prefix: usize, from: Option<usize>, limit: usize, back: Option<u64>) {
        let revision = back.map(|back| self.model.revision().saturating_sub(back));
        let (prefix, from) = (PREFIXES[prefix].to_owned(), from.map(|from| format!("{}\0", KEYS[from])));
        let at = revision.unwrap_or(self.model.revision());
        let range = Range { prefix: prefix.clone(), from: from.clone(), limit, revision };
        match self.space.range(range).await {
            Err(StoreError::Compacted { requested, oldest }) => {
                assert_eq!((requested, oldest), (at, self.model.compacted));
                assert!(at < oldest);
            }
            Err(other) => panic!("{other}"),
            Ok(result) => {
                assert!(at >= self.model.compacted);
                let mut due: Vec<_> = self.model.states[at as usize].clone().into_iter().collect();
                due.retain(|(key, _)| key.starts_with(&prefix) && from.as_ref().is_none_or(|from| key >= from));
                let cut = if limit == 0 { 0 } else { due.len().saturating_sub(limit) };
                due.truncate(due.len() - cut);
                assert_eq!((result.revision, result.remaining), (at, cut));
                assert_eq!(result.entries.iter().map(version).collect::<Vec<_>>(), due);
            }
        }
    }

    async fn watch(&mut self, prefix: &'static str, back: u64) {
        let after = self.model.revision().saturating_sub(back);
        match self.space.watch(prefix, after).await {
            Ok(watch) => self.watches.push(Running { watch, prefix, after, seen: Vec::new() }),
            Err(error) => assert!(matches!(error, StoreError::Compacted { .. }) && after < self.model.compacted),
        }
    }

    async fn reopen(&mut self) {
        self.watches.iter_mut().for_each(|watch| watch.check(&self.model));
        if self.directory.is_some() {
            self.watches.clear();
            self.store.close().await.unwrap();
            self.store = make(self.directory);
            self.space = self.store.space("s").await.unwrap();
        }
    }
}

async fn trial(directory: Option<&Path>, steps: Vec<Step>) {
    let store = make(directory);
    let space = store.space("s").await.unwrap();
    let mut trial = Trial { directory, store, space, model: Model::new(), watches: Vec::new() };
    for step in steps {
        trial.step(step).await;
    }
    trial.watches.iter_mut().for_each(|watch| watch.check(&trial.model));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]
    #[test]
    fn memory_does_as_the_model(steps in prop::collection::vec(step(), 1..40)) {
        run(trial(None, steps));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]
    #[test]
    fn embedded_does_as_the_model(steps in prop::collection::vec(step(), 1..40)) {
        let directory = tempfile::tempdir().unwrap();
        run(trial(Some(directory.path()), steps));
    }
}
