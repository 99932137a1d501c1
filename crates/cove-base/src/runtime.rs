//! The runtime handle: the only way a room reads the clock, waits, or starts a task.
//!
//! Two drivers stand behind it. [`crate::tokio_runtime`] is the real one. [`crate::virtual_runtime`] is a
//! single-threaded deterministic executor whose clock jumps to the next timer when no task can run; since callers are
//! in process, "no task can run" also means "no request is in flight".
//!
//! Channels of `tokio::sync` work under both (they only use wakers). `tokio::time`, `tokio::spawn`, unbiased
//! `tokio::select!` and anything with a socket or a thread do not, and are banned outside the doors.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::seed::Seed;
use crate::time::Timestamp;

/// A boxed future that may move between threads.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What a runtime must do. Implemented by the real and the virtual driver.
pub trait Driver: Send + Sync {
    /// The current time.
    fn now(&self) -> Timestamp;
    /// Resolves at `deadline`, at once if it has passed.
    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<()>;
    /// Starts a task. It runs until it ends or its handle aborts it; dropping the handle does not stop it.
    fn spawn(&self, name: String, task: BoxFuture<()>) -> TaskHandle;
    /// Whether time is virtual.
    fn is_virtual(&self) -> bool;
}

/// A cheap handle to the clock, the timers, the tasks and the seed of one region.
#[derive(Clone)]
pub struct Runtime {
    driver: Arc<dyn Driver>,
    seed: Seed,
}

impl Runtime {
    /// Joins a driver and the seed that ids and chance are derived from.
    pub fn new(driver: Arc<dyn Driver>, seed: Seed) -> Self {
        Self { driver, seed }
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        self.driver.now()
    }

    /// Waits for `duration`.
    pub fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        self.sleep_until(self.now() + duration)
    }

    /// Waits until `deadline`.
    pub fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<()> {
        self.driver.sleep_until(deadline)
    }

    /// Starts a task under a name that appears in diagnostics.
    pub fn spawn(&self, name: impl Into<String>, task: impl Future<Output = ()> + Send + 'static) -> TaskHandle {
        self.driver.spawn(name.into(), Box::pin(task))
    }

    /// Waits for `future`, at most `duration`. `None` means that the time ran out; the future is dropped then.
    pub async fn timeout<F: Future>(&self, duration: Duration, future: F) -> Option<F::Output> {
        let mut future = std::pin::pin!(future);
        let mut sleep = self.sleep(duration);
        std::future::poll_fn(move |cx| {
            if let std::task::Poll::Ready(value) = future.as_mut().poll(cx) {
                return std::task::Poll::Ready(Some(value));
            }
            sleep.as_mut().poll(cx).map(|()| None)
        })
        .await
    }

    /// Whether time is virtual. For diagnostics and refusals only: behaviour must not depend on it.
    pub fn is_virtual(&self) -> bool {
        self.driver.is_virtual()
    }

    /// The seed of this region.
    pub fn seed(&self) -> &Seed {
        &self.seed
    }

    /// The same driver under another seed (a cluster's, a node's), so that streams of chance do not mix.
    pub fn with_seed(&self, seed: Seed) -> Self {
        Self { driver: self.driver.clone(), seed }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("virtual", &self.is_virtual()).finish()
    }
}

/// A started task. Dropping the handle lets the task run on; [`TaskHandle::abort`] ends it.
pub struct TaskHandle {
    abort: Box<dyn Fn() + Send + Sync>,
}

impl TaskHandle {
    /// Made by drivers: `abort` ends the task at its next suspension point and is idempotent.
    pub fn new(abort: impl Fn() + Send + Sync + 'static) -> Self {
        Self { abort: Box::new(abort) }
    }

    /// Ends the task at its next suspension point.
    pub fn abort(&self) {
        (self.abort)();
    }

    /// Ties the task's life to the returned guard.
    pub fn abort_on_drop(self) -> AbortOnDrop {
        AbortOnDrop(self)
    }
}

impl fmt::Debug for TaskHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TaskHandle")
    }
}

/// Ends its task when dropped.
#[derive(Debug)]
pub struct AbortOnDrop(TaskHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
