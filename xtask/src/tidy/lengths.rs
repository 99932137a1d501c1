//! Files of at most 700 lines without their tests, functions of at most 70, by ratchet.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

use super::{Breach, Source, is_test};

const FILE_LIMIT: usize = 700;
const FUNCTION_LIMIT: usize = 70;
const RATCHET: &str = "xtask/tidy-ratchet.tsv";

/// Everything over a limit: (file, function or empty) -> lines.
type Long = BTreeMap<(String, String), usize>;

/// Compares today's lengths with the limits and the ratchet.
pub fn check(root: &Path, sources: &[Source]) -> Result<Vec<Breach>> {
    let known = ratchet(root)?;
    let today = measure(sources);
    let mut breaches = Vec::new();
    for ((file, function), lines) in &today {
        let allowed = known.get(&(file.clone(), function.clone())).copied().unwrap_or(0);
        if *lines > allowed {
            let (what, limit) = if function.is_empty() {
                ("the file".to_string(), FILE_LIMIT)
            } else {
                (format!("function {function}"), FUNCTION_LIMIT)
            };
            let what = format!("{what} has {lines} lines, the limit is {}", allowed.max(limit));
            breaches.push(Breach { file: file.clone(), what });
        }
    }
    for (file, function) in known.keys().filter(|key| !today.contains_key(*key)) {
        let what = format!("is within its limit now ({function}): run `cargo xtask tidy --tighten`");
        breaches.push(Breach { file: file.clone(), what });
    }
    Ok(breaches)
}

/// Rewrites the ratchet.
pub fn tighten(root: &Path, sources: &[Source]) -> Result<()> {
    let lines = measure(sources).into_iter().map(|((file, function), lines)| format!("{file}\t{function}\t{lines}\n"));
    let text: String = lines.collect();
    std::fs::write(root.join(RATCHET), text).context(RATCHET)
}

fn ratchet(root: &Path) -> Result<Long> {
    let text = std::fs::read_to_string(root.join(RATCHET)).unwrap_or_default();
    let row = |line: &str| {
        let mut cells = line.split('\t');
        let (file, function, lines) = (cells.next()?, cells.next()?, cells.next()?.parse().ok()?);
        Some(((file.to_string(), function.to_string()), lines))
    };
    Ok(text.lines().filter_map(row).collect())
}

fn measure(sources: &[Source]) -> Long {
    let mut long = Long::new();
    for source in sources.iter().filter(|s| !is_test(&s.path)) {
        // House style: a file's tests are its last part.
        let own = source.text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let lines: Vec<&str> = own.lines().collect();
        if lines.len() > FILE_LIMIT {
            long.insert((source.path.clone(), String::new()), lines.len());
        }
        for (name, length) in functions(&lines).into_iter().filter(|(_, l)| *l > FUNCTION_LIMIT) {
            long.insert((source.path.clone(), name), length);
        }
    }
    long
}

/// Functions with their lengths. The formatter puts a function's last brace at the indentation of its first line.
fn functions(lines: &[&str]) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indent = line.len() - line.trim_start().len();
        let end = lines[start..].iter().position(|l| l.len() == indent + 1 && l.ends_with('}'));
        if let Some(length) = end {
            found.push((name, length + 1));
        }
    }
    found
}

fn function_name(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.iter().position(|w| *w == "fn")?;
    let qualifiers = ["pub", "async", "const", "unsafe", "extern"];
    let qualified = words[..at].iter().all(|w| qualifiers.contains(w) || w.starts_with("pub("));
    if !qualified || line.ends_with(';') || line.trim_end().ends_with('}') {
        return None;
    }
    words.get(at + 1)?.split(['(', '<']).next().map(str::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_with_their_lengths() {
        let text =
            "impl A {\n    pub(crate) async fn long(\n        a: u8,\n    ) {\n        b();\n    }\n}\nfn one() {}\n";
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(functions(&lines), [("long".to_string(), 5)]);
    }
}
