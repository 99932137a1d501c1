//! What a region costs while nobody uses it: processor time and memory of a child process, as Linux counts them.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use cove_base::tokio_runtime::wall_clock;
use serde_json::json;

use super::child::{Home, clock};
use super::figures::Figure;
use crate::args::BOOT_TIME;
use crate::commands::make::{self, NodeGroup};

const CLUSTER: &str = "bench";
const NODES: u32 = 5;
/// How long the region is left alone first.
const SETTLES: Duration = Duration::from_secs(5);
/// Ticks of `/proc/PID/stat` per second: 100 on every Linux of today.
const TICKS: f64 = 100.0;

/// Processor and memory of an idle region. Nothing where there is no `/proc`.
pub async fn idle(scratch: &Path, time: Duration) -> Result<Vec<Figure>> {
    if !Path::new("/proc/self/stat").exists() {
        println!("idle cost: not measured, this system has no /proc");
        return Ok(Vec::new());
    }
    let home = Home::fresh(scratch, "idle", BOOT_TIME)?;
    let (child, _) = home.start().await?;
    make::cluster(&child.aws(), CLUSTER, None).await?;
    let group = NodeGroup {
        name: "bench".into(),
        instance_type: "m5.large".into(),
        sizes: (NODES, NODES, NODES),
        labels: json!({}),
        spot: false,
        ami_type: None,
    };
    make::node_group(&child.aws(), CLUSTER, &group).await?;
    clock().sleep(SETTLES).await;
    let id = child.id().context("the region has ended")?;
    let (begun, before) = (wall_clock(), processor(id)?);
    clock().sleep(time).await;
    let percent = 100.0 * (processor(id)? - before) / wall_clock().since(begun).as_secs_f64();
    let memory = resident_mib(id)?;
    child.stop().await?;
    let figure = |what: &str, unit, sample| Figure {
        what: format!("{what}, idle with 1 cluster and {NODES} nodes for {} s", time.as_secs()),
        verified: "/proc of the process",
        unit,
        samples: vec![sample],
        goal: None,
    };
    Ok(vec![figure("processor (100 %: one core)", "%", percent), figure("resident memory", "MiB", memory)])
}

/// Seconds of processor time so far.
fn processor(id: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The name of the process, in brackets, may hold spaces; user and system time are fields 14 and 15.
    let (_, fields) = stat.rsplit_once(')').context("/proc/PID/stat")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? / TICKS)
}

fn resident_mib(id: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}
