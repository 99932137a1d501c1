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
