//! The one owner of the log: judges transactions, commits them in batches, then lets readers, watchers and callers
//! know. The memory back end runs it inside the call, the embedded one on its own thread (`store.rs`).
//!
//! The order, for every batch: judge all transactions against what is on disk plus the batch so far (`staging.rs`);
//! one commit of the log for all spaces; tap, index and watchers, revision by revision; then the replies, conflicts
//! included. So nobody reads, hears of or is refused because of a value that could still be lost. If a batch fails,
//! its transactions are judged and committed again one by one, so that one too large for the disk fails alone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::api::{Entry, Op, StoreError, Txn, TxnResult, Written};
use crate::index::Index;
use crate::limits::{KEY_BYTES, Limits, SWEEP_BACKLOG, SWEEP_MIN, SWEEP_SLICE};
use crate::locks::{read, write};
use crate::log::{Change, Log};
use crate::space::SpaceState;
use crate::staging::{Staged, Staging};
use crate::store::Registry;

/// Where an answer goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// What the writer is asked for.
pub(crate) enum Job {
    Txn { space: Arc<SpaceState>, txn: Txn, reply: Reply<TxnResult> },
    Space { name: String, reply: Reply<Arc<SpaceState>> },
    DeleteSpace { name: String, reply: Reply<()> },
    Compact { space: Arc<SpaceState>, revision: u64, reply: Reply<()> },
    Copy { reply: Reply<Vec<SpaceCopy>> },
    Close { reply: Reply<()> },
}

/// What a space holds at one moment, for a snapshot.
pub(crate) struct SpaceCopy {
    pub name: String,
    pub revision: u64,
    pub entries: Vec<Entry>,
}

struct Waiting {
    space: Arc<SpaceState>,
    txn: Txn,
    reply: Reply<TxnResult>,
}

/// See the head of the file.
pub(crate) struct Committer {
    log: Box<dyn Log>,
    registry: Arc<Registry>,
    limits: Limits,
    next_seq: u64,
    next_space: u64,
    /// Places in the log that nobody needs, in the order in which they may be removed.
    dead: VecDeque<u64>,
    /// Compactions that the log does not know yet. It learns of them before anything dead is removed.
    compacted: BTreeMap<u64, u64>,
    closed: bool,
}

impl Committer {
    /// A writer over a log whose spaces are in the registry already.
    pub fn new(log: Box<dyn Log>, registry: Arc<Registry>, limits: Limits, next_seq: u64, next_space: u64) -> Self {
        let (dead, compacted) = (VecDeque::new(), BTreeMap::new());
        Self { log, registry, limits, next_seq, next_space, dead, compacted, closed: false }
    }

    /// Places in the log that were found dead when it was read.
    pub fn found_dead(&mut self, seqs: impl IntoIterator<Item = u64>) {
        self.dead.extend(seqs);
    }

    /// Whether [`Job::Close`] was done.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Does jobs in order; neighbouring transactions share a commit.
    pub fn run(&mut self, jobs: impl IntoIterator<Item = Job>) {
        let mut waiting = Vec::new();
        for job in jobs {
            match job {
                Job::Txn { space, txn, reply } => waiting.push(Waiting { space, txn, reply }),
                other => {
                    self.commit(std::mem::take(&mut waiting));
                    self.run_other(other);
                }
            }
        }
        self.commit(waiting);
    }

    fn run_other(&mut self, job: Job) {
        // A caller that no longer waits for its answer is no reason to stop: the errors of `send` mean just that.
        match job {
            Job::Txn { space, txn, reply } => self.commit(vec![Waiting { space, txn, reply }]),
            Job::Space { name, reply } => drop(reply.send(self.space(name))),
            Job::DeleteSpace { name, reply } => drop(reply.send(self.delete_space(&name))),
            Job::Compact { space, revision, reply } => drop(reply.send(self.compact(&space, revision))),
            Job::Copy { reply } => drop(reply.send(self.copy())),
            Job::Close { reply } => drop(reply.send(self.close())),
        }
    }

    fn commit(&mut self, waiting: Vec<Waiting>) {
        if waiting.is_empty() {
            return;
        }
        let mut staging = Staging::new(self.next_seq);
        let staged: Vec<Staged> = waiting.iter().map(|w| staging.stage(&w.space, &w.txn)).collect();
        let (changes, next_seq) = staging.finish();
        let written = if changes.is_empty() { Ok(()) } else { self.write(changes) };
        match written {
            Ok(()) => {
                self.next_seq = next_seq;
                self.publish(waiting, staged);
            }
            Err(_) if waiting.len() > 1 => waiting.into_iter().for_each(|one| self.commit(vec![one])),
            Err(error) => waiting.into_iter().for_each(|w| drop(w.reply.send(Err(error.clone())))),
        }
    }

    fn publish(&mut self, waiting: Vec<Waiting>, staged: Vec<Staged>) {
        let tap = read(&self.registry.tap).clone();
        let mut replies = Vec::with_capacity(waiting.len());
        for (waiting, staged) in waiting.into_iter().zip(staged) {
            if let Some((revision, writes)) = staged.writes {
                if let Some(tap) = &tap {
                    let space = &waiting.space.name;
                    writes.iter().for_each(|w| tap(Written { space, entry: &w.entry, deleted: w.deleted }));
                }
                let dead = waiting.space.take_in(revision, writes);
                self.forget(&waiting.space, dead);
            }
            replies.push((waiting.reply, staged.result));
        }
        replies.into_iter().for_each(|(reply, result)| drop(reply.send(result)));
    }

    /// Commits changes together with some of what can be forgotten.
    fn write(&mut self, changes: Vec<Change>) -> Result<(), StoreError> {
        let most = SWEEP_MIN + 2 * changes.len();
        self.write_and_forget(changes, most)
    }

    fn write_and_forget(&mut self, mut changes: Vec<Change>, most: usize) -> Result<(), StoreError> {
        if self.closed {
            return Err(StoreError::Closed);
        }
        let removed = self.dead.len().min(most);
        changes.extend(self.compacted.iter().map(|(&space, &revision)| Change::Compacted { space, revision }));
        changes.extend(self.dead.iter().take(removed).map(|&seq| Change::Forget { seq }));
        self.log.commit(&changes)?;
        self.compacted.clear();
        self.dead.drain(..removed);
        Ok(())
    }

    fn forget(&mut self, space: &SpaceState, dead: Vec<u64>) {
        if !dead.is_empty() {
            self.dead.extend(dead);
            self.compacted.insert(space.id, space.read(Index::compacted));
        }
    }

    /// Whether there is so much to forget that the writer should do it although nobody writes.
    pub fn has_backlog(&self) -> bool {
        self.dead.len() >= SWEEP_BACKLOG
    }

    /// Removes some of the backlog. If the disk does not let us, it stays for the next write.
    pub fn sweep(&mut self) -> Result<(), StoreError> {
        self.write_and_forget(Vec::new(), SWEEP_SLICE)
    }

    fn space(&mut self, name: String) -> Result<Arc<SpaceState>, StoreError> {
        if name.is_empty() || name.len() > KEY_BYTES {
            return Err(StoreError::Invalid(format!("the name of a space has 1 to {KEY_BYTES} bytes")));
        }
        if let Some(space) = read(&self.registry.spaces).get(&name) {
            return Ok(space.clone());
        }
        let id = self.next_space;
        self.write(vec![Change::Space { id, name: name.clone() }])?;
        self.next_space += 1;
        let space = Arc::new(SpaceState::new(id, name.clone(), Index::default(), self.limits));
        write(&self.registry.spaces).insert(name, space.clone());
        Ok(space)
    }

    fn delete_space(&mut self, name: &str) -> Result<(), StoreError> {
        let Some(space) = read(&self.registry.spaces).get(name).cloned() else { return Ok(()) };
        self.write(vec![Change::DropSpace { id: space.id }])?;
        write(&self.registry.spaces).remove(name);
        self.dead.extend(space.end());
        Ok(())
    }

    fn compact(&mut self, space: &SpaceState, revision: u64) -> Result<(), StoreError> {
        let current = space.read(Index::revision);
        if space.is_closed() || self.closed {
            return Err(StoreError::Closed);
        }
        if revision > current {
            return Err(StoreError::Future { requested: revision, current });
        }
        let dead = space.compact(revision);
        self.compacted.insert(space.id, space.read(Index::compacted));
        self.dead.extend(dead);
        self.write(Vec::new())
    }

    fn copy(&self) -> Result<Vec<SpaceCopy>, StoreError> {
        if self.closed {
            return Err(StoreError::Closed);
        }
        let copy = |space: &Arc<SpaceState>| {
            space.read(|index| SpaceCopy {
                name: space.name.clone(),
                revision: index.revision(),
                entries: index.entries().cloned().collect(),
            })
        };
        Ok(read(&self.registry.spaces).values().map(copy).collect())
    }

    fn close(&mut self) -> Result<(), StoreError> {
        if self.closed {
            return Ok(());
        }
        self.closed = true;
        for space in std::mem::take(&mut *write(&self.registry.spaces)).into_values() {
            space.end();
        }
        self.log.close()
    }
}

impl Txn {
    /// What the values of a transaction weigh in a batch.
    pub(crate) fn bytes(&self) -> usize {
        self.ops.iter().map(Op::value_len).sum()
    }
}
