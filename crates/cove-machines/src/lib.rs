//! An EC2 instance as a machine: it boots, runs something, and loses its power.
//!
//! What runs in it is a port ([`machine::Guest`]): for a node, the bootstrap and the agent. Modules in suggested
//! reading order:

pub mod machine;
#[cfg(target_os = "linux")]
pub mod real;
pub mod simulated;
