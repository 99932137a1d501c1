//! Which machine is whose node. Process state: it is told when a node's agent is powered on.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The cluster's endpoint and the node's name.
type Node = (String, String);

/// The table, by instance id.
#[derive(Default)]
pub(crate) struct NodeInstances {
    /// Locked for map operations only: machines and node agents are many tasks.
    nodes: Mutex<BTreeMap<String, Node>>,
}

impl NodeInstances {
    fn nodes(&self) -> MutexGuard<'_, BTreeMap<String, Node>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A machine is this node from now on.
    pub(crate) fn insert(&self, instance_id: &str, endpoint: &str, node: &str) {
        self.nodes().insert(instance_id.into(), (endpoint.into(), node.into()));
    }

    /// The machine is nobody's node any more. Whose it was.
    pub(crate) fn remove(&self, instance_id: &str) -> Option<Node> {
        self.nodes().remove(instance_id)
    }

    /// The machine behind a node.
    pub(crate) fn behind(&self, endpoint: &str, node: &str) -> Option<String> {
        self.nodes().iter().find(|(_, (at, name))| at == endpoint && name == node).map(|(id, _)| id.clone())
    }
}
