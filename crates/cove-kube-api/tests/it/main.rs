//! The tests of the room through its public functions, one binary.
#![allow(missing_docs, clippy::unwrap_used)]

mod decoding;
mod empty_objects;
mod frames;
mod openapi;
mod random;
