//! A client over any Kubernetes door, with a shared list-watch cache, a keyed work queue and the reconcile runtime.
//!
//! Modules in suggested reading order:

pub mod client;

pub mod cache;
pub mod caches;
pub mod controller;
pub mod events;
pub mod limits;
pub mod queue;

pub use cache::{Cache, Change, Key};
pub use caches::Caches;
pub use client::{Client, Resource};
pub use controller::{Context, Controller, Requeue, Watch};
