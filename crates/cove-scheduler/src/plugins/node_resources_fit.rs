//! NodeResourcesFit: what a pod asks for must be free; the emptier node is the better one (LeastAllocated).

use std::sync::Arc;

use crate::framework::resources::PodRequests;
use crate::framework::{Cycle, Event, Events, Filter, NodeInfo, Plugin, Reason, Score, Verdict};
use crate::limits::MAX_SCORE;

/// The plug-in.
pub struct NodeResourcesFit;

impl Plugin for NodeResourcesFit {
    fn name(&self) -> &'static str {
        "NodeResourcesFit"
    }

    fn weight(&self) -> i64 {
        1
    }

    fn wakes_on(&self) -> Events {
        Events::of([Event::NodeAdded, Event::NodeChanged, Event::PodGone, Event::PodResized])
    }

    fn filter<'a>(&self, cycle: &Cycle<'a>) -> Option<Box<dyn Filter + 'a>> {
        let names = ["cpu", "memory", "ephemeral-storage"].map(Arc::from);
        Some(Box::new(Fit { wanted: &cycle.pod.requests, names }))
    }

    fn score<'a>(&self, cycle: &Cycle<'a>, _feasible: &[&'a NodeInfo]) -> Option<Box<dyn Score + 'a>> {
        Some(Box::new(LeastAllocated { wanted: &cycle.pod.requests }))
    }
}

struct Fit<'a> {
    wanted: &'a PodRequests,
    /// Made once, since a reason per node must not allocate.
    names: [Arc<str>; 3],
}

impl Filter for Fit<'_> {
    fn check(&self, node: &NodeInfo, reasons: &mut Vec<Reason>) -> Verdict {
        let mut verdict = Verdict::Fits;
        if node.pod_count() + 1 > node.view.allowed_pods {
            reasons.push(Reason::TooManyPods);
            verdict = Verdict::Unschedulable;
        }
        let wanted = &self.wanted.exact;
        let (all, used) = (&node.view.allocatable, &node.requested);
        let mut check = |name: &Arc<str>, wanted: i64, all: i64, used: i64| {
            if wanted > 0 && wanted > all.saturating_sub(used) {
                reasons.push(Reason::Insufficient(name.clone()));
                verdict = verdict.max(if wanted > all { Verdict::Unresolvable } else { Verdict::Unschedulable });
            }
        };
        let [cpu, memory, storage] = &self.names;
        check(cpu, wanted.cpu_milli, all.cpu_milli, used.cpu_milli);
        check(memory, wanted.memory, all.memory, used.memory);
        check(storage, wanted.ephemeral_storage, all.ephemeral_storage, used.ephemeral_storage);
        for (name, amount) in &wanted.scalars {
            check(name, *amount, all.scalar(name), used.scalar(name));
        }
        verdict
    }
}

struct LeastAllocated<'a> {
    wanted: &'a PodRequests,
}

impl Score for LeastAllocated<'_> {
    /// The mean, over processor and memory, of the part that stays free.
    fn score(&self, node: &NodeInfo) -> i64 {
        let all = &node.view.allocatable;
        let parts = [
            (all.cpu_milli, node.scored.0 + self.wanted.scored_cpu_milli),
            (all.memory, node.scored.1 + self.wanted.scored_memory),
        ];
        let (mut sum, mut weights) = (0, 0);
        for (all, used) in parts.into_iter().filter(|(all, _)| *all != 0) {
            sum += free_part(all, used);
            weights += 1;
        }
        if weights == 0 { 0 } else { sum / weights }
    }
}

fn free_part(all: i64, used: i64) -> i64 {
    if used > all {
        return 0;
    }
    (i128::from(all - used) * i128::from(MAX_SCORE) / i128::from(all)) as i64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    fn sized(name: &str, cpu: &str, memory: &str, pods: &str) -> crate::framework::NodeView {
        node(
            name,
            json!({"status": {"allocatable": {"cpu": cpu, "memory": memory, "pods": pods, "example.com/x": "2"}}}),
        )
    }

    #[test]
    fn what_fits() {
        let nodes = || [sized("a", "1", "1Gi", "1"), sized("b", "2", "2Gi", "10")];
        let state = cluster(nodes(), [(asking("q", "500m", "512Mi"), "a"), (asking("r", "500m", "512Mi"), "b")]);
        let extended = |amount: &str| {
            let requests = json!({"example.com/x": amount});
            pod("p", json!({"spec": {"containers": [{"name": "c", "resources": {"requests": requests}}]}}))
        };
        for (pod, expected) in [
            (asking("p", "500m", "512Mi"), ["Too many pods", "fits"]),
            (asking("p", "1", "512Mi"), ["Too many pods, Insufficient cpu", "fits"]),
            (
                asking("p", "1600m", "1600Mi"),
                [
                    "never: Too many pods, Insufficient cpu, Insufficient memory",
                    "Insufficient cpu, Insufficient memory",
                ],
            ),
            (asking("p", "3", "0"), ["never: Too many pods, Insufficient cpu", "never: Insufficient cpu"]),
            (extended("2"), ["Too many pods", "fits"]),
            (extended("3"), ["never: Too many pods, Insufficient example.com/x", "never: Insufficient example.com/x"]),
            (pod("p", json!(null)), ["Too many pods", "fits"]),
        ] {
            assert_eq!(verdicts(&NodeResourcesFit, &state, &pod), expected, "{:?}", pod.requests);
        }
    }

    #[test]
    fn the_emptier_node_is_better() {
        let state = cluster([sized("a", "4", "10000", "10"), sized("b", "6", "10000", "10")], []);
        assert_eq!(scores(&NodeResourcesFit, &state, &asking("p", "3", "5000")), [37, 50]);
        assert_eq!(scores(&NodeResourcesFit, &state, &asking("p", "5", "20000")), [0, 8]);
        let used =
            cluster([sized("a", "4", "16Gi", "10"), sized("b", "4", "16Gi", "10")], [(pod("q", json!(null)), "a")]);
        assert_eq!(scores(&NodeResourcesFit, &used, &pod("p", json!(null))), [96, 97], "defaults count");
    }
}
