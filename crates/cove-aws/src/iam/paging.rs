//! IAM's paging: `Marker`, `MaxItems`, `IsTruncated`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cove_aws_wire::fault::Fault;
use serde_json::{Value, json};

use super::faults::validation;

/// IAM's default page.
const DEFAULT_ITEMS: usize = 100;

/// The reply of a List operation: one page of `items` under `member`, in the order of their keys.
pub fn page(
    member: &str,
    mut items: Vec<(String, Value)>,
    marker: Option<&str>,
    max_items: Option<usize>,
) -> Result<Value, Fault> {
    items.sort_by(|a, b| a.0.cmp(&b.0));
    if let Some(after) = marker.map(decode).transpose()? {
        items.retain(|(key, _)| *key > after);
    }
    let limit = max_items.unwrap_or(DEFAULT_ITEMS).max(1);
    let truncated = items.len() > limit;
    items.truncate(limit);
    let last = items.last().map(|(key, _)| STANDARD.encode(key));
    let page: Vec<Value> = items.into_iter().map(|(_, value)| value).collect();
    let mut reply = json!({ member: page, "IsTruncated": truncated });
    if let (true, Some(last)) = (truncated, last) {
        reply["Marker"] = Value::from(last);
    }
    Ok(reply)
}

fn decode(marker: &str) -> Result<String, Fault> {
    let bytes = STANDARD.decode(marker).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    bytes.ok_or_else(|| validation("Invalid Marker."))
}
