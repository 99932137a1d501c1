//! NodeResourcesBalancedAllocation: processor and memory should be used to the same degree.

use crate::framework::{Cycle, NodeInfo, Plugin, Resources, Score};
use crate::limits::MAX_SCORE;

/// The plug-in.
pub struct NodeResourcesBalancedAllocation;

impl Plugin for NodeResourcesBalancedAllocation {
    fn name(&self) -> &'static str {
        "NodeResourcesBalancedAllocation"
    }

    fn weight(&self) -> i64 {
        1
    }

    fn score<'a>(&self, cycle: &Cycle<'a>, _feasible: &[&'a NodeInfo]) -> Option<Box<dyn Score + 'a>> {
        let wanted = &cycle.pod.requests.exact;
        let best_effort = wanted.cpu_milli == 0 && wanted.memory == 0;
        (!best_effort).then(|| Box::new(Prepared { wanted }) as Box<dyn Score>)
    }
}

struct Prepared<'a> {
    wanted: &'a Resources,
}

impl Score for Prepared<'_> {
    fn score(&self, node: &NodeInfo) -> i64 {
        let (all, used) = (&node.view.allocatable, &node.requested);
        let cpu = part(all.cpu_milli, used.cpu_milli + self.wanted.cpu_milli);
        let memory = part(all.memory, used.memory + self.wanted.memory);
        let deviation = match (cpu, memory) {
            (Some(cpu), Some(memory)) => ((cpu - memory) / 2.0).abs(),
            _ => 0.0,
        };
        ((1.0 - deviation) * MAX_SCORE as f64) as i64
    }
}

/// The used part, at most 1; `None` of a resource that the node does not have.
fn part(all: i64, used: i64) -> Option<f64> {
    (all != 0).then(|| (used as f64 / all as f64).min(1.0))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    #[test]
    fn table() {
        let sized =
            |name: &str, cpu: &str| node(name, json!({"status": {"allocatable": {"cpu": cpu, "memory": "10000"}}}));
        let state = cluster([sized("a", "4"), sized("b", "6")], []);
        let scores = |pod: &crate::framework::PodView| scores(&NodeResourcesBalancedAllocation, &state, pod);
        assert_eq!(scores(&asking("p", "3", "5000")), [87, 100]);
        assert_eq!(scores(&asking("p", "6", "0")), [50, 50], "no part is above 1");
        assert!(scores(&pod("p", json!(null))).is_empty(), "a pod that asks for nothing is not scored");
    }
}
