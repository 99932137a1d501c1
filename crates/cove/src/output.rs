//! Tables in kubectl's style for people, JSON and YAML for programs.

use anyhow::Result;
use serde_json::Value;

use crate::args::Output;

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
        Output::Text => print!("{}", text(value)),
        Output::Json => println!("{}", serde_json::to_string_pretty(value)?),
        Output::Yaml => print!("{}", serde_saphyr::to_string(value)?),
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
