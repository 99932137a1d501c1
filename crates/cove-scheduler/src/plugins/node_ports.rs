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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    #[test]
    fn table() {
        let with = |name: &str, port: serde_json::Value| {
            pod(name, json!({"spec": {"containers": [{"name": "c", "image": "i", "ports": [port]}]}}))
        };
        let taken = with("q", json!({"hostPort": 80, "hostIP": "10.0.0.1", "protocol": "TCP"}));
        let state = cluster([node("a", json!(null)), node("b", json!(null))], [(taken, "a")]);
        let no = "node(s) didn't have free ports for the requested pod ports";
        for (port, expected) in [
            (json!({"hostPort": 80}), no),
            (json!({"hostPort": 80, "hostIP": "10.0.0.1"}), no),
            (json!({"hostPort": 80, "hostIP": "10.0.0.2"}), "fits"),
            (json!({"hostPort": 80, "protocol": "UDP"}), "fits"),
            (json!({"hostPort": 81}), "fits"),
            (json!({"containerPort": 80}), "fits"),
        ] {
            assert_eq!(verdicts(&NodePorts, &state, &with("p", port.clone())), [expected, "fits"], "{port}");
        }
    }
}
