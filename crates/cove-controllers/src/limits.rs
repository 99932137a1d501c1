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
/// Silence after which a node counts as unreachable (`--node-monitor-grace-period`).
pub const NODE_MONITOR_GRACE: Duration = Duration::from_secs(40);
/// The same for a node that has never reported (`--node-startup-grace-period`).
pub const NODE_STARTUP_GRACE: Duration = Duration::from_secs(60);
/// How often a silent node is looked at (`--node-monitor-period`).
pub const NODE_MONITOR_PERIOD: Duration = Duration::from_secs(5);
/// The share of nodes that are not ready from which a zone counts as disrupted (`--unhealthy-zone-threshold`).
pub const UNHEALTHY_ZONE_SHARE: f64 = 0.55;
/// Nodes above which a zone is large (`--large-cluster-size-threshold`).
pub const LARGE_ZONE: usize = 50;
/// Between two nodes of a zone (`--node-eviction-rate` 0.1 per second).
pub const EVICTION_PAUSE: Duration = Duration::from_secs(10);
/// Between two nodes of a large, disrupted zone (`--secondary-node-eviction-rate` 0.01 per second).
pub const SECONDARY_EVICTION_PAUSE: Duration = Duration::from_secs(100);
/// Ended pods that are kept (`--terminated-pod-gc-threshold`).
pub const TERMINATED_PODS: usize = 12_500;
/// How often the pod garbage collector runs.
pub const POD_GC_PERIOD: Duration = Duration::from_secs(20);
/// How long a node must be missing before its pods are removed.
pub const MISSING_NODE_QUARANTINE: Duration = Duration::from_secs(40);
/// How long an evicted pod may take until its deletion shows.
pub const DISRUPTION_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a list of leases answers for nodes that it shows as silent.
pub const LEASES_FRESH: Duration = Duration::from_secs(1);
