//! The generic verbs: one chain for every kind.

pub mod body;
pub mod call;
pub mod create;
pub mod delete;
pub mod read;
pub mod update;
pub mod watch;
