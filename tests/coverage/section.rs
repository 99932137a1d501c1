//! A generated part of COVERAGE.md: what stands between `<!-- begin NAME -->` and `<!-- end NAME -->`.
//!
//! The rooms that know the facts include this file in their tests. A test fails when its part is out of date;
//! `cargo xtask coverage` sets `COVE_WRITE_COVERAGE` and has it written instead.

use std::path::Path;

/// Compares a part of the page with what it should be, or writes it.
pub fn check(name: &str, wanted: &str) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../COVERAGE.md");
    let text = std::fs::read_to_string(&page).expect("COVERAGE.md");
    let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->\n"));
    let (head, rest) = text.split_once(&begin).expect("where the part begins");
    let (found, tail) = rest.split_once(&end).expect("where the part ends");
    if std::env::var_os("COVE_WRITE_COVERAGE").is_some() {
        std::fs::write(&page, format!("{head}{begin}{wanted}{end}{tail}")).expect("COVERAGE.md can be written");
        return;
    }
    let differs = found.lines().zip(wanted.lines()).find(|(found, wanted)| found != wanted);
    assert!(found == wanted, "COVERAGE.md is out of date: run `cargo xtask coverage`. First difference: {differs:?}");
}
