//! What every room stands on: time and timers, tasks, seeded chance, ids and ARNs, limits, errors with hints.
//!
//! Nothing here knows AWS or Kubernetes. Modules in suggested reading order:

pub mod arn;
pub mod collections;
pub mod hint;
pub mod percent;
pub mod request_log;
pub mod runtime;
pub mod seed;
pub mod time;
pub mod tokio_runtime;
pub mod virtual_runtime;
pub mod wildcard;

pub use runtime::{Runtime, TaskHandle};
pub use seed::Seed;
pub use time::Timestamp;
