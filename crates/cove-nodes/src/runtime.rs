//! The port behind a pod's machine: who performs its effects. Implemented by [`crate::simulated`] and by the real
//! container runtime inside an instance.

use std::sync::Arc;

use async_trait::async_trait;
use cove_base::Timestamp;
use cove_base::runtime::BoxFuture;

use crate::pod::{Effect, Event, PodSpec};

/// One line of a container's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written.
    pub time: Timestamp,
    /// The line, without its end.
    pub text: String,
}

/// Performs effects.
#[async_trait]
pub trait PodRuntime: Send + Sync {
    /// Begins an effect at once; the future resolves to the event that answers it. An effect without an answer
    /// (`Stop`, `RemoveSandbox`) resolves to `None`. Dropping the future does not undo the effect.
    fn perform(&self, pod: Arc<PodSpec>, effect: Effect) -> BoxFuture<Option<Event>>;

    /// The pod is gone from the API: nothing of it, and nothing that it wrote, is needed any more.
    fn forget(&self, _pod: &PodSpec) {}

    /// The log of a container as far as it is written: of its newest run, or of the one before it (`previous`). The
    /// pod's `raw` is its object with the status. The error is for the person who asked.
    async fn log(&self, pod: Arc<PodSpec>, container: &str, previous: bool) -> Result<Vec<LogLine>, String>;

    /// Whether its nodes are simulated: only their lease renewals may be announced instead of written.
    fn is_simulated(&self) -> bool {
        false
    }
}

/// Where pods get their addresses. Filled by the VPC's network.
pub trait PodNetwork: Send + Sync {
    /// An address for a pod on a node; the same one again for the same pod. `None` when there is none left.
    fn allocate(&self, node: &str, pod_uid: &str) -> Option<String>;
    /// Takes note of an address that a pod has already (after a restart).
    fn adopt(&self, node: &str, pod_uid: &str, ip: &str);
    /// Gives a pod's address back.
    fn release(&self, pod_uid: &str);
}
