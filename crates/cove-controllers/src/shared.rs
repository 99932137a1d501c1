//! What all controllers of one cluster share: the configuration, and the identities under which they act.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cove_base::Timestamp;
use cove_kube_api::door::UserInfo;
use cove_kube_client::Key;

use crate::garbage_collector::graph::Graph;
use crate::limits;
use crate::node_lifecycle::{KnownNodes, LeaseTimes};
use crate::pod_gc::MissingNodes;
use crate::taint_eviction::Evictions;
use crate::zone_eviction::ZonePace;

/// What a cluster's controllers are told.
#[derive(Clone, Debug)]
pub struct Config {
    /// The cluster's CA certificate, for `kube-root-ca.crt`.
    pub ca_pem: String,
    /// The Kubernetes minor version (35 for 1.35).
    pub minor: u32,
}

/// What [`crate::run`] hands to every controller.
pub struct Shared {
    /// The configuration.
    pub config: Config,
    /// Of the garbage collector.
    pub graph: Graph,
    /// Of the node lifecycle controller.
    pub nodes: KnownNodes,
    /// Of the node lifecycle controller.
    pub leases: LeaseTimes,
    /// Of the zone-wise eviction.
    pub pace: ZonePace,
    /// Of the taint eviction controller.
    pub evictions: Evictions,
    /// Of the pod garbage collector.
    pub missing_nodes: MissingNodes,
    /// Of the DaemonSet controller.
    pub daemon_backoff: DaemonBackoff,
}

impl Shared {
    /// Nothing known yet.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            graph: Graph::default(),
            nodes: KnownNodes::default(),
            leases: LeaseTimes::default(),
            pace: ZonePace::default(),
            evictions: Evictions::default(),
            missing_nodes: MissingNodes::default(),
            daemon_backoff: DaemonBackoff::default(),
        }
    }
}

/// The name that `client_for` gets for the identity that fills the caches.
pub const MANAGER: &str = "kube-controller-manager";

/// The user that a controller is: a service account of `kube-system`, or for [`MANAGER`] the manager's own.
pub fn identity(controller: &str) -> UserInfo {
    if controller == MANAGER {
        return UserInfo::new("system:kube-controller-manager", &[]);
    }
    // What is part of a controller upstream acts under that one's name.
    let account = match controller {
        "node-eviction" | "taint-eviction-controller" => "node-controller",
        "stale-pod-disruption" => "disruption-controller",
        own => own,
    };
    UserInfo::service_account("kube-system", account)
}

/// How often the failed daemon pods of a node were killed: each time it takes longer until the next one is.
#[derive(Default)]
pub struct DaemonBackoff {
    /// A lock, not messages: it is held for one look-up.
    known: Mutex<BTreeMap<(Key, String), (Duration, Timestamp)>>,
}

impl DaemonBackoff {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Key, String), (Duration, Timestamp)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` if a pod may be killed now (which counts), or how long to wait.
    pub fn hit(&self, set: &Key, node: &str, now: Timestamp) -> Option<Duration> {
        let (first, longest) = limits::DAEMON_BACKOFF;
        let mut known = self.lock();
        let entry = known.entry((set.clone(), node.to_string()));
        match entry {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert((first, now));
                None
            }
            std::collections::btree_map::Entry::Occupied(mut entry) => {
                let (pause, since) = *entry.get();
                let passed = now.since(since);
                if passed < pause {
                    return Some(pause - passed);
                }
                // After twice the longest pause without a failure everything is forgiven.
                let next = if passed > longest * 2 { first } else { (pause * 2).min(longest) };
                entry.insert((next, now));
                None
            }
        }
    }

    /// The DaemonSet is gone.
    pub fn forget(&self, set: &Key) {
        self.lock().retain(|(known, _), _| known != set);
    }
}
