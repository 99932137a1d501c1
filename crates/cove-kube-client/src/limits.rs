//! Every bound of this room in one place.

use std::time::Duration;

/// First pause after a failed list or watch; doubles up to [`RELIST_MAX`].
pub const RELIST_BASE: Duration = Duration::from_millis(50);
/// Longest pause between attempts to list.
pub const RELIST_MAX: Duration = Duration::from_secs(30);
/// A watch that ends sooner without an event counts as failed.
pub const WATCH_AT_LEAST: Duration = Duration::from_secs(1);
/// How long a reconcile waits until the cache has seen its own write.
pub const CATCH_UP: Duration = Duration::from_secs(10);
/// First pause of a failing key (upstream's `ItemExponentialFailureRateLimiter`).
pub const RETRY_BASE: Duration = Duration::from_millis(5);
/// Longest pause of a failing key.
pub const RETRY_MAX: Duration = Duration::from_secs(1_000);
/// Events that wait to be written; more are dropped, as upstream drops them.
pub const EVENTS_QUEUED: usize = 1_000;
/// Events that are remembered for counting.
pub const EVENTS_REMEMBERED: usize = 4_096;
/// Similar events within [`EVENTS_SIMILAR_WINDOW`] before they are combined.
pub const EVENTS_SIMILAR: usize = 10;
/// The window of [`EVENTS_SIMILAR`].
pub const EVENTS_SIMILAR_WINDOW: Duration = Duration::from_secs(600);
/// Events that one source may write about one object at once.
pub const EVENTS_BURST: f64 = 25.0;
/// Events per second that are added to [`EVENTS_BURST`].
pub const EVENTS_REFILL: f64 = 1.0 / 300.0;
