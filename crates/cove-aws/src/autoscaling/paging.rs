//! Pages of the Auto Scaling API: `MaxRecords` and `NextToken`. Its lists have orders of their own, so that the key of an
//! item is its place.

use cove_aws_wire::fault::Fault;

use crate::paging::{self, key_in};

/// The largest page.
const PAGE: usize = 100;

/// One page of `items` and the token of the next one.
pub fn page<T>(items: Vec<T>, size: Option<usize>, token: Option<&str>) -> Result<(Vec<T>, Option<String>), Fault> {
    let after = match token.filter(|t| !t.is_empty()) {
        None => None,
        Some(token) => Some(key_in(token).ok_or_else(|| Fault::client("InvalidNextToken", "The token is not valid."))?),
    };
    let places: Vec<(usize, T)> = items.into_iter().enumerate().collect();
    let size = size.unwrap_or(PAGE).clamp(1, PAGE);
    let (page, next) = paging::page(places, |(place, _)| format!("{place:09}"), size, after.as_deref());
    Ok((page.into_iter().map(|(_, item)| item).collect(), next))
}
