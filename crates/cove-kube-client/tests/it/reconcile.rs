//! The reconcile runtime: keys in, writes seen, failures retried.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cove_kube_api::status::Status;
use cove_kube_client::controller::{Handle, Setup, start};
use cove_kube_client::{Caches, Context, Controller, Key, Requeue, Watch};
use serde_json::json;

use crate::help::{MAPS, World, run};

/// What the controller below shares with the test.
#[derive(Default)]
struct Shared {
    runs: AtomicU32,
    failures: AtomicU32,
}

/// Gives every map `x` a copy `x-copy`, and fails as often as it is told to.
const COPIER: Controller<Shared> = Controller {
    name: "copier",
    component: "copier",
    watches: |_| vec![Watch::itself(MAPS)],
    singleton: false,
    workers: 3,
    reconcile: |cx, key| Box::pin(copy(cx, key)),
};

async fn copy(cx: Arc<Context<Shared>>, key: Key) -> Result<Requeue, Status> {
    let cache = cx.cache(MAPS);
    let Some(map) = cache.get(&key).filter(|map| !map.name().ends_with("-copy")) else { return Ok(Requeue::Done) };
    cx.shared.runs.fetch_add(1, Ordering::Relaxed);
    if cx.shared.failures.load(Ordering::Relaxed) > 0 {
        cx.shared.failures.fetch_sub(1, Ordering::Relaxed);
        return Err(Status::internal("told to fail"));
    }
    let name = format!("{}-copy", map.name());
    if cache.find("default", &name).is_none() {
        let copy = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name } });
        cx.create(MAPS, "default", copy).await?;
        assert!(cache.find("default", &name).is_some(), "a write is seen when it returns");
    }
    Ok(Requeue::After(Duration::from_secs(60)))
}

fn copier(world: &World, shared: &Arc<Shared>) -> Handle {
    let caches = Caches::new(world.rt.clone(), world.client.clone());
    let client_for = |_: &str| world.client.clone();
    start(Setup { rt: world.rt.clone(), caches, client_for: &client_for, shared: shared.clone() }, &[&COPIER])
}

#[test]
fn keys_come_from_what_exists_and_what_changes_and_at_the_time_asked_for() {
    run(async |world: World| {
        world.put("a", json!({})).await;
        let shared: Arc<Shared> = Arc::default();
        let handle = copier(&world, &shared);
        world.settle().await;
        world.put("b", json!({})).await;
        world.settle().await;
        let cache = handle.caches().get(MAPS);
        assert!(cache.find("default", "a-copy").is_some() && cache.find("default", "b-copy").is_some());
        assert_eq!(shared.runs.load(Ordering::Relaxed), 2);
        world.pass(Duration::from_secs(61)).await;
        assert_eq!(shared.runs.load(Ordering::Relaxed), 4, "each comes again after a minute");
        drop(handle);
        world.put("c", json!({})).await;
        world.pass(Duration::from_secs(600)).await;
        assert_eq!(shared.runs.load(Ordering::Relaxed), 4, "a dropped handle stops everything");
    });
}

#[test]
fn a_failing_key_is_tried_again_and_the_failure_can_be_read() {
    run(async |world: World| {
        let shared: Arc<Shared> = Arc::default();
        shared.failures.store(5, Ordering::Relaxed);
        let handle = copier(&world, &shared);
        world.put("a", json!({})).await;
        world.settle().await;
        assert_eq!(shared.runs.load(Ordering::Relaxed), 1);
        // 5 + 10 + 20 + 40 + 80 milliseconds.
        world.pass(Duration::from_millis(160)).await;
        assert!(handle.caches().get(MAPS).find("default", "a-copy").is_some());
        let counts = handle.counts().remove("copier").expect("counted");
        assert_eq!(counts.errors, 5);
        assert_eq!(counts.last_error, "default/a: Internal error occurred: told to fail");
    });
}
