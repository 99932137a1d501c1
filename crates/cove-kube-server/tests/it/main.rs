//! Tests of the API server through its door, over the memory store.

mod door;
mod help;
