//! `cove status`: what runs, and what is in it.

use anyhow::Result;
use serde_json::Value;

use crate::args::StatusArgs;
use crate::control::{Request, ask};
use crate::output::{cell, print, table};
use crate::place::Place;

/// Runs the command.
pub async fn run(place: &Place, args: &StatusArgs) -> Result<()> {
    let status = ask(&place.socket(), &Request::Status).await?;
    print(args.output.output, &status, |status| text(place, status))
}

fn text(place: &Place, status: &Value) -> String {
    let mut text = format!("region {} at {}\n", cell(&status["region"]), cell(&status["endpoint"]));
    text.push_str(&format!("state  {}\n", place.root.display()));
    let clusters = status["clusters"].as_array().cloned().unwrap_or_default();
    if clusters.is_empty() {
        text.push_str("no clusters yet: `cove create cluster --name NAME` makes one\n");
        return text;
    }
    let row = |c: &Value| ["name", "region", "version", "status", "endpoint"].map(|m| cell(&c[m])).to_vec();
    let rows: Vec<Vec<String>> = clusters.iter().map(row).collect();
    text.push('\n');
    text.push_str(&table(&["CLUSTER", "REGION", "VERSION", "STATUS", "ENDPOINT"], &rows));
    text
}
