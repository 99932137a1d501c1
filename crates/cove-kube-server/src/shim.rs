//! TEMPORARY: stands in for cove_kube_api modules until they land.
#![allow(missing_docs, clippy::unwrap_used)]
pub mod printer {
    use cove_base::time::Timestamp;
    use cove_kube_api::kinds::Kind;
    use serde_json::Value;
    pub struct Column {
        pub name: &'static str,
        pub r#type: &'static str,
        pub format: &'static str,
        pub description: &'static str,
        pub priority: i32,
    }
    pub fn columns(_k: &Kind) -> Vec<Column> {
        vec![
            Column { name: "Name", r#type: "string", format: "name", description: "", priority: 0 },
            Column { name: "Created At", r#type: "date", format: "", description: "", priority: 0 },
        ]
    }
    pub fn cells(_k: &Kind, o: &Value, _now: Timestamp) -> Vec<Value> {
        vec![o["metadata"]["name"].clone(), o["metadata"]["creationTimestamp"].clone()]
    }
}
