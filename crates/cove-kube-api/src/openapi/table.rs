//! The embedded table of operations. Its format is described where it is written: `xtask/src/facts/kubernetes/openapi.rs`.

use std::io::Read as _;
use std::sync::LazyLock;

use cove_base::collections::HashMap;
use flate2::read::GzDecoder;
use serde_json::Value;

/// One operation.
pub struct Operation {
    pub path: &'static str,
    /// In lower case.
    pub method: String,
    pub id: &'static str,
    /// `x-kubernetes-action`, may be empty.
    pub action: &'static str,
    /// `group/version.Kind`, may be empty.
    pub gvk: &'static str,
    pub tag: &'static str,
    /// The definition of the body, empty for none.
    pub body: &'static str,
    pub body_optional: bool,
    /// Codes and definitions (`string`, or empty for no body).
    pub responses: Vec<(&'static str, &'static str)>,
    pub query: Vec<&'static str>,
    pub in_path: Vec<&'static str>,
    pub consumes: Vec<&'static str>,
    pub produces: Vec<&'static str>,
}

/// What the schema table does not say of a definition.
#[derive(Default)]
pub struct Definition {
    /// `group/version.Kind`.
    pub gvks: Vec<&'static str>,
    /// Unions; or type and format of one without properties.
    pub extra: Value,
}

/// The table.
pub struct Table {
    pub operations: Vec<Operation>,
    /// The JSON type of a parameter, by its name and `query` or `path`.
    pub parameters: Vec<(&'static str, &'static str, &'static str)>,
    pub definitions: HashMap<&'static str, Definition>,
}

static TABLE: LazyLock<Table> = LazyLock::new(load);

/// The table, loaded on first use.
pub fn table() -> &'static Table {
    &TABLE
}

fn load() -> Table {
    let mut text = String::new();
    let packed = include_bytes!("../../data/openapi.tsv.gz");
    GzDecoder::new(&packed[..]).read_to_string(&mut text).expect("the embedded table of operations is whole");
    // The table lives as long as the program, and so do the names in it.
    let text: &'static str = text.leak();
    let mut table = Table { operations: Vec::new(), parameters: Vec::new(), definitions: HashMap::default() };
    for line in text.lines() {
        let mut cells = line.split('\t');
        let what = cells.next();
        let mut next = || cells.next().unwrap_or("");
        match what {
            Some("O") => table.operations.push(operation(&mut next)),
            Some("P") => table.parameters.push((next(), next(), next())),
            Some("D") => {
                let (name, gvks, extra) = (next(), words(next()), next());
                let extra = serde_json::from_str(extra).unwrap_or_default();
                table.definitions.insert(name, Definition { gvks, extra });
            }
            _ => {}
        }
    }
    table
}

fn operation(next: &mut dyn FnMut() -> &'static str) -> Operation {
    let (path, method, id, action, gvk, tag, body) = (next(), next(), next(), next(), next(), next(), next());
    let responses = words(next()).into_iter().filter_map(|response| response.split_once(':')).collect();
    Operation {
        path,
        method: method.to_ascii_lowercase(),
        id,
        action,
        gvk,
        tag,
        body: body.trim_end_matches('?'),
        body_optional: body.ends_with('?'),
        responses,
        query: words(next()),
        in_path: words(next()),
        consumes: words(next()),
        produces: words(next()),
    }
}

fn words(text: &'static str) -> Vec<&'static str> {
    text.split(' ').filter(|word| !word.is_empty()).collect()
}

/// The `x-kubernetes-group-version-kind` of `group/version.Kind`.
pub fn gvk_value(gvk: &str) -> Value {
    let (group_version, kind) = gvk.rsplit_once('.').unwrap_or(("", gvk));
    let (group, version) = group_version.split_once('/').unwrap_or(("", group_version));
    let group = if group == "core" { "" } else { group };
    serde_json::json!({ "group": group, "kind": kind, "version": version })
}
