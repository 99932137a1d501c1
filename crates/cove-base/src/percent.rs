//! Percent encoding (RFC 3986), as paths, queries, signatures and IAM's policy documents use it.

/// Encodes all but the unreserved characters, and `/` unless it is to be kept.
pub fn encode(text: &str, keep_slash: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte as char),
            b'/' if keep_slash => out.push('/'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Decodes `%XX`; what is no such escape stays as it is, bytes that are no UTF-8 become the replacement character.
pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = (bytes[at] == b'%').then(|| bytes.get(at + 1..at + 3)).flatten().and_then(hex_byte);
        out.push(escape.unwrap_or(bytes[at]));
        at += if escape.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Decodes the pairs of a query or form, `+` as a space, in their order.
pub fn pairs(text: &str) -> Vec<(String, String)> {
    let part = |part: &str| decode(&part.replace('+', " "));
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (part(name), part(value)))
        .collect()
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let digit = |d: u8| char::from(d).to_digit(16);
    Some((digit(digits[0])? * 16 + digit(digits[1])?) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_round_trip_and_broken_ones_stay() {
        let text = "arn:aws:iam::1:role/a b+ü";
        assert_eq!(decode(&encode(text, false)), text);
        assert_eq!(encode("/a b/{~}", true), "/a%20b/%7B~%7D");
        assert_eq!(decode("%zz%4%+1%"), "%zz%4%+1%");
        assert_eq!(pairs("a=1+2&b&&c=%3D="), [("a", "1 2"), ("b", ""), ("c", "==")].map(|(n, v)| (n.into(), v.into())));
    }

    proptest::proptest! {
        #[test]
        fn hostile_text_never_panics(text in "(%|[0-9a-fA-F+]|\\PC){0,40}") {
            let _ = (pairs(&text), decode(&text));
            proptest::prop_assert_eq!(decode(&encode(&text, true)), text);
        }
    }
}
