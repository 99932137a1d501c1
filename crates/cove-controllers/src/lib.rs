//! The Kubernetes controllers: one file each, one list of them.
//!
//! They are clients of a cluster like any other: each reaches it through `cove-kube-client` under an identity of its
//! own, which RBAC's bootstrap policy confines as upstream's. Modules in suggested reading order:

pub mod controllers;
pub mod limits;
pub mod shared;

mod cluster_role_aggregation;
mod namespace;
mod root_ca;
mod service_account;

mod claim;
mod conditions;
mod names;
mod node_affinity;
mod pod_batch;
mod pods;
mod resources;
mod template_hash;
mod tolerations;
mod view;

mod daemon_set;
mod deployment;
mod replica_set;

mod garbage_collector;

mod endpoint_slice;
mod endpoints;
mod service_pods;

mod disruption;
mod node_lifecycle;
mod node_taints;
mod pod_gc;
mod stale_disruption;
mod taint_eviction;
mod zone_eviction;

pub use controllers::{Handle, run};
pub use shared::{Config, identity};
