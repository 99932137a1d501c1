//! What AWS requests are: service models, wire protocols, signatures, session tokens, faults, the AWS door.
//!
//! No service logic and no storage. Modules in suggested reading order:

pub mod door;
pub mod fault;
