//! NodeAffinity: node selector and required node affinity; preferred node affinity as a score.

use std::collections::BTreeSet;

use crate::framework::affinity::NodeDemand;
use crate::framework::plugin::in_proportion;
use crate::framework::{Cycle, Event, Events, Filter, NodeInfo, Plugin, PodView, Reason, Score, Verdict};

/// The plug-in.
pub struct NodeAffinity;

impl Plugin for NodeAffinity {
    fn name(&self) -> &'static str {
        "NodeAffinity"
    }

    fn weight(&self) -> i64 {
        2
    }

    fn wakes_on(&self) -> Events {
        Events::of([Event::NodeAdded, Event::NodeChanged])
    }

    fn allowed_nodes(&self, pod: &PodView) -> Option<BTreeSet<Box<str>>> {
        pod.node.allowed_names()
    }

    fn filter<'a>(&self, cycle: &Cycle<'a>) -> Option<Box<dyn Filter + 'a>> {
        let demand = &cycle.pod.node;
        (!demand.is_empty()).then(|| Box::new(Required { demand }) as Box<dyn Filter>)
    }

    fn score<'a>(&self, cycle: &Cycle<'a>, _feasible: &[&'a NodeInfo]) -> Option<Box<dyn Score + 'a>> {
        let demand = &cycle.pod.node;
        (!demand.preferred.is_empty()).then(|| Box::new(Preferred { demand }) as Box<dyn Score>)
    }
}

struct Required<'a> {
    demand: &'a NodeDemand,
}

impl Filter for Required<'_> {
    fn check(&self, node: &NodeInfo, reasons: &mut Vec<Reason>) -> Verdict {
        if self.demand.accepts(&node.view) {
            return Verdict::Fits;
        }
        reasons.push(Reason::NodeAffinity);
        Verdict::Unresolvable
    }
}

struct Preferred<'a> {
    demand: &'a NodeDemand,
}

impl Score for Preferred<'_> {
    /// The sum of the weights of the preferences that hold.
    fn score(&self, node: &NodeInfo) -> i64 {
        let held = self.demand.preferred.iter().filter(|(_, term)| term.accepts(&node.view));
        held.map(|(weight, _)| weight).sum()
    }

    fn normalize(&self, _nodes: &[&NodeInfo], scores: &mut [i64]) {
        in_proportion(scores, false);
    }
}
