//! `cargo xtask tidy`: the house rules that a test can check (STYLE.md). Run by `.ci/run`.
//!
//! Old breaches of the length limits stand in `xtask/tidy-ratchet.tsv` and may only shrink; `--tighten` rewrites it.

mod budget;
mod lengths;
mod rooms;
mod words;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// One breach: where and what.
pub struct Breach {
    /// The file, from the root.
    pub file: String,
    /// What is wrong and what to do.
    pub what: String,
}

/// One source file.
pub struct Source {
    /// Its path from the root.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// Checks everything. `tighten` rewrites the ratchet to today's breaches.
pub fn run(tighten: bool) -> Result<()> {
    let root = root()?;
    let sources = sources(&root)?;
    if tighten {
        return lengths::tighten(&root, &sources);
    }
    let mut breaches = rooms::check(&root)?;
    breaches.extend(lengths::check(&root, &sources)?);
    breaches.extend(words::check(&sources));
    breaches.extend(budget::check(&root)?);
    for breach in &breaches {
        println!("{}: {}", breach.file, breach.what);
    }
    println!("tidy: {} files, {} breaches", sources.len(), breaches.len());
    if breaches.is_empty() { Ok(()) } else { bail!("tidy found breaches") }
}

fn root() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(Path::to_path_buf).context("xtask lies in the workspace")
}

/// Every Rust file of ours, in order.
fn sources(root: &Path) -> Result<Vec<Source>> {
    let mut found = Vec::new();
    for folder in ["crates", "xtask"] {
        collect(root, &root.join(folder), &mut found)?;
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<Source>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            if !path.ends_with("target") {
                collect(root, &path, found)?;
            }
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            let path = path.strip_prefix(root)?.display().to_string();
            found.push(Source { path, text });
        }
    }
    Ok(())
}

/// Whether a file holds tests only.
fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.contains("/testing") || path.ends_with("/tests.rs") || path.contains("/examples/")
}
