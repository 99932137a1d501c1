//! The fleet against a real API server in process, on the virtual clock.
#![allow(clippy::unwrap_used)] // Tests.

mod fleet;
