//! `cove logs`: the request log, readably.

use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::time::Duration;

use anyhow::{Context, Result};
use cove_base::Seed;
use cove_base::hint::Hinted;
use cove_base::tokio_runtime::TokioDriver;
use serde_json::Value;

use crate::args::LogsArgs;
use crate::output::cell;
use crate::output::sayln;
use crate::place::Place;

/// Runs the command.
pub async fn run(place: &Place, args: &LogsArgs) -> Result<()> {
    let path = place.logs().join("requests.jsonl");
    let rt = TokioDriver::runtime(Seed::new(0));
    let mut position = 0;
    loop {
        let file = std::fs::File::open(&path);
        let mut file =
            file.map_err(|_| Hinted::new("no requests yet", "`cove up` starts a region that answers some."))?;
        let length = file.metadata().context("the request log")?.len();
        // A file that has become shorter was rotated.
        position = if length < position { 0 } else { position };
        file.seek(SeekFrom::Start(position))?;
        position += print_lines(BufReader::new(file), args)?;
        if !args.follow {
            return Ok(());
        }
        rt.sleep(Duration::from_millis(200)).await;
    }
}

/// Prints whole lines and says how many bytes they were.
fn print_lines(mut reader: impl BufRead, args: &LogsArgs) -> Result<u64> {
    let mut read = 0;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 && line.ends_with('\n') {
        read += line.len() as u64;
        if let Ok(record) = serde_json::from_str::<Value>(&line)
            && wanted(&record, args)
        {
            // What clients have sent must not steer the terminal.
            sayln!("{}", readable(&record).replace(char::is_control, "\u{fffd}"));
        }
        line.clear();
    }
    Ok(read)
}

fn failed(record: &Value) -> bool {
    record["status"].as_u64().unwrap_or(0) >= 400
}

fn wanted(record: &Value, args: &LogsArgs) -> bool {
    let service = record["service"].as_str().or_else(|| record["door"].as_str());
    (!args.errors || failed(record)) && args.service.as_deref().is_none_or(|s| service == Some(s))
}

fn readable(record: &Value) -> String {
    let what = match record["door"].as_str() {
        Some("aws") => format!("{}:{}", named(&record["service"]), named(&record["operation"])),
        _ => format!("{} {}", cell(&record["operation"]), cell(&record["path"])),
    };
    let time = record["time"].as_str().and_then(|t| t.get(11..23)).unwrap_or("-");
    let error = record["error"].as_str().map(|e| format!("  {e}")).unwrap_or_default();
    let took = record["durationMs"].as_f64().unwrap_or(0.0);
    format!("{time}  {}  {took:>8.1} ms  {}  {what}{error}", cell(&record["status"]), named(&record["principal"]))
}

/// A cell that says `-` for what is not known, such as who sent a request without a signature.
fn named(value: &Value) -> String {
    if value == "" { "-".into() } else { cell(value) }
}
