//! The revision index of one space: what is, what was since the last compaction, and what happened since then.
//! Owned by `space.rs`, filled by the writer only, with what the log has made durable.
//!
//! Always holds: a version superseded (or deleted) at revision S is kept exactly as long as S is greater than the
//! compacted revision. So every revision from the compacted one on can be read, and every event after it still has the
//! version before it, also after a restart.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use crate::api::{Entry, Event, EventBatch, Range, RangeResult, Record, StoreError};
use crate::limits::{EVENT_OVERHEAD_BYTES, Limits};

/// One write of one key, numbered by the log.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    /// Its place in the log, over all spaces.
    pub seq: u64,
    /// The new version, or the record of the deletion.
    pub entry: Entry,
    /// Whether it deletes the key.
    pub deleted: bool,
}

/// The record of the deletion of `last` at `revision`.
pub(crate) fn deletion_of(last: &Record, revision: u64) -> Record {
    Record::new(last.key.clone(), last.value.clone(), last.create_revision, revision, last.version)
}

/// See the head of the file.
#[derive(Default)]
pub(crate) struct Index {
    revision: u64,
    compacted: u64,
    current: BTreeMap<Arc<str>, Current>,
    past: BTreeMap<Arc<str>, VecDeque<Past>>,
    history: VecDeque<Happened>,
    history_bytes: usize,
}

struct Current {
    entry: Entry,
    seq: u64,
}

/// A version that held until (not including) a revision.
struct Past {
    entry: Entry,
    until: u64,
}

/// One revision of the history.
struct Happened {
    batch: EventBatch,
    /// Places in the log that nobody needs once this revision is compacted. A version comes before its deletion.
    dead: Vec<u64>,
    bytes: usize,
}

impl Index {
    /// The newest revision.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The oldest revision that can be read and watched from.
    pub fn compacted(&self) -> u64 {
        self.compacted
    }

    /// The current version of a key.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.current.get(key).map(|current| &current.entry)
    }

    /// All current versions in key order.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.current.values().map(|current| &current.entry)
    }

    /// Places in the log of all current versions.
    pub fn seqs(&self) -> impl Iterator<Item = u64> {
        self.current.values().map(|current| current.seq)
    }

    /// Takes in the writes of the next revision.
    pub fn apply(&mut self, revision: u64, writes: Vec<Write>) -> EventBatch {
        debug_assert!(revision > self.revision);
        self.revision = revision;
        let mut dead = Vec::new();
        let mut events: Vec<Event> =
            writes.into_iter().map(|write| self.apply_one(revision, write, &mut dead)).collect();
        events.sort_unstable_by(|a, b| a.entry.key.cmp(&b.entry.key));
        let bytes = events.iter().map(cost).sum();
        let batch = EventBatch { revision, events: events.into() };
        self.history_bytes += bytes;
        self.history.push_back(Happened { batch: batch.clone(), dead, bytes });
        batch
    }

    fn apply_one(&mut self, revision: u64, write: Write, dead: &mut Vec<u64>) -> Event {
        let key = write.entry.key.clone();
        let previous = if write.deleted {
            self.current.remove(&key)
        } else {
            self.current.insert(key.clone(), Current { entry: write.entry.clone(), seq: write.seq })
        };
        let previous = previous.map(|previous| {
            dead.push(previous.seq);
            let past = Past { entry: previous.entry.clone(), until: revision };
            self.past.entry(key).or_default().push_back(past);
            previous.entry
        });
        if write.deleted {
            dead.push(write.seq);
        }
        Event { entry: write.entry, previous, deleted: write.deleted }
    }

    /// Raises the revision to what the log remembers although none of its writes is left.
    pub fn raise(&mut self, revision: u64) {
        self.revision = self.revision.max(revision);
    }

    /// Forgets what was superseded at or below `revision`; returns the places in the log that nobody needs any more,
    /// in an order in which they may be removed (a deletion after the version that it deletes).
    pub fn compact(&mut self, revision: u64) -> Vec<u64> {
        let mut dead = Vec::new();
        while self.history.front().is_some_and(|oldest| oldest.batch.revision <= revision) {
            if let Some(oldest) = self.history.pop_front() {
                self.forget(&oldest);
                dead.extend(oldest.dead);
            }
        }
        self.compacted = self.compacted.max(revision);
        dead
    }

    /// Compacts as far as the limits ask for.
    pub fn trim(&mut self, limits: &Limits) -> Vec<u64> {
        let (mut length, mut bytes, mut to) = (self.history.len(), self.history_bytes, self.compacted);
        for oldest in &self.history {
            if length <= limits.history_revisions && bytes <= limits.history_bytes {
                break;
            }
            (length, bytes, to) = (length - 1, bytes - oldest.bytes, oldest.batch.revision);
        }
        if to > self.compacted { self.compact(to) } else { Vec::new() }
    }

    fn forget(&mut self, happened: &Happened) {
        self.history_bytes -= happened.bytes;
        for event in happened.batch.events.iter().filter(|event| event.previous.is_some()) {
            if let Some(versions) = self.past.get_mut(&event.entry.key) {
                versions.pop_front();
                if versions.is_empty() {
                    self.past.remove(&event.entry.key);
                }
            }
        }
    }

    /// Everything that happened after a revision, unfiltered.
    pub fn after(&self, revision: u64) -> Result<Vec<EventBatch>, StoreError> {
        self.check(revision)?;
        let start = self.history.partition_point(|happened| happened.batch.revision <= revision);
        Ok(self.history.range(start..).map(|happened| happened.batch.clone()).collect())
    }

    /// Reads a range, now or at a revision.
    pub fn range(&self, range: &Range) -> Result<RangeResult, StoreError> {
        let revision = range.revision.unwrap_or(self.revision);
        self.check(revision)?;
        let start = match &range.from {
            Some(from) if from.as_str() > range.prefix.as_str() => from.as_str(),
            _ => range.prefix.as_str(),
        };
        let keys = (Bound::Included(start), Bound::Unbounded);
        let now = self.current.range::<str, _>(keys).map(|(key, current)| (key, &current.entry));
        let now = now.take_while(|(key, _)| key.starts_with(&range.prefix)).map(|(_, entry)| entry);
        if revision == self.revision {
            return Ok(page(now, range.limit, revision));
        }
        let now = now.filter(|entry| entry.mod_revision <= revision);
        let then = self.past.range::<str, _>(keys).take_while(|(key, _)| key.starts_with(&range.prefix));
        let then = then.filter_map(|(_, versions)| held_at(versions, revision));
        Ok(page(merge(now, then), range.limit, revision))
    }

    fn check(&self, revision: u64) -> Result<(), StoreError> {
        if revision > self.revision {
            Err(StoreError::Future { requested: revision, current: self.revision })
        } else if revision < self.compacted {
            Err(StoreError::Compacted { requested: revision, oldest: self.compacted })
        } else {
            Ok(())
        }
    }
}

/// What an event costs until it is compacted: its current version is not counted, the one that it superseded is.
fn cost(event: &Event) -> usize {
    EVENT_OVERHEAD_BYTES + event.entry.key.len() + event.previous.as_ref().map_or(0, |previous| previous.value.len())
}

fn held_at(versions: &VecDeque<Past>, revision: u64) -> Option<&Entry> {
    let first = versions.partition_point(|past| past.until <= revision);
    versions.get(first).map(|past| &past.entry).filter(|entry| entry.mod_revision <= revision)
}

/// Merges two iterators in key order; at one revision no key is in both.
fn merge<'a>(
    now: impl Iterator<Item = &'a Entry>,
    then: impl Iterator<Item = &'a Entry>,
) -> impl Iterator<Item = &'a Entry> {
    let (mut now, mut then) = (now.peekable(), then.peekable());
    std::iter::from_fn(move || match (now.peek(), then.peek()) {
        (Some(a), Some(b)) if a.key > b.key => then.next(),
        (Some(_), _) => now.next(),
        (None, _) => then.next(),
    })
}

fn page<'a>(found: impl Iterator<Item = &'a Entry>, limit: usize, revision: u64) -> RangeResult {
    let mut found = found;
    let limit = if limit == 0 { usize::MAX } else { limit };
    let entries = found.by_ref().take(limit).cloned().collect();
    RangeResult { entries, revision, remaining: found.count() }
}
