//! Whether a pod that found no room would find it if pods of lower priority left (upstream's `DefaultPreemption`).

use std::collections::BTreeMap;

use crate::cycle::check_one;
use crate::diagnosis::{Diagnosis, listed};
use crate::framework::{ClusterState, NodeInfo, PodView, Verdict};

/// What preemption says about a pod that no node takes.
pub fn explain(state: &ClusterState, pod: &PodView, diagnosis: &Diagnosis) -> String {
    if pod.never_preempts {
        return "preemption: not eligible due to preemptionPolicy=Never.".into();
    }
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let mut add = |reason: String| *reasons.entry(reason).or_default() += 1;
    for node in diagnosis.resolvable().iter().filter_map(|name| state.node(name)) {
        match without_lower(state, pod, node) {
            None => add("No preemption victims found for incoming pod".into()),
            Some((_, why)) => why.into_iter().for_each(&mut add),
        }
    }
    let hopeless = diagnosis.node_count() - diagnosis.resolvable().len();
    if hopeless > 0 {
        reasons.insert("Preemption is not helpful for scheduling".into(), hopeless);
    }
    format!("preemption: 0/{} nodes are available: {}.", diagnosis.node_count(), listed(&reasons))
}

/// Whether a node without its pods of lower priority would take the pod, and if not, why. `None`: it has none.
fn without_lower(state: &ClusterState, pod: &PodView, node: &NodeInfo) -> Option<(Verdict, Vec<String>)> {
    let lower: Vec<Box<str>> = node.pods().filter(|p| p.priority < pod.priority).map(|p| p.uid.clone()).collect();
    if lower.is_empty() {
        return None;
    }
    let mut emptied = node.clone();
    for uid in &lower {
        emptied.remove(uid);
    }
    let (verdict, reasons) = check_one(state, pod, &emptied);
    Some((verdict, reasons.iter().map(ToString::to_string).collect()))
}
