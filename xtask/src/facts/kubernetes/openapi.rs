//! Writes `openapi.tsv.gz` from `openapi-extras.csv`: operations, parameters, and what the schema table does not say of
//! definitions. `cove_kube_api::openapi` reads it.
//!
//! `O path method id action gvk tag body responses query-parameters path-parameters consumes produces`, `P name in type`,
//! `D name gvks extra`. CBOR is left out: a default server does not speak it.

use super::Row;

const HEADER: &str = "# Kubernetes 1.35.4 OpenAPI operations. Made by `cargo xtask facts kubernetes` from openapi-extras.csv; \
source: k8s.io/kubernetes api/openapi-spec at v1.35.4.\n";

/// The table's text.
pub fn table(rows: &[Row]) -> String {
    let mut text = String::from(HEADER);
    for row in rows {
        let line = match row["record"].as_str() {
            "operation" => operation(row),
            "parameter" => format!("P\t{}\t{}\t{}", row["name"], row["method"], row["action"]),
            _ if row["gvk"].is_empty() && row["extra"].is_empty() => continue,
            _ => format!("D\t{}\t{}\t{}", row["name"], row["gvk"], row["extra"]),
        };
        text += line.trim_end_matches('\t');
        text.push('\n');
    }
    text
}

fn operation(row: &Row) -> String {
    let columns =
        ["name", "method", "operation_id", "action", "gvk", "tag", "body", "responses", "query_params", "path_params"];
    let mut line = String::from("O");
    for column in columns {
        line.push('\t');
        line += &row[column];
    }
    for column in ["consumes", "produces"] {
        let types: Vec<&str> = row[column].split(' ').filter(|media| !media.contains("cbor")).collect();
        line.push('\t');
        line += &types.join(" ");
    }
    line
}
