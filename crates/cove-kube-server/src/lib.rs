//! The API server, written once for all kinds: authenticate, authorize, admit, default, validate, store, encode.

pub mod config;
pub mod server;

pub mod admission;
pub mod authentication;
pub mod authorization;
pub mod bootstrap;
pub mod chain;
pub mod front;
pub mod housekeeping;
pub mod pki;
pub mod subresources;

mod api;
mod convert;
mod effects;
mod heartbeat;
mod kind_rules;
mod limits;
mod storage;
mod value;
