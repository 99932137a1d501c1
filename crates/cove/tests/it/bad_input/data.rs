//! Data that this version cannot read, and whoever asks the control socket without a question.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::region::{COVE, Region};

/// Where SQLite keeps `user_version`, which is the number of the format.
const FORMAT: std::ops::Range<usize> = 60..64;

fn up(region: &Region) -> Output {
    Command::new(COVE).args(["up", "--port", "0"]).env("COVE_DATA_DIR", region.path()).output().expect("cove runs")
}

fn database(region: &Region) -> PathBuf {
    let files = std::fs::read_dir(region.path().join("store")).expect("the store").flatten().map(|entry| entry.path());
    let is_database = |path: &PathBuf| std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"SQLite format 3"));
    files.into_iter().find(is_database).expect("a database")
}

fn refusal(region: &Region) -> String {
    let refused = up(region);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    String::from_utf8(refused.stderr).expect("text")
}

#[test]
fn data_that_cannot_be_read_is_refused_and_left_alone() {
    let mut region = Region::up(&[]);
    assert!(region.cove(&["create", "cluster", "--name", "c"]).status.success());
    assert!(region.cove(&["down"]).status.success());
    region.kill();
    let path = database(&region);
    let good = std::fs::read(&path).expect("the data");
    let mut newer = good.clone();
    newer[FORMAT].copy_from_slice(&99_u32.to_be_bytes());
    std::fs::write(&path, &newer).expect("written");
    let told = refusal(&region);
    assert!(told.contains("was written by a newer version: the data has format 99"), "{told}");
    assert!(told.contains("Use the newer Cove, or start a fresh region with --name or --data-dir."), "{told}");
    assert_eq!(std::fs::read(&path).expect("the data"), newer, "it was changed");
    std::fs::write(&path, b"SQLite format 3\0 and then nothing that it knows").expect("written");
    let told = refusal(&region);
    assert!(told.contains("opening the state in") && told.contains("not a database"), "{told}");
    std::fs::write(&path, &good).expect("written");
    region.restart(&[]);
    let status = region.cove(&["get", "cluster", "--name", "c"]);
    assert!(status.status.success(), "it is as it was: {status:?}");
    // Who connects and says nothing holds nobody up.
    let _silent = UnixStream::connect(region.path().join("control.sock")).expect("connected");
    assert!(region.cove(&["status"]).status.success());
}
