//! What the contract promises, call by call.

use std::path::Path;
use std::sync::{Arc, Mutex};

use cove_store::{Limits, Range, Space, StoreError, Txn, TxnResult, Written};

use crate::{contents, on_both, run};

async fn commit(space: &dyn Space, txn: Txn) -> u64 {
    match space.txn(txn).await.expect("txn") {
        TxnResult::Committed { revision, .. } => revision,
        TxnResult::Conflict { .. } => panic!("conflict"),
    }
}

#[test]
fn a_space_counts_its_own_revisions() {
    on_both(Limits::DEFAULT, |store| async move {
        let (a, b) = (store.space("a").await.unwrap(), store.space("b").await.unwrap());
        assert_eq!((a.revision(), b.revision()), (0, 0));
        assert_eq!(commit(&*a, Txn::new().put("k", "1").put("l", "2")).await, 1);
        assert_eq!(commit(&*a, Txn::new().put("k", "3")).await, 2);
        assert_eq!(commit(&*b, Txn::new().put("k", "4")).await, 1);
        assert_eq!(commit(&*a, Txn::new().delete("absent")).await, 2, "nothing written, nothing counted");
        let entry = a.get("k").await.unwrap().unwrap();
        assert_eq!((entry.create_revision, entry.mod_revision, entry.version), (1, 2, 2));
        assert_eq!(store.spaces().await.unwrap(), ["a", "b"]);
    });
}

#[test]
fn a_conflict_tells_what_is_there_and_writes_nothing() {
    on_both(Limits::DEFAULT, |store| async move {
        let space = store.space("s").await.unwrap();
        commit(&*space, Txn::new().expect("k", 0).put("k", "1")).await;
        let txn = Txn::new().expect("absent", 0).expect("k", 0).put("other", "2");
        let TxnResult::Conflict { current } = space.txn(txn).await.unwrap() else { panic!("committed") };
        assert!(current[0].is_none());
        assert_eq!(current[1].as_ref().unwrap().mod_revision, 1);
        assert_eq!(contents(&*space).await, [("k".to_owned(), b"1".to_vec())]);
    });
}

#[test]
fn a_deletion_carries_the_last_value_and_its_own_revision_after_compaction_too() {
    on_both(Limits::DEFAULT, |store| async move {
        let space = store.space("s").await.unwrap();
        commit(&*space, Txn::new().put("k", "1")).await;
        commit(&*space, Txn::new().put("k", "2")).await;
        commit(&*space, Txn::new().delete("k")).await;
        commit(&*space, Txn::new().put("k", "3")).await;
        space.compact(2).await.unwrap();
        let mut watch = space.watch("", 2).await.unwrap();
        let batch = watch.next().await.unwrap();
        let event = &batch.events[0];
        assert!(event.deleted);
        assert_eq!((event.entry.mod_revision, &event.entry.value[..]), (3, &b"2"[..]));
        assert_eq!(event.previous.as_ref().unwrap().mod_revision, 2);
        let again = watch.next().await.unwrap();
        assert!(again.events[0].previous.is_none(), "created anew");
        assert_eq!(again.events[0].entry.create_revision, 4);
        assert!(matches!(space.watch("", 1).await, Err(StoreError::Compacted { requested: 1, oldest: 2 })));
        assert!(matches!(space.watch("", 5).await, Err(StoreError::Future { requested: 5, current: 4 })));
        assert!(matches!(space.compact(9).await, Err(StoreError::Future { .. })));
    });
}

#[test]
fn pages_at_a_revision_do_not_move() {
    on_both(Limits::DEFAULT, |store| async move {
        let space = store.space("s").await.unwrap();
        let all = ["a/1", "a/2", "a/3", "b"].iter().fold(Txn::new(), |txn, key| txn.put(*key, "v"));
        commit(&*space, all).await;
        let first = space.range(Range { limit: 2, ..Range::prefix("a/") }).await.unwrap();
        assert_eq!((first.revision, first.remaining), (1, 1));
        commit(&*space, Txn::new().delete("a/3").put("a/2x", "new")).await;
        let next = Range { from: Some("a/2\0".into()), revision: Some(1), limit: 2, prefix: "a/".into() };
        let second = space.range(next).await.unwrap();
        let keys: Vec<&str> = second.entries.iter().map(|entry| &*entry.key).collect();
        assert_eq!((keys, second.revision, second.remaining), (vec!["a/3"], 1, 0));
    });
}

#[test]
fn history_is_bounded_by_itself() {
    let limits = Limits { history_revisions: 3, ..Limits::DEFAULT };
    on_both(limits, |store| async move {
        let space = store.space("s").await.unwrap();
        for n in 0..10u8 {
            commit(&*space, Txn::new().put("k", vec![n])).await;
        }
        assert!(matches!(space.watch("", 6).await, Err(StoreError::Compacted { oldest: 7, .. })));
        assert_eq!(space.watch("", 7).await.unwrap().next().await.unwrap().revision, 8);
    });
    let limits = Limits { history_bytes: 5_000, ..Limits::DEFAULT };
    on_both(limits, |store| async move {
        let space = store.space("s").await.unwrap();
        for _ in 0..10 {
            commit(&*space, Txn::new().put("k", vec![0; 2_000])).await;
        }
        assert!(space.watch("", 7).await.is_err());
        assert!(space.watch("", 8).await.is_ok());
    });
}

#[test]
fn mistakes_are_refused() {
    on_both(Limits::DEFAULT, |store| async move {
        let space = store.space("s").await.unwrap();
        for txn in [
            Txn::new().put("k", "1").delete("k"),
            Txn::new().put("", "1"),
            Txn::new().put("k".repeat(5_000), "1"),
            (0..5_000).fold(Txn::new(), |txn, n| txn.delete(n.to_string())),
        ] {
            assert!(matches!(space.txn(txn).await, Err(StoreError::Invalid(_))));
        }
        assert!(matches!(store.space("").await, Err(StoreError::Invalid(_))));
        assert_eq!(space.revision(), 0);
    });
}

#[test]
fn a_deleted_space_ends_and_comes_back_empty() {
    on_both(Limits::DEFAULT, |store| async move {
        let space = store.space("s").await.unwrap();
        commit(&*space, Txn::new().put("k", "1")).await;
        let mut watch = space.watch("", 0).await.unwrap();
        store.delete_space("s").await.unwrap();
        store.delete_space("never was").await.unwrap();
        assert_eq!(watch.next().await.unwrap().revision, 1);
        assert!(matches!(watch.next().await, Err(cove_store::WatchEnd::Closed)));
        assert!(matches!(space.get("k").await, Err(StoreError::Closed)));
        assert!(matches!(space.txn(Txn::new().put("k", "2")).await, Err(StoreError::Closed)));
        let anew = store.space("s").await.unwrap();
        assert_eq!(anew.revision(), 0);
        assert!(anew.get("k").await.unwrap().is_none());
    });
}

#[test]
fn a_closed_store_says_so() {
    on_both(Limits::DEFAULT, |store| async move {
        let space = store.space("s").await.unwrap();
        store.close().await.unwrap();
        store.close().await.unwrap();
        assert!(matches!(space.get("k").await, Err(StoreError::Closed)));
        assert!(matches!(space.txn(Txn::new()).await, Err(StoreError::Closed)));
        assert!(matches!(store.space("t").await, Err(StoreError::Closed)));
    });
}

#[test]
fn the_tap_hears_every_write_in_order() {
    on_both(Limits::DEFAULT, |store| async move {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let tell = heard.clone();
        store.tap(Arc::new(move |w: Written<'_>| {
            let line =
                format!("{} {} {} {} {:?}", w.space, w.entry.mod_revision, w.entry.key, w.deleted, w.entry.value);
            tell.lock().unwrap().push(line);
        }));
        let (a, b) = (store.space("a").await.unwrap(), store.space("b").await.unwrap());
        commit(&*a, Txn::new().put("z", "1").put("y", "2")).await;
        commit(&*b, Txn::new().put("k", "3")).await;
        commit(&*a, Txn::new().delete("z").delete("absent")).await;
        let expected = [r#"a 1 z false b"1""#, r#"a 1 y false b"2""#, r#"b 1 k false b"3""#, r#"a 2 z true b"1""#];
        assert_eq!(*heard.lock().unwrap(), expected);
    });
}

#[test]
fn a_snapshot_opens_as_a_store() {
    on_both(Limits::DEFAULT, |store| async move {
        let place = tempfile::tempdir().unwrap();
        let to = place.path().join("copy");
        let space = store.space("s").await.unwrap();
        commit(&*space, Txn::new().put("k", "1").put("l", "1")).await;
        commit(&*space, Txn::new().put("k", "2").delete("l")).await;
        store.space("empty").await.unwrap();
        store.snapshot(&to).await.unwrap();
        commit(&*space, Txn::new().put("k", "later")).await;
        assert!(matches!(store.snapshot(&to).await, Err(StoreError::Invalid(_))));
        let copy = cove_store::open(&to).unwrap();
        assert_eq!(copy.spaces().await.unwrap(), ["empty", "s"]);
        let space = copy.space("s").await.unwrap();
        assert_eq!(contents(&*space).await, [("k".to_owned(), b"2".to_vec())]);
        let entry = space.get("k").await.unwrap().unwrap();
        assert_eq!((entry.create_revision, entry.mod_revision, entry.version), (1, 2, 2));
        assert_eq!(commit(&*space, Txn::new().put("k", "3")).await, 3);
    });
}

#[test]
fn a_snapshot_that_fails_leaves_nothing() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    std::fs::write(&file, "").unwrap();
    let store = cove_store::memory();
    assert!(run(store.snapshot(&Path::new(&file).join("below"))).is_err());
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
}
