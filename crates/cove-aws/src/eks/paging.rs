//! Pages of the EKS API: `maxResults` and `nextToken` over lists that are sorted by a key.

use cove_aws_wire::fault::Fault;

use super::faults;
use crate::paging::{self, key_in};

/// The largest page, and the one that callers get who do not ask.
const PAGE: usize = 100;

/// One page of `items`, which are sorted by `key`, and the token of the next one.
pub fn page<T>(
    items: Vec<T>,
    key: impl Fn(&T) -> String,
    max_results: Option<usize>,
    next_token: Option<&str>,
) -> Result<(Vec<T>, Option<String>), Fault> {
    let after = match next_token.filter(|t| !t.is_empty()) {
        None => None,
        Some(token) => Some(key_in(token).ok_or_else(|| faults::parameter("", "Invalid nextToken"))?),
    };
    let size = max_results.unwrap_or(PAGE).clamp(1, PAGE);
    Ok(paging::page(items, key, size, after.as_deref()))
}
