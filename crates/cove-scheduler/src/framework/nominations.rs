//! Pods for which room is being made: the node each of them will get, as far as one can tell.

use std::collections::BTreeMap;
use std::sync::Arc;

use cove_kube_client::Key;

use super::pod_view::PodView;

/// Nominated nodes by pod.
#[derive(Clone, Debug, Default)]
pub struct Nominations(BTreeMap<Key, (Arc<PodView>, Box<str>)>);

impl Nominations {
    /// Room is being made for a pod on a node.
    pub fn set(&mut self, pod: &Arc<PodView>, node: &str) {
        self.0.insert(pod.key.clone(), (pod.clone(), node.into()));
    }

    /// No longer.
    pub fn remove(&mut self, key: &Key) {
        self.0.remove(key);
    }

    /// The node of a pod.
    pub fn node_of(&self, key: &Key) -> Option<&str> {
        self.0.get(key).map(|(_, node)| node.as_ref())
    }

    /// Those that a pod must not get in the way of: others of the same or a higher priority.
    pub fn before(&self, pod: &PodView) -> Vec<(Arc<PodView>, Box<str>)> {
        let others = self.0.values().filter(|(other, _)| other.key != pod.key && other.priority >= pod.priority);
        others.cloned().collect()
    }
}
