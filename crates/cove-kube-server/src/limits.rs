//! Every limit of the API server in one place, with upstream's numbers.

use std::time::Duration;

/// The largest request body (upstream: `MaxRequestBodyBytes`).
pub const BODY_BYTES: usize = 3 * 1024 * 1024;
/// How long a client may take for the head of a request, and for its body (upstream gives the head 32 s).
pub const REQUEST_READ: Duration = Duration::from_secs(32);
/// How often a write is tried again when another write came between (upstream retries without a limit).
pub const UPDATE_TRIES: usize = 256;
/// How many names a create with `generateName` tries.
pub const GENERATE_NAME_TRIES: u64 = 8;
/// A generated name is cut to this before its five random characters.
pub const GENERATE_NAME_PREFIX: usize = 58;
/// How often a watch that asked for bookmarks gets one.
pub const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// The shortest life of a watch whose client named no time; it is stretched by up to as much again.
pub const WATCH_MIN: Duration = Duration::from_secs(1800);
/// HTTP/2 windows of a stream and of a connection: the defaults of 64 KB stall many watches on one connection.
pub const H2_STREAM_WINDOW: u32 = 256 * 1024;
/// See [`H2_STREAM_WINDOW`].
pub const H2_CONNECTION_WINDOW: u32 = 25 * 1024 * 1024;
/// Streams per connection; watches of long-lived clients share one.
pub const H2_STREAMS: u32 = 1000;
/// Entries of a disruption budget's `disruptedPods`.
pub const DISRUPTED_PODS: usize = 2000;
/// How many times an eviction tries to take from a budget that others take from too.
pub const EVICTION_TRIES: usize = 20;
/// How long an event is kept after it was last written.
pub const EVENT_LIFE: Duration = Duration::from_secs(3600);
/// How often old events are looked for.
pub const EVENT_SWEEP: Duration = Duration::from_secs(300);
/// Renewals of simulated nodes' leases that are written at the same time.
pub const RENEWALS_AT_ONCE: usize = 64;

const _: () = assert!(H2_CONNECTION_WINDOW > H2_STREAM_WINDOW);
const _: () = assert!(GENERATE_NAME_PREFIX + 5 <= 63);
