//! What a region is started with.

use std::path::PathBuf;
use std::time::Duration;

use cove_aws_wire::credentials::Credentials;

/// What machines are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// Simulated: a state machine each.
    Simulated,
    /// Real: processes in namespaces of their own, on Linux as root ([`real_nodes`]).
    Real {
        /// Where they keep their containers' logs while they run.
        directory: PathBuf,
    },
}

/// Whether this process may make real nodes with the `cove` binary; if not, why.
#[cfg(target_os = "linux")]
pub fn real_nodes(binary: &std::path::Path) -> Result<(), String> {
    cove_machines::real::machines::available(binary)
}

/// Whether this process may make real nodes with the `cove` binary; if not, why.
#[cfg(not(target_os = "linux"))]
pub fn real_nodes(_binary: &std::path::Path) -> Result<(), String> {
    Err("they need Linux".into())
}

/// A region's settings.
#[derive(Clone, Debug)]
pub struct RegionConfig {
    /// The AWS region that is started with the process; others start on first use.
    pub region: String,
    /// What machines are.
    pub nodes: NodeKind,
    /// How long a simulated machine takes to boot.
    pub boot: Duration,
    /// How long a node of a managed node group may take to lose its pods (EKS: 15 minutes).
    pub drain_timeout: Duration,
    /// The keys of the `admin` user. Made once; a region that has one keeps it.
    pub admin: Option<Credentials>,
    /// Where the doors listen; `None` in a virtual run, which has no sockets.
    pub listen: Option<Listen>,
}

/// Where the doors listen, always on loopback.
#[derive(Clone, Debug)]
pub struct Listen {
    /// The AWS door's port; 0 lets the system choose.
    pub port: u16,
    /// The first port that a cluster may get.
    pub first_cluster_port: u16,
    /// The directory of the request log.
    pub logs: PathBuf,
}

/// The port from which clusters' ports are chosen, upward (design section 4).
pub const FIRST_CLUSTER_PORT: u16 = 16_443;
