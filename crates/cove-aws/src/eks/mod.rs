//! EKS: clusters, managed node groups, access entries, updates.
//!
//! Operations check, write intent and answer; reconcilers do the work through the EC2, Auto Scaling and IAM services
//! (as AWS services, through the door) and through [`crate::ports::Clusters`].

pub mod catalog;
mod faults;
mod logging;
mod network;
mod node_template;
mod nodegroup_nodes;
mod nodegroup_resources;
pub mod nodegroup_state;
mod ops;
mod paging;
mod principals;
mod reconcile_cluster;
mod reconcile_nodegroup;
pub mod state;
mod table;
mod user_data;
mod view;

pub use table::SERVICE;

#[cfg(test)]
mod tests;
