//! The contract of every back end (memory, embedded, later etcd). Read this before writing against the store.

use std::any::Any;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;

/// One version of one key, shared by everyone who reads it.
pub type Entry = Arc<Record>;

/// One version of one key.
pub struct Record {
    /// The key within its space.
    pub key: Arc<str>,
    /// The value. For the record of a deletion: the last value before it.
    pub value: Bytes,
    /// The revision at which the key came into being (again).
    pub create_revision: u64,
    /// The revision of this version. For the record of a deletion: the deletion's own revision.
    pub mod_revision: u64,
    /// 1 for the first version since creation.
    pub version: u64,
    decoded: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl Record {
    /// Made by back ends.
    pub fn new(key: Arc<str>, value: Bytes, create_revision: u64, mod_revision: u64, version: u64) -> Self {
        Self { key, value, create_revision, mod_revision, version, decoded: OnceLock::new() }
    }

    /// The decoded form of this version, made by `decode` on first demand, shared by all readers and dropped with the
    /// version. All callers of one space must ask for the same `T`; another `T` is decoded anew each time.
    pub fn decoded<T: Send + Sync + 'static>(&self, decode: impl FnOnce(&Record) -> T) -> Arc<T> {
        let mut decode = Some(decode);
        let shared = self.decoded.get_or_init(|| match decode.take() {
            Some(decode) => Arc::new(decode(self)),
            None => Arc::new(()),
        });
        match (shared.clone().downcast::<T>(), decode) {
            (Ok(value), _) => value,
            (Err(_), Some(decode)) => Arc::new(decode(self)),
            (Err(_), None) => unreachable!("the value that was just decoded has its own type"),
        }
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{} ({} bytes)", self.key, self.mod_revision, self.value.len())
    }
}

/// What happened to a key.
#[derive(Clone, Debug)]
pub struct Event {
    /// For a put the new version; for a deletion a record with the last value and the deletion's revision.
    pub entry: Entry,
    /// The version before, if there was one. Present even when the revision before has been compacted.
    pub previous: Option<Entry>,
    /// Whether the key was deleted.
    pub deleted: bool,
}

/// Which keys to read.
#[derive(Clone, Debug, Default)]
pub struct Range {
    /// Keys that begin with this.
    pub prefix: String,
    /// Only keys greater than or equal to this (for the next page: last key of the page before, plus `\0`).
    pub from: Option<String>,
    /// At most this many entries; 0 means all.
    pub limit: usize,
    /// Read as of this revision; `None` means now.
    pub revision: Option<u64>,
}

impl Range {
    /// All keys under a prefix, now.
    pub fn prefix(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), ..Self::default() }
    }
}

/// The answer to a [`Range`].
#[derive(Clone, Debug)]
pub struct RangeResult {
    /// Entries in key order.
    pub entries: Vec<Entry>,
    /// The space's revision when the range was read (the pinned one if the request named one).
    pub revision: u64,
    /// How many further entries the limit cut off.
    pub remaining: usize,
}

/// A condition of a transaction.
#[derive(Clone, Debug)]
pub struct Compare {
    /// The key.
    pub key: String,
    /// The revision of the version it must have; 0 means that it must not exist.
    pub mod_revision: u64,
}

/// A write of a transaction.
#[derive(Clone, Debug)]
pub enum Op {
    /// Sets a key.
    Put {
        /// The key.
        key: String,
        /// The new value.
        value: Bytes,
    },
    /// Deletes a key; deleting what does not exist changes nothing and makes no event.
    Delete {
        /// The key.
        key: String,
    },
}

impl Op {
    /// The key that it writes.
    pub fn key(&self) -> &str {
        match self {
            Op::Put { key, .. } | Op::Delete { key } => key,
        }
    }

    /// The length of the value that it writes.
    pub(crate) fn value_len(&self) -> usize {
        if let Op::Put { value, .. } = self { value.len() } else { 0 }
    }
}

/// A compare-and-set transaction: all writes happen at one revision, or none does. At most one write per key.
#[derive(Clone, Debug, Default)]
pub struct Txn {
    /// All must hold.
    pub compares: Vec<Compare>,
    /// What to write.
    pub ops: Vec<Op>,
}

impl Txn {
    /// An empty transaction.
    pub fn new() -> Self {
        Self::default()
    }

    /// Requires `key` to be at `mod_revision` (0: to be absent).
    pub fn expect(mut self, key: impl Into<String>, mod_revision: u64) -> Self {
        self.compares.push(Compare { key: key.into(), mod_revision });
        self
    }

    /// Adds a put.
    pub fn put(mut self, key: impl Into<String>, value: impl Into<Bytes>) -> Self {
        self.ops.push(Op::Put { key: key.into(), value: value.into() });
        self
    }

    /// Adds a deletion.
    pub fn delete(mut self, key: impl Into<String>) -> Self {
        self.ops.push(Op::Delete { key: key.into() });
        self
    }
}

/// What became of a transaction.
#[derive(Clone, Debug)]
pub enum TxnResult {
    /// All writes are on disk, at this revision. One entry per op in order: the new version, or for a deletion the
    /// record of the deletion (`None` if there was nothing to delete).
    Committed {
        /// The revision of the writes (the current one if the transaction wrote nothing).
        revision: u64,
        /// Per op.
        entries: Vec<Option<Entry>>,
    },
    /// A condition did not hold; nothing was written. The current entry of each compared key, in order.
    Conflict {
        /// Per compare.
        current: Vec<Option<Entry>>,
    },
}

/// Why the store could not do it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The revision asked for has been compacted away.
    #[error("revision {requested} has been compacted, the oldest is {oldest}")]
    Compacted {
        /// What was asked for.
        requested: u64,
        /// The oldest that can be read or watched from.
        oldest: u64,
    },
    /// The revision asked for is in the future.
    #[error("revision {requested} is in the future, the newest is {current}")]
    Future {
        /// What was asked for.
        requested: u64,
        /// The newest.
        current: u64,
    },
    /// The disk is full: nothing was written, reading goes on, and writing too once there is room.
    #[error("the disk is full")]
    Full,
    /// The data was written by a newer version of Cove.
    #[error("the data has format {found}, this version of Cove knows {known}")]
    NewerFormat {
        /// Found on disk.
        found: u32,
        /// What this binary writes.
        known: u32,
    },
    /// Another process has the data open.
    #[error("the data is in use by another process{}", .pid.map(|p| format!(" ({p})")).unwrap_or_default())]
    InUse {
        /// Its process id, when known.
        pid: Option<u32>,
    },
    /// The request breaks a rule of the store (`limits.rs`, a key written twice): a mistake of the caller.
    #[error("{0}")]
    Invalid(String),
    /// Anything else that the engine reports. Nothing was acknowledged.
    #[error("store: {0}")]
    Engine(String),
    /// The store is shutting down.
    #[error("the store is closed")]
    Closed,
}

/// How a watch ended.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WatchEnd {
    /// The watcher fell behind its bounded queue and was closed, not skipped (invariant 3).
    #[error("the watcher fell behind")]
    Lagged,
    /// The space was deleted or the store closed.
    #[error("the store is closed")]
    Closed,
}

/// A running watch. Dropping it ends it.
#[async_trait]
pub trait Watch: Send {
    /// The next events: all events of one revision together, in key order, each revision once. An empty batch is a
    /// progress mark. `revision` is how far the watcher has seen.
    async fn next(&mut self) -> Result<EventBatch, WatchEnd>;
}

/// The events of one revision.
#[derive(Clone, Debug)]
pub struct EventBatch {
    /// The revision that they happened at.
    pub revision: u64,
    /// The events of this watcher's prefix.
    pub events: Arc<[Event]>,
}

/// One space: a key space with its own revisions. All methods may be called from any task.
#[async_trait]
pub trait Space: Send + Sync {
    /// Its name.
    fn name(&self) -> &str;
    /// The newest committed revision; 0 before the first write.
    fn revision(&self) -> u64;
    /// The current version of a key.
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError>;
    /// A consistent reading of a range.
    async fn range(&self, range: Range) -> Result<RangeResult, StoreError>;
    /// Compares and writes. When it returns `Committed`, the writes are on disk.
    async fn txn(&self, txn: Txn) -> Result<TxnResult, StoreError>;
    /// All events under `prefix` with a revision greater than `after`, then live ones, without gap or repetition.
    async fn watch(&self, prefix: &str, after: u64) -> Result<Box<dyn Watch>, StoreError>;
    /// Forgets superseded versions at or below `revision`.
    async fn compact(&self, revision: u64) -> Result<(), StoreError>;
}

/// One committed write, as a tap sees it.
#[derive(Clone, Copy, Debug)]
pub struct Written<'a> {
    /// The space.
    pub space: &'a str,
    /// The new version, or the record of the deletion; its `mod_revision` is the revision of the write.
    pub entry: &'a Entry,
    /// Whether the key was deleted.
    pub deleted: bool,
}

/// Hears of every committed write. It runs inside the commit: it must neither block nor call the store.
pub type Tap = Arc<dyn Fn(Written<'_>) + Send + Sync>;

/// A store of spaces.
#[async_trait]
pub trait Store: Send + Sync {
    /// Opens a space, making it if it does not exist.
    async fn space(&self, name: &str) -> Result<Arc<dyn Space>, StoreError>;
    /// The names of all spaces, sorted.
    async fn spaces(&self) -> Result<Vec<String>, StoreError>;
    /// Deletes a space with all it holds. Its watchers end.
    async fn delete_space(&self, name: &str) -> Result<(), StoreError>;
    /// Writes a consistent copy of all spaces to a directory that does not exist yet.
    async fn snapshot(&self, to: &Path) -> Result<(), StoreError>;
    /// Waits until everything acknowledged is on disk and closes.
    async fn close(&self) -> Result<(), StoreError>;
    /// For tests: from now on `tap` hears of every write of every space, in the order of the commits (within a
    /// transaction in the order of its ops), when it is on disk and before readers, watchers and its caller do. It
    /// takes the place of the tap before.
    fn tap(&self, tap: Tap);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_decoded_once() {
        let record = Record::new("k".into(), Bytes::from_static(b"7"), 1, 1, 1);
        let first = record.decoded(|r| r.value.len());
        let second = record.decoded(|_| -> usize { panic!("decoded twice") });
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(*record.decoded(|_| "another type"), "another type");
    }
}
