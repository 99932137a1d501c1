//! TaintToleration: hard taints keep pods away, soft ones count against a node.

use crate::framework::plugin::in_proportion;
use crate::framework::taints::{Effect, Toleration, tolerated};
use crate::framework::{Cycle, Event, Events, Filter, NodeInfo, Plugin, Reason, Score, Verdict};

/// The plug-in.
pub struct TaintToleration;

impl Plugin for TaintToleration {
    fn name(&self) -> &'static str {
        "TaintToleration"
    }

    fn weight(&self) -> i64 {
        3
    }

    fn wakes_on(&self) -> Events {
        Events::of([Event::NodeAdded, Event::NodeChanged])
    }

    fn filter<'a>(&self, cycle: &Cycle<'a>) -> Option<Box<dyn Filter + 'a>> {
        Some(Box::new(Hard { tolerations: &cycle.pod.tolerations }))
    }

    fn score<'a>(&self, cycle: &Cycle<'a>, _feasible: &[&'a NodeInfo]) -> Option<Box<dyn Score + 'a>> {
        let tolerations = cycle.pod.tolerations.iter().filter(|t| t.is_for_preferences()).collect();
        Some(Box::new(Soft { tolerations }))
    }
}

struct Hard<'a> {
    tolerations: &'a [Toleration],
}

impl Filter for Hard<'_> {
    fn check(&self, node: &NodeInfo, reasons: &mut Vec<Reason>) -> Verdict {
        if tolerated(self.tolerations, &node.view.taints) {
            return Verdict::Fits;
        }
        reasons.push(Reason::Taint);
        Verdict::Unresolvable
    }
}

struct Soft<'a> {
    tolerations: Vec<&'a Toleration>,
}

impl Score for Soft<'_> {
    /// The number of soft taints that are not tolerated.
    fn score(&self, node: &NodeInfo) -> i64 {
        let soft = node.view.taints.iter().filter(|taint| taint.effect == Effect::PreferNoSchedule);
        soft.filter(|taint| !self.tolerations.iter().any(|t| t.tolerates(taint))).count() as i64
    }

    fn normalize(&self, _nodes: &[&NodeInfo], scores: &mut [i64]) {
        in_proportion(scores, true);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    fn tainted(name: &str, taints: &[(&str, &str, &str)]) -> crate::framework::NodeView {
        let taints: Vec<_> = taints.iter().map(|(k, v, e)| json!({"key": k, "value": v, "effect": e})).collect();
        node(name, json!({"spec": {"taints": taints}}))
    }

    #[test]
    fn hard_taints() {
        let state = cluster(
            [
                tainted("a", &[]),
                tainted("b", &[("k", "v", "NoSchedule")]),
                tainted("c", &[("k", "v", "NoExecute")]),
                tainted("d", &[("k", "v", "PreferNoSchedule")]),
            ],
            [],
        );
        let no = "never: node(s) had untolerated taint(s)";
        for (toleration, expected) in [
            (json!({"key": "k", "value": "v"}), ["fits", "fits", "fits", "fits"]),
            (json!({"key": "k", "value": "w"}), ["fits", no, no, "fits"]),
            (json!({"key": "k", "operator": "Exists", "effect": "NoSchedule"}), ["fits", "fits", no, "fits"]),
            (json!({"operator": "Exists"}), ["fits", "fits", "fits", "fits"]),
            (json!({"key": "k", "operator": "Gt", "value": "v"}), ["fits", no, no, "fits"]),
        ] {
            let pod = pod("p", json!({"spec": {"tolerations": [toleration]}}));
            assert_eq!(verdicts(&TaintToleration, &state, &pod), expected, "{toleration}");
        }
    }

    #[test]
    fn soft_taints() {
        let soft = "PreferNoSchedule";
        let state = cluster(
            [tainted("a", &[]), tainted("b", &[("k", "1", soft)]), tainted("c", &[("k", "1", soft), ("k", "2", soft)])],
            [],
        );
        assert_eq!(scores(&TaintToleration, &state, &pod("p", json!(null))), [100, 50, 0]);
        let all = pod("p", json!({"spec": {"tolerations": [{"operator": "Exists"}]}}));
        assert_eq!(scores(&TaintToleration, &state, &all), [100, 100, 100]);
    }
}
