//! The project's own tools: tidy, data updates, coverage pages.
#![allow(clippy::print_stdout)] // A tool for the terminal.

mod facts;
mod tidy;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["tidy"] => tidy::run(false),
        ["tidy", "--tighten"] => tidy::run(true),
        ["facts", topic, "--from", folder] => facts::write(topic, folder.as_ref()),
        _ => anyhow::bail!("usage: cargo xtask tidy [--tighten] | facts TOPIC --from FOLDER"),
    }
}
