//! What callers use: columns and cells by kind.

use cove_base::time::Timestamp;
use serde_json::{Value, json};

use crate::kinds::Kind;

use super::rows::{Row, rows};

/// The definition of one column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// What kubectl prints in capitals.
    pub name: &'static str,
    /// The OpenAPI type.
    pub r#type: &'static str,
    /// The OpenAPI format; `name` marks the primary column.
    pub format: &'static str,
    /// What it is. Upstream takes it from documentation that Cove does not carry.
    pub description: &'static str,
    /// 0 is always shown, 1 only with `-o wide`.
    pub priority: i32,
}

/// The columns of a kind, the wide ones included.
pub fn columns(kind: &Kind) -> Vec<Column> {
    columns_of(kind.kind)
}

/// The columns of a kind by name; also `Scale` and `Status`.
pub fn columns_of(kind: &str) -> Vec<Column> {
    // Upstream prints IPAddress with a cell more than it has columns.
    rows(kind).iter().filter(|row| !row.name.is_empty()).map(Row::column).collect()
}

/// The cells of an object, one per column.
pub fn cells(kind: &Kind, object: &Value, now: Timestamp) -> Vec<Value> {
    cells_of(kind.kind, object, now)
}

/// The cells of an object of a kind by name.
pub fn cells_of(kind: &str, object: &Value, now: Timestamp) -> Vec<Value> {
    rows(kind).iter().map(|row| row.cell.of(object, now)).collect()
}

/// The conditions of an object's row: kubectl dims pods that have ended.
pub fn row_conditions(kind: &Kind, object: &Value) -> Vec<Value> {
    let phase = object.pointer("/status/phase").and_then(Value::as_str).unwrap_or_default();
    let message = match (kind.kind, phase) {
        ("Pod", "Succeeded") => "The pod has completed successfully.",
        ("Pod", "Failed") => "The pod failed.",
        _ => return Vec::new(),
    };
    vec![json!({ "type": "Completed", "status": "True", "reason": phase, "message": message })]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::kinds;

    #[test]
    fn every_kind_has_columns_and_survives_nonsense() {
        let nonsense = [
            json!(null),
            json!([]),
            json!({"spec": [1], "status": "x", "metadata": null}),
            json!({"spec": {"ports": [null], "rules": 1}}),
        ];
        for kind in kinds(35) {
            let columns = columns(kind);
            assert!(!columns.is_empty(), "{kind:?}");
            for object in &nonsense {
                let cells = cells(kind, object, Timestamp::EPOCH);
                assert!(cells.len() >= columns.len(), "{kind:?}");
            }
        }
    }

    #[test]
    fn ended_pods_are_marked() {
        let pod = crate::kinds::by_resource(35, "", "v1", "pods").unwrap();
        assert_eq!(row_conditions(pod, &json!({"status": {"phase": "Failed"}}))[0]["message"], "The pod failed.");
        assert!(row_conditions(pod, &json!({"status": {"phase": "Running"}})).is_empty());
    }
}
