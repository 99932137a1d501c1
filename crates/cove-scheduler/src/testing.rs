//! Short forms for the tests of this room: clusters of values, and what a plug-in says about every node.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::framework::{ClusterState, Cycle, NodeInfo, NodeView, Plugin, PodView, Verdict};

/// Merges objects deeply; anything else is replaced, by null nothing.
fn merged(mut into: Value, change: Value) -> Value {
    if change.is_null() {
        return into;
    }
    if let (Value::Object(into), Value::Object(change)) = (&mut into, &change) {
        for (key, value) in change {
            let old = into.remove(key).unwrap_or(Value::Null);
            into.insert(key.clone(), merged(old, value.clone()));
        }
        return Value::Object(into.clone());
    }
    change
}

/// A node of 4 processors, 16 GiB and 110 pods, with its host name as label.
pub fn node(name: &str, change: Value) -> NodeView {
    let value = json!({
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "status": {"allocatable": {"cpu": "4", "memory": "16Gi", "pods": "110"}},
    });
    NodeView::of_value(&merged(value, change))
}

/// A node in a zone.
pub fn in_zone(name: &str, zone: &str) -> NodeView {
    node(name, json!({"metadata": {"labels": {"topology.kubernetes.io/zone": zone}}}))
}

/// A pod in the namespace `default` that asks for nothing.
pub fn pod(name: &str, change: Value) -> Arc<PodView> {
    let value = json!({
        "metadata": {"name": name, "namespace": "default", "uid": name},
        "spec": {"schedulerName": "default-scheduler", "containers": [{"name": "c", "image": "i"}]},
    });
    Arc::new(PodView::of_value(&merged(value, change)))
}

/// A pod with labels.
pub fn labelled(name: &str, labels: Value) -> Arc<PodView> {
    pod(name, json!({"metadata": {"labels": labels}}))
}

/// A pod that asks for processor and memory.
pub fn asking(name: &str, cpu: &str, memory: &str) -> Arc<PodView> {
    let requests = json!({"cpu": cpu, "memory": memory});
    pod(name, json!({"spec": {"containers": [{"name": "c", "image": "i", "resources": {"requests": requests}}]}}))
}

/// A cluster of nodes with pods on them.
pub fn cluster<const N: usize>(
    nodes: impl IntoIterator<Item = NodeView>,
    pods: [(Arc<PodView>, &str); N],
) -> ClusterState {
    let mut state = ClusterState::default();
    for view in nodes {
        state.set_node(&view.name.clone(), Some(view));
    }
    for (pod, node) in pods {
        state.assume(pod, node);
    }
    state
}

/// What a plug-in's filter says about every node: `fits`, or the verdict and its reasons.
pub fn verdicts(plugin: &dyn Plugin, state: &ClusterState, pod: &PodView) -> Vec<String> {
    let cycle = Cycle::new(state, pod);
    let Some(filter) = plugin.filter(&cycle) else { return vec!["fits".into(); cycle.nodes.len()] };
    let say = |node: &&NodeInfo| {
        let mut reasons = Vec::new();
        let verdict = filter.check(node, &mut reasons);
        let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
        match verdict {
            Verdict::Fits => "fits".into(),
            Verdict::Unschedulable => reasons.join(", "),
            Verdict::Unresolvable => format!("never: {}", reasons.join(", ")),
        }
    };
    cycle.nodes.iter().map(say).collect()
}

/// The normalized scores of every node; none if the plug-in has nothing to say.
pub fn scores(plugin: &dyn Plugin, state: &ClusterState, pod: &PodView) -> Vec<i64> {
    let cycle = Cycle::new(state, pod);
    let Some(prepared) = plugin.score(&cycle, &cycle.nodes) else { return Vec::new() };
    let mut scores: Vec<i64> = cycle.nodes.iter().map(|node| prepared.score(node)).collect();
    prepared.normalize(&cycle.nodes, &mut scores);
    scores
}
