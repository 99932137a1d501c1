//! `cove up`: starts the region and keeps it.

use std::io::Write;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use cove_aws_wire::credentials::Credentials;
use cove_base::Seed;
use cove_base::hint::Hinted;
use cove_base::tokio_runtime::{TokioDriver, wall_clock};
use cove_region::config::{Listen, NodeKind, RegionConfig, real_nodes};
use cove_region::region::Region;
use cove_store::StoreError;
use tokio::sync::Notify;

use crate::args::{Nodes, UpArgs};
use crate::control::{self, Request};
use crate::output::{say, sayln};
use crate::place::{self, Place};
use crate::progress::elapsed;

/// How long a detached start may take before it counts as failed.
const START: Duration = Duration::from_secs(60);

/// Runs the command.
pub async fn run(place: &Place, args: UpArgs) -> Result<()> {
    if args.detach {
        return detach(place).await;
    }
    place.make()?;
    log_to(place)?;
    let begun = wall_clock();
    let (kind, nodes) = node_kind(place, args.nodes);
    let region = Arc::new(start(place, &args, kind).await?);
    let down = Arc::new(Notify::new());
    let socket = place.socket();
    // Bound before anybody is told that the region is up.
    let control = control::bind(&socket)?;
    announce(place, &region, &nodes, begun);
    tokio::select! {
        biased;
        () = control::serve(&control, &region, &down) => {}
        () = down.notified() => {}
        signal = stop_signal() => signal?,
    }
    // Nobody may be there to read it, and the region has still to be stopped.
    let _ = writeln!(std::io::stdout(), "stopping; the state stays in {}", place.root.display());
    region.stop().await;
    let _ = std::fs::remove_file(&socket);
    Ok(())
}

/// Opens the store and starts the region.
async fn start(place: &Place, args: &UpArgs, nodes: NodeKind) -> Result<Region> {
    let store = tokio::task::block_in_place(|| cove_store::open(&place.store()));
    let store = store.map_err(|error| store_error(place, error))?;
    let rt = TokioDriver::runtime(Seed::new(args.seed));
    let config = RegionConfig {
        region: args.region.clone(),
        nodes,
        boot: args.boot_time,
        drain_timeout: args.drain_timeout,
        admin: args.credentials.as_deref().map(credentials).transpose()?,
        listen: Some(Listen { port: args.port, first_cluster_port: args.cluster_port, logs: place.logs() }),
    };
    Ok(Region::start(rt, store, config).await?)
}

/// What machines are, and the line that says so: real ones only where they can be made.
fn node_kind(place: &Place, wanted: Nodes) -> (NodeKind, String) {
    let simulated = "simulated: no kernel and no containers behind them";
    let possible = || real_nodes(&std::env::current_exe().map_err(|e| e.to_string())?);
    match wanted {
        Nodes::Simulated => (NodeKind::Simulated, simulated.into()),
        Nodes::Real => match possible() {
            Ok(()) => {
                let line = "real: processes in namespaces of their own; they end with this region";
                (NodeKind::Real { directory: place.instances() }, line.into())
            }
            Err(why) => (NodeKind::Simulated, format!("{simulated} (real ones were asked for, but {why})")),
        },
    }
}

fn runs_already(place: &Place) -> anyhow::Error {
    let hint = "`cove status` shows it; `cove down` stops it; --name or --data-dir start another region.";
    Hinted::new(format!("a region is running on {} already", place.root.display()), hint).into()
}

fn store_error(place: &Place, error: StoreError) -> anyhow::Error {
    let dir = place.root.display();
    match error {
        StoreError::InUse { .. } => runs_already(place),
        StoreError::NewerFormat { .. } => {
            let hint = "Use the newer Cove, or start a fresh region with --name or --data-dir.";
            Hinted::new(format!("the state in {dir} was written by a newer version: {error}"), hint).into()
        }
        other => anyhow::Error::new(other).context(format!("opening the state in {dir}")),
    }
}

fn credentials(text: &str) -> Result<Credentials> {
    let (id, secret) =
        text.split_once(':').filter(|(id, secret)| !id.is_empty() && !secret.is_empty()).ok_or_else(|| {
            Hinted::new("the credentials are not of the form ID:SECRET", "For example: --credentials test:test")
        })?;
    Ok(Credentials { access_key_id: id.into(), secret_access_key: secret.into(), session_token: None })
}

/// Says what started, where, and what to paste next.
fn announce(place: &Place, region: &Region, nodes: &str, begun: cove_base::Timestamp) {
    let environment = region.environment();
    sayln!(
        "region {} is up after {}",
        environment["region"].as_str().unwrap_or(""),
        elapsed(wall_clock().since(begun))
    );
    sayln!("  AWS endpoint  {}", environment["endpoint"].as_str().unwrap_or(""));
    sayln!("  nodes         {nodes}");
    sayln!("  state         {}", place.root.display());
    sayln!();
    let flag = place.flag();
    sayln!("Paste next:");
    sayln!("  eval \"$(cove env{flag})\"");
    sayln!("  aws sts get-caller-identity");
}

/// Ctrl-C, or the signal of whoever manages processes.
async fn stop_signal() -> Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        biased;
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Diagnostics go to `logs/cove.log`; the terminal shows progress and nothing else.
fn log_to(place: &Place) -> Result<()> {
    let path = place.logs().join("cove.log");
    let file = place::private().append(true).open(&path).with_context(|| path.display().to_string())?;
    let filter = tracing_subscriber::EnvFilter::try_from_env("COVE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Arc::new(file));
    log.try_init().map_err(|e| anyhow::anyhow!("the diagnostics log: {e}"))
}

/// Starts this binary once more without `--detach`, and waits until it answers.
async fn detach(place: &Place) -> Result<()> {
    if control::ask(&place.socket(), &Request::Env).await.is_ok() {
        return Err(runs_already(place));
    }
    place.make()?;
    let output = place.logs().join("up.log");
    let file = place::private().write(true).truncate(true).open(&output);
    let file = file.with_context(|| output.display().to_string())?;
    let mut command = tokio::process::Command::new(std::env::current_exe()?);
    command.args(std::env::args_os().skip(1).filter(|a| a != "--detach"));
    command.env_remove("COVE_DETACH").stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).process_group(0);
    let mut child = command.spawn().context("starting in the background")?;
    let rt = TokioDriver::runtime(Seed::new(0));
    let deadline = rt.now() + START;
    loop {
        if let Some(status) = child.try_wait()? {
            let said = std::fs::read_to_string(&output).unwrap_or_default();
            let said = said.trim().trim_start_matches("cove: ");
            return Err(anyhow::anyhow!(
                "{}",
                if said.is_empty() { format!("it ended: {status}") } else { said.into() }
            ));
        }
        let answered = control::ask(&place.socket(), &Request::Env).await;
        if answered.is_ok() {
            say!("{}", std::fs::read_to_string(&output).unwrap_or_default());
            return Ok(());
        }
        if rt.now() >= deadline {
            let hint = format!("See {}.", output.display());
            return Err(Hinted::new("the region did not answer in time", hint).into());
        }
        rt.sleep(Duration::from_millis(20)).await;
    }
}
