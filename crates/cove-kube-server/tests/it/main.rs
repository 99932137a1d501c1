//! Tests of the API server through its door, over the memory store.
#![allow(clippy::unwrap_used)] // Tests.

mod access;
mod coverage;
mod door;
mod every_kind;
mod help;
mod hostile;
mod http;
mod leases;
mod sockets;
mod subresources;
mod writes;
