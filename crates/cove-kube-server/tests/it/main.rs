//! Tests of the API server through its door, over the memory store.

mod access;
mod door;
mod every_kind;
mod help;
mod subresources;
