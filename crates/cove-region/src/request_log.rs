//! `logs/requests.jsonl`: every request of both doors as one line, rotated by size.
//!
//! Lines go through a bounded queue to one writer, so that a slow disk never slows a request down; what does not fit is
//! counted and the count is written as a line of its own.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use cove_aws::door::front_log::{self, RequestLine};
use cove_base::Runtime;
use cove_base::runtime::AbortOnDrop;
use cove_kube_server::front::log::{self, RequestRecord};
use serde_json::{Value, json};
use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

/// Lines that may wait for the disk.
const QUEUE: usize = 4_096;
/// A file is put aside as `requests.1.jsonl` when it grows beyond this.
const ROTATE_BYTES: u64 = 32 * 1024 * 1024;

/// The log of both doors.
pub(crate) struct RequestLog {
    lines: mpsc::Sender<Value>,
    dropped: AtomicU64,
    _writer: AbortOnDrop,
}

impl RequestLog {
    /// Starts the writer. The file is `requests.jsonl` in `directory`, which must exist.
    pub(crate) fn start(rt: &Runtime, directory: PathBuf) -> Self {
        let (lines, queue) = mpsc::channel(QUEUE);
        let writer = rt.spawn("request log", async move {
            if let Err(error) = write(&directory, queue).await {
                tracing::error!("the request log: {error}");
            }
        });
        Self { lines, dropped: AtomicU64::new(0), _writer: writer.abort_on_drop() }
    }

    fn send(&self, line: Value) {
        if self.lines.try_send(line).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 && self.lines.try_send(json!({"dropped": dropped})).is_err() {
            self.dropped.fetch_add(dropped, Ordering::Relaxed);
        }
    }
}

impl log::RequestLog for RequestLog {
    fn record(&self, record: RequestRecord) {
        self.send(json!({
            "time": record.time.rfc3339_micros(),
            "door": "kubernetes",
            "principal": record.user,
            "as": record.impersonated,
            "operation": record.verb,
            "path": record.path,
            "status": record.code,
            "durationMs": millis(record.duration),
            "requestId": record.id,
            "userAgent": record.user_agent,
            "error": record.error,
        }));
    }
}

impl front_log::RequestLog for RequestLog {
    fn record(&self, line: RequestLine) {
        self.send(json!({
            "time": line.time.rfc3339_micros(),
            "door": "aws",
            "principal": line.principal,
            "service": line.service,
            "operation": line.operation,
            "region": line.region,
            "accessKeyId": line.access_key_id,
            "status": line.status,
            "durationMs": millis(line.duration),
            "requestId": line.request_id,
            "sourceIp": line.source_ip.to_string(),
            "userAgent": line.user_agent,
            "error": line.error_code,
        }));
    }
}

fn millis(duration: std::time::Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

async fn open(directory: &Path) -> std::io::Result<(File, u64)> {
    let file = OpenOptions::new().create(true).append(true).open(directory.join("requests.jsonl")).await?;
    let size = file.metadata().await?.len();
    Ok((file, size))
}

/// Writes what waits, in one go, whenever something does.
async fn write(directory: &Path, mut queue: mpsc::Receiver<Value>) -> std::io::Result<()> {
    let (mut file, mut size) = open(directory).await?;
    let mut batch = Vec::new();
    while queue.recv_many(&mut batch, QUEUE).await > 0 {
        let mut text = String::new();
        for line in batch.drain(..) {
            text.push_str(&line.to_string());
            text.push('\n');
        }
        file.write_all(text.as_bytes()).await?;
        size += text.len() as u64;
        if size > ROTATE_BYTES {
            file.flush().await?;
            tokio::fs::rename(directory.join("requests.jsonl"), directory.join("requests.1.jsonl")).await?;
            (file, size) = open(directory).await?;
        }
    }
    file.flush().await
}
