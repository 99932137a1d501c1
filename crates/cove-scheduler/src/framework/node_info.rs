//! A node with the pods on it, and their requests summed up.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::class::ClassId;
use super::node_view::NodeView;
use super::pod_view::{HostPort, PodView};
use super::resources::Resources;

/// A node and its pods. The sums always equal those over `pods`.
#[derive(Clone, Debug)]
pub struct NodeInfo {
    /// The node.
    pub view: Arc<NodeView>,
    /// What its pods ask for.
    pub requested: Resources,
    /// The same as scores see it: processor and memory.
    pub scored: (i64, i64),
    pods: BTreeMap<Box<str>, (Arc<PodView>, ClassId)>,
    /// How many pods of each class it has, by class.
    classes: Vec<(ClassId, i64)>,
    ports: Vec<HostPort>,
}

impl NodeInfo {
    /// A node without pods.
    pub fn new(view: Arc<NodeView>) -> Self {
        let (requested, pods, classes, ports) = Default::default();
        Self { view, requested, scored: (0, 0), pods, classes, ports }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.view.name
    }

    /// How many pods it has.
    pub fn pod_count(&self) -> usize {
        self.pods.len()
    }

    /// Its pods, in the order of their uids.
    pub fn pods(&self) -> impl Iterator<Item = &Arc<PodView>> {
        self.pods.values().map(|(pod, _)| pod)
    }

    /// How many pods of each class it has.
    pub fn classes(&self) -> &[(ClassId, i64)] {
        &self.classes
    }

    /// The ports that are taken.
    pub fn ports(&self) -> &[HostPort] {
        &self.ports
    }

    /// Adds a pod, which must not be here yet.
    pub fn add(&mut self, pod: Arc<PodView>, class: ClassId) {
        self.requested.add(&pod.requests.exact);
        self.scored.0 += pod.requests.scored_cpu_milli;
        self.scored.1 += pod.requests.scored_memory;
        self.ports.extend(pod.ports.iter().cloned());
        match self.classes.binary_search_by_key(&class, |(id, _)| *id) {
            Ok(at) => self.classes[at].1 += 1,
            Err(at) => self.classes.insert(at, (class, 1)),
        }
        self.pods.insert(pod.uid.clone(), (pod, class));
    }

    /// Takes a pod away; its class, if it was here.
    pub fn remove(&mut self, uid: &str) -> Option<ClassId> {
        let (pod, class) = self.pods.remove(uid)?;
        self.requested.subtract(&pod.requests.exact);
        self.requested.scalars.retain(|(_, amount)| *amount != 0);
        self.scored.0 -= pod.requests.scored_cpu_milli;
        self.scored.1 -= pod.requests.scored_memory;
        for port in &pod.ports {
            if let Some(at) = self.ports.iter().position(|known| known == port) {
                self.ports.swap_remove(at);
            }
        }
        if let Ok(at) = self.classes.binary_search_by_key(&class, |(id, _)| *id) {
            self.classes[at].1 -= 1;
            if self.classes[at].1 == 0 {
                self.classes.remove(at);
            }
        }
        Some(class)
    }
}
