//! The node agent (kubelet): a state machine per pod over a runtime port, the Node object, and the fleet of simulated
//! nodes. Reaches a cluster only through `cove-kube-client`, as `system:node:NAME`.
//!
//! Modules in suggested reading order:

pub mod behaviour;
pub mod fleet;
pub mod limits;
pub mod node;
pub mod pod;
pub mod real;
pub mod runtime;
pub mod simulated;
