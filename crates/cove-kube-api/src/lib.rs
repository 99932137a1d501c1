//! What Kubernetes objects are: the schema table, the table of kinds, the door. No storage, no I/O.
//!
//! Modules in suggested reading order:

pub mod decode;
pub mod door;
pub mod field_error;
pub mod kinds;
pub mod names;
pub mod object;
pub mod openapi;
pub mod patch;
pub mod printer;
pub mod protobuf;
pub mod quantity;
pub mod schema;
pub mod selector;
pub mod status;
pub mod strategy;
pub mod validate_meta;
