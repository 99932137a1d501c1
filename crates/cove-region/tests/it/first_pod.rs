//! Milestone M2: a cluster, one simulated node and one pod, in process and in virtual time; the same log twice.

use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::bench::{self, Bench, PODS};
use crate::log;

/// A buffer that stays readable.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn first_pod(bench: Bench) {
    bench.create_cluster("CONFIG_MAP").await;
    bench.create_nodes(1).await;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"},
        "spec": {"containers": [{"name": "c", "image": "nginx"}]},
    });
    bench.kube().await.create(PODS, "default", pod).await.unwrap();
    bench.until("the pod runs", 60, || async { bench.running_pods().await == 1 }).await;
}

fn digest(seed: u64) -> (usize, String) {
    let buffer = Buffer::default();
    bench::run(seed, Arc::new(Mutex::new(Box::new(buffer.clone()))), first_pod);
    let lines = buffer.0.lock().unwrap();
    (lines.iter().filter(|b| **b == b'\n').count(), log::hex(&lines))
}

#[test]
fn a_pod_runs_and_the_digest_is_the_same_twice() {
    let (lines, first) = digest(7);
    assert!(lines > 300, "{lines} lines");
    assert_eq!((lines, first.clone()), digest(7));
    assert_ne!(first, digest(8).1);
}
