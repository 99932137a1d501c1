//! What Kubernetes objects are: the schema table, the table of kinds, the door. No storage, no I/O.
//!
//! Modules in suggested reading order:

pub mod door;
pub mod field_error;
pub mod object;
pub mod status;
pub mod strategy;
