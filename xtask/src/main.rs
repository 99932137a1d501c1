//! The project's own tools: tidy, data updates, coverage pages.
#![allow(clippy::print_stdout)] // A tool for the terminal.

mod coverage;
mod facts;
mod tidy;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["tidy"] => tidy::run(false),
        ["tidy", "--tighten"] => tidy::run(true),
        ["coverage"] => coverage::write(),
        ["facts", topic, "--from", folder] => facts::write(topic, folder.as_ref()),
        _ => anyhow::bail!("usage: cargo xtask tidy [--tighten] | coverage | facts TOPIC --from FOLDER"),
    }
}
