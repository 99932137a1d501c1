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

/// The only nodes to look at. One plug-in of the default profile narrows them.
fn allowed(cycle: &Cycle<'_>, diagnosis: &mut Diagnosis) -> Result<Allowed, Diagnosis> {
    let mut narrowing = PLUGINS.iter().filter_map(|plugin| Some((*plugin, plugin.allowed_nodes(cycle.pod)?)));
    let allowed = narrowing.next();
    if let Some((plugin, names)) = &allowed
        && names.is_empty()
        && !cycle.nodes.is_empty()
    {
        return Err(std::mem::take(diagnosis).before_filters("pod affinity terms conflict", plugin.wakes_on()));
    }
    Ok(allowed)
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
