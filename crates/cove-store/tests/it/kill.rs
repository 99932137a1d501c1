//! A process is killed in the middle of a write load; whatever it was told or heard of is there afterwards.
//! The test runs itself again as the child, on one data directory for all rounds.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use cove_store::{Limits, Space, StoreError, Txn, TxnResult};
use tokio::task::JoinSet;

use crate::run;

const ROUNDS: usize = 24;
const DIRECTORY: &str = "COVE_STORE_KILL_DIRECTORY";
const ROUND: &str = "COVE_STORE_KILL_ROUND";

/// A short history, so that the log is being compacted whenever the kill comes.
const LIMITS: Limits = Limits { history_revisions: 60, ..Limits::DEFAULT };

/// One line per thing learnt. A write of one call, so that lines do not mix; the parent ignores a torn last one.
fn say(line: &str) {
    std::io::stdout().write_all(format!("@{line}\n").as_bytes()).expect("the parent listens");
}

async fn write(space: Arc<dyn Space>, round: String, writer: usize) {
    for n in 0.. {
        let (key, value) = (format!("{round}/{writer}/{n}"), "x".repeat(1 + (n * 397) % 5_000));
        let txn = Txn::new().put(&key, value.clone()).put(format!("last/{writer}"), key.clone());
        match space.txn(txn).await.expect("txn") {
            TxnResult::Committed { revision, .. } => {
                say(&format!("wrote {} {key} {} {revision} .", space.name(), value.len()));
            }
            TxnResult::Conflict { .. } => unreachable!("nothing is compared"),
        }
    }
}

/// Fights over one key and tells also what a refusal showed.
async fn contend(space: Arc<dyn Space>) {
    let mut known = 0;
    loop {
        match space.txn(Txn::new().expect("contended", known).put("contended", "c")).await.expect("txn") {
            TxnResult::Committed { revision, .. } => known = revision,
            TxnResult::Conflict { current } => known = current[0].as_ref().map_or(0, |entry| entry.mod_revision),
        }
        say(&format!("heard {} contended 0 {known} .", space.name()));
    }
}

async fn watch(space: Arc<dyn Space>) {
    let mut watch = space.watch("contended", space.revision()).await.expect("watch");
    loop {
        let revision = watch.next().await.expect("event").revision;
        say(&format!("heard {} contended 0 {revision} .", space.name()));
    }
}

#[test]
#[ignore = "the child of the test below"]
fn child() {
    // Somebody who runs all ignored tests has no round for it.
    let (Ok(directory), Ok(round)) = (std::env::var(DIRECTORY), std::env::var(ROUND)) else { return };
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    threads.block_on(async {
        let store = cove_store::open_with(Path::new(&directory), LIMITS).expect("open");
        let mut tasks = JoinSet::new();
        for name in ["a", "b"] {
            let space = store.space(name).await.expect("space");
            (0..4).for_each(|writer| drop(tasks.spawn(write(space.clone(), round.clone(), writer))));
            (0..2).for_each(|_| drop(tasks.spawn(contend(space.clone()))));
            tasks.spawn(watch(space.clone()));
        }
        tasks.join_next().await.expect("tasks").expect("none ends");
    });
}

/// Lets a child run until it has said so many lines, kills it, and returns all that it said.
fn round(directory: &Path, round: usize, lines: usize) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child", "--ignored", "--nocapture"])
        .env(DIRECTORY, directory)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        said.push(line.unwrap());
        if said.len() == lines {
            child.kill().unwrap(); // SIGKILL; what is in the pipe is still read.
        }
    }
    assert!(!child.wait().unwrap().success());
    said.retain(|line| line.starts_with('@') && line.ends_with(" ."));
    assert!(said.len() + 8 > lines, "the child ended by itself: {said:?}");
    said
}

async fn check(directory: &Path, said: &[String]) {
    let store = cove_store::open_with(directory, LIMITS).expect("open after the kill");
    for name in ["a", "b"] {
        let space = store.space(name).await.unwrap();
        for line in said {
            let words: Vec<&str> = line.split(' ').collect();
            let (key, length, revision) = (words[2], words[3], words[4].parse::<u64>().unwrap());
            if words[1] != name {
                continue;
            }
            assert!(space.revision() >= revision, "{line}");
            let entry = space.get(key).await.unwrap().unwrap_or_else(|| panic!("lost: {line}"));
            if words[0] == "@wrote" {
                assert_eq!(
                    (entry.mod_revision, entry.value.len().to_string()),
                    (revision, length.to_owned()),
                    "{line}"
                );
            } else {
                assert!(entry.mod_revision >= revision, "{line}");
            }
        }
        let batch_is_whole = space.range(cove_store::Range::prefix("last/")).await.unwrap();
        for last in batch_is_whole.entries {
            let key = String::from_utf8(last.value.to_vec()).unwrap();
            assert_eq!(space.get(&key).await.unwrap().expect("both or none").mod_revision, last.mod_revision);
        }
        check_history(&*space).await;
    }
    store.close().await.unwrap();
}

/// Whatever the log was forgetting when the kill came, what is left of the history has no gap.
async fn check_history(space: &dyn Space) {
    let oldest = match space.watch("", 0).await {
        Err(StoreError::Compacted { oldest, .. }) => oldest,
        Err(other) => panic!("{other}"),
        Ok(_) => 0,
    };
    let mut watch = space.watch("", oldest).await.unwrap();
    for revision in oldest + 1..=space.revision() {
        let batch = watch.next().await.unwrap();
        assert_eq!(batch.revision, revision);
        for event in batch.events.iter() {
            assert_eq!(event.previous.is_none(), event.entry.create_revision == revision, "{:?}", event.entry);
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_by_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let mut said = Vec::new();
    for n in 0..ROUNDS {
        said.extend(round(directory.path(), n, 5 + (n * n * 17) % 700));
        run(check(directory.path(), &said));
    }
    assert!(said.len() > ROUNDS * 5);
}
