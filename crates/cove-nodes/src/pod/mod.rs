//! One pod on one node: `step(event, now) -> effects`, without any effect of its own.
//!
//! The same machine drives simulated and real pods; what differs is who performs the effects ([`crate::runtime`]).

mod conditions;
mod machine;
mod restore;
mod spec;
mod status;
#[cfg(test)]
mod tests;

pub use machine::{Effect, Event, PodMachine, Verdict};
pub use spec::{ContainerRole, ContainerSpec, PodSpec, ProbeKind, RestartPolicy};
