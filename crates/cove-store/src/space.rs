//! One space as its readers and the writer see it, and the [`Space`] that callers hold.
//!
//! Always holds: what can be read here is on disk. The writer takes in a revision only after the log has it, and
//! publishes it to the watchers while it still holds the index, so a watcher registered under the index misses nothing
//! and hears nothing twice. When `revision()` says R, the queues of all watchers have everything up to R, and who
//! heard of R can read it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use async_trait::async_trait;

use crate::api::{Entry, Range, RangeResult, Space, StoreError, Txn, TxnResult, Watch};
use crate::hub::Hub;
use crate::index::{Index, Write};
use crate::limits::{KEY_BYTES, Limits, TRANSACTION_OPS, VALUE_BYTES};
use crate::locks::{lock, read, write};
use crate::store::Writer;
use crate::writer::Job;

/// The shared state of a space. Locks are taken in the order of the fields.
pub(crate) struct SpaceState {
    pub id: u64,
    pub name: String,
    limits: Limits,
    index: RwLock<Index>,
    hub: Arc<Mutex<Hub>>,
    closed: AtomicBool,
}

impl SpaceState {
    pub fn new(id: u64, name: String, index: Index, limits: Limits) -> Self {
        Self { id, name, limits, index: index.into(), hub: Arc::default(), closed: AtomicBool::new(false) }
    }

    /// Reads the index.
    pub fn read<T>(&self, ask: impl FnOnce(&Index) -> T) -> T {
        ask(&read(&self.index))
    }

    /// Whether the space was deleted or its store closed.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn open(&self) -> Result<(), StoreError> {
        if self.is_closed() { Err(StoreError::Closed) } else { Ok(()) }
    }

    /// Takes in a revision that is on disk and tells the watchers; returns places in the log that became free.
    pub fn take_in(&self, revision: u64, writes: Vec<Write>) -> Vec<u64> {
        let mut index = write(&self.index);
        let batch = index.apply(revision, writes);
        lock(&self.hub).publish(&batch, &self.limits);
        index.trim(&self.limits)
    }

    /// See [`Index::compact`].
    pub fn compact(&self, revision: u64) -> Vec<u64> {
        write(&self.index).compact(revision)
    }

    /// Ends the space for readers and watchers; returns all places in the log that it used.
    pub fn end(&self) -> Vec<u64> {
        let mut index = write(&self.index);
        self.closed.store(true, Ordering::Release);
        lock(&self.hub).end();
        let newest = index.revision();
        let mut seqs = index.compact(newest);
        seqs.extend(index.seqs());
        seqs
    }
}

/// What callers hold.
pub(crate) struct SpaceHandle {
    pub state: Arc<SpaceState>,
    pub writer: Arc<Writer>,
}

#[async_trait]
impl Space for SpaceHandle {
    fn name(&self) -> &str {
        &self.state.name
    }

    fn revision(&self) -> u64 {
        self.state.read(Index::revision)
    }

    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        self.state.open()?;
        Ok(self.state.read(|index| index.get(key).cloned()))
    }

    async fn range(&self, range: Range) -> Result<RangeResult, StoreError> {
        self.state.open()?;
        self.state.read(|index| index.range(&range))
    }

    async fn txn(&self, txn: Txn) -> Result<TxnResult, StoreError> {
        check(&txn)?;
        self.writer.ask(|reply| Job::Txn { space: self.state.clone(), txn, reply }).await
    }

    async fn watch(&self, prefix: &str, after: u64) -> Result<Box<dyn Watch>, StoreError> {
        let index = read(&self.state.index);
        self.state.open()?;
        let replay = index.after(after)?;
        Ok(Box::new(Hub::register(&self.state.hub, prefix, replay, index.revision(), &self.state.limits)))
    }

    async fn compact(&self, revision: u64) -> Result<(), StoreError> {
        self.writer.ask(|reply| Job::Compact { space: self.state.clone(), revision, reply }).await
    }
}

/// What can be refused without looking at the data.
fn check(txn: &Txn) -> Result<(), StoreError> {
    let refuse = |why: String| Err(StoreError::Invalid(why));
    if txn.compares.len() > TRANSACTION_OPS || txn.ops.len() > TRANSACTION_OPS {
        return refuse(format!("a transaction has at most {TRANSACTION_OPS} compares and writes"));
    }
    let mut keys: Vec<&str> = txn.ops.iter().map(|op| op.key()).collect();
    keys.sort_unstable();
    if let Some(pair) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
        return refuse(format!("a transaction writes the key {:?} twice", pair[0]));
    }
    if keys.iter().any(|key| key.is_empty() || key.len() > KEY_BYTES) {
        return refuse(format!("a key has 1 to {KEY_BYTES} bytes"));
    }
    if txn.ops.iter().any(|op| op.value_len() > VALUE_BYTES) {
        return refuse(format!("a value has at most {VALUE_BYTES} bytes"));
    }
    Ok(())
}
