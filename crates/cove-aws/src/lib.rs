//! AWS services: one folder each with its operations and the state machines of its resources, and the door before
//! them. What a service needs of the world is a port ([`ports`]).
//!
//! Modules in suggested reading order:

pub mod door;
pub mod operation;
pub mod ports;
pub mod records;
pub mod services;

pub mod data;
pub mod ids;
pub mod input;
pub mod limits;
pub mod paging;
pub mod reconcile;

pub mod autoscaling;
pub mod ec2;
pub mod eks;
pub mod iam;
pub mod sts;

#[cfg(test)]
mod coverage;
#[cfg(test)]
mod testing;

pub use services::services;
