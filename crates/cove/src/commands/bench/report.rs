//! How figures are shown: the circumstances first, then a figure at a time, the load last.

use std::path::Path;

use super::figures::Figure;

/// The report.
pub struct Report;

impl Report {
    /// Says under which circumstances is measured.
    pub fn begin(scratch: &Path) -> Self {
        let profile = if cfg!(debug_assertions) { "debug build: these figures say little" } else { "release build" };
        println!("cove {}, {profile}", env!("CARGO_PKG_VERSION"));
        println!("  store       embedded (SQLite, write-ahead log), in {}", scratch.display());
        println!("  durability  full: an acknowledged write has been synced to disk");
        println!("  nodes       simulated: no kernel and no containers behind them");
        println!("  processors  {}", std::thread::available_parallelism().map_or(0, usize::from));
        println!("  load        {}\n", load());
        Self
    }

    /// Shows a figure.
    pub fn show(&self, figure: &Figure) {
        println!("{:<76} {}", figure.what, summary(figure));
        println!("    verified: {}", figure.verified);
    }

    /// The load at the end.
    pub fn end(&self) {
        println!("\nload at the end: {}; a busy machine makes every figure worse", load());
    }
}

/// Median, spread, number of runs, goal.
fn summary(figure: &Figure) -> String {
    let mut sorted = figure.samples.clone();
    sorted.sort_by(f64::total_cmp);
    let (Some(least), Some(most)) = (sorted.first(), sorted.last()) else { return "not measured".into() };
    let unit = figure.unit;
    let mut text = format!("{} {unit}", number(median(&sorted)));
    if sorted.len() > 1 {
        text += &format!("  ({} to {}, {} runs)", number(*least), number(*most), sorted.len());
    }
    if let Some(goal) = figure.goal {
        let met = if median(&sorted) <= goal { "met" } else { "missed" };
        text += &format!("  goal {goal} {unit}: {met}");
    }
    text
}

fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

fn number(value: f64) -> String {
    if value < 10.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

/// The load averages over 1, 5 and 15 minutes.
fn load() -> String {
    let read = std::fs::read_to_string("/proc/loadavg");
    let averages = read.map(|text| text.split(' ').take(3).collect::<Vec<_>>().join(" "));
    averages.unwrap_or_else(|_| "unknown on this system".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_its_median() {
        let mut figure = Figure::millis("x", "y", Some(20.0));
        figure.samples = vec![30.0, 4.0, 20.4];
        assert_eq!(summary(&figure), "20 ms  (4.0 to 30, 3 runs)  goal 20 ms: missed");
        figure.samples = vec![10.0, 20.0];
        assert_eq!(summary(&figure), "15 ms  (10 to 20, 2 runs)  goal 20 ms: met");
        figure.samples.clear();
        assert_eq!(summary(&figure), "not measured");
    }
}
