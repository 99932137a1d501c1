//! Cache, events and the reconcile runtime against the real API server in process, on the virtual clock.

mod caching;
mod events;
mod help;
mod reconcile;
