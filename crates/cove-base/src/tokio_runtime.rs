//! The real driver: wall clock and tokio. The one place where `SystemTime` and `tokio::time` are used.
#![allow(clippy::disallowed_methods)] // This file is what the bans point to.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::runtime::{BoxFuture, Driver, Runtime, TaskHandle};
use crate::seed::Seed;
use crate::time::Timestamp;

/// Wall clock and tokio tasks.
pub struct TokioDriver {
    handle: tokio::runtime::Handle,
}

impl TokioDriver {
    /// A runtime on the current tokio runtime. Panics outside of one.
    pub fn runtime(seed: Seed) -> Runtime {
        Runtime::new(Arc::new(Self { handle: tokio::runtime::Handle::current() }), seed)
    }
}

/// The wall clock, for the HTTP doors (signature times, certificates) and the command line.
pub fn wall_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timestamp::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

impl Driver for TokioDriver {
    fn now(&self) -> Timestamp {
        wall_clock()
    }

    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<()> {
        let wait = deadline.since(self.now());
        Box::pin(async move { tokio::time::sleep(wait).await })
    }

    fn spawn(&self, name: String, task: BoxFuture<()>) -> TaskHandle {
        let join = self.handle.spawn(task);
        let abort = join.abort_handle();
        self.handle.spawn(async move {
            if let Err(error) = join.await
                && error.is_panic()
            {
                tracing::error!(task = %name, "a task panicked: {error}");
            }
        });
        TaskHandle::new(move || abort.abort())
    }

    fn is_virtual(&self) -> bool {
        false
    }
}
