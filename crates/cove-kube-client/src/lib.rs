//! A client over any Kubernetes door, with a shared list-watch cache, a keyed work queue and the reconcile runtime.
//!
//! Modules in suggested reading order:

pub mod client;

pub use client::{Client, Resource};
