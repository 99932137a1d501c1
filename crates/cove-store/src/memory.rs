//! The memory back end: for virtual runs and tests. It commits inside the call, without threads, so what a run writes
//! and in which order depends on nothing but its calls. `snapshot` is the only call that touches a disk.

use std::sync::{Arc, Mutex};

use crate::api::Store;
use crate::limits::Limits;
use crate::log::NoLog;
use crate::store::{Registry, StoreHandle, Writer};
use crate::writer::Committer;

/// An empty store in memory.
pub fn memory() -> Arc<dyn Store> {
    memory_with(Limits::DEFAULT)
}

/// The same with other bounds.
pub fn memory_with(limits: Limits) -> Arc<dyn Store> {
    let registry = Arc::new(Registry::default());
    let committer = Committer::new(Box::new(NoLog), registry.clone(), limits, 1, 1);
    Arc::new(StoreHandle { registry, writer: Arc::new(Writer::Inline(Mutex::new(committer))) })
}
