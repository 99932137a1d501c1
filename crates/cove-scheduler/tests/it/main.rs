//! The scheduler against the real API server, in process and in virtual time.
#![allow(clippy::unwrap_used)] // Helpers of tests fail as tests do.

mod cluster;
mod help;
mod properties;
