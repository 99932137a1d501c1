//! The fleet: all simulated nodes of one cluster in one task, with one shared pod watch.
//!
//! [`Fleet`] is the handle that machines power nodes on and off with. [`driver`] feeds pods' machines with what
//! happened and performs what they ask for; [`upkeep`] registers a node and keeps its status and lease fresh.

mod driver;
mod pods;
mod upkeep;

pub use driver::{Fleet, FleetConfig};
