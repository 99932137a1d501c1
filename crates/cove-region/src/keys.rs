//! Keys that take long to make: RSA keys of service accounts come from a small pool, made on a thread of its own
//! (51 ms median, 133 ms at worst; CreateCluster should not wait for one).

use cove_kube_api::status::Status;
use cove_kube_server::pki;
use tokio::sync::{Mutex, mpsc};

/// Keys that lie ready.
const READY: usize = 2;

/// The pool. Its thread ends with it.
pub(crate) struct KeyPool {
    /// Locked while a key is taken out; only cluster starts do.
    keys: Mutex<mpsc::Receiver<Result<String, Status>>>,
}

impl KeyPool {
    /// Starts making keys.
    pub(crate) fn start() -> Self {
        let (ready, keys) = mpsc::channel(READY);
        let fill = move || while ready.blocking_send(pki::signing_key()).is_ok() {};
        if let Err(error) = std::thread::Builder::new().name("keys".into()).spawn(fill) {
            tracing::error!("no thread for the key pool: {error}");
        }
        Self { keys: Mutex::new(keys) }
    }

    /// A key: one that lies ready, or the next.
    pub(crate) async fn take(&self) -> Result<String, Status> {
        let ready = self.keys.lock().await.recv().await;
        ready.unwrap_or_else(pki::signing_key)
    }
}
