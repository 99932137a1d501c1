//! Progress while something takes longer than a moment, and how long each step took.

use crate::output::sayln;
use std::io::IsTerminal;
use std::time::Duration;

use cove_base::tokio_runtime::wall_clock;
use indicatif::{ProgressBar, ProgressStyle};

/// Runs a step, showing that it runs, then how long it took.
pub async fn step<T, E>(what: &str, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let begun = wall_clock();
    let bar = spinner(what);
    let done = work.await;
    bar.finish_and_clear();
    let took = wall_clock().since(begun);
    let mark = if done.is_ok() { "✓" } else { "✗" };
    sayln!("{mark} {what:<58} {:>9}", elapsed(took));
    done
}

/// `7 ms`, `1.3 s`, `2 m 05 s`.
pub fn elapsed(time: Duration) -> String {
    match time.as_millis() {
        millis @ 0..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{:.1} s", time.as_secs_f64()),
        _ => format!("{} m {:02} s", time.as_secs() / 60, time.as_secs() % 60),
    }
}

fn spinner(what: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.set_message(what.to_string());
    bar.enable_steady_tick(Duration::from_millis(80));
    bar
}
