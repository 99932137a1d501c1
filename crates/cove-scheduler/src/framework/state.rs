//! The cluster as the scheduler sees it: nodes with their pods, including those that are assumed to be placed because
//! their binding is under way.
//!
//! Owned by the scheduler's one task, so a cycle sees it unchanged without a copy. What always holds: a placed pod is
//! counted on exactly one node (or none while its node is unknown); an assumption ends when the cache shows the pod
//! on a node, when the pod goes, or when it is forgotten, and an older version of the pod does not end it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cove_kube_client::Key;

use super::budget::Budget;
use super::class::{Class, Classes};
use super::labels::Labels;
use super::node_info::NodeInfo;
use super::node_view::NodeView;
use super::plugin::{Event, Events};
use super::pod_view::PodView;
use super::selector::Selector;

/// A pod that is on a node.
#[derive(Clone, Debug)]
struct Placed {
    pod: Arc<PodView>,
    node: Box<str>,
    assumed: bool,
}

/// The cluster as the scheduler sees it.
#[derive(Clone, Debug, Default)]
pub struct ClusterState {
    nodes: BTreeMap<Box<str>, NodeInfo>,
    placed: BTreeMap<Key, Placed>,
    /// The keys of `placed` by node, also of nodes that are unknown.
    by_node: BTreeMap<Box<str>, BTreeSet<Key>>,
    classes: Classes,
    namespaces: BTreeMap<Box<str>, Labels>,
    /// How many nodes have an image, by each of its names.
    image_nodes: BTreeMap<Box<str>, usize>,
    /// The selectors of services.
    services: BTreeMap<Key, Selector>,
    budgets: BTreeMap<Key, Budget>,
    /// The selectors of ReplicaSets, StatefulSets and ReplicationControllers, by kind.
    controllers: BTreeMap<(&'static str, Key), Selector>,
}

impl ClusterState {
    /// All nodes, in the order of their names.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeInfo> {
        self.nodes.values()
    }

    /// A node.
    pub fn node(&self, name: &str) -> Option<&NodeInfo> {
        self.nodes.get(name)
    }

    /// How many nodes there are.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// How many nodes have an image of this name.
    pub fn nodes_with_image(&self, image: &str) -> usize {
        self.image_nodes.get(image).copied().unwrap_or(0)
    }

    /// The labels of a namespace.
    pub fn namespace_labels(&self, namespace: &str) -> Labels {
        self.namespaces.get(namespace).cloned().unwrap_or_default()
    }

    /// Asks something of every class of placed pods: a table by [`super::ClassId::index`].
    pub fn class_table<T: Default>(&self, ask: impl Fn(&Class) -> T) -> Vec<T> {
        self.classes.table(ask)
    }

    /// Where a pod is, or is assumed to be.
    pub fn placement(&self, key: &Key) -> Option<&str> {
        self.placed.get(key).map(|placed| placed.node.as_ref())
    }

    /// Whether this very pod is placed only as far as this scheduler knows.
    pub fn is_assumed(&self, pod: &PodView) -> bool {
        self.placed.get(&pod.key).is_some_and(|placed| placed.assumed && placed.pod.uid == pod.uid)
    }

    /// What the services and the controller of a pod select (upstream's `DefaultSelector`).
    pub fn default_selector(&self, pod: &PodView) -> Selector {
        let mut all = Selector::everything();
        let from = Key::new(pod.namespace(), "");
        for (key, selector) in self.services.range(from..) {
            if key.namespace != pod.namespace() {
                break;
            }
            if selector.matches(pod.labels()) {
                all.merge(selector);
            }
        }
        if let Some(owner) = &pod.owner {
            let kinds = [("ReplicaSet", "apps/v1"), ("StatefulSet", "apps/v1"), ("ReplicationController", "v1")];
            let known =
                kinds.into_iter().find(|(kind, version)| *owner.kind == **kind && *owner.api_version == **version);
            let key = Key::new(pod.namespace(), &*owner.name);
            if let Some(selector) = known.and_then(|(kind, _)| self.controllers.get(&(kind, key))) {
                all.merge(selector);
            }
        }
        all
    }

    /// Sets or removes a service's selector. A service without one counts as none.
    pub fn set_service(&mut self, key: Key, selector: Option<Selector>) {
        match selector.filter(|selector| !selector.is_everything()) {
            Some(selector) => self.services.insert(key, selector),
            None => self.services.remove(&key),
        };
    }

    /// Sets or removes a disruption budget.
    pub fn set_budget(&mut self, key: Key, budget: Option<Budget>) {
        match budget {
            Some(budget) => self.budgets.insert(key, budget),
            None => self.budgets.remove(&key),
        };
    }

    /// For each of these pods, whether a budget is violated if it and those before it are evicted.
    pub fn violations(&self, pods: &[Arc<PodView>]) -> Vec<bool> {
        let mut left: Vec<(&Key, &Budget, i64)> = self.budgets.iter().map(|(key, b)| (key, b, b.allowed)).collect();
        let mut violates = |pod: &Arc<PodView>| {
            let mut violated = false;
            for (key, budget, left) in &mut left {
                let meant = key.namespace == pod.namespace()
                    && !budget.selector.is_everything()
                    && budget.selector.matches(pod.labels());
                if meant && !budget.disrupted.contains(pod.key.name.as_str()) {
                    *left -= 1;
                    violated |= *left < 0;
                }
            }
            violated
        };
        pods.iter().map(&mut violates).collect()
    }

    /// Sets or removes a controller's selector.
    pub fn set_controller(&mut self, kind: &'static str, key: Key, selector: Option<Selector>) {
        match selector {
            Some(selector) => self.controllers.insert((kind, key), selector),
            None => self.controllers.remove(&(kind, key)),
        };
    }

    /// Sets or removes the labels of a namespace.
    pub fn set_namespace(&mut self, name: &str, labels: Option<Labels>) -> Events {
        let old = match labels.clone() {
            Some(labels) => self.namespaces.insert(name.into(), labels),
            None => self.namespaces.remove(name),
        };
        if old == labels { Events::NONE } else { Events::of([Event::NamespaceChanged]) }
    }

    /// Sets or removes a node.
    pub fn set_node(&mut self, name: &str, view: Option<NodeView>) -> Events {
        let Some(view) = view.map(Arc::new) else { return self.remove_node(name) };
        let added = match self.nodes.get_mut(name) {
            Some(known) if known.view == view => return Events::NONE,
            Some(known) => {
                let old = std::mem::replace(&mut known.view, view.clone());
                self.count_images(&old, false);
                false
            }
            None => {
                self.nodes.insert(name.into(), NodeInfo::new(view.clone()));
                true
            }
        };
        self.count_images(&view, true);
        if !added {
            return Events::of([Event::NodeChanged]);
        }
        for key in self.by_node.get(name).cloned().unwrap_or_default() {
            self.settle(&key);
        }
        Events::of([Event::NodeAdded])
    }

    fn remove_node(&mut self, name: &str) -> Events {
        let Some(node) = self.nodes.get(name) else { return Events::NONE };
        let (view, uids) = (node.view.clone(), node.pods().map(|pod| pod.uid.clone()).collect::<Vec<_>>());
        uids.iter().for_each(|uid| self.unsettle(name, uid));
        self.count_images(&view, false);
        self.nodes.remove(name);
        Events::of([Event::NodeChanged])
    }

    fn count_images(&mut self, view: &NodeView, more: bool) {
        for name in view.images.keys() {
            let count = self.image_nodes.entry(name.clone()).or_default();
            *count = if more { *count + 1 } else { count.saturating_sub(1) };
            if *count == 0 {
                self.image_nodes.remove(name);
            }
        }
    }

    /// Takes over what the cache says of a pod (`None`: it is gone).
    pub fn set_pod(&mut self, key: &Key, pod: Option<&Arc<PodView>>) -> Events {
        let on_node = pod.filter(|pod| !pod.node_name.is_empty() && !pod.ended);
        let known = self.placed.get(key);
        match (known, on_node) {
            (None, None) => Events::NONE,
            (None, Some(pod)) => {
                self.put(pod.clone(), pod.node_name.clone(), false);
                Events::of([Event::PodPlaced])
            }
            (Some(known), None) => {
                let same = pod.is_some_and(|pod| pod.uid == known.pod.uid && !pod.ended);
                if known.assumed && same {
                    return Events::NONE;
                }
                self.forget(key);
                Events::of([Event::PodGone])
            }
            // Most updates are of a status that does not matter here.
            (Some(known), Some(pod)) if known.pod == *pod && !known.assumed => Events::NONE,
            (Some(known), Some(pod)) => {
                let moved = known.node != pod.node_name || known.pod.uid != pod.uid;
                let confirmed = known.assumed && !moved;
                let changed = known.pod.class != pod.class;
                let resized = known.pod.requests != pod.requests;
                self.put(pod.clone(), pod.node_name.clone(), false);
                if moved {
                    return Events::of([Event::PodGone, Event::PodPlaced]);
                }
                let when = |happened, event| if happened { Events::of([event]) } else { Events::NONE };
                let placed_or_changed = when(confirmed, Event::PodPlaced).or(when(changed, Event::PodChanged));
                placed_or_changed.or(when(resized, Event::PodResized))
            }
        }
    }

    /// Counts a pod on a node from now on, since its binding is under way.
    pub fn assume(&mut self, pod: Arc<PodView>, node: &str) {
        self.put(pod, node.into(), true);
    }

    /// Counts a pod no longer.
    pub fn forget(&mut self, key: &Key) {
        let Some(placed) = self.placed.remove(key) else { return };
        self.unsettle(&placed.node, &placed.pod.uid);
        if let Some(keys) = self.by_node.get_mut(&placed.node) {
            keys.remove(key);
            if keys.is_empty() {
                self.by_node.remove(&placed.node);
            }
        }
    }

    fn put(&mut self, pod: Arc<PodView>, node: Box<str>, assumed: bool) {
        let key = pod.key.clone();
        self.forget(&key);
        self.by_node.entry(node.clone()).or_default().insert(key.clone());
        self.placed.insert(key.clone(), Placed { pod, node, assumed });
        self.settle(&key);
    }

    /// Adds a placed pod to its node, if that is known.
    fn settle(&mut self, key: &Key) {
        let Some(placed) = self.placed.get(key) else { return };
        if let Some(node) = self.nodes.get_mut(&placed.node) {
            node.add(placed.pod.clone(), self.classes.acquire(&placed.pod.class));
        }
    }

    fn unsettle(&mut self, node: &str, uid: &str) {
        if let Some(class) = self.nodes.get_mut(node).and_then(|node| node.remove(uid)) {
            self.classes.release(class);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{cluster, node, pod};

    fn on(node: &str, change: serde_json::Value) -> Arc<PodView> {
        let mut placed = PodView::clone(&pod("p", change));
        placed.node_name = node.into();
        Arc::new(placed)
    }

    #[test]
    fn an_assumption_ends_when_the_cache_shows_the_pod_or_it_goes() {
        let mut state = cluster([node("a", json!(null)), node("b", json!(null))], []);
        let waiting = pod("p", json!(null));
        state.assume(waiting.clone(), "a");
        assert!(state.set_pod(&waiting.key, Some(&waiting)).is_empty(), "an older version does not end it");
        assert!(state.is_assumed(&waiting));
        assert_eq!(state.set_pod(&waiting.key, Some(&on("a", json!(null)))), Events::of([Event::PodPlaced]));
        assert!(!state.is_assumed(&waiting));
        assert!(state.set_pod(&waiting.key, Some(&on("a", json!(null)))).is_empty());
        assert_eq!(state.set_pod(&waiting.key, None), Events::of([Event::PodGone]));
        state.assume(waiting.clone(), "a");
        let reborn = pod("p", json!({"metadata": {"uid": "other"}}));
        assert_eq!(state.set_pod(&waiting.key, Some(&reborn)), Events::of([Event::PodGone]));
        assert_eq!(state.node("a").map(NodeInfo::pod_count), Some(0));
    }

    #[test]
    fn pods_of_a_node_that_is_not_there_count_when_it_comes() {
        let mut state = ClusterState::default();
        let requests = json!({"cpu": "1"});
        let spec = json!({"spec": {"containers": [{"name": "c", "resources": {"requests": requests}}]}});
        let key = Key::new("default", "p");
        state.set_pod(&key, Some(&on("a", spec.clone())));
        assert_eq!(state.set_node("a", Some(node("a", json!(null)))), Events::of([Event::NodeAdded]));
        assert_eq!(state.node("a").map(|node| node.requested.cpu_milli), Some(1000));
        let ended = Arc::new(PodView { ended: true, ..PodView::clone(&on("a", spec)) });
        assert_eq!(state.set_pod(&key, Some(&ended)), Events::of([Event::PodGone]));
        assert_eq!(state.node("a").map(|node| node.requested.cpu_milli), Some(0));
        assert!(state.set_node("a", Some(node("a", json!(null)))).is_empty(), "a heartbeat is no news");
    }
}
