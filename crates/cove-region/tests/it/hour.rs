//! A region lives through an hour of virtual time: a node group of 100, a deployment, an instance killed every minute.
//!
//! The run happens in a process of its own: the test runs itself again as the child, which writes the log to a file.
//! To look at one: `COVE_HOUR_LOG=/tmp/a COVE_HOUR_SEED=7 cargo test -p cove-region --test it -- --exact hour::child
//! --ignored`.
//!
//! Without optimization the hour would take minutes, so a debug build ends it after two minutes of virtual time, which
//! are more than the 5,000 lines asked for; `cargo test --release -p cove-region hour` lives through all of it.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use crate::bench::{self, Bench, deployment};

const LOG: &str = "COVE_HOUR_LOG";
const SEED: &str = "COVE_HOUR_SEED";
/// How long the child runs, 60 if it is not said.
const MINUTES: &str = "COVE_HOUR_MINUTES";
/// How many nodes the child makes, 100 if it is not said.
const NODES: &str = "COVE_HOUR_NODES";
/// Pods of the deployment, per node.
const PODS: usize = 2;
const MINUTE: Duration = Duration::from_secs(60);

async fn hour(bench: Bench, minutes: u64, nodes: usize) {
    let begun = bench.rt.now();
    bench.create_cluster("API_AND_CONFIG_MAP").await;
    bench.create_nodes(nodes).await;
    bench.region.create_deployment(bench::CLUSTER, "default", deployment(PODS * nodes)).await.unwrap();
    bench.until("the deployment runs", 300, || async { bench.running_pods().await == PODS * nodes }).await;
    let mut minute = 0;
    while bench.rt.now().since(begun) < MINUTE * u32::try_from(minutes).unwrap() {
        bench.rt.sleep(MINUTE).await;
        minute += 1;
        let running = bench.instances().await;
        let victim = bench.rt.seed().below("test/victim", minute, running.len() as u64);
        let victim = &running[usize::try_from(victim).unwrap()];
        bench.aws("ec2", "TerminateInstances", json!({"InstanceIds": [victim]})).await;
    }
    bench
        .until("everything has been replaced", 900, || async {
            bench.instances().await.len() == nodes && bench.running_pods().await == PODS * nodes
        })
        .await;
}

#[test]
#[ignore = "the child of the test below"]
fn child() {
    // Somebody who runs all ignored tests has no file for it.
    let (Ok(log), Ok(seed)) = (std::env::var(LOG), std::env::var(SEED)) else { return };
    let number = |name: &str, default: usize| std::env::var(name).map_or(default, |n| n.parse().unwrap());
    let (minutes, nodes) = (number(MINUTES, 60), number(NODES, 100));
    let file: Box<dyn Write + Send> = Box::new(BufWriter::new(File::create(log).unwrap()));
    let sink = Arc::new(Mutex::new(file));
    bench::run(seed.parse().unwrap(), sink.clone(), |bench| hour(bench, minutes as u64, nodes));
    sink.lock().unwrap().flush().unwrap();
}

fn start(seed: u64, minutes: u64, nodes: usize, log: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "hour::child", "--ignored"])
        .env(LOG, log)
        .env(SEED, seed.to_string())
        .env(MINUTES, minutes.to_string())
        .env(NODES, nodes.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// The first line in which two logs differ.
fn difference(a: &str, b: &str) -> Option<String> {
    let (mut a, mut b) = (a.lines(), b.lines());
    for number in 1.. {
        match (a.next(), b.next()) {
            (None, None) => return None,
            (a, b) if a == b => {}
            (a, b) => return Some(format!("line {number}: {a:?} and {b:?}")),
        }
    }
    None
}

#[test]
fn an_hour_of_a_region_is_a_function_of_its_seed() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let minutes = if cfg!(debug_assertions) { 2 } else { 60 };
    // The runs load the machine for each other. The third need not live on: its first writes differ.
    let runs = [(7, minutes, 100, path("a")), (7, minutes, 100, path("b")), (8, 0, 1, path("c"))];
    let start = |(seed, minutes, nodes, log): &(u64, u64, usize, PathBuf)| start(*seed, *minutes, *nodes, log);
    let children: Vec<Child> = runs.iter().map(start).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let [a, b, c] = runs.map(|(.., log)| std::fs::read_to_string(log).unwrap());
    assert!(a.lines().count() >= 5_000, "{} lines", a.lines().count());
    assert_eq!(difference(&a, &b), None);
    let begin = |log: &str| log.lines().take(100).map(str::to_string).collect::<Vec<_>>();
    assert_ne!(begin(&a), begin(&c), "another seed, the same run");
}
