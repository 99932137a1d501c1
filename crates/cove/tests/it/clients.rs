//! Where the real clients are. A test without its client says by name that it was skipped; where
//! `COVE_REQUIRE_CLIENTS` is set (CI), it fails.

#![allow(clippy::print_stderr)] // A skipped test says so.

use std::path::{Path, PathBuf};

/// A client's path: from `$COVE_CLIENTS`, `target/clients`, or the search path.
pub fn find(name: &str) -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/clients");
    let given = std::env::var_os("COVE_CLIENTS").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = given.into_iter().chain([own]).chain(std::env::split_paths(&path));
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The clients of a test, or `None` after saying which is missing.
pub fn require(test: &str, names: &[&str]) -> Option<Vec<PathBuf>> {
    let found: Vec<Option<PathBuf>> = names.iter().map(|name| find(name)).collect();
    let missing: Vec<&str> = names.iter().zip(&found).filter(|(_, f)| f.is_none()).map(|(n, _)| *n).collect();
    if missing.is_empty() {
        return found.into_iter().collect();
    }
    let said = format!("{test} needs {}: `bash tests/clients/install.sh` brings them", missing.join(", "));
    assert!(std::env::var_os("COVE_REQUIRE_CLIENTS").is_none(), "{said}");
    eprintln!("SKIPPED {said}");
    None
}
