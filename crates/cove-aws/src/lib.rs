//! AWS services: one folder each with its operations and the state machines of its resources, and the door before
//! them. What a service needs of the world is a port ([`ports`]).
//!
//! Modules in suggested reading order:

pub mod door;
pub mod ids;
pub mod operation;
pub mod ports;
pub mod reconcile;
pub mod records;
pub mod services;

pub mod autoscaling;
pub mod eks;

pub use services::services;
