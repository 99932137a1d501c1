//! `logs/requests.jsonl`: every request of both doors as one line, rotated by size.
//!
//! Lines go through a bounded queue to one writer, so that a slow disk never slows a request down; what does not fit is
//! counted and the count is written as a line of its own.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use cove_base::Runtime;
use cove_base::request_log::{self, RequestLine};
use cove_base::runtime::AbortOnDrop;
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

impl request_log::RequestLog for RequestLog {
    fn record(&self, line: RequestLine) {
        let aws = json!({
            "service": line.service,
            "region": line.region,
            "accessKeyId": line.access_key_id,
            "sourceIp": line.source_ip.map(|ip| ip.to_string()),
        });
        let kubernetes = json!({"path": line.path, "as": line.acted_as});
        let mut record = json!({
            "time": line.time.rfc3339_micros(),
            "door": line.door,
            "principal": line.principal,
            "operation": line.operation,
            "status": line.status,
            "durationMs": millis(line.duration),
            "requestId": line.request_id,
            "userAgent": line.user_agent,
            "error": line.error,
        });
        let own = if line.door == "aws" { aws } else { kubernetes };
        if let (Value::Object(record), Value::Object(own)) = (&mut record, own) {
            record.extend(own);
        }
        self.send(record);
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
