//! What names must look like, with upstream's messages (k8s.io/apimachinery v0.35 pkg/util/validation).
//!
//! Every check gives the messages of what is wrong; none means fine. Used by validation, selectors and the server's
//! routes.

use std::net::IpAddr;

/// The rule that `metadata.name` of a kind obeys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRule {
    /// A DNS-1123 subdomain: most kinds.
    Subdomain,
    /// A DNS-1123 label.
    Label,
    /// A DNS-1035 label.
    Label1035,
    /// Anything that can be a path segment: RBAC.
    PathSegment,
    /// A CSI driver name.
    CsiDriver,
    /// An IP address in canonical form.
    IpAddress,
}

impl NameRule {
    pub(crate) fn named(text: &str) -> Self {
        match text {
            "label" => Self::Label,
            "label1035" => Self::Label1035,
            "path" => Self::PathSegment,
            "csidriver" => Self::CsiDriver,
            "ip" => Self::IpAddress,
            _ => Self::Subdomain,
        }
    }

    /// What is wrong with a name, or with a `generateName` (`prefix`).
    pub fn check(self, name: &str, prefix: bool) -> Vec<String> {
        let masked = if prefix { mask_trailing_dash(name) } else { name.to_string() };
        match self {
            Self::Subdomain => dns1123_subdomain(&masked),
            Self::Label => dns1123_label(&masked),
            Self::Label1035 => dns1035_label(&masked),
            Self::PathSegment if prefix => path_segment_prefix(name),
            Self::PathSegment => path_segment(name),
            Self::CsiDriver if name.len() > 63 => vec!["may not be more than 63 bytes".into()],
            Self::CsiDriver => dns1123_subdomain(&masked.to_ascii_lowercase()),
            Self::IpAddress => canonical_ip(name),
        }
    }
}

/// A prefix may end in dashes: the random suffix follows.
fn mask_trailing_dash(name: &str) -> String {
    match name.strip_suffix('-') {
        Some(rest) if !rest.is_empty() => format!("{rest}a"),
        _ => name.to_string(),
    }
}

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const SUBDOMAIN_UNDERSCORE: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')";
const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const WILDCARD: &str = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const QUALIFIED: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const ENV_VAR_RELAXED: &str =
    "a valid environment variable name must consist only of printable ASCII characters other than '='";
const CONFIG_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
const HTTP_HEADER: &str = "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')";
const PERCENT: &str = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
const IP: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";

/// `[a-z0-9]([-a-z0-9]*[a-z0-9])?`, with `extra` allowed inside.
fn is_label(text: &str, extra: &[u8]) -> bool {
    let bytes = text.as_bytes();
    let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    bytes.first().is_some_and(alphanumeric)
        && bytes.last().is_some_and(alphanumeric)
        && bytes.iter().all(|b| alphanumeric(b) || *b == b'-' || extra.contains(b))
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(|part| is_label(part, b""))
}

/// `([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]`.
fn is_qualified_part(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn messages(checks: &[(bool, &str)]) -> Vec<String> {
    checks.iter().filter(|(wrong, _)| *wrong).map(|(_, message)| (*message).to_string()).collect()
}

/// A DNS-1123 label: names of namespaces, containers, volumes.
pub fn dns1123_label(text: &str) -> Vec<String> {
    let mut wrong = messages(&[(text.len() > 63, "must be no more than 63 characters")]);
    if !is_label(text, b"") {
        wrong.push(if is_subdomain(text) { "must not contain dots" } else { LABEL }.into());
    }
    wrong
}

/// A DNS-1123 subdomain: the names of most objects.
pub fn dns1123_subdomain(text: &str) -> Vec<String> {
    messages(&[(text.len() > 253, "must be no more than 253 characters"), (!is_subdomain(text), SUBDOMAIN)])
}

/// A DNS-1123 subdomain whose labels may hold underscores: `dnsConfig.searches`.
pub fn dns1123_subdomain_with_underscore(text: &str) -> Vec<String> {
    let good = text.split('.').all(|part| is_label(part.strip_prefix('_').unwrap_or(part), b"_"));
    messages(&[(text.len() > 253, "must be no more than 253 characters"), (!good, SUBDOMAIN_UNDERSCORE)])
}

/// A DNS-1035 label: the names of services.
pub fn dns1035_label(text: &str) -> Vec<String> {
    let good = is_label(text, b"") && text.as_bytes().first().is_some_and(u8::is_ascii_lowercase);
    messages(&[(text.len() > 63, "must be no more than 63 characters"), (!good, LABEL_1035)])
}

/// `*.` and a subdomain: hosts of Ingress rules.
pub fn wildcard_dns1123_subdomain(text: &str) -> Vec<String> {
    let good = text.strip_prefix("*.").is_some_and(is_subdomain);
    messages(&[(text.len() > 253, "must be no more than 253 characters"), (!good, WILDCARD)])
}

/// A qualified name: keys of labels, taints, resources.
pub fn qualified_name(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let name = match text.split('/').collect::<Vec<_>>().as_slice() {
        [name] => *name,
        [prefix, name] => {
            if prefix.is_empty() {
                wrong.push("prefix part must be non-empty".to_string());
            } else {
                wrong.extend(dns1123_subdomain(prefix).into_iter().map(|m| format!("prefix part {m}")));
            }
            *name
        }
        _ => {
            return vec![format!(
                "a valid label key {QUALIFIED} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
    };
    if name.is_empty() {
        wrong.push("name part must be non-empty".into());
    } else if name.len() > 63 {
        wrong.push("name part must be no more than 63 bytes".into());
    }
    if !is_qualified_part(name) {
        wrong.push(format!("name part {QUALIFIED}"));
    }
    wrong
}

/// The value of a label.
pub fn label_value(text: &str) -> Vec<String> {
    let good = text.is_empty() || is_qualified_part(text);
    messages(&[(text.len() > 63, "must be no more than 63 bytes"), (!good, LABEL_VALUE)])
}

/// A port number.
pub fn port_number(port: i64) -> Vec<String> {
    messages(&[(!(1..=65535).contains(&port), "must be between 1 and 65535, inclusive")])
}

/// The name of a port.
pub fn port_name(text: &str) -> Vec<String> {
    let alphabet = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    messages(&[
        (text.len() > 15, "must be no more than 15 characters"),
        (!alphabet, "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"),
        (!text.bytes().any(|b| b.is_ascii_lowercase()), "must contain at least one letter (a-z)"),
        (text.contains("--"), "must not contain consecutive hyphens"),
        (text.starts_with('-') || text.ends_with('-'), "must not begin or end with a hyphen"),
    ])
}

/// A user or group id.
pub fn unix_id(id: i64) -> Vec<String> {
    messages(&[(!(0..=i64::from(i32::MAX)).contains(&id), "must be between 0 and 2147483647, inclusive")])
}

/// The name of an environment variable (the relaxed rule that is on since 1.34).
pub fn env_var_name(text: &str) -> Vec<String> {
    let good = !text.is_empty() && text.bytes().all(|b| (0x20..0x7f).contains(&b) && b != b'=');
    messages(&[(!good, ENV_VAR_RELAXED)])
}

/// A key of a ConfigMap or Secret.
pub fn config_key(text: &str) -> Vec<String> {
    let good = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
    let mut wrong = messages(&[(text.len() > 253, "must be no more than 253 characters"), (!good, CONFIG_KEY)]);
    wrong.extend(dotted(text));
    wrong
}

fn dotted(text: &str) -> Option<String> {
    match text {
        "." => Some("must not be '.'".into()),
        ".." => Some("must not be '..'".into()),
        _ if text.starts_with("..") => Some("must not start with '..'".into()),
        _ => None,
    }
}

/// The name of an HTTP header in a probe.
pub fn http_header_name(text: &str) -> Vec<String> {
    let good = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    messages(&[(!good, HTTP_HEADER)])
}

/// A percentage such as `25%`.
pub fn percent(text: &str) -> Vec<String> {
    let good = text.strip_suffix('%').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    messages(&[(!good, PERCENT)])
}

/// A name that can stand in a path of the API.
pub fn path_segment(text: &str) -> Vec<String> {
    match text {
        "." => vec!["may not be '.'".into()],
        ".." => vec!["may not be '..'".into()],
        _ => path_segment_prefix(text),
    }
}

/// As [`path_segment`] for a prefix.
fn path_segment_prefix(text: &str) -> Vec<String> {
    messages(&[(text.contains('/'), "may not contain '/'"), (text.contains('%'), "may not contain '%'")])
}

/// A path with a domain in front, such as `acme.io/foo`.
pub fn domain_prefixed_path(text: &str) -> Vec<String> {
    match text.split_once('/') {
        Some((domain, path)) if !domain.is_empty() && !path.is_empty() => dns1123_subdomain(domain),
        _ => vec!["must be a domain-prefixed path (such as \"acme.io/foo\")".into()],
    }
}

/// An IP address, v4 or v6, without leading zeros or zones.
pub fn ip(text: &str) -> Vec<String> {
    messages(&[(text.parse::<IpAddr>().is_err(), IP)])
}

fn canonical_ip(text: &str) -> Vec<String> {
    let good = text.parse::<IpAddr>().is_ok_and(|ip| ip.to_string() == text);
    messages(&[(!good, "must be a valid IP address in canonical form")])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_subdomains() {
        assert!(dns1123_label("my-name").is_empty() && dns1123_subdomain("a.b-c.d").is_empty());
        assert_eq!(dns1123_label("a.b"), ["must not contain dots"]);
        assert_eq!(dns1123_label("A"), [LABEL]);
        assert_eq!(dns1123_label(&"a".repeat(64)), ["must be no more than 63 characters"]);
        assert_eq!(dns1123_subdomain("a..b"), [SUBDOMAIN]);
        assert!(!dns1035_label("1a").is_empty() && dns1035_label("a1").is_empty());
        assert!(dns1123_subdomain_with_underscore("_tcp.example.com").is_empty());
    }

    #[test]
    fn qualified_names() {
        assert!(qualified_name("app.kubernetes.io/name").is_empty());
        assert_eq!(qualified_name("/x"), ["prefix part must be non-empty"]);
        assert_eq!(qualified_name("").len(), 2);
        assert!(qualified_name("a/b/c")[0].starts_with("a valid label key must consist"));
        assert!(label_value("").is_empty() && !label_value("-").is_empty());
    }

    #[test]
    fn prefixes_may_end_in_a_dash() {
        assert!(NameRule::Subdomain.check("web-", true).is_empty());
        assert!(!NameRule::Subdomain.check("web-", false).is_empty());
        assert!(NameRule::PathSegment.check("system:node", false).is_empty());
        assert!(!NameRule::IpAddress.check("2001:DB8::1", false).is_empty());
    }

    #[test]
    fn others() {
        assert_eq!(port_name("1--2").len(), 2);
        assert_eq!(config_key("..")[0], "must not be '..'");
        assert!(env_var_name("a b").is_empty() && !env_var_name("a=b").is_empty());
        assert!(percent("25%").is_empty() && !percent("25").is_empty());
    }
}
