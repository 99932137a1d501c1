//! Whole regions on the virtual clock: no sockets, no threads, no keys; an hour is over when its work is done.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr)]

mod bench;
mod events;
mod first_pod;
mod hour;
mod log;
mod patience;
mod restart;
