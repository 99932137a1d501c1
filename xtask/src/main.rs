//! The project's own tools: tidy, data updates, coverage pages.
fn main() {}
