//! Cove: a managed-Kubernetes cloud in one binary. Arguments in, human output out; everything else is in the rooms.
#![allow(clippy::print_stdout, clippy::print_stderr)] // This is where Cove speaks to people.

mod args;
mod commands;
mod control;
mod kubeconfig;
mod output;
mod place;
mod progress;

use std::process::ExitCode;

use clap::Parser;
use cove_base::hint::Hinted;

use crate::args::Args;

fn main() -> ExitCode {
    if let Some(ended) = hidden_verb() {
        return ended;
    }
    let args = Args::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&anyhow::anyhow!("starting: {error}")),
    };
    let ended = runtime.block_on(commands::run(args));
    // Tasks that are still waiting for a socket are not waited for.
    runtime.shutdown_background();
    match ended {
        Ok(code) => code,
        Err(error) => failed(&error),
    }
}

/// What the binary does when a region re-executes it: before any thread starts, since namespaces want a single one.
#[cfg(target_os = "linux")]
fn hidden_verb() -> Option<ExitCode> {
    let arguments: Vec<String> = std::env::args_os().skip(1).map(|a| a.to_string_lossy().into_owned()).collect();
    cove_machines::real::verbs::run(&arguments)
}

#[cfg(not(target_os = "linux"))]
fn hidden_verb() -> Option<ExitCode> {
    None
}

/// Prints an error as a person reads it: what was wrong, then what to do.
fn failed(error: &anyhow::Error) -> ExitCode {
    match error.downcast_ref::<Hinted>() {
        Some(hinted) => eprintln!("cove: {hinted}"),
        None => eprintln!("cove: {error:#}"),
    }
    ExitCode::FAILURE
}
