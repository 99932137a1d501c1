//! A batch in the making: transactions are judged in order, each sees the writes of those before it in the batch.
//! Used by `writer.rs` for one batch, then dropped.
//!
//! Always holds: nothing of it is visible to anyone before the log has the batch; also a conflict is told only then,
//! since what it shows may come from a transaction of the same batch.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::{Entry, Op, Record, StoreError, Txn, TxnResult};
use crate::index::{Write, deletion_of};
use crate::log::Change;
use crate::space::SpaceState;

/// What one transaction comes to once the batch is on disk.
pub(crate) struct Staged {
    /// What to tell the caller.
    pub result: Result<TxnResult, StoreError>,
    /// What to take in.
    pub writes: Option<(u64, Vec<Write>)>,
}

/// See the head of the file.
pub(crate) struct Staging {
    next_seq: u64,
    revisions: BTreeMap<u64, u64>,
    /// By space and key; `None` is a deletion.
    staged: BTreeMap<(u64, Arc<str>), Option<Entry>>,
    changes: Vec<Change>,
}

impl Staging {
    /// An empty batch that begins at a place in the log.
    pub fn new(next_seq: u64) -> Self {
        Self { next_seq, revisions: BTreeMap::new(), staged: BTreeMap::new(), changes: Vec::new() }
    }

    /// The batch for the log, and the next place in it.
    pub fn finish(self) -> (Vec<Change>, u64) {
        (self.changes, self.next_seq)
    }

    /// Judges the next transaction.
    pub fn stage(&mut self, space: &SpaceState, txn: &Txn) -> Staged {
        if space.is_closed() {
            return Staged { result: Err(StoreError::Closed), writes: None };
        }
        let current: Vec<Option<Entry>> = txn.compares.iter().map(|c| self.current(space, &c.key)).collect();
        let holds = |(entry, mod_revision): (&Option<Entry>, u64)| revision_of(entry) == mod_revision;
        if !current.iter().zip(txn.compares.iter().map(|c| c.mod_revision)).all(holds) {
            return Staged { result: Ok(TxnResult::Conflict { current }), writes: None };
        }
        let newest = self.revisions.get(&space.id).copied().unwrap_or_else(|| space.read(|index| index.revision()));
        let revision = newest + 1;
        let mut writes = Vec::new();
        let entries = txn.ops.iter().map(|op| self.write(space, op, revision, &mut writes)).collect();
        if writes.is_empty() {
            return Staged { result: Ok(TxnResult::Committed { revision: newest, entries }), writes: None };
        }
        self.revisions.insert(space.id, revision);
        let result = Ok(TxnResult::Committed { revision, entries });
        Staged { result, writes: Some((revision, writes)) }
    }

    fn current(&self, space: &SpaceState, key: &str) -> Option<Entry> {
        // Most batches touch few keys twice: the key is only made when something is staged at all.
        if !self.staged.is_empty()
            && let Some(entry) = self.staged.get(&(space.id, Arc::from(key)))
        {
            return entry.clone();
        }
        space.read(|index| index.get(key).cloned())
    }

    fn write(&mut self, space: &SpaceState, op: &Op, revision: u64, writes: &mut Vec<Write>) -> Option<Entry> {
        let before = self.current(space, op.key());
        let (entry, deleted) = match (op, before) {
            (Op::Put { key, value }, None) => {
                (Record::new(key.as_str().into(), value.clone(), revision, revision, 1), false)
            }
            (Op::Put { value, .. }, Some(old)) => {
                let version = old.version + 1;
                (Record::new(old.key.clone(), value.clone(), old.create_revision, revision, version), false)
            }
            (Op::Delete { .. }, Some(old)) => (deletion_of(&old, revision), true),
            (Op::Delete { .. }, None) => return None,
        };
        let entry = Arc::new(entry);
        let write = Write { seq: self.next_seq, entry: entry.clone(), deleted };
        self.next_seq += 1;
        self.staged.insert((space.id, entry.key.clone()), (!deleted).then(|| entry.clone()));
        self.changes.push(Change::Write { space: space.id, write: write.clone() });
        writes.push(write);
        Some(entry)
    }
}

fn revision_of(entry: &Option<Entry>) -> u64 {
    entry.as_ref().map_or(0, |entry| entry.mod_revision)
}
