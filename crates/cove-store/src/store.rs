//! The [`Store`] that callers hold, over either back end, and the way from callers to the writer.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, RwLock};

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};

use crate::api::{Space, Store, StoreError, Tap};
use crate::locks::{lock, read, write};
use crate::snapshot;
use crate::space::{SpaceHandle, SpaceState};
use crate::writer::{Committer, Job, Reply};

/// What writer and readers share. The writer changes `spaces`, `Store::tap` changes `tap`.
#[derive(Default)]
pub(crate) struct Registry {
    pub spaces: RwLock<BTreeMap<String, Arc<SpaceState>>>,
    pub tap: RwLock<Option<Tap>>,
}

/// The way to the writer.
pub(crate) enum Writer {
    /// The caller runs it: no thread, no waiting for anyone else's task.
    Inline(Mutex<Committer>),
    /// It has a thread of its own behind a bounded queue.
    Thread {
        /// `None` while dropping.
        queue: Option<mpsc::Sender<Job>>,
        /// Joined when the last handle is dropped, so that the data is free again when the drop returns.
        thread: Option<std::thread::JoinHandle<()>>,
    },
}

impl Writer {
    /// Hands a job over and waits for the answer. If the caller goes away meanwhile, the job is done all the same.
    pub async fn ask<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Result<T, StoreError> {
        let (reply, mut answer) = oneshot::channel();
        match self {
            Writer::Inline(committer) => {
                lock(committer).run([job(reply)]);
                // The answer is there: awaiting it could still yield (tokio's task budget), and this call never does.
                return answer.try_recv().unwrap_or(Err(StoreError::Closed));
            }
            Writer::Thread { queue: Some(queue), .. } => {
                queue.send(job(reply)).await.map_err(|_| StoreError::Closed)?;
            }
            Writer::Thread { queue: None, .. } => return Err(StoreError::Closed),
        }
        answer.await.unwrap_or(Err(StoreError::Closed))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Writer::Thread { queue, thread } = self {
            drop(queue.take());
            if let Some(thread) = thread.take() {
                let _ = thread.join();
            }
        }
    }
}

/// What callers hold.
pub(crate) struct StoreHandle {
    pub registry: Arc<Registry>,
    pub writer: Arc<Writer>,
}

#[async_trait]
impl Store for StoreHandle {
    async fn space(&self, name: &str) -> Result<Arc<dyn Space>, StoreError> {
        let known = read(&self.registry.spaces).get(name).cloned();
        let state = match known {
            Some(state) => state,
            None => self.writer.ask(|reply| Job::Space { name: name.to_owned(), reply }).await?,
        };
        Ok(Arc::new(SpaceHandle { state, writer: self.writer.clone() }))
    }

    async fn spaces(&self) -> Result<Vec<String>, StoreError> {
        Ok(read(&self.registry.spaces).keys().cloned().collect())
    }

    async fn delete_space(&self, name: &str) -> Result<(), StoreError> {
        self.writer.ask(|reply| Job::DeleteSpace { name: name.to_owned(), reply }).await
    }

    async fn snapshot(&self, to: &Path) -> Result<(), StoreError> {
        let spaces = self.writer.ask(|reply| Job::Copy { reply }).await?;
        match &*self.writer {
            Writer::Inline(_) => snapshot::write(&spaces, to),
            Writer::Thread { .. } => {
                // The disk is slow and neither the writer nor the caller's executor should wait for it.
                let (done, finished) = oneshot::channel();
                let to = to.to_owned();
                std::thread::spawn(move || done.send(snapshot::write(&spaces, &to)));
                finished.await.unwrap_or(Err(StoreError::Closed))
            }
        }
    }

    async fn close(&self) -> Result<(), StoreError> {
        match self.writer.ask(|reply| Job::Close { reply }).await {
            Err(StoreError::Closed) => Ok(()),
            other => other,
        }
    }

    fn tap(&self, tap: Tap) {
        *write(&self.registry.tap) = Some(tap);
    }
}
