//! `cove bench`: how fast this Cove is on this machine, as medians over runs, with what each figure verified.
//!
//! Start, cluster and node group are measured from outside: a `cove up` of its own as a child process, over its real
//! sockets. Only the creates per second run in process, where no client's own work is in the figure.

mod child;
mod creates;
mod figures;
mod http;
mod idle;
mod report;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cove_base::tokio_runtime::wall_clock;

use self::figures::Figure;
use self::report::Report;
use crate::args::BenchArgs;

/// Runs the command. State lives under `data_dir` or the system's temporary directory, and is removed.
pub async fn run(data_dir: Option<&Path>, args: &BenchArgs) -> Result<()> {
    let scratch = scratch(data_dir)?;
    let report = Report::begin(&scratch);
    let measured = measure(&scratch, args, &report).await;
    std::fs::remove_dir_all(&scratch).with_context(|| scratch.display().to_string())?;
    measured?;
    report.end();
    Ok(())
}

/// A directory of this run's own.
fn scratch(data_dir: Option<&Path>) -> Result<PathBuf> {
    let within = data_dir.map_or_else(std::env::temp_dir, Path::to_path_buf);
    let scratch = within.join(format!("cove-bench-{}-{}", std::process::id(), wall_clock().as_secs()));
    std::fs::create_dir_all(&scratch).with_context(|| scratch.display().to_string())?;
    Ok(scratch)
}

async fn measure(scratch: &Path, args: &BenchArgs, report: &Report) -> Result<()> {
    let show = |figures: Vec<Figure>| figures.iter().for_each(|figure| report.show(figure));
    show(figures::start(scratch, args.runs).await?);
    show(figures::cluster(scratch, args.runs).await?);
    for boot in ["0ms", crate::args::BOOT_TIME] {
        show(figures::node_group(scratch, args.runs, boot).await?);
    }
    show(creates::creates(scratch, args.runs).await?);
    if !args.idle.is_zero() {
        show(idle::idle(scratch, args.idle).await?);
    }
    Ok(())
}
