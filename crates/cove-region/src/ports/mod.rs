//! The ports that rooms of one layer have towards each other, one file per port, no rules of their own.

pub(crate) mod access;
pub(crate) mod clusters;
#[cfg(target_os = "linux")]
mod containers;
pub(crate) mod ground;
pub(crate) mod guest;
pub(crate) mod machines;
pub(crate) mod node_streams;
pub(crate) mod pod_network;
pub(crate) mod tokens;
