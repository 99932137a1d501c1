//! Every bound of this room in one place, upstream's defaults of kube-controller-manager.

use std::time::Duration;

/// Pods that one reconcile of a ReplicaSet makes or deletes at most (`burstReplicas`).
pub const REPLICA_SET_BURST: usize = 500;
/// Pods that one reconcile of a DaemonSet makes or deletes at most.
pub const DAEMON_SET_BURST: usize = 250;
/// The first batch of a slow start; doubles while everything succeeds.
pub const SLOW_START_INITIAL: usize = 1;
/// Keys that a controller works on at the same time.
pub const WORKERS: usize = 5;
/// Longest text of the annotation with a ReplicaSet's earlier revisions.
pub const REVISION_HISTORY_CHARS: usize = 2_000;
/// Pause before a failed daemon pod is killed again: first and longest.
pub const DAEMON_BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15 * 60));
/// Endpoints in one EndpointSlice (`--max-endpoints-per-slice`).
pub const ENDPOINTS_PER_SLICE: usize = 100;
/// Addresses in one Endpoints object.
pub const ENDPOINTS_CAPACITY: usize = 1_000;
