//! The port behind a pod's machine: who performs its effects. Implemented by [`crate::simulated`] and by the real
//! container runtime inside an instance.

use std::sync::Arc;

use async_trait::async_trait;
use cove_base::runtime::BoxFuture;

use crate::pod::{Effect, Event, PodSpec};

/// What `kubectl logs` asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// The run before the current one.
    pub previous: bool,
    /// Only the last lines; `None` for all.
    pub tail_lines: Option<usize>,
    /// RFC 3339 times before each line.
    pub timestamps: bool,
}

/// Performs effects.
#[async_trait]
pub trait PodRuntime: Send + Sync {
    /// Begins an effect at once; the future resolves to the event that answers it. An effect without an answer
    /// (`Stop`, `RemoveSandbox`) resolves to `None`. Dropping the future does not undo the effect.
    fn perform(&self, pod: Arc<PodSpec>, effect: Effect) -> BoxFuture<Option<Event>>;

    /// The log of a container, as `kubectl logs` prints it. The error is for the person who asked.
    async fn logs(&self, pod: Arc<PodSpec>, container: &str, options: LogOptions) -> Result<String, String>;
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
