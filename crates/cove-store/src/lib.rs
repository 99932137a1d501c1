//! The revisioned key-value store: the only durable truth of a region (design section 3, invariants 3 and 11).
//!
//! A [`Store`] holds *spaces*: one per cluster, one per region's AWS state, one for IAM. Each [`Space`] has its own
//! revision counter, watch hub and compaction. The contract is in [`api`]; back ends implement it.

pub mod api;

pub use api::*;
