//! Every bound of this room in one place.

use std::time::Duration;

/// Writes (bindings, conditions) that are under way while the next pod is being placed.
pub const WRITES_IN_FLIGHT: usize = 128;
/// First back-off of a pod that could not be placed (upstream's `podInitialBackoffSeconds`).
pub const BACKOFF_INITIAL: Duration = Duration::from_secs(1);
/// Longest back-off (upstream's `podMaxBackoffSeconds`).
pub const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// How long a pod that could not be placed waits for a helpful event at most.
pub const UNSCHEDULABLE_MAX: Duration = Duration::from_secs(300);
/// How many nodes preemption compares at most (or a tenth of those that may help, if that is more).
pub const PREEMPTION_CANDIDATES: usize = 100;
/// Longest message of an event (upstream's `noteLengthLimit`).
pub const EVENT_MESSAGE: usize = 1024;
/// The highest score of one plug-in.
pub const MAX_SCORE: i64 = 100;

const _: () = assert!(BACKOFF_INITIAL.as_secs() <= BACKOFF_MAX.as_secs());
const _: () = assert!(BACKOFF_MAX.as_secs() < UNSCHEDULABLE_MAX.as_secs());
