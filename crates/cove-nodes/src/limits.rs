//! Every bound of this room in one place, with where it comes from.

use std::time::Duration;

/// First delay before a container that ended is started again (kubelet: MaxContainerBackOff's base).
pub const RESTART_BACKOFF_FIRST: Duration = Duration::from_secs(10);
/// Longest such delay.
pub const RESTART_BACKOFF_LONGEST: Duration = Duration::from_secs(300);
/// A container that ran this long starts over with the first delay (kubelet: twice the longest delay).
pub const RESTART_BACKOFF_RESET: Duration = Duration::from_secs(600);
/// How often a node renews its lease (kubelet: a quarter of the lease's 40 s).
pub const LEASE_PERIOD: Duration = Duration::from_secs(10);
/// `leaseDurationSeconds` of a node's lease.
pub const LEASE_SECONDS: i32 = 40;
/// How often an unchanged node status is reported (kubelet: nodeStatusReportFrequency).
pub const NODE_STATUS_PERIOD: Duration = Duration::from_secs(300);
/// How often a node looks whether its status in the API is its own (kubelet: nodeStatusUpdateFrequency).
pub const NODE_STATUS_CHECK: Duration = Duration::from_secs(10);
/// Delay before a failed write of a status is tried again.
pub const WRITE_RETRY: Duration = Duration::from_millis(200);
/// Commands that may wait for a fleet's driver.
pub const FLEET_QUEUE: usize = 1_024;

const _: () = assert!(RESTART_BACKOFF_FIRST.as_secs() < RESTART_BACKOFF_LONGEST.as_secs());
const _: () = assert!(LEASE_PERIOD.as_secs() * 3 < LEASE_SECONDS as u64);
