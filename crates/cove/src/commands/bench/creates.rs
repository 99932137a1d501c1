//! Creates per second through a cluster's door, in process, over the embedded store.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use cove_base::Seed;
use cove_base::tokio_runtime::{TokioDriver, wall_clock};
use cove_kube_api::door::Options;
use cove_kube_client::{Client, Resource};
use cove_region::config::{Listen, NodeKind, RegionConfig};
use cove_region::region::Region;
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use super::figures::Figure;
use crate::commands::aws::Aws;
use crate::commands::make;

const CLUSTER: &str = "bench";
/// How many callers wait for an answer at any moment.
const CALLERS: usize = 64;
/// How many objects one run makes.
const OBJECTS: usize = 3_000;

/// ConfigMaps and pods.
pub async fn creates(scratch: &Path, runs: usize) -> Result<Vec<Figure>> {
    let region = start(&scratch.join("creates")).await?;
    make::cluster(&Aws::Here(&region), CLUSTER, None).await?;
    let client = region.client("", CLUSTER).await.map_err(|e| anyhow!("{e}"))?;
    let (config_maps, pods) = (Resource::core("configmaps"), Resource::core("pods"));
    let mut figures = vec![
        figure("ConfigMaps created, in process", "every one read back, by list; its data compared"),
        figure("pods created, in process, no node to run on", "every one read back, by list; its spec compared"),
    ];
    for run in 0..runs {
        figures[0].samples.push(one_run(&client, config_maps, &|n| config_map(run, n)).await?);
        figures[1].samples.push(one_run(&client, pods, &|n| pod(run, n)).await?);
    }
    region.stop().await;
    Ok(figures)
}

fn figure(what: &str, verified: &'static str) -> Figure {
    let what = format!("{what}, {CALLERS} callers");
    Figure { what, verified, unit: "/s", samples: Vec::new(), goal: None }
}

async fn start(root: &Path) -> Result<Region> {
    let logs = root.join("logs");
    std::fs::create_dir_all(&logs)?;
    let store = tokio::task::block_in_place(|| cove_store::open(&root.join("store")))?;
    let config = RegionConfig {
        region: "us-west-2".into(),
        nodes: NodeKind::Simulated,
        boot: Duration::ZERO,
        drain_timeout: Duration::ZERO,
        admin: None,
        listen: Some(Listen { port: 0, first_cluster_port: cove_region::config::FIRST_CLUSTER_PORT, logs }),
    };
    Ok(Region::start(TokioDriver::runtime(Seed::new(1)), store, config).await?)
}

/// Makes the objects, reads them back, and deletes them: creates per second.
async fn one_run(client: &Client, resource: Resource, make: &(impl Fn(usize) -> Value + Sync)) -> Result<f64> {
    let next = AtomicUsize::new(0);
    let begun = wall_clock();
    let caller = || async {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= OBJECTS {
                return Ok::<_, anyhow::Error>(());
            }
            client.create(resource, "default", make(n)).await.map_err(|e| anyhow!("{e}"))?;
        }
    };
    try_join_all((0..CALLERS).map(|_| caller())).await?;
    let took = wall_clock().since(begun).as_secs_f64();
    read_back(client, resource, make).await?;
    Ok(OBJECTS as f64 / took)
}

async fn read_back(client: &Client, resource: Resource, make: &impl Fn(usize) -> Value) -> Result<()> {
    let list = client.list(resource, "default", Options::default()).await.map_err(|e| anyhow!("{e}"))?;
    let found: std::collections::BTreeMap<&str, &Value> =
        list.items.iter().map(|object| (object.name(), object.value().as_ref())).collect();
    for wanted in (0..OBJECTS).map(make) {
        let name = wanted["metadata"]["name"].as_str().unwrap_or_default();
        let Some(found) = found.get(name) else { return Err(anyhow!("{name} is not there")) };
        let image = |pod: &Value| pod["spec"]["containers"][0]["image"].clone();
        ensure!(found["data"] == wanted["data"] && image(found) == image(&wanted), "{name} is not as it was made");
    }
    let options = json!({"gracePeriodSeconds": 0});
    let deleted = found.keys().filter(|name| name.starts_with("bench-"));
    let deleted = deleted.map(|name| client.delete(resource, "default", name, options.clone()));
    try_join_all(deleted).await.map(drop).map_err(|e| anyhow!("{e}"))
}

fn config_map(run: usize, n: usize) -> Value {
    let name = format!("bench-{run}-{n}");
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
        "data": {"number": n.to_string(), "text": "x".repeat(200)},
    })
}

fn pod(run: usize, n: usize) -> Value {
    let name = format!("bench-{run}-{n}");
    let containers =
        json!([{"name": "web", "image": format!("nginx:{n}"), "resources": {"requests": {"cpu": "100m"}}}]);
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": containers}})
}
