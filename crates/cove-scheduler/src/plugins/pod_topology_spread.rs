//! PodTopologySpread: pods that a selector selects should be, or must be, even over the domains of a node label.
//!
//! Pods without constraints of their own that belong to a service or a controller get upstream's system defaults as
//! preferences.

use std::cell::RefCell;

use cove_base::collections::{HashMap, HashSet};

use crate::framework::affinity::SpreadConstraint;
use crate::framework::taints::tolerated;
use crate::framework::{Class, Cycle, Event, Events, Filter, NodeInfo, Plugin, PodView, Reason, Score, Verdict};
use crate::limits::MAX_SCORE;

const HOSTNAME: &str = "kubernetes.io/hostname";
const ZONE: &str = "topology.kubernetes.io/zone";
/// The system defaults: label and skew.
const DEFAULTS: [(&str, i64); 2] = [(HOSTNAME, 3), (ZONE, 5)];

/// The plug-in.
pub struct PodTopologySpread;

impl Plugin for PodTopologySpread {
    fn name(&self) -> &'static str {
        "PodTopologySpread"
    }

    fn weight(&self) -> i64 {
        2
    }

    fn wakes_on(&self) -> Events {
        Events::of([Event::NodeAdded, Event::NodeChanged, Event::PodPlaced, Event::PodGone, Event::PodChanged])
    }

    fn filter<'a>(&self, cycle: &Cycle<'a>) -> Option<Box<dyn Filter + 'a>> {
        let hard: Vec<&SpreadConstraint> = cycle.pod.spread.iter().filter(|c| c.hard).collect();
        (!hard.is_empty()).then(|| Box::new(Hard::new(cycle, &hard)) as Box<dyn Filter>)
    }

    fn score<'a>(&self, cycle: &Cycle<'a>, feasible: &[&'a NodeInfo]) -> Option<Box<dyn Score + 'a>> {
        let by_default = cycle.pod.spread.is_empty();
        let constraints: Vec<SpreadConstraint> = match by_default {
            true => defaults(cycle),
            false => cycle.pod.spread.iter().filter(|c| !c.hard).cloned().collect(),
        };
        (!constraints.is_empty())
            .then(|| Box::new(Soft::new(cycle, feasible, constraints, by_default)) as Box<dyn Score>)
    }
}

fn defaults(cycle: &Cycle<'_>) -> Vec<SpreadConstraint> {
    let selector = cycle.state.default_selector(cycle.pod);
    if selector.is_everything() {
        return Vec::new();
    }
    DEFAULTS.map(|(key, max_skew)| SpreadConstraint::preference(key, max_skew, selector.clone())).into()
}

fn has_all_keys<'c>(node: &NodeInfo, constraints: impl IntoIterator<Item = &'c SpreadConstraint>) -> bool {
    constraints.into_iter().all(|c| node.view.labels.get(&c.topology_key).is_some())
}

/// Whether the pods of a node count for a constraint.
fn is_counted(node: &NodeInfo, constraint: &SpreadConstraint, pod: &PodView) -> bool {
    (!constraint.honor_affinity || pod.node.accepts(&node.view))
        && (!constraint.honor_taints || tolerated(&pod.tolerations, &node.view.taints))
}

/// Which classes a constraint counts, as a table.
fn counted_classes(cycle: &Cycle<'_>, constraint: &SpreadConstraint) -> Vec<bool> {
    let namespace = cycle.pod.namespace();
    let counts = |class: &Class| {
        !class.terminating && *class.namespace == *namespace && constraint.selector.matches(&class.labels)
    };
    cycle.state.class_table(counts)
}

fn count(node: &NodeInfo, counted: &[bool]) -> i64 {
    node.classes().iter().filter(|(class, _)| counted[class.index()]).map(|(_, count)| count).sum()
}

/// One constraint that must hold.
struct HardConstraint<'a> {
    key: Box<str>,
    max_skew: i64,
    /// Whether the pod itself will be counted.
    itself: i64,
    counts: HashMap<&'a str, i64>,
    /// The smallest count of a domain.
    smallest: i64,
}

struct Hard<'a> {
    constraints: Vec<HardConstraint<'a>>,
}

impl<'a> Hard<'a> {
    fn new(cycle: &Cycle<'a>, hard: &[&SpreadConstraint]) -> Self {
        let nodes: Vec<&'a NodeInfo> =
            cycle.nodes.iter().copied().filter(|node| has_all_keys(node, hard.iter().copied())).collect();
        let prepare = |constraint: &&SpreadConstraint| {
            let counted = counted_classes(cycle, constraint);
            let mut counts: HashMap<&'a str, i64> = HashMap::default();
            for node in nodes.iter().filter(|node| is_counted(node, constraint, cycle.pod)) {
                if let Some(domain) = node.view.labels.get(&constraint.topology_key) {
                    *counts.entry(domain).or_default() += count(node, &counted);
                }
            }
            let enough = counts.len() >= constraint.min_domains;
            HardConstraint {
                key: constraint.topology_key.clone(),
                max_skew: constraint.max_skew,
                itself: i64::from(constraint.selector.matches(cycle.pod.labels())),
                smallest: if enough { counts.values().copied().min().unwrap_or(i64::from(i32::MAX)) } else { 0 },
                counts,
            }
        };
        Self { constraints: hard.iter().map(prepare).collect() }
    }
}

impl Filter for Hard<'_> {
    fn check(&self, node: &NodeInfo, reasons: &mut Vec<Reason>) -> Verdict {
        for constraint in &self.constraints {
            let Some(domain) = node.view.labels.get(&constraint.key) else {
                reasons.push(Reason::SpreadMissingLabel);
                return Verdict::Unresolvable;
            };
            let here = constraint.counts.get(domain).copied().unwrap_or(0);
            if here + constraint.itself - constraint.smallest > constraint.max_skew {
                reasons.push(Reason::Spread);
                return Verdict::Unschedulable;
            }
        }
        Verdict::Fits
    }
}

/// One constraint that is a preference.
struct SoftConstraint<'a> {
    constraint: SpreadConstraint,
    /// Which classes count.
    counted: Vec<bool>,
    /// Counts per domain; not for the host name, whose domains are the nodes.
    counts: HashMap<&'a str, i64>,
    /// More domains weigh more.
    weight: f64,
}

struct Soft<'a> {
    constraints: Vec<SoftConstraint<'a>>,
    /// Whether nodes that lack a label are left out.
    needs_all_keys: bool,
    /// The nodes that were left out, by name: filled while scoring, read when normalizing.
    left_out: RefCell<HashSet<Box<str>>>,
}

impl<'a> Soft<'a> {
    fn new(cycle: &Cycle<'a>, feasible: &[&'a NodeInfo], all: Vec<SpreadConstraint>, by_default: bool) -> Self {
        let needs_all_keys = !by_default;
        let takes_part = |node: &NodeInfo| !needs_all_keys || has_all_keys(node, &all);
        let candidates: Vec<&'a NodeInfo> = feasible.iter().copied().filter(|node| takes_part(node)).collect();
        let nodes: Vec<&'a NodeInfo> = cycle.nodes.iter().copied().filter(|node| takes_part(node)).collect();
        let prepare = |constraint: &SpreadConstraint| {
            let counted = counted_classes(cycle, constraint);
            let by_host = &*constraint.topology_key == HOSTNAME;
            let mut counts: HashMap<&'a str, i64> = HashMap::default();
            if !by_host {
                let domain = |node: &&'a NodeInfo| node.view.labels.get(&constraint.topology_key);
                counts.extend(candidates.iter().filter_map(domain).map(|domain| (domain, 0)));
                for node in nodes.iter().filter(|node| is_counted(node, constraint, cycle.pod)) {
                    if let Some(known) = domain(node).and_then(|domain| counts.get_mut(domain)) {
                        *known += count(node, &counted);
                    }
                }
            }
            let domains = if by_host { candidates.len() } else { counts.len() };
            SoftConstraint { constraint: constraint.clone(), counted, counts, weight: (domains as f64 + 2.0).ln() }
        };
        let constraints = all.iter().map(prepare).collect();
        Self { constraints, needs_all_keys, left_out: RefCell::default() }
    }
}

impl Score for Soft<'_> {
    fn score(&self, node: &NodeInfo) -> i64 {
        if self.needs_all_keys && !has_all_keys(node, self.constraints.iter().map(|c| &c.constraint)) {
            self.left_out.borrow_mut().insert(node.name().into());
            return 0;
        }
        let mut score = 0.0;
        for soft in &self.constraints {
            let Some(domain) = node.view.labels.get(&soft.constraint.topology_key) else { continue };
            let here = match &*soft.constraint.topology_key {
                HOSTNAME => count(node, &soft.counted),
                _ => soft.counts.get(domain).copied().unwrap_or(0),
            };
            score += here as f64 * soft.weight + (soft.constraint.max_skew - 1) as f64;
        }
        score.round() as i64
    }

    fn normalize(&self, nodes: &[&NodeInfo], scores: &mut [i64]) {
        let left_out = self.left_out.borrow();
        let takes_part = |node: &NodeInfo| !left_out.contains(node.name());
        let taking = || nodes.iter().zip(scores.iter()).filter(|(node, _)| takes_part(node)).map(|(_, score)| *score);
        let (lowest, highest) = (taking().min().unwrap_or(0), taking().max().unwrap_or(0));
        for (node, score) in nodes.iter().zip(scores) {
            *score = match takes_part(node) {
                false => 0,
                true if highest == 0 => MAX_SCORE,
                true => MAX_SCORE * (highest + lowest - *score) / highest,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    const NO: &str = "node(s) didn't match pod topology spread constraints";

    fn spread(constraint: serde_json::Value) -> std::sync::Arc<PodView> {
        let mut constraint = constraint;
        constraint["labelSelector"] = json!({"matchLabels": {"app": "a"}});
        let labels = json!({"app": "a"});
        pod("p", json!({"metadata": {"labels": labels}, "spec": {"topologySpreadConstraints": [constraint]}}))
    }

    fn app(name: &str) -> std::sync::Arc<PodView> {
        labelled(name, json!({"app": "a"}))
    }

    #[test]
    fn what_must_be_even() {
        let ending = json!({"metadata": {"labels": {"app": "a"}, "deletionTimestamp": "2026-01-01T00:00:00Z"}});
        let other = json!({"metadata": {"labels": {"app": "a"}, "namespace": "other"}});
        let state = cluster(
            [in_zone("a", "z1"), in_zone("b", "z1"), in_zone("x", "z2"), node("y", json!(null))],
            [(app("1"), "a"), (app("2"), "a"), (app("3"), "x"), (pod("4", ending), "x"), (pod("5", other), "x")],
        );
        let missing = "never: node(s) didn't match pod topology spread constraints (missing required label)";
        let zone = |skew: u32| json!({"maxSkew": skew, "topologyKey": ZONE, "whenUnsatisfiable": "DoNotSchedule"});
        for (constraint, expected) in [
            (zone(1), [NO, NO, "fits", missing]),
            (zone(2), ["fits", "fits", "fits", missing]),
            (json!({"maxSkew": 1, "topologyKey": HOSTNAME}), [NO, "fits", NO, "fits"]),
            (json!({"maxSkew": 2, "topologyKey": ZONE, "minDomains": 3}), [NO, NO, "fits", missing]),
        ] {
            assert_eq!(verdicts(&PodTopologySpread, &state, &spread(constraint.clone())), expected, "{constraint}");
        }
    }

    #[test]
    fn which_nodes_count() {
        let tainted = json!({"spec": {"taints": [{"key": "k", "effect": "NoSchedule"}]}});
        let state = cluster([node("a", json!(null)), node("b", tainted)], [(app("1"), "a")]);
        let by_host = |policy: serde_json::Value| {
            let mut constraint = json!({"maxSkew": 1, "topologyKey": HOSTNAME});
            constraint["nodeTaintsPolicy"] = policy;
            spread(constraint)
        };
        assert_eq!(verdicts(&PodTopologySpread, &state, &by_host(json!("Ignore"))), [NO, "fits"]);
        assert_eq!(verdicts(&PodTopologySpread, &state, &by_host(json!("Honor")))[0], "fits");
    }

    #[test]
    fn what_should_be_even() {
        let four = || ["a", "b", "x", "y"].map(|name| node(name, json!(null)));
        let pods =
            [(app("1"), "a"), (app("2"), "a"), (app("3"), "b"), (app("4"), "y"), (app("5"), "y"), (app("6"), "y")];
        let state = cluster(four(), pods);
        let soft = spread(json!({"maxSkew": 1, "topologyKey": HOSTNAME, "whenUnsatisfiable": "ScheduleAnyway"}));
        // ln(6) each: 4, 2, 0, 5.
        assert_eq!(scores(&PodTopologySpread, &state, &soft), [20, 60, 100, 0]);
        let zone = spread(json!({"maxSkew": 1, "topologyKey": ZONE, "whenUnsatisfiable": "ScheduleAnyway"}));
        assert_eq!(scores(&PodTopologySpread, &state, &zone), [0, 0, 0, 0], "nodes without the label are left out");
    }

    #[test]
    fn pods_of_a_service_are_spread_by_default() {
        let nodes = [in_zone("a", "z1"), in_zone("b", "z1"), in_zone("x", "z2")];
        let mut state = cluster(nodes, [(app("1"), "a"), (app("2"), "a")]);
        assert!(scores(&PodTopologySpread, &state, &app("p")).is_empty());
        let selector = crate::framework::Selector::of_map(&json!({"app": "a"}));
        state.set_service(cove_kube_client::Key::new("default", "s"), Some(selector));
        // Host: ln(5) * count + 2; zone: ln(4) * count + 4: 12, 9, 6.
        assert_eq!(scores(&PodTopologySpread, &state, &app("p")), [50, 75, 100]);
    }
}
