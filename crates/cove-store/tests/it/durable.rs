//! What the embedded back end finds on disk, and who may have it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cove_store::{Limits, StoreError, Txn};

use crate::{contents, run};

fn put(dir: &Path, limits: Limits, values: &[&str]) {
    let store = cove_store::open_with(dir, limits).unwrap();
    run(async {
        let space = store.space("s").await.unwrap();
        for value in values {
            space.txn(Txn::new().put("k", value.to_string())).await.unwrap();
        }
    });
}

fn query(dir: &Path, sql: &str) -> i64 {
    let connection = rusqlite::Connection::open(dir.join("store.db")).unwrap();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn newer_data_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), Limits::DEFAULT, &["1"]);
    let connection = rusqlite::Connection::open(dir.path().join("store.db")).unwrap();
    connection.pragma_update(None, "user_version", 7).unwrap();
    drop(connection);
    let refused = cove_store::open(dir.path()).err();
    assert!(matches!(refused, Some(StoreError::NewerFormat { found: 7, known: 1 })));
    assert_eq!(query(dir.path(), "SELECT count(*) FROM writes"), 1);
}

#[test]
fn one_process_has_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let store = cove_store::open(dir.path()).unwrap();
    let refused = cove_store::open(dir.path()).err();
    assert!(matches!(refused, Some(StoreError::InUse { pid: Some(pid) }) if pid == std::process::id()));
    drop(store);
    cove_store::open(dir.path()).expect("free again");
}

#[test]
fn what_is_no_database_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("store.db"), "this is not a database, and long enough to be looked at").unwrap();
    assert!(matches!(cove_store::open(dir.path()), Err(StoreError::Engine(_))));
}

#[test]
fn files_are_the_owners_alone() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("new/data");
    let store = cove_store::open(&dir).unwrap();
    run(store.space("s")).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    let files: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.iter().any(|file| file.ends_with("store.db-wal")), "{files:?}");
    assert!(files.iter().all(|file| mode(file) == 0o600), "{files:?}");
}

/// Copies the files of a store that is running, as a crash would leave them.
fn crash_copy(from: &Path, to: &Path) {
    for name in ["store.db", "store.db-wal"] {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

#[test]
fn a_torn_last_batch_is_dropped_and_the_rest_is_there() {
    let (dir, value) = (tempfile::tempdir().unwrap(), "v".repeat(3_000));
    let store = cove_store::open(dir.path()).unwrap();
    run(async {
        let space = store.space("s").await.unwrap();
        for n in 0..5 {
            space.txn(Txn::new().put(format!("k{n}"), value.clone())).await.unwrap();
        }
        let whole = std::fs::metadata(dir.path().join("store.db-wal")).unwrap().len();
        space.txn(Txn::new().put("k5", value.clone()).put("k6", value.clone())).await.unwrap();
        let torn = std::fs::metadata(dir.path().join("store.db-wal")).unwrap().len();
        assert!(torn > whole);
        for cut in [whole + 1, whole + 100, (whole + torn) / 2, torn - 1] {
            let copy = tempfile::tempdir().unwrap();
            crash_copy(dir.path(), copy.path());
            std::fs::OpenOptions::new()
                .write(true)
                .open(copy.path().join("store.db-wal"))
                .unwrap()
                .set_len(cut)
                .unwrap();
            check_five(copy.path()).await;
        }
        let copy = tempfile::tempdir().unwrap();
        crash_copy(dir.path(), copy.path());
        let mut bytes = std::fs::read(copy.path().join("store.db-wal")).unwrap();
        bytes[whole as usize + 500] ^= 1;
        std::fs::write(copy.path().join("store.db-wal"), bytes).unwrap();
        check_five(copy.path()).await;
    });
}

async fn check_five(dir: &Path) {
    let store = cove_store::open(dir).unwrap();
    let space = store.space("s").await.unwrap();
    assert_eq!((space.revision(), contents(&*space).await.len()), (5, 5));
    space.txn(Txn::new().put("k5", "new")).await.unwrap();
    assert_eq!(space.revision(), 6);
}

#[test]
fn the_log_forgets_what_the_history_does() {
    let (dir, limits) = (tempfile::tempdir().unwrap(), Limits { history_revisions: 10, ..Limits::DEFAULT });
    let values: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    put(dir.path(), limits, &values.iter().map(String::as_str).collect::<Vec<_>>());
    let rows = query(dir.path(), "SELECT count(*) FROM writes");
    assert!((11..60).contains(&rows), "{rows} rows");
    let store = cove_store::open_with(dir.path(), limits).unwrap();
    run(async {
        let space = store.space("s").await.unwrap();
        assert_eq!(space.revision(), 200);
        assert_eq!(space.get("k").await.unwrap().unwrap().version, 200);
        assert_eq!(space.watch("", 195).await.unwrap().next().await.unwrap().revision, 196);
        space.txn(Txn::new().delete("k")).await.unwrap();
        space.compact(201).await.unwrap();
        for n in 0..4 {
            store.space(&n.to_string()).await.unwrap();
        }
        store.close().await.unwrap();
    });
    assert_eq!(query(dir.path(), "SELECT count(*) FROM writes"), 0);
    let store = cove_store::open(dir.path()).unwrap();
    assert_eq!(run(store.space("s")).unwrap().revision(), 201, "the counter never goes back");
}

#[test]
fn a_deleted_space_stays_deleted_and_leaves_the_log() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), Limits::DEFAULT, &["1", "2"]);
    run(async { cove_store::open(dir.path()).unwrap().delete_space("s").await.unwrap() });
    let store = cove_store::open(dir.path()).unwrap();
    run(async {
        assert!(store.spaces().await.unwrap().is_empty());
        assert_eq!(store.space("s").await.unwrap().revision(), 0);
        store.close().await.unwrap();
    });
    assert_eq!(query(dir.path(), "SELECT count(*) FROM writes"), 0);
}
