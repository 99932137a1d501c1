//! Addresses of simulated pods: from the top of their node's subnet downward, while EC2 hands out interfaces' addresses
//! from the bottom upward.
//!
//! One allocator for all clusters of a region, since they may share subnets. The truth is in the pods' status; after a
//! restart the fleet's `adopt` rebuilds it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cove_nodes::runtime::PodNetwork;

/// Addresses that AWS keeps at the end of each subnet (the broadcast address).
const RESERVED_AT_END: u32 = 1;

#[derive(Default)]
struct State {
    /// The subnet's first and last address, by node.
    subnets: BTreeMap<String, (u32, u32)>,
    used: BTreeSet<u32>,
    pods: BTreeMap<String, u32>,
}

/// The allocator of one region.
#[derive(Default)]
pub(crate) struct SubnetPods {
    /// Locked for map operations only; a lock rather than messages because the port is not async.
    state: Mutex<State>,
}

impl SubnetPods {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells which subnet a node is in. Pods of unknown nodes get no address.
    pub(crate) fn node_in(&self, node: &str, cidr: &str) {
        if let Some(range) = range_of(cidr) {
            self.state().subnets.insert(node.into(), range);
        }
    }
}

fn range_of(cidr: &str) -> Option<(u32, u32)> {
    let (base, bits) = cidr.split_once('/')?;
    let (base, bits) = (u32::from(base.parse::<Ipv4Addr>().ok()?), bits.parse::<u32>().ok()?);
    let size = 1_u32.checked_shl(32_u32.checked_sub(bits)?)?;
    Some((base, base + (size - 1)))
}

impl PodNetwork for SubnetPods {
    fn allocate(&self, node: &str, pod_uid: &str) -> Option<String> {
        let mut state = self.state();
        if let Some(known) = state.pods.get(pod_uid) {
            return Some(Ipv4Addr::from(*known).to_string());
        }
        let (first, last) = *state.subnets.get(node)?;
        // The lower half is left to interfaces.
        let lowest = first + (last - first) / 2;
        let free = (lowest..=last - RESERVED_AT_END).rev().find(|address| !state.used.contains(address))?;
        state.used.insert(free);
        state.pods.insert(pod_uid.into(), free);
        Some(Ipv4Addr::from(free).to_string())
    }

    fn adopt(&self, _node: &str, pod_uid: &str, ip: &str) {
        let Ok(address) = ip.parse::<Ipv4Addr>() else { return };
        let mut state = self.state();
        state.used.insert(address.into());
        state.pods.insert(pod_uid.into(), address.into());
    }

    fn release(&self, pod_uid: &str) {
        let mut state = self.state();
        if let Some(address) = state.pods.remove(pod_uid) {
            state.used.remove(&address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_unique_and_come_back() {
        let network = SubnetPods::default();
        assert_eq!(network.allocate("n", "a"), None);
        network.node_in("n", "172.31.16.0/28");
        assert_eq!(network.allocate("n", "a").as_deref(), Some("172.31.16.14"));
        assert_eq!(network.allocate("n", "a").as_deref(), Some("172.31.16.14"));
        assert_eq!(network.allocate("n", "b").as_deref(), Some("172.31.16.13"));
        network.release("a");
        network.adopt("n", "c", "172.31.16.14");
        assert_eq!(network.allocate("n", "d").as_deref(), Some("172.31.16.12"));
        let left = (0..9).filter(|i| network.allocate("n", &format!("x{i}")).is_some()).count();
        assert_eq!(left, 5);
    }
}
