//! NodeUnschedulable: cordoned nodes take only pods that tolerate the taint of cordoned nodes.

use crate::framework::taints::Taint;
use crate::framework::{Cycle, Event, Events, Filter, NodeInfo, Plugin, Reason, Verdict};

/// The plug-in.
pub struct NodeUnschedulable;

impl Plugin for NodeUnschedulable {
    fn name(&self) -> &'static str {
        "NodeUnschedulable"
    }

    fn wakes_on(&self) -> Events {
        Events::of([Event::NodeAdded, Event::NodeChanged])
    }

    fn filter<'a>(&self, cycle: &Cycle<'a>) -> Option<Box<dyn Filter + 'a>> {
        let cordon = Taint::unschedulable();
        let tolerated = cycle.pod.tolerations.iter().any(|t| t.tolerates(&cordon));
        (!tolerated).then(|| Box::new(Prepared) as Box<dyn Filter>)
    }
}

struct Prepared;

impl Filter for Prepared {
    fn check(&self, node: &NodeInfo, reasons: &mut Vec<Reason>) -> Verdict {
        if !node.view.unschedulable {
            return Verdict::Fits;
        }
        reasons.push(Reason::NodeUnschedulable);
        Verdict::Unresolvable
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    #[test]
    fn table() {
        let state = cluster([node("a", json!(null)), node("b", json!({"spec": {"unschedulable": true}}))], []);
        let tolerant = |toleration| pod("p", json!({"spec": {"tolerations": [toleration]}}));
        let cordoned = "never: node(s) were unschedulable";
        for (pod, expected) in [
            (pod("p", json!(null)), ["fits", cordoned]),
            (tolerant(json!({"operator": "Exists"})), ["fits", "fits"]),
            (tolerant(json!({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"})), ["fits", "fits"]),
            (tolerant(json!({"key": "other", "operator": "Exists"})), ["fits", cordoned]),
        ] {
            assert_eq!(verdicts(&NodeUnschedulable, &state, &pod), expected, "{:?}", pod.tolerations);
        }
    }
}
