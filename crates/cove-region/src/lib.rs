//! Wiring: one region out of all rooms. Implements the ports, one file each, and holds no business rules.
//!
//! Modules in suggested reading order:

mod aws;
mod cluster;
mod clusters;
pub mod config;
mod keys;
mod node_instances;
mod ports;
pub mod region;
mod request_log;
pub mod secrets;
