//! `cove demo`: a whole region in a few seconds, shown and taken down again.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use cove_base::Seed;
use cove_base::tokio_runtime::{TokioDriver, wall_clock};
use cove_region::config::{FIRST_CLUSTER_PORT, Listen, NodeKind, RegionConfig};
use cove_region::region::Region;
use serde_json::{Value, json};

use super::aws::Aws;
use super::make::{self, NodeGroup};
use super::topology;
use crate::args::DemoArgs;
use crate::output::sayln;
use crate::place::{self, Place};
use crate::progress::{elapsed, step};

const CLUSTER: &str = "demo";
/// How many pods the demo's application has.
const REPLICAS: usize = 6;
/// How long the application may take to run.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the command.
pub async fn run(args: &DemoArgs) -> Result<()> {
    let begun = wall_clock();
    let place = scratch()?;
    let shown = show(&place, args).await;
    std::fs::remove_dir_all(&place.root).with_context(|| place.root.display().to_string())?;
    shown?;
    sayln!("the whole demo took {}; nothing of it is left", elapsed(wall_clock().since(begun)));
    Ok(())
}

/// A data directory of its own, under the system's temporary directory.
fn scratch() -> Result<Place> {
    let name = format!("cove-demo-{}", std::process::id());
    let place = Place { name: "demo".into(), root: std::env::temp_dir().join(name) };
    // Anybody may make directories there: one that exists already is not ours.
    place::make_private(&place.root, false).with_context(|| format!("making {}", place.root.display()))?;
    place.make()?;
    Ok(place)
}

async fn show(place: &Place, args: &DemoArgs) -> Result<()> {
    sayln!("a region on simulated nodes, in {}\n", place.root.display());
    let region = step("region us-west-2 with its default VPC", start(place)).await?;
    let tour = tour(&region).await;
    if args.stay && tour.is_ok() {
        sayln!("\nthe region stays until Ctrl-C");
        tokio::signal::ctrl_c().await?;
    }
    let stopped = step("everything taken down", async {
        region.stop().await;
        Ok::<_, anyhow::Error>(())
    });
    stopped.await?;
    tour
}

async fn start(place: &Place) -> Result<Region> {
    let store = tokio::task::block_in_place(|| cove_store::open(&place.store()))?;
    let config = RegionConfig {
        region: "us-west-2".into(),
        nodes: NodeKind::Simulated,
        boot: Duration::from_millis(100),
        drain_timeout: Duration::from_secs(5),
        admin: None,
        listen: Some(Listen { port: 0, first_cluster_port: FIRST_CLUSTER_PORT, logs: place.logs() }),
    };
    Ok(Region::start(TokioDriver::runtime(Seed::new(1)), store, config).await?)
}

/// What a user would do with `aws` and `kubectl`, step by step.
async fn tour(region: &Region) -> Result<()> {
    let aws = Aws::Here(region);
    step("cluster demo, with its role and you as its administrator", make::cluster(&aws, CLUSTER, None)).await?;
    for (name, instance_type, nodes) in [("app", "m5.large", 3), ("batch", "c5.xlarge", 3)] {
        let group = NodeGroup {
            name: name.into(),
            instance_type: instance_type.into(),
            sizes: (nodes, nodes, nodes * 2),
            labels: json!({"tier": name}),
            spot: false,
            ami_type: None,
        };
        let what = format!("node group {name}: {nodes} {instance_type} instances boot, join, are Ready");
        step(&what, make::node_group(&aws, CLUSTER, &group)).await?;
    }
    step(&format!("application web: {REPLICAS} pods scheduled and running"), deploy(region)).await?;
    sayln!("\n{}", topology::draw(&aws, false).await?);
    Ok(())
}

/// Deploys the application and waits until all its pods run.
async fn deploy(region: &Region) -> Result<()> {
    let labels = json!({"app": "web"});
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "replicas": REPLICAS,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "nodeSelector": {"tier": "app"},
                    "containers": [{"name": "web", "image": "nginx", "resources": {"requests": {"cpu": "100m"}}}],
                },
            },
        },
    });
    region.create_deployment(CLUSTER, "default", deployment).await.map_err(|e| anyhow!("{e}"))?;
    let rt = TokioDriver::runtime(Seed::new(0));
    let deadline = rt.now() + PATIENCE;
    while rt.now() < deadline {
        let pods = region.objects("", CLUSTER, "pods").await.map_err(|e| anyhow!("{e}"))?;
        let running = |pod: &&Value| pod["metadata"]["labels"]["app"] == "web" && pod["status"]["phase"] == "Running";
        if pods.as_array().into_iter().flatten().filter(running).count() == REPLICAS {
            return Ok(());
        }
        rt.sleep(Duration::from_millis(20)).await;
    }
    Err(anyhow!("the application does not run after {}", elapsed(PATIENCE)))
}
