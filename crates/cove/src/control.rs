//! The control socket: how other `cove` commands reach the running region.
//!
//! One JSON request per connection, one JSON reply. Whoever can open the socket (mode 0600) is the region's owner and
//! acts as its `admin` user, whose calls pass IAM like everybody's.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use cove_base::Seed;
use cove_base::hint::Hinted;
use cove_base::tokio_runtime::TokioDriver;
use cove_region::region::Region;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;

use crate::place;

/// The longest request line.
const MAX_REQUEST: u64 = 4 * 1024 * 1024;
/// Between two tries to accept a connection when there is no room for one.
const PAUSE: Duration = Duration::from_millis(50);

/// What can be asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "ask")]
pub enum Request {
    /// What runs, where.
    Status,
    /// Addresses and keys for `cove env`.
    Env,
    /// Stop.
    Down,
    /// An AWS operation as the admin user.
    #[serde(rename_all = "camelCase")]
    Call {
        /// botocore's name of the service.
        service: String,
        /// The operation.
        operation: String,
        /// The AWS region; empty for the region's own.
        region: String,
        /// The input.
        input: Value,
    },
    /// A list of Kubernetes objects of a cluster, as the admin user.
    #[serde(rename_all = "camelCase")]
    Objects {
        /// The cluster.
        cluster: String,
        /// Its AWS region.
        region: String,
        /// `nodes` or `pods`.
        resource: String,
    },
    /// A token for a cluster, signed with the admin user's keys.
    #[serde(rename_all = "camelCase")]
    Token {
        /// The cluster.
        cluster: String,
        /// Its AWS region.
        region: String,
    },
}

/// A refusal as it travels over the socket.
#[derive(Debug, Serialize, Deserialize)]
struct Refusal {
    code: String,
    message: String,
}

/// The socket, in place of what a killed region left there.
pub fn bind(path: &Path) -> Result<UnixListener> {
    let _ = std::fs::remove_file(path);
    let listener = UnixListener::bind(path).with_context(|| format!("the control socket {}", path.display()))?;
    place::restrict(path, 0o600)?;
    Ok(listener)
}

/// Answers until the caller has enough: several at once, so that a long call or a silent client holds nobody up.
pub async fn serve(listener: &UnixListener, region: &Arc<Region>, down: &Arc<Notify>) {
    let rt = TokioDriver::runtime(Seed::new(0));
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (region, down) = (region.clone(), down.clone());
                rt.spawn("control socket", async move {
                    if let Err(error) = answer(stream, &region, &down).await {
                        tracing::debug!("the control socket: {error:#}");
                    }
                });
            }
            // Out of file descriptors: the next one may work.
            Err(error) => {
                tracing::warn!("the control socket: accept: {error}");
                rt.sleep(PAUSE).await;
            }
        }
    }
}

async fn answer(stream: UnixStream, region: &Region, down: &Notify) -> Result<()> {
    let (reading, mut writing) = stream.into_split();
    let mut line = String::new();
    BufReader::new(reading.take(MAX_REQUEST)).read_line(&mut line).await?;
    let request: Request = serde_json::from_str(&line)?;
    let stop = matches!(request, Request::Down);
    let reply = match region_answer(region, request).await {
        Ok(value) => json!({"ok": value}),
        Err(refusal) => json!({"refused": refusal}),
    };
    writing.write_all(format!("{reply}\n").as_bytes()).await?;
    writing.shutdown().await?;
    if stop {
        down.notify_one();
    }
    Ok(())
}

async fn region_answer(region: &Region, request: Request) -> Result<Value, Refusal> {
    let refused = |message: String| Refusal { code: String::new(), message };
    match request {
        Request::Status => Ok(region.status().await),
        Request::Env => Ok(region.environment()),
        Request::Down => Ok(Value::Null),
        Request::Call { service, operation, region: aws_region, input } => {
            let called = region.call(&aws_region, &service, &operation, input).await;
            called.map_err(|fault| Refusal { code: fault.code, message: fault.message })
        }
        Request::Objects { cluster, region: aws_region, resource } => {
            region.objects(&aws_region, &cluster, &resource).await.map_err(refused)
        }
        Request::Token { cluster, region: aws_region } => Ok(region.token(&aws_region, &cluster).into()),
    }
}

/// Asks the running region. The error says how to start one if none runs.
pub async fn ask(path: &Path, request: &Request) -> Result<Value> {
    let stream = UnixStream::connect(path).await.map_err(|_| {
        Hinted::new("no region is running here", "Start one with `cove up --detach`, or name another with --data-dir.")
    })?;
    let (reading, mut writing) = stream.into_split();
    writing.write_all(format!("{}\n", serde_json::to_string(request)?).as_bytes()).await?;
    let mut line = String::new();
    BufReader::new(reading).read_line(&mut line).await?;
    let mut reply: Value = serde_json::from_str(&line).context("the region's answer")?;
    if let Some(value) = reply.get_mut("ok") {
        return Ok(value.take());
    }
    let refusal: Refusal = serde_json::from_value(reply["refused"].take()).context("the region's answer")?;
    if refusal.code.is_empty() {
        return Err(anyhow!("{}", refusal.message));
    }
    Err(Refused { code: refusal.code, message: refusal.message }.into())
}

/// An AWS fault that came back over the socket.
#[derive(Debug)]
pub struct Refused {
    /// The wire code.
    pub code: String,
    /// The message.
    pub message: String,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for Refused {}
