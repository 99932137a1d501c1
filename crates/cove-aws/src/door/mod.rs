//! The AWS door: one chain for every operation, and the HTTP front before it.
//!
//! HTTP or in-process call -> signature or given principal -> input checked against the model -> permissions ->
//! operation. Modules in suggested reading order:

pub mod chain;
pub mod denial;
pub mod front;
pub mod front_auth;
pub mod hold;
pub mod idempotency;
pub mod identities;
pub mod input_paths;
pub mod permissions;
pub mod request_context;

#[cfg(test)]
mod tests;

pub use chain::{Door, DoorParts};
