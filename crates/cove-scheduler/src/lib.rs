//! The scheduler: pure filter and score functions, a queue, and the loop that binds pods to nodes.
//!
//! Modules in suggested reading order:

pub mod scheduler;

pub mod cycle;
pub mod diagnosis;
pub mod framework;
pub mod limits;
pub mod plugins;
pub mod preemption;
pub mod queue;

mod inbox;
mod writes;

#[cfg(test)]
mod testing;

pub use cycle::would_fit;
pub use framework::{ClusterState, NodeInfo, NodeView, PodView, Reason};
pub use scheduler::{Handle, run};
