//! Every bound of the store in one place. Used by all back ends; tests hand in smaller ones.
//!
//! Always holds: a queue, a batch, a transaction, a key, a value and the history of a space are bounded by a number here.

/// The bounds of one store.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many revisions of a space can be watched from and read at. Older ones are compacted by themselves.
    pub history_revisions: usize,
    /// How many bytes of superseded versions a space keeps for that at most.
    pub history_bytes: usize,
    /// How many revisions a watcher may be behind before it is ended with `Lagged`.
    pub watch_queue: usize,
    /// A watcher without events of its own gets a progress mark after so many revisions.
    pub progress_revisions: u64,
    /// How many transactions wait for the writer of the embedded back end before callers wait for room.
    pub write_queue: usize,
    /// How many transactions share one commit at most.
    pub batch_transactions: usize,
    /// After how many bytes of values a batch takes no further transaction.
    pub batch_bytes: usize,
}

impl Limits {
    /// What a region runs with.
    pub const DEFAULT: Limits = Limits {
        history_revisions: 100_000,
        history_bytes: 128 << 20,
        watch_queue: 16_384,
        progress_revisions: 1_000,
        write_queue: 1_024,
        batch_transactions: 512,
        batch_bytes: 8 << 20,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The longest key and the longest name of a space, in bytes.
pub const KEY_BYTES: usize = 4 << 10;
/// The largest value, in bytes. Doors refuse far smaller ones in their own words.
pub const VALUE_BYTES: usize = 32 << 20;
/// The most compares and the most writes of one transaction.
pub const TRANSACTION_OPS: usize = 4_096;
/// What one event of the history costs beside its values (estimate, counted against `history_bytes`).
pub(crate) const EVENT_OVERHEAD_BYTES: usize = 200;
/// How many forgotten versions are removed from the log with a commit, beyond twice the commit's own writes.
pub(crate) const SWEEP_MIN: usize = 16;
/// From this backlog on, the idle writer removes forgotten versions by itself.
pub(crate) const SWEEP_BACKLOG: usize = 8_192;
/// How many it removes with one commit then.
pub(crate) const SWEEP_SLICE: usize = 2_048;

const _: () = assert!(SWEEP_MIN < SWEEP_SLICE && SWEEP_SLICE < SWEEP_BACKLOG);
const _: () = assert!(Limits::DEFAULT.batch_transactions <= Limits::DEFAULT.write_queue);
const _: () = assert!((Limits::DEFAULT.progress_revisions as usize) < Limits::DEFAULT.watch_queue);
const _: () = assert!(VALUE_BYTES < Limits::DEFAULT.history_bytes);
