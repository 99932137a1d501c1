//! The table of kinds: every built-in kind that a default API server of Kubernetes 1.32 to 1.36 offers.
//!
//! The server routes, discovers and stores by it; nothing else lists kinds. In reading order:

mod acts;
mod autoscaling;
mod batch;
mod cluster;
mod config;
mod endpoints;
mod fill;
mod networking;
mod others;
mod pod;
mod policy;
mod rbac;
mod reviews;
mod rules;
mod service;
mod service_validate;
mod strategies;
mod structure;
mod table;
mod table_rules;
mod workloads;

#[cfg(test)]
mod tests;

pub use pod::qos_class;
pub use table::{
    Acts, FieldLabel, Generation, Group, GroupVersion, Kind, MAX_MINOR, MIN_MINOR, Subresource, by_kind, by_resource,
    groups, kinds,
};
