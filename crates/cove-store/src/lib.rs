//! The revisioned key-value store: the only durable truth of a region (design section 3, invariants 3 and 11).
//!
//! A [`Store`] holds *spaces*: one per cluster, one per region's AWS state, one for IAM. Each [`Space`] has its own
//! revision counter, watch hub and compaction. The contract is in [`api`]; [`memory()`] and [`open`] are its back ends:
//! one index and one writer over two logs. Modules in suggested reading order:

pub mod api;
pub mod limits;

mod directory;
mod embedded;
mod format;
mod hub;
mod index;
mod locks;
mod log;
mod memory;
mod snapshot;
mod space;
mod sqlite;
mod staging;
mod store;
mod writer;

pub use api::*;
pub use embedded::{open, open_with};
pub use limits::Limits;
pub use memory::{memory, memory_with};
