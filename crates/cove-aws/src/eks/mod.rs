//! EKS: clusters, managed node groups, access entries, updates.
//!
//! Operations check, write intent and answer; reconcilers do the work through the EC2, Auto Scaling and IAM services
//! (as AWS services, through the door) and through [`crate::ports::Clusters`].

pub mod catalog;
mod faults;
mod logging;
mod network;
mod ops;
mod paging;
mod principals;
mod reconcile_cluster;
pub mod state;
mod table;
mod view;

pub use table::SERVICE;
