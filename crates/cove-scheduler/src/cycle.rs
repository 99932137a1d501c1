//! One pod before the nodes: filter, score, pick. Pure; called by the scheduler's loop, preemption and the autoscaler.

use std::collections::BTreeSet;

use crate::diagnosis::Diagnosis;
use crate::framework::{ClusterState, Cycle, Events, Filter, NodeInfo, Plugin, PodView, Reason, Verdict};
use crate::plugins::PLUGINS;

/// The node for a pod, or why there is none. `pick` chooses among that many equally good nodes.
pub fn place<'a>(
    state: &'a ClusterState,
    pod: &'a PodView,
    pick: impl FnOnce(usize) -> usize,
) -> Result<&'a NodeInfo, Diagnosis> {
    place_among(state, pod, None, pick)
}

/// The same among some nodes only, at least one of which must take the pod.
pub fn place_among<'a>(
    state: &'a ClusterState,
    pod: &'a PodView,
    among: Option<&BTreeSet<Box<str>>>,
    pick: impl FnOnce(usize) -> usize,
) -> Result<&'a NodeInfo, Diagnosis> {
    let cycle = Cycle::new(state, pod);
    let mut feasible = feasible(&cycle)?;
    if let Some(names) = among {
        feasible.retain(|node| names.contains(node.name()));
    }
    if feasible.is_empty() {
        return Err(Diagnosis::new(cycle.nodes.len()));
    }
    if let [only] = feasible.as_slice() {
        return Ok(only);
    }
    let totals = scores(&cycle, &feasible);
    let best = totals.iter().max().copied().unwrap_or_default();
    let mut equal: Vec<&NodeInfo> =
        feasible.iter().zip(&totals).filter(|(_, total)| **total == best).map(|(node, _)| *node).collect();
    let picked = pick(equal.len()).min(equal.len() - 1);
    Ok(equal.swap_remove(picked))
}

/// The names of all nodes that take a pod, or why there is none.
pub fn fitting(state: &ClusterState, pod: &PodView) -> Result<BTreeSet<Box<str>>, Diagnosis> {
    Ok(feasible(&Cycle::new(state, pod))?.iter().map(|node| node.name().into()).collect())
}

/// Whether a node would take a pod, and if not, why. `node` is one of the cluster, or one with other pods in its
/// place, or one that is not there yet.
pub fn would_fit(state: &ClusterState, pod: &PodView, node: &NodeInfo) -> Result<(), Vec<Reason>> {
    let (verdict, reasons) = check_one(state, pod, node);
    if verdict == Verdict::Fits { Ok(()) } else { Err(reasons) }
}

/// The same with the verdict.
pub fn check_one(state: &ClusterState, pod: &PodView, node: &NodeInfo) -> (Verdict, Vec<Reason>) {
    if let Some((why, _)) = refusal(pod) {
        return (Verdict::Unresolvable, vec![Reason::Refused(why)]);
    }
    let mut cycle = Cycle::new(state, pod);
    match cycle.nodes.binary_search_by(|known| known.name().cmp(node.name())) {
        Ok(at) => cycle.nodes[at] = node,
        Err(at) => cycle.nodes.insert(at, node),
    }
    let mut reasons = Vec::new();
    let verdict = check(&prepare(&cycle), node, &mut reasons).0;
    (verdict, reasons)
}

type Prepared<'a> = (&'static dyn Plugin, Box<dyn Filter + 'a>);

fn prepare<'a>(cycle: &Cycle<'a>) -> Vec<Prepared<'a>> {
    PLUGINS.iter().filter_map(|plugin| Some((*plugin, plugin.filter(cycle)?))).collect()
}

/// The first plug-in that rejects a node decides.
fn check(filters: &[Prepared<'_>], node: &NodeInfo, reasons: &mut Vec<Reason>) -> (Verdict, Events) {
    for (plugin, filter) in filters {
        let verdict = filter.check(node, reasons);
        if verdict != Verdict::Fits {
            return (verdict, plugin.wakes_on());
        }
    }
    (Verdict::Fits, Events::NONE)
}

/// The nodes that take the pod.
fn feasible<'a>(cycle: &Cycle<'a>) -> Result<Vec<&'a NodeInfo>, Diagnosis> {
    let mut diagnosis = Diagnosis::new(cycle.nodes.len());
    let allowed = allowed(cycle, &mut diagnosis)?;
    let filters = prepare(cycle);
    let (mut feasible, mut reasons) = (Vec::new(), Vec::new());
    for &node in &cycle.nodes {
        if let Some((plugin, names)) = &allowed
            && !names.contains(node.name())
        {
            reasons.push(Reason::NotAllowedBy(plugin.name()));
            diagnosis.reject(node, Verdict::Unresolvable, &mut reasons, plugin.wakes_on());
            continue;
        }
        match check(&filters, node, &mut reasons) {
            (Verdict::Fits, _) => feasible.push(node),
            (verdict, wakes_on) => diagnosis.reject(node, verdict, &mut reasons, wakes_on),
        }
    }
    if feasible.is_empty() { Err(diagnosis) } else { Ok(feasible) }
}

type Allowed = Option<(&'static dyn Plugin, BTreeSet<Box<str>>)>;

/// Why no node at all can take a pod, and what may help.
fn refusal(pod: &PodView) -> Option<(&'static str, Events)> {
    PLUGINS.iter().find_map(|plugin| Some((plugin.refuses(pod)?, plugin.wakes_on())))
}

/// The only nodes to look at; one plug-in of the default profile narrows them. An error if no node can be meant.
fn allowed(cycle: &Cycle<'_>, diagnosis: &mut Diagnosis) -> Result<Allowed, Diagnosis> {
    if let Some((why, wakes_on)) = refusal(cycle.pod) {
        return Err(std::mem::take(diagnosis).before_filters(why, wakes_on));
    }
    Ok(PLUGINS.iter().find_map(|plugin| Some((*plugin, plugin.allowed_nodes(cycle.pod)?))))
}

/// The weighted sums of all scores.
fn scores<'a>(cycle: &Cycle<'a>, feasible: &[&'a NodeInfo]) -> Vec<i64> {
    let mut totals = vec![0; feasible.len()];
    let mut raw = Vec::with_capacity(feasible.len());
    for plugin in PLUGINS.iter().filter(|plugin| plugin.weight() > 0) {
        let Some(prepared) = plugin.score(cycle, feasible) else { continue };
        raw.clear();
        raw.extend(feasible.iter().map(|node| prepared.score(node)));
        prepared.normalize(feasible, &mut raw);
        totals.iter_mut().zip(&raw).for_each(|(total, score)| *total += plugin.weight() * score);
    }
    totals
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::preemption::plan;
    use crate::testing::*;

    fn message(state: &ClusterState, pod: &PodView) -> String {
        let diagnosis = place(state, pod, |_| 0).expect_err("the pod fits");
        let refusal = plan(state, pod, &diagnosis, None).expect_err("somebody can leave");
        diagnosis.message(Some(&refusal.message))
    }

    /// Three nodes: full, tainted, cordoned.
    fn state() -> ClusterState {
        let tainted = node("b", json!({"spec": {"taints": [{"key": "k", "effect": "NoSchedule"}]}}));
        let cordoned = node("c", json!({"spec": {"unschedulable": true}}));
        cluster([node("a", json!(null)), tainted, cordoned], [(asking("q", "4", "0"), "a")])
    }

    fn on(names: &[&str]) -> Arc<PodView> {
        let terms: Vec<Value> = names
            .iter()
            .map(|name| json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]}))
            .collect();
        let required = json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}});
        let requests = json!({"requests": {"cpu": "1"}});
        let containers = json!([{"name": "c", "resources": requests}]);
        pod("p", json!({"spec": {"containers": containers, "affinity": {"nodeAffinity": required}}}))
    }

    #[test]
    fn messages() {
        let state = state();
        assert_eq!(message(&ClusterState::default(), &on(&[])), "no nodes available to schedule pods");
        assert_eq!(
            message(&state, &asking("p", "1", "0")),
            "0/3 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s), 1 node(s) were \
             unschedulable. no new claims to deallocate, preemption: 0/3 nodes are available: 1 No preemption victims \
             found for incoming pod, 2 Preemption is not helpful for scheduling."
        );
        // A pod of a DaemonSet.
        assert_eq!(
            message(&state, &on(&["a"])),
            "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) [NodeAffinity]. no new \
             claims to deallocate, preemption: 0/3 nodes are available: 1 No preemption victims found for incoming \
             pod, 2 Preemption is not helpful for scheduling."
        );
        let claims =
            pod("p", json!({"spec": {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]}}));
        assert_eq!(
            message(&state, &claims),
            "0/3 nodes are available: cove does not place pods with persistent volume claims yet. no new claims to \
             deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
        );
    }

    #[test]
    fn scores_are_weighted_and_equals_are_picked_from() {
        let taint = |name: &str| node(name, json!({"spec": {"taints": [{"key": "k", "effect": "PreferNoSchedule"}]}}));
        let nodes = ["b", "c", "d"].map(|name| node(name, json!(null)));
        let state = cluster(nodes.into_iter().chain([taint("a")]), [(asking("q", "1", "4Gi"), "b")]);
        let pod = asking("p", "1", "4Gi");
        let mut asked = 0;
        let picked = place(&state, &pod, |count| {
            asked = count;
            1
        });
        assert_eq!((picked.unwrap().name(), asked), ("d", 2), "not the tainted, not the used");
    }
}
