//! The project's own tools: tidy, data updates, coverage pages.

mod facts;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["facts", topic, "--from", folder] => facts::write(topic, folder.as_ref()),
        _ => anyhow::bail!("usage: cargo xtask facts TOPIC --from FOLDER"),
    }
}
