//! The dependency budget: how many crates, one TLS provider, nothing that must not be linked.

use std::path::Path;

use anyhow::{Context, Result};

use super::Breach;

/// Third-party crates in the lock file.
const CRATES: usize = 520;
/// Crates that must not be there, and why.
const REFUSED: &[(&str, &str)] = &[
    ("openssl-sys", "one TLS provider: aws-lc-rs through rustls"),
    ("rustables", "GPL"),
    ("rsa", "security code with open timing issues: aws-lc-rs has RSA"),
    ("serde_yaml", "archived: serde-saphyr"),
];

/// Checks the lock file.
pub fn check(root: &Path) -> Result<Vec<Breach>> {
    let text = std::fs::read_to_string(root.join("Cargo.lock")).context("Cargo.lock")?;
    let names: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("name = \"")?.strip_suffix('"')).collect();
    let foreign = names.iter().filter(|n| !n.starts_with("cove") && **n != "xtask").count();
    println!("dependencies: {foreign} third-party crates in the lock file, at most {CRATES}");
    let breach = |what: String| Breach { file: "Cargo.lock".into(), what };
    let mut breaches = Vec::new();
    if foreign > CRATES {
        breaches.push(breach(format!("{foreign} third-party crates, the budget is {CRATES}")));
    }
    for (name, why) in REFUSED.iter().filter(|(name, _)| names.contains(name)) {
        breaches.push(breach(format!("{name} must not be a dependency: {why}")));
    }
    Ok(breaches)
}
