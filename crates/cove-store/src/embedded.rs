//! The embedded back end: the index in memory over an SQLite file, one writer thread fed by a bounded queue. Whatever
//! waits when a commit ends is the next commit, over all spaces.
//!
//! A thread rather than a task, because the engine blocks on the disk. It is the only thread of this room, besides the
//! passing one of a snapshot; in virtual runs the memory back end takes its place.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::api::{Store, StoreError};
use crate::directory::DataDirectory;
use crate::index::{Index, Write, deletion_of};
use crate::limits::Limits;
use crate::log::Log;
use crate::space::SpaceState;
use crate::sqlite::{Row, SqliteLog};
use crate::store::{Registry, StoreHandle, Writer};
use crate::writer::{Committer, Job};

/// Opens the store in a directory, or makes one. Blocks while it reads the log: call it before serving.
///
/// The directory is free for the next process once `close` returned, or all handles (store and spaces) are dropped.
pub fn open(dir: &Path) -> Result<Arc<dyn Store>, StoreError> {
    open_with(dir, Limits::DEFAULT)
}

/// The same with other bounds.
pub fn open_with(dir: &Path, limits: Limits) -> Result<Arc<dyn Store>, StoreError> {
    let log = SqliteLog::open(DataDirectory::lock(dir)?)?;
    let loaded = load(&log)?;
    start(Box::new(log), loaded, limits)
}

/// What a log was found to hold.
#[derive(Default)]
pub(crate) struct Loaded {
    spaces: BTreeMap<u64, (String, Index)>,
    /// Places in the log of spaces that are no more.
    dead: Vec<u64>,
    next_seq: u64,
    next_space: u64,
}

/// Rebuilds all spaces from a log.
pub(crate) fn load(log: &SqliteLog) -> Result<Loaded, StoreError> {
    let spaces = log.spaces()?;
    let mut loaded = Loaded { next_seq: 1, next_space: 1, ..Loaded::default() };
    for (id, name, _) in &spaces {
        loaded.spaces.insert(*id, (name.clone(), Index::default()));
        loaded.next_space = loaded.next_space.max(id + 1);
    }
    let mut revision: Vec<Row> = Vec::new();
    log.rows(|row| {
        if revision.last().is_some_and(|last| (last.space, last.revision) != (row.space, row.revision)) {
            loaded.take_in(std::mem::take(&mut revision));
        }
        revision.push(row);
    })?;
    loaded.take_in(revision);
    for (id, _, compacted) in spaces {
        if let Some((_, index)) = loaded.spaces.get_mut(&id) {
            index.raise(compacted);
            let dead = index.compact(compacted);
            loaded.dead.extend(dead);
        }
    }
    Ok(loaded)
}

impl Loaded {
    /// Takes in all rows of one revision of one space.
    fn take_in(&mut self, rows: Vec<Row>) {
        let Some(&Row { space, revision, .. }) = rows.last() else { return };
        self.next_seq = rows.iter().map(|row| row.seq + 1).max().unwrap_or(1).max(self.next_seq);
        self.next_space = self.next_space.max(space + 1);
        let Some((_, index)) = self.spaces.get_mut(&space) else {
            self.dead.extend(rows.iter().map(|row| row.seq));
            return;
        };
        let mut writes = Vec::new();
        for row in rows {
            let deleted = row.record.is_none();
            let last = || index.get(&row.key).map(|last| deletion_of(last, revision));
            match row.record.or_else(last) {
                Some(record) => writes.push(Write { seq: row.seq, entry: Arc::new(record), deleted }),
                // A deletion whose version was forgotten already: it is compacted too.
                None => self.dead.push(row.seq),
            }
        }
        index.apply(revision, writes);
    }
}

/// Starts the writer over a log.
pub(crate) fn start(log: Box<dyn Log>, loaded: Loaded, limits: Limits) -> Result<Arc<dyn Store>, StoreError> {
    let spaces = loaded.spaces.into_iter();
    let spaces = spaces.map(|(id, (name, index))| (name.clone(), Arc::new(SpaceState::new(id, name, index, limits))));
    let registry = Arc::new(Registry { spaces: spaces.collect::<BTreeMap<_, _>>().into(), tap: None.into() });
    let mut committer = Committer::new(log, registry.clone(), limits, loaded.next_seq, loaded.next_space);
    committer.found_dead(loaded.dead);
    let (queue, jobs) = mpsc::channel(limits.write_queue);
    let thread = std::thread::Builder::new()
        .name("cove-store".to_owned())
        .spawn(move || write_on(committer, jobs, limits))
        .map_err(crate::directory::engine)?;
    Ok(Arc::new(StoreHandle {
        registry,
        writer: Arc::new(Writer::Thread { queue: Some(queue), thread: Some(thread) }),
    }))
}

/// The writer's thread: takes whatever waits, commits it, and so on until closed or nobody can ask any more.
fn write_on(mut committer: Committer, mut jobs: mpsc::Receiver<Job>, limits: Limits) {
    while !committer.is_closed() {
        if committer.has_backlog() && jobs.is_empty() && committer.sweep().is_ok() {
            continue;
        }
        let Some(job) = jobs.blocking_recv() else { return };
        let mut bytes = weight(&job);
        let mut batch = vec![job];
        while batch.len() < limits.batch_transactions
            && bytes < limits.batch_bytes
            && let Ok(job) = jobs.try_recv()
        {
            bytes += weight(&job);
            batch.push(job);
        }
        committer.run(batch);
    }
}

fn weight(job: &Job) -> usize {
    if let Job::Txn { txn, .. } = job { txn.bytes() } else { 0 }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::api::{Txn, TxnResult};
    use crate::log::Change;

    /// The real engine, whose file may not grow while `full` is set.
    struct SmallDisk {
        inner: SqliteLog,
        full: Arc<AtomicBool>,
    }

    impl Log for SmallDisk {
        fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
            self.inner.set_max_pages(if self.full.load(Ordering::SeqCst) { 1 } else { 1 << 20 });
            self.inner.commit(changes)
        }

        fn close(&mut self) -> Result<(), StoreError> {
            self.inner.close()
        }
    }

    #[test]
    fn a_full_disk_refuses_writes_until_there_is_room() {
        let directory = tempfile::tempdir().unwrap();
        let full = Arc::new(AtomicBool::new(false));
        let inner = SqliteLog::open(DataDirectory::lock(directory.path()).unwrap()).unwrap();
        let loaded = load(&inner).unwrap();
        let store = start(Box::new(SmallDisk { inner, full: full.clone() }), loaded, Limits::DEFAULT).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let space = store.space("s").await.unwrap();
            let put = |value: usize| space.txn(Txn::new().put("k", vec![0; value]));
            put(10).await.unwrap();
            let mut watch = space.watch("", 1).await.unwrap();
            full.store(true, Ordering::SeqCst);
            let (large, small) = tokio::join!(put(1 << 20), put(11));
            assert!(matches!(large, Err(StoreError::Full)));
            assert!(matches!(small, Ok(TxnResult::Committed { revision: 2, .. })), "a small one still fits");
            assert!(store.space("t").await.is_ok());
            assert_eq!(space.get("k").await.unwrap().unwrap().value.len(), 11, "reading goes on");
            full.store(false, Ordering::SeqCst);
            put(1 << 20).await.unwrap();
            assert_eq!((watch.next().await.unwrap().revision, watch.next().await.unwrap().revision), (2, 3));
            store.close().await.unwrap();
            let again = open(directory.path()).unwrap();
            assert_eq!(again.space("s").await.unwrap().revision(), 3);
        });
    }
}
