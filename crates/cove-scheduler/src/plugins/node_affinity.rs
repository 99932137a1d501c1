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

    fn refuses(&self, pod: &PodView) -> Option<&'static str> {
        let nowhere = pod.node.allowed_names().is_some_and(|names| names.is_empty());
        nowhere.then_some("pod affinity terms conflict")
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    fn demanding(affinity: serde_json::Value) -> std::sync::Arc<PodView> {
        pod("p", json!({"spec": {"affinity": {"nodeAffinity": affinity}}}))
    }

    #[test]
    fn demands() {
        let state = cluster([in_zone("a", "z1"), in_zone("b", "z2")], []);
        let no = "never: node(s) didn't match Pod's node affinity/selector";
        let zone = |operator: &str, values: &[&str]| json!({"matchExpressions": [{"key": "topology.kubernetes.io/zone", "operator": operator, "values": values}]});
        let name =
            |values: &[&str]| json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": values}]});
        for (terms, expected) in [
            (json!([zone("In", &["z1"])]), ["fits", no]),
            (json!([zone("NotIn", &["z1"])]), [no, "fits"]),
            (json!([zone("In", &["z1"]), zone("In", &["z2"])]), ["fits", "fits"]),
            (json!([{}]), [no, no]),
            (json!([name(&["b"])]), [no, "fits"]),
        ] {
            let required = json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}});
            assert_eq!(verdicts(&NodeAffinity, &state, &demanding(required)), expected, "{terms}");
        }
        let selector = pod("p", json!({"spec": {"nodeSelector": {"topology.kubernetes.io/zone": "z2"}}}));
        assert_eq!(verdicts(&NodeAffinity, &state, &selector), [no, "fits"]);
    }

    #[test]
    fn the_only_nodes_that_can_be_meant() {
        let name = |values: &[&str]| json!({"key": "metadata.name", "operator": "In", "values": values});
        let allowed = |terms: serde_json::Value| {
            let required = json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}});
            let names = NodeAffinity.allowed_nodes(&demanding(required));
            names.map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(allowed(json!([{"matchFields": [name(&["a"])]}, {"matchFields": [name(&["b"])]}])).unwrap(), "a b");
        assert_eq!(allowed(json!([{"matchFields": [name(&["a"]), name(&["b"])]}])).unwrap(), "");
        assert_eq!(allowed(json!([{"matchFields": [name(&["a"])]}, {"matchExpressions": []}])), None);
    }

    #[test]
    fn preferences() {
        let state = cluster([in_zone("a", "z1"), in_zone("b", "z2"), in_zone("c", "z3")], []);
        let wish = |weight: u32, zone: &str| {
            let term = json!({"key": "topology.kubernetes.io/zone", "operator": "In", "values": [zone]});
            json!({"weight": weight, "preference": {"matchExpressions": [term]}})
        };
        let wishes = json!([wish(80, "z1"), wish(20, "z2"), {"weight": 5, "preference": {}}]);
        let pod = demanding(json!({"preferredDuringSchedulingIgnoredDuringExecution": wishes}));
        assert_eq!(scores(&NodeAffinity, &state, &pod), [100, 25, 0]);
    }
}
