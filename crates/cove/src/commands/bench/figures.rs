//! The figures that a child process is measured for: start, cluster, node group.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, anyhow};
use cove_base::tokio_runtime::wall_clock;
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use super::child::{Child, Home, Keys, address, clock, retry, until};
use super::http::Connection;
use crate::args::BOOT_TIME;
use crate::commands::make::{self, NodeGroup};

const CLUSTER: &str = "bench";
/// How many nodes the measured node group has.
const NODES: u32 = 10;
/// How many clusters are made at once.
const AT_ONCE: usize = 5;
/// How long the key pool is given to fill up.
const POOL_FILLS: Duration = Duration::from_secs(1);

/// What was measured, in the figure's unit.
pub struct Figure {
    pub what: String,
    pub verified: &'static str,
    pub unit: &'static str,
    pub samples: Vec<f64>,
    pub goal: Option<f64>,
}

impl Figure {
    /// A figure in milliseconds.
    pub fn millis(what: impl Into<String>, verified: &'static str, goal: Option<f64>) -> Self {
        Self { what: what.into(), verified, unit: "ms", samples: Vec::new(), goal }
    }

    /// Adds what has passed since a moment.
    pub fn since(&mut self, begun: cove_base::Timestamp) {
        self.samples.push(wall_clock().since(begun).as_secs_f64() * 1e3);
    }
}

/// From the start of the process, over existing state with one cluster, to the answers of both doors.
pub async fn start(scratch: &Path, runs: usize) -> Result<Vec<Figure>> {
    let home = Home::fresh(scratch, "start", BOOT_TIME)?;
    let (child, keys) = home.start().await?;
    make::cluster(&child.aws(), CLUSTER, None).await?;
    let cluster = child.aws().cluster(CLUSTER).await?.ok_or_else(|| make::no_cluster(CLUSTER))?;
    let (port, ca) = address(&cluster)?;
    child.stop().await?;
    let mut aws = Figure::millis("start of the process to an AWS answer", "signed GetCallerIdentity over HTTP", None);
    let what = "start of the process to all doors answering";
    let mut all = Figure::millis(what, "that, and /readyz of the cluster over TLS", Some(100.0));
    for _ in 0..runs {
        let child = home.spawn()?;
        let identity = async {
            retry("the AWS door", async || identity(&child, &keys).await).await?;
            aws.since(child.begun);
            Ok::<_, anyhow::Error>(())
        };
        let ready = retry("the cluster", async || ready(port, &ca).await);
        tokio::try_join!(identity, ready)?;
        all.since(child.begun);
        // The control socket opens last.
        retry("the control socket", async || child.token(CLUSTER).await).await?;
        child.stop().await?;
    }
    Ok(vec![aws, all])
}

async fn identity(child: &Child, keys: &Keys) -> Result<()> {
    let arn = child.connect().await?.caller_identity(&keys.credentials, &keys.region).await?;
    if arn.ends_with(":user/admin") { Ok(()) } else { Err(anyhow!("the caller is {arn}")) }
}

async fn ready(port: u16, ca: &str) -> Result<()> {
    let answer = Connection::tls(&clock(), port, ca).await?.kubernetes(None, "/readyz", None).await?;
    if answer == "ok" { Ok(()) } else { Err(anyhow!("/readyz says {answer:?}")) }
}

/// From CreateCluster to ACTIVE with an API server that answers.
pub async fn cluster(scratch: &Path, runs: usize) -> Result<Vec<Figure>> {
    let verified = "DescribeCluster over signed HTTP, /readyz over TLS";
    let mut one = Figure::millis("CreateCluster to ACTIVE, key pool full", verified, Some(300.0));
    let what = format!("{AT_ONCE} CreateCluster at once to all ACTIVE, key pool runs empty");
    let mut many = Figure::millis(what, verified, None);
    for run in 0..runs {
        let home = Home::fresh(scratch, &format!("cluster-{run}"), BOOT_TIME)?;
        let (child, keys) = home.start().await?;
        let input = make::cluster_input(&child.aws(), CLUSTER, None).await?;
        clock().sleep(POOL_FILLS).await;
        let begun = wall_clock();
        create_cluster(&child, &keys, input.clone()).await?;
        one.since(begun);
        clock().sleep(POOL_FILLS).await;
        let begun = wall_clock();
        try_join_all((0..AT_ONCE).map(|n| {
            let mut input = input.clone();
            input["name"] = format!("{CLUSTER}-{n}").into();
            create_cluster(&child, &keys, input)
        }))
        .await?;
        many.since(begun);
        child.stop().await?;
    }
    Ok(vec![one, many])
}

/// Creates a cluster and waits until it answers: its port and authority.
async fn create_cluster(child: &Child, keys: &Keys, input: Value) -> Result<(u16, String)> {
    let mut door = child.connect().await?;
    door.eks(&keys.credentials, &keys.region, "/clusters", Some(&input)).await?;
    let path = format!("/clusters/{}", input["name"].as_str().unwrap_or_default());
    let active = until("an ACTIVE cluster", async || {
        let mut found = door.eks(&keys.credentials, &keys.region, &path, None).await?;
        Ok((found["cluster"]["status"] == "ACTIVE").then(|| found["cluster"].take()))
    });
    let (port, ca) = address(&active.await?)?;
    ready(port, &ca).await?;
    Ok((port, ca))
}

/// From CreateNodegroup to the first pod of a Deployment that waits for nodes.
pub async fn node_group(scratch: &Path, runs: usize, boot: &str) -> Result<Vec<Figure>> {
    let what = format!("CreateNodegroup of {NODES} to the first pod Running, machines boot in {boot}");
    let mut pod = Figure::millis(what, "the pod is Running and Ready on one of its nodes, over TLS", Some(500.0));
    let what = format!("CreateNodegroup of {NODES} to ACTIVE, machines boot in {boot}");
    let mut active = Figure::millis(what, "DescribeNodegroup over signed HTTP; as many nodes are Ready", None);
    for run in 0..runs {
        let home = Home::fresh(scratch, &format!("nodes-{boot}-{run}"), boot)?;
        let (child, keys) = home.start().await?;
        let input = make::cluster_input(&child.aws(), CLUSTER, None).await?;
        let (port, ca) = create_cluster(&child, &keys, input).await?;
        let mut cluster = Connection::tls(&clock(), port, &ca).await?;
        let token = child.token(CLUSTER).await?;
        let path = "/apis/apps/v1/namespaces/default/deployments";
        cluster.kubernetes(Some(&token), path, Some(&deployment())).await?;
        let input = make::node_group_input(&child.aws(), CLUSTER, &group()).await?;
        clock().sleep(POOL_FILLS).await;
        let mut door = child.connect().await?;
        let begun = wall_clock();
        let path = format!("/clusters/{CLUSTER}/node-groups");
        door.eks(&keys.credentials, &keys.region, &path, Some(&without_cluster(input))).await?;
        until("a running pod", async || first_runs(&mut cluster, &token).await).await?;
        pod.since(begun);
        let path = format!("{path}/{}", group().name);
        until("an ACTIVE node group", async || {
            let found = door.eks(&keys.credentials, &keys.region, &path, None).await?;
            Ok((found["nodegroup"]["status"] == "ACTIVE").then_some(()))
        })
        .await?;
        active.since(begun);
        all_ready(&mut cluster, &token).await?;
        child.stop().await?;
    }
    Ok(vec![pod, active])
}

/// Whether a pod of the Deployment runs.
async fn first_runs(cluster: &mut Connection, token: &str) -> Result<Option<()>> {
    let path = "/api/v1/namespaces/default/pods";
    let list: Value = serde_json::from_slice(&cluster.kubernetes(Some(token), path, None).await?)?;
    let runs = |pod: &Value| {
        let ready = pod["status"]["conditions"].as_array().into_iter().flatten();
        pod["status"]["phase"] == "Running"
            && pod["spec"]["nodeName"].is_string()
            && ready.into_iter().any(|c| c["type"] == "Ready" && c["status"] == "True")
    };
    Ok(list["items"].as_array().into_iter().flatten().any(runs).then_some(()))
}

async fn all_ready(cluster: &mut Connection, token: &str) -> Result<()> {
    let list: Value = serde_json::from_slice(&cluster.kubernetes(Some(token), "/api/v1/nodes", None).await?)?;
    let ready = |node: &&Value| {
        let conditions = node["status"]["conditions"].as_array().into_iter().flatten();
        conditions.into_iter().any(|c| c["type"] == "Ready" && c["status"] == "True")
    };
    let count = list["items"].as_array().into_iter().flatten().filter(ready).count();
    if count == NODES as usize { Ok(()) } else { Err(anyhow!("{count} of {NODES} nodes are Ready")) }
}

fn group() -> NodeGroup {
    NodeGroup {
        name: "bench".into(),
        instance_type: "m5.large".into(),
        sizes: (NODES, NODES, NODES),
        labels: json!({}),
        spot: false,
        ami_type: None,
    }
}

/// The body of the request: the cluster's name is in the path.
fn without_cluster(mut input: Value) -> Value {
    if let Some(members) = input.as_object_mut() {
        members.remove("clusterName");
    }
    input
}

fn deployment() -> Value {
    let labels = json!({"app": "bench"});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "bench"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": "nginx"}]},
            },
        },
    })
}
