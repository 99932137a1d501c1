//! The operations, one file per kind of resource.

pub mod access_entry;
pub mod access_policy;
pub mod cluster;
pub mod cluster_config;
pub mod nodegroup;
pub mod nodegroup_checks;
pub mod nodegroup_config;
pub mod tag;
pub mod update;
pub mod version;
