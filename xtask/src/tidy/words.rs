//! Module headers, and words that do not belong into finished code.

use super::{Breach, Source, is_test};

/// What is banned, and what to do instead. Calls with a replacement stand in clippy.toml.
const BANNED: &[(&str, &str)] = &[
    (concat!("to", "do!("), "finish it, or refuse by name in the words of the system it stands for"),
    (concat!("unimple", "mented!("), "refuse by name in the words of the system it stands for"),
    (concat!("#[ig", "nore]"), "a test that does not run proves nothing; give the reason if another test runs it"),
    (concat!("/work/", "shared"), "the project must not need the shared folder: carry the facts over"),
    (concat!("allow(dead", "_code"), "remove what nobody calls"),
];

/// Checks every file.
pub fn check(sources: &[Source]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for source in sources {
        let breach = |what: String| Breach { file: source.path.clone(), what };
        if !source.text.starts_with("//!") {
            breaches.push(breach("has no module header: say what it is for, who calls it, what always holds".into()));
        }
        let file = source.path.rsplit('/').next().unwrap_or_default();
        if matches!(file, "lib.rs" | "mod.rs") && !is_test(&source.path) && has_logic(&source.text) && file == "lib.rs"
        {
            breaches.push(breach("lib.rs holds logic: it is only the list of modules".into()));
        }
        for (word, instead) in BANNED {
            if let Some(line) = source.text.lines().position(|l| l.contains(word)) {
                breaches.push(breach(format!("line {}: {word}: {instead}", line + 1)));
            }
        }
    }
    breaches
}

fn has_logic(text: &str) -> bool {
    text.lines().any(|l| l.starts_with("fn ") || l.starts_with("pub fn ") || l.starts_with("impl"))
}
