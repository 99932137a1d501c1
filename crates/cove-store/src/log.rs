//! The durable side of the store: a list of changes that is on disk, from which the index is rebuilt.
//! Used by the writer (`writer.rs`) only; implemented by `sqlite.rs`, and by [`NoLog`] for the memory back end.

use crate::api::StoreError;
use crate::index::Write;

/// One change to what is on disk.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// A new space. Ids of spaces whose writes are still in the log are not used again.
    Space {
        /// Its id.
        id: u64,
        /// Its name.
        name: String,
    },
    /// A space is no more. Its writes are forgotten one by one afterwards.
    DropSpace {
        /// Its id.
        id: u64,
    },
    /// A write.
    Write {
        /// The space's id.
        space: u64,
        /// What was written. For a deletion the value is not kept: it is that of the version before.
        write: Write,
    },
    /// A space is compacted up to a revision, which is also its least revision counter.
    Compacted {
        /// The space's id.
        space: u64,
        /// The revision.
        revision: u64,
    },
    /// A write that nobody needs any more.
    Forget {
        /// Its place in the log.
        seq: u64,
    },
}

/// A durable list of changes. Everything of one `commit` is on disk when it returns `Ok`, and nothing of it ever is
/// when it returns an error.
pub(crate) trait Log: Send {
    /// Makes changes durable, in order, all or none.
    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError>;
    /// Waits for nothing, flushes what the engine likes to flush, and releases the data for the next process.
    fn close(&mut self) -> Result<(), StoreError>;
}

/// The log of the memory back end: nothing outlives the process.
pub(crate) struct NoLog;

impl Log for NoLog {
    fn commit(&mut self, _: &[Change]) -> Result<(), StoreError> {
        Ok(())
    }

    fn close(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}
