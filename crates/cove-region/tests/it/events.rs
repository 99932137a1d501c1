//! What a cluster forgets by itself: events, an hour after they were last written.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cove_kube_client::Resource;
use serde_json::json;

use crate::bench::{self, Bench};

const EVENTS: Resource = Resource::core("events");

async fn an_event_goes(bench: Bench) {
    bench.create_cluster("CONFIG_MAP").await;
    let event = json!({
        "metadata": {"name": "e", "namespace": "default"}, "reason": "Test", "type": "Normal",
        "involvedObject": {"kind": "Pod", "namespace": "default", "name": "p"},
    });
    bench.kube().await.create(EVENTS, "default", event).await.unwrap();
    bench.rt.sleep(Duration::from_secs(3_000)).await;
    bench.kube().await.get(EVENTS, "default", "e").await.unwrap();
    bench.rt.sleep(Duration::from_secs(1_200)).await;
    assert!(bench.kube().await.get(EVENTS, "default", "e").await.is_err_and(|status| status.is_not_found()));
}

#[test]
fn events_are_gone_after_an_hour() {
    bench::run(11, Arc::new(Mutex::new(Box::new(std::io::sink()))), an_event_goes);
}
