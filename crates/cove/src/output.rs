//! Tables in kubectl's style for people, JSON and YAML for programs.

use std::io::{ErrorKind, Write};

use anyhow::Result;
use serde_json::Value;

use crate::args::Output;

/// Prints like `print!`; see [`out`].
macro_rules! say {
    ($($part:tt)*) => { $crate::output::out(format_args!($($part)*)) };
}

/// Prints like `println!`; see [`out`].
macro_rules! sayln {
    () => { $crate::output::out(format_args!("\n")) };
    ($($part:tt)+) => { $crate::output::out(format_args!("{}\n", format_args!($($part)+))) };
}

pub(crate) use {say, sayln};

/// Prints to the standard output. Whoever reads it may go away early (`cove logs | head`): then there is nobody to speak
/// to any more, and the command ends quietly.
pub fn out(text: std::fmt::Arguments) {
    let mut stdout = std::io::stdout().lock();
    let done = stdout.write_fmt(text).and_then(|()| stdout.flush());
    if done.is_err_and(|error| error.kind() == ErrorKind::BrokenPipe) {
        std::process::exit(0);
    }
}

/// Columns padded to their widest cell, three spaces apart, headers in capitals.
pub fn table(headers: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(headers.iter().copied());
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 3));
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Prints a value for programs, or what `text` makes of it for people.
pub fn print(output: Output, value: &Value, text: impl FnOnce(&Value) -> String) -> Result<()> {
    match output {
        Output::Text => say!("{}", text(value)),
        Output::Json => sayln!("{}", serde_json::to_string_pretty(value)?),
        Output::Yaml => say!("{}", serde_saphyr::to_string(value)?),
    }
    Ok(())
}

/// A member as a cell.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}
