//! NodePorts: two pods do not get the same port of one node.

use crate::framework::pod_view::HostPort;
use crate::framework::{Cycle, Event, Events, Filter, NodeInfo, Plugin, Reason, Verdict};

/// The plug-in.
pub struct NodePorts;

impl Plugin for NodePorts {
    fn name(&self) -> &'static str {
        "NodePorts"
    }

    fn wakes_on(&self) -> Events {
        Events::of([Event::NodeAdded, Event::PodGone])
    }

    fn filter<'a>(&self, cycle: &Cycle<'a>) -> Option<Box<dyn Filter + 'a>> {
        let wanted = &cycle.pod.ports;
        (!wanted.is_empty()).then(|| Box::new(Prepared { wanted }) as Box<dyn Filter>)
    }
}

struct Prepared<'a> {
    wanted: &'a [HostPort],
}

impl Filter for Prepared<'_> {
    fn check(&self, node: &NodeInfo, reasons: &mut Vec<Reason>) -> Verdict {
        let taken = |port: &HostPort| node.ports().iter().any(|known| known.conflicts(port));
        if !self.wanted.iter().any(taken) {
            return Verdict::Fits;
        }
        reasons.push(Reason::Ports);
        Verdict::Unschedulable
    }
}
