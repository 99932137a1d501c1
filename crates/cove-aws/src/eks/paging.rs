//! Pages of the EKS API: `maxResults` and `nextToken` over lists that are sorted by a key.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cove_aws_wire::fault::Fault;

use super::faults;

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
        Some(token) => Some(decode(token).ok_or_else(|| faults::parameter("", "Invalid nextToken"))?),
    };
    let size = max_results.unwrap_or(PAGE).clamp(1, PAGE);
    let mut rest = items.into_iter().filter(|item| after.as_ref().is_none_or(|after| key(item) > *after));
    let page: Vec<T> = rest.by_ref().take(size).collect();
    let token = match (rest.next(), page.last()) {
        (Some(_), Some(last)) => Some(STANDARD.encode(key(last))),
        _ => None,
    };
    Ok((page, token))
}

fn decode(token: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(token).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_cover_all_once() {
        let items: Vec<String> = (0..7).map(|i| format!("c{i}")).collect();
        let (mut seen, mut token) = (Vec::new(), None);
        loop {
            let (page, next) = page(items.clone(), String::clone, Some(3), token.as_deref()).expect("a page");
            assert!(page.len() <= 3);
            seen.extend(page);
            token = next;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(seen, items);
        assert!(page(items, String::clone, None, Some("%%%")).is_err());
    }
}
