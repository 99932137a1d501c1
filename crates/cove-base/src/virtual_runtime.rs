//! The virtual driver: one thread, a first-in-first-out queue of runnable tasks, and one heap of timers.
//!
//! The clock moves only when no task is runnable, and then straight to the earliest timer (ties in the order in which
//! the timers were set). Everything a virtual run does is therefore a function of its seed.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crate::runtime::{BoxFuture, Driver, Runtime, TaskHandle};
use crate::seed::Seed;
use crate::time::Timestamp;

/// Runs tasks in virtual time on the calling thread.
#[derive(Clone)]
pub struct VirtualDriver {
    shared: Arc<Mutex<State>>,
}

/// The lock is held only for queue operations, never while a task runs; one thread uses it, so it is never contended.
struct State {
    now: Timestamp,
    next_task: u64,
    next_timer: u64,
    tasks: BTreeMap<u64, Task>,
    runnable: VecDeque<u64>,
    timers: BTreeMap<(Timestamp, u64), Waker>,
}

struct Task {
    name: String,
    /// `None` while it is being polled.
    future: Option<BoxFuture<()>>,
    queued: bool,
}

struct TaskWaker {
    id: u64,
    shared: Weak<Mutex<State>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        if let Some(shared) = self.shared.upgrade() {
            lock(&shared).make_runnable(self.id);
        }
    }
}

fn lock(shared: &Mutex<State>) -> MutexGuard<'_, State> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn make_runnable(&mut self, id: u64) {
        if let Some(task) = self.tasks.get_mut(&id)
            && !task.queued
        {
            task.queued = true;
            self.runnable.push_back(id);
        }
    }
}

impl VirtualDriver {
    /// A driver whose clock stands at `start`.
    pub fn new(start: Timestamp) -> Self {
        Self {
            shared: Arc::new(Mutex::new(State {
                now: start,
                next_task: 0,
                next_timer: 0,
                tasks: BTreeMap::new(),
                runnable: VecDeque::new(),
                timers: BTreeMap::new(),
            })),
        }
    }

    /// The handle that rooms get.
    pub fn runtime(&self, seed: Seed) -> Runtime {
        Runtime::new(Arc::new(self.clone()), seed)
    }

    /// Runs until `main` has finished and returns its value. Other tasks keep their state for the next call.
    ///
    /// # Panics
    /// When `main` waits for something that no task and no timer will ever bring.
    pub fn block_on<T: Send + 'static>(&self, main: impl Future<Output = T> + Send + 'static) -> T {
        let slot = Arc::new(Mutex::new(None));
        let filled = slot.clone();
        self.spawn(
            "main".into(),
            Box::pin(async move {
                let value = main.await;
                *filled.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
            }),
        );
        loop {
            self.run_ready();
            if let Some(value) = slot.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return value;
            }
            assert!(self.advance(None), "virtual run is stuck: {}", self.describe_tasks());
        }
    }

    /// Lets `duration` of virtual time pass, with everything that happens in it.
    pub fn run_for(&self, duration: Duration) {
        let end = lock(&self.shared).now + duration;
        loop {
            self.run_ready();
            if !self.advance(Some(end)) {
                break;
            }
        }
        lock(&self.shared).now = end;
    }

    /// Polls runnable tasks, in order, until none is left.
    fn run_ready(&self) {
        while let Some((id, mut future)) = self.next_runnable() {
            let waker = Waker::from(Arc::new(TaskWaker { id, shared: Arc::downgrade(&self.shared) }));
            let done = future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
            let mut state = lock(&self.shared);
            if done {
                state.tasks.remove(&id);
            } else if let Some(task) = state.tasks.get_mut(&id) {
                task.future = Some(future);
                continue;
            }
            // Dropping a task's future may wake or abort others: not under the lock.
            drop(state);
            drop(future);
        }
    }

    fn next_runnable(&self) -> Option<(u64, BoxFuture<()>)> {
        let mut state = lock(&self.shared);
        while let Some(id) = state.runnable.pop_front() {
            if let Some(task) = state.tasks.get_mut(&id) {
                task.queued = false;
                if let Some(future) = task.future.take() {
                    return Some((id, future));
                }
            }
        }
        None
    }

    /// Moves the clock to the earliest timer, not beyond `limit`, and wakes it. False if there is none.
    fn advance(&self, limit: Option<Timestamp>) -> bool {
        let mut state = lock(&self.shared);
        let Some((&(at, ordinal), _)) = state.timers.first_key_value() else { return false };
        if limit.is_some_and(|end| at > end) {
            return false;
        }
        let waker = state.timers.remove(&(at, ordinal));
        state.now = state.now.max(at);
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    fn describe_tasks(&self) -> String {
        let state = lock(&self.shared);
        let names: Vec<&str> = state.tasks.values().map(|t| t.name.as_str()).collect();
        format!("{} tasks wait and no timer is set: {}", names.len(), names.join(", "))
    }
}

impl Driver for VirtualDriver {
    fn now(&self) -> Timestamp {
        lock(&self.shared).now
    }

    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<()> {
        Box::pin(VirtualSleep { deadline, key: None, shared: self.shared.clone() })
    }

    fn spawn(&self, name: String, task: BoxFuture<()>) -> TaskHandle {
        let mut state = lock(&self.shared);
        let id = state.next_task;
        state.next_task += 1;
        state.tasks.insert(id, Task { name, future: Some(task), queued: false });
        state.make_runnable(id);
        let shared = Arc::downgrade(&self.shared);
        TaskHandle::new(move || {
            let removed = shared.upgrade().and_then(|shared| lock(&shared).tasks.remove(&id));
            drop(removed);
        })
    }

    fn is_virtual(&self) -> bool {
        true
    }
}

struct VirtualSleep {
    deadline: Timestamp,
    key: Option<(Timestamp, u64)>,
    shared: Arc<Mutex<State>>,
}

impl Future for VirtualSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let shared = self.shared.clone();
        let mut state = lock(&shared);
        if state.now >= self.deadline {
            if let Some(key) = self.key.take() {
                state.timers.remove(&key);
            }
            return Poll::Ready(());
        }
        let key = self.key.unwrap_or_else(|| {
            state.next_timer += 1;
            (self.deadline, state.next_timer)
        });
        state.timers.insert(key, cx.waker().clone());
        drop(state);
        self.key = Some(key);
        Poll::Pending
    }
}

impl Drop for VirtualSleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let removed = lock(&self.shared).timers.remove(&key);
            drop(removed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn driver() -> VirtualDriver {
        VirtualDriver::new(Timestamp::from_secs(1_000))
    }

    #[test]
    fn timers_fire_in_order_and_the_clock_jumps() {
        let driver = driver();
        let rt = driver.runtime(Seed::new(1));
        let seen = driver.block_on({
            let rt = rt.clone();
            async move {
                let (tx, mut rx) = tokio::sync::mpsc::unbounded_channel();
                for (name, secs) in [("c", 30), ("a", 10), ("b", 10)] {
                    let (rt2, tx) = (rt.clone(), tx.clone());
                    rt.spawn(name, async move {
                        rt2.sleep(Duration::from_secs(secs)).await;
                        let _ = tx.send((name, rt2.now().as_secs()));
                    });
                }
                drop(tx);
                let mut seen = Vec::new();
                while let Some(item) = rx.recv().await {
                    seen.push(item);
                }
                seen
            }
        });
        assert_eq!(seen, [("a", 1_010), ("b", 1_010), ("c", 1_030)]);
    }

    #[test]
    fn timeout_ends_a_wait_and_abort_ends_a_task() {
        let driver = driver();
        let rt = driver.runtime(Seed::new(1));
        let (timed_out, aborted) = driver.block_on(async move {
            let timed_out = rt.timeout(Duration::from_secs(5), std::future::pending::<()>()).await.is_none();
            let (tx, rx) = tokio::sync::oneshot::channel::<()>();
            let task = rt.spawn("waits for ever", async move {
                std::future::pending::<()>().await;
                let _ = tx.send(());
            });
            task.abort();
            (timed_out, rx.await.is_err())
        });
        assert!(timed_out && aborted);
        assert_eq!(driver.now(), Timestamp::from_secs(1_005));
    }

    #[test]
    fn run_for_stops_at_its_end() {
        let driver = driver();
        let rt = driver.runtime(Seed::new(1));
        rt.spawn("ticks", {
            let rt = rt.clone();
            async move {
                loop {
                    rt.sleep(Duration::from_secs(7)).await;
                }
            }
        });
        driver.run_for(Duration::from_secs(20));
        assert_eq!(driver.now(), Timestamp::from_secs(1_020));
    }
}
