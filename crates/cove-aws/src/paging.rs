//! Pages of lists that are sorted by a key. The token of the next page is the key of this one's last item, so that what
//! comes and goes meanwhile shifts nothing.
//!
//! Sizes, members and the words of a refusal are each service's own.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The key in a token; `None` if the token is none of ours.
pub fn key_in(token: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(token).ok()?).ok()
}

/// At most `size` of the `items` behind the key `after`, and the token of the next page.
pub fn page<T>(
    items: Vec<T>,
    key: impl Fn(&T) -> String,
    size: usize,
    after: Option<&str>,
) -> (Vec<T>, Option<String>) {
    let mut rest = items.into_iter().filter(|item| after.is_none_or(|after| key(item).as_str() > after));
    let page: Vec<T> = rest.by_ref().take(size).collect();
    let token = match (rest.next(), page.last()) {
        (Some(_), Some(last)) => Some(STANDARD.encode(key(last))),
        _ => None,
    };
    (page, token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_cover_all_once() {
        let items: Vec<String> = (0..7).map(|i| format!("c{i}")).collect();
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let (some, next) = page(items.clone(), String::clone, 3, after.as_deref());
            assert!(some.len() <= 3);
            seen.extend(some);
            let Some(token) = next else { break };
            after = Some(key_in(&token).expect("our token"));
        }
        assert_eq!(seen, items);
        assert_eq!(key_in("%%%"), None);
    }
}
