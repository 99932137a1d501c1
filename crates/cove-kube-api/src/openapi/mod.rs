//! The OpenAPI documents of a cluster, for `kubectl explain`, validation, and generators of clients.
//!
//! The server calls the four functions below. Documents are made from the schema table, the table of kinds and the table of
//! operations, on first demand, once per Kubernetes minor. They tell only what that minor serves by default. Custom kinds are
//! the server's to add. Descriptions come from the build output (see `build.rs`).

mod descriptions;
mod document;
mod gnostic;
mod operations;
mod schemas;
mod table;
mod version2;
mod version3;

pub use document::{content_hash, v2_json, v2_protobuf, v3, v3_index};
