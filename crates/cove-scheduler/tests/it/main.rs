//! The scheduler against the real API server, in process and in virtual time.

mod cluster;
mod help;
