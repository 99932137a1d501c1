//! The controllers against the real API server in process, on the virtual clock: objects in, objects out.

mod apps;
mod cluster;
mod daemons;
mod housekeeping;
mod nodes;
mod owners;
mod services;
