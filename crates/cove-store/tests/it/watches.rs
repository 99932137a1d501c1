//! Watchers: no gap, no repetition, one order, ended rather than skipped.

use std::sync::Arc;

use cove_store::{Limits, Space, Txn, TxnResult, WatchEnd};
use tokio::task::JoinSet;

use crate::on_both;

const WRITERS: u64 = 4;
const WRITES: u64 = 150;

#[test]
fn a_watcher_that_falls_behind_is_ended_not_skipped() {
    let limits = Limits { watch_queue: 4, progress_revisions: 2, ..Limits::DEFAULT };
    on_both(limits, |store| async move {
        let space = store.space("s").await.unwrap();
        let (mut slow, mut other) = (space.watch("k", 0).await.unwrap(), space.watch("elsewhere", 0).await.unwrap());
        for n in 0..6u8 {
            space.txn(Txn::new().put("k", vec![n])).await.unwrap();
        }
        for revision in 1..=4 {
            assert_eq!(slow.next().await.unwrap().revision, revision);
        }
        assert!(matches!(slow.next().await, Err(WatchEnd::Lagged)));
        assert!(matches!(slow.next().await, Err(WatchEnd::Lagged)), "it stays ended");
        let mark = other.next().await.unwrap();
        assert_eq!((mark.revision, mark.events.len()), (2, 0), "progress of a watcher without events");
        let mut again = space.watch("k", 4).await.unwrap();
        assert_eq!(again.next().await.unwrap().revision, 5);
    });
}

async fn write(space: Arc<dyn Space>, writer: u64) {
    for n in 0..WRITES {
        let txn = Txn::new().put(format!("{writer}/a"), n.to_string()).put(format!("{writer}/b"), n.to_string());
        let txn = if n % 3 == 2 { txn.delete(format!("{writer}/c")) } else { txn.put(format!("{writer}/c"), "c") };
        assert!(matches!(space.txn(txn).await.unwrap(), TxnResult::Committed { .. }));
        if n % 7 == writer {
            tokio::task::yield_now().await;
        }
    }
}

/// Watches everything and, again and again, from where another watch stands, while it all goes on.
async fn follow(space: Arc<dyn Space>, prefix: String, per_revision: usize, total: u64) {
    let mut watch = space.watch(&prefix, 0).await.unwrap();
    let (mut last, mut batches) = (0, 0);
    while batches < total {
        let batch = watch.next().await.unwrap();
        assert!(batch.revision > last, "in order, once");
        assert!(batch.revision <= space.revision(), "nobody hears of what cannot be read yet");
        assert_eq!(batch.events.len(), per_revision, "all events of the revision");
        assert!(batch.events.iter().is_sorted_by_key(|event| event.entry.key.clone()));
        assert!(!prefix.is_empty() || batch.revision == last + 1, "without gap");
        (last, batches) = (batch.revision, batches + 1);
        if batches % 50 == 0 {
            // The new watch begins in the history and goes over into what is being written.
            watch = space.watch(&prefix, last).await.unwrap();
        }
    }
}

#[test]
fn watchers_miss_nothing_while_others_write_and_join() {
    let directory = tempfile::tempdir().unwrap();
    let embedded = cove_store::open(directory.path()).unwrap();
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(3).build().unwrap();
    for store in [cove_store::memory(), embedded] {
        threads.block_on(async {
            let space = store.space("s").await.unwrap();
            let mut tasks = JoinSet::new();
            for writer in 0..WRITERS {
                tasks.spawn(write(space.clone(), writer));
                tasks.spawn(follow(space.clone(), String::new(), 3, WRITERS * WRITES));
                tasks.spawn(follow(space.clone(), format!("{writer}/a"), 1, WRITES));
            }
            while let Some(done) = tasks.join_next().await {
                done.unwrap();
            }
            assert_eq!(space.revision(), WRITERS * WRITES);
        });
    }
}
