//! NodeName: a pod that names its node fits nowhere else.

use crate::framework::{Cycle, Event, Events, Filter, NodeInfo, Plugin, Reason, Verdict};

/// The plug-in.
pub struct NodeName;

impl Plugin for NodeName {
    fn name(&self) -> &'static str {
        "NodeName"
    }

    fn wakes_on(&self) -> Events {
        Events::of([Event::NodeAdded])
    }

    fn filter<'a>(&self, cycle: &Cycle<'a>) -> Option<Box<dyn Filter + 'a>> {
        let wanted = &*cycle.pod.node_name;
        (!wanted.is_empty()).then(|| Box::new(Prepared { wanted }) as Box<dyn Filter>)
    }
}

struct Prepared<'a> {
    wanted: &'a str,
}

impl Filter for Prepared<'_> {
    fn check(&self, node: &NodeInfo, reasons: &mut Vec<Reason>) -> Verdict {
        if node.name() == self.wanted {
            return Verdict::Fits;
        }
        reasons.push(Reason::NodeName);
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
        let state = cluster([node("a", json!(null)), node("b", json!(null))], []);
        assert_eq!(verdicts(&NodeName, &state, &pod("p", json!(null))), ["fits", "fits"]);
        let named = pod("p", json!({"spec": {"nodeName": "b"}}));
        assert_eq!(
            verdicts(&NodeName, &state, &named),
            ["never: node(s) didn't match the requested node name", "fits"]
        );
    }
}
