//! IAM's paging: `Marker`, `MaxItems`, `IsTruncated`.

use cove_aws_wire::fault::Fault;
use serde_json::{Value, json};

use super::faults::validation;
use crate::paging::{self, key_in};

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
    let after = match marker {
        None => None,
        Some(marker) => Some(key_in(marker).ok_or_else(|| validation("Invalid Marker."))?),
    };
    let size = max_items.unwrap_or(DEFAULT_ITEMS).max(1);
    let (page, next) = paging::page(items, |(key, _)| key.clone(), size, after.as_deref());
    let page: Vec<Value> = page.into_iter().map(|(_, value)| value).collect();
    let mut reply = json!({ member: page, "IsTruncated": next.is_some() });
    if let Some(next) = next {
        reply["Marker"] = Value::from(next);
    }
    Ok(reply)
}
