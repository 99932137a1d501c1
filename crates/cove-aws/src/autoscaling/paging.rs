//! Pages of the Auto Scaling API: `MaxRecords` and `NextToken`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cove_aws_wire::fault::Fault;

/// The largest page.
const PAGE: usize = 100;

/// One page of `items` and the token of the next one. The token holds how many items came before.
pub fn page<T>(items: Vec<T>, size: Option<usize>, token: Option<&str>) -> Result<(Vec<T>, Option<String>), Fault> {
    let start = match token.filter(|t| !t.is_empty()) {
        None => 0,
        Some(token) => read(token).ok_or_else(|| Fault::client("InvalidNextToken", "The token is not valid."))?,
    };
    let size = size.unwrap_or(PAGE).clamp(1, PAGE);
    let next = (start + size < items.len()).then(|| STANDARD.encode((start + size).to_string()));
    Ok((items.into_iter().skip(start).take(size).collect(), next))
}

fn read(token: &str) -> Option<usize> {
    String::from_utf8(STANDARD.decode(token).ok()?).ok()?.parse().ok()
}
