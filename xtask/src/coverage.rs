//! `cargo xtask coverage`: has the rooms that know the facts write their parts of COVERAGE.md.
//!
//! They are tests, so that xtask needs no room and stays quick to build, and so that an old page fails the tests.

use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The rooms with a part in the page, and the test binary that makes it.
const PARTS: &[&[&str]] = &[&["-p", "cove-aws", "--lib"], &["-p", "cove-kube-server", "--test", "it"]];

/// Writes all parts.
pub fn write() -> Result<()> {
    for part in PARTS {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(["test", "--quiet"]).args(*part).arg("coverage").env("COVE_WRITE_COVERAGE", "1");
        let status = command.status().context("cargo cannot be started")?;
        ensure!(status.success(), "the part of {part:?} was not written");
    }
    println!("COVERAGE.md is up to date");
    Ok(())
}
