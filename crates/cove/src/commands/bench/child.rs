//! A region of the bench's own: `cove up` as a child process with a data directory and ports of its own.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cove_aws_wire::credentials::Credentials;
use cove_base::Seed;
use cove_base::Timestamp;
use cove_base::tokio_runtime::{TokioDriver, wall_clock};
use serde_json::Value;

use super::http::Connection;
use crate::commands::aws::Aws;
use crate::control::{Request, ask};
use crate::place::Place;

/// How long anything may take before the bench gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is asked whether something is done: what a figure may be too long by.
pub const POLL: Duration = Duration::from_millis(2);

/// Where a child lives: kept over restarts of the child.
pub struct Home {
    pub place: Place,
    port: u16,
    cluster_port: u16,
    boot: String,
}

impl Home {
    /// A fresh one under the bench's directory.
    pub fn fresh(scratch: &Path, name: &str, boot: &str) -> Result<Self> {
        let place = Place { name: "bench".into(), root: scratch.join(name) };
        Ok(Self { place, port: free_port()?, cluster_port: free_port()?, boot: boot.into() })
    }

    /// Starts a child. It may not answer yet.
    pub fn spawn(&self) -> Result<Child> {
        let begun = wall_clock();
        let mut command = tokio::process::Command::new(std::env::current_exe()?);
        command.arg("up").arg("--data-dir").arg(&self.place.root).args(["--boot-time", &self.boot]);
        command.args(["--nodes", "simulated"]);
        command.args(["--port", &self.port.to_string(), "--cluster-port", &self.cluster_port.to_string()]);
        // Nobody's settings of another region change the measurement.
        let settings = std::env::vars_os().map(|(name, _)| name);
        for name in settings.filter(|name| name.to_string_lossy().starts_with("COVE_")) {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
        let process = command.spawn().context("starting `cove up`")?;
        Ok(Child { process, begun, port: self.port, place: self.place.clone() })
    }

    /// Starts a child and waits until its control socket answers: with the keys and the region.
    pub async fn start(&self) -> Result<(Child, Keys)> {
        let child = self.spawn()?;
        let environment = retry("the control socket", async || ask(&self.place.socket(), &Request::Env).await).await?;
        let text = |member: &str| environment[member].as_str().unwrap_or_default().to_string();
        let credentials = Credentials {
            access_key_id: text("accessKeyId"),
            secret_access_key: text("secretAccessKey"),
            session_token: None,
        };
        Ok((child, Keys { credentials, region: text("region") }))
    }
}

/// What calls are signed with.
pub struct Keys {
    pub credentials: Credentials,
    pub region: String,
}

/// A running child. It is killed if it is dropped.
pub struct Child {
    process: tokio::process::Child,
    /// When it was started.
    pub begun: Timestamp,
    pub port: u16,
    pub place: Place,
}

impl Child {
    /// Its process id.
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// AWS calls for what is not measured, through the control socket.
    pub fn aws(&self) -> Aws<'_> {
        Aws::Socket(&self.place)
    }

    /// A connection to the AWS door.
    pub async fn connect(&self) -> Result<Connection> {
        Connection::plain(&clock(), self.port).await
    }

    /// A token for a cluster.
    pub async fn token(&self, cluster: &str) -> Result<String> {
        let request = Request::Token { cluster: cluster.into(), region: String::new() };
        let token = ask(&self.place.socket(), &request).await?;
        token.as_str().map(str::to_string).context("no token")
    }

    /// Stops it as `cove down` does, and waits for its end.
    pub async fn stop(mut self) -> Result<()> {
        ask(&self.place.socket(), &Request::Down).await?;
        let ended = clock().timeout(PATIENCE, self.process.wait()).await;
        ended.ok_or_else(|| anyhow!("the region does not stop"))??;
        Ok(())
    }
}

/// The bench's own clock and tasks.
pub fn clock() -> cove_base::Runtime {
    TokioDriver::runtime(Seed::new(0))
}

/// Tries until it succeeds; what failed last is the error.
pub async fn retry<T>(what: &str, mut attempt: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    let mut last = String::new();
    let tried = until(what, async || {
        let tried = attempt().await;
        Ok(tried.map_err(|error| last = format!("{error:#}")).ok())
    });
    let tried = tried.await;
    tried.with_context(|| last)
}

/// Asks until there is an answer.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let rt = clock();
    let deadline = rt.now() + PATIENCE;
    while rt.now() < deadline {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        rt.sleep(POLL).await;
    }
    Err(anyhow!("no sign of {what} after {} s", PATIENCE.as_secs()))
}

/// Port and authority of a cluster as DescribeCluster shows them.
pub fn address(cluster: &Value) -> Result<(u16, String)> {
    let endpoint = cluster["endpoint"].as_str().and_then(|e| e.rsplit(':').next());
    let port = endpoint.and_then(|port| port.parse().ok()).context("a cluster without a port")?;
    let data = cluster["certificateAuthority"]["data"].as_str().unwrap_or_default();
    Ok((port, String::from_utf8(STANDARD.decode(data)?)?))
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
