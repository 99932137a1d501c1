//! Which pods of lower priority would have to leave so that a pod finds room (upstream's `DefaultPreemption`). Pure.
//!
//! On every node that might help, all pods of lower priority are taken away; if the pod fits then, as many as possible
//! are put back, the more important first, and those that a budget protects before the others.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use cove_base::Timestamp;

use crate::cycle::check_one;
use crate::diagnosis::{Diagnosis, listed};
use crate::framework::{ClassId, ClusterState, NodeInfo, PodView, Verdict};
use crate::limits;

/// Who has to leave which node.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The node.
    pub node: Box<str>,
    /// The pods, the most important first.
    pub victims: Vec<Arc<PodView>>,
    violations: usize,
}

/// Why nobody has to leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// As the pod's message ends.
    pub message: String,
    /// Nobody could help: a nomination of the pod is void.
    pub is_hopeless: bool,
}

impl Refusal {
    fn not_eligible(why: &str) -> Self {
        Self { message: format!("preemption: not eligible due to {why}."), is_hopeless: false }
    }
}

/// What preemption says about a pod that no node takes: a plan, or why there is none. `nominated` is the node that
/// earlier victims of this pod are leaving.
pub fn plan(
    state: &ClusterState,
    pod: &PodView,
    diagnosis: &Diagnosis,
    nominated: Option<&str>,
) -> Result<Plan, Refusal> {
    if pod.never_preempts {
        return Err(Refusal::not_eligible("preemptionPolicy=Never"));
    }
    let leaving = |p: &Arc<PodView>| p.terminating && p.preempted && p.priority < pod.priority;
    if nominated.and_then(|node| state.node(node)).is_some_and(|node| node.pods().any(leaving)) {
        return Err(Refusal::not_eligible("terminating pod on the nominated node"));
    }
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let mut plans = Vec::new();
    for node in diagnosis.resolvable().iter().filter_map(|name| state.node(name)) {
        match plan_for(state, pod, node) {
            Ok(plan) => plans.push(plan),
            Err(why) => why.into_iter().for_each(|reason| *reasons.entry(reason).or_default() += 1),
        }
        if plans.len() >= limits::PREEMPTION_CANDIDATES.max(diagnosis.resolvable().len() / 10) {
            break;
        }
    }
    if let Some(best) = plans.into_iter().min_by_key(cost) {
        return Ok(best);
    }
    let hopeless = diagnosis.node_count() - diagnosis.resolvable().len();
    if hopeless > 0 {
        *reasons.entry("Preemption is not helpful for scheduling".into()).or_default() += hopeless;
    }
    let message = format!("preemption: 0/{} nodes are available: {}.", diagnosis.node_count(), listed(&reasons));
    Err(Refusal { message, is_hopeless: true })
}

/// Upstream's order of nodes: budgets, the most important victim, the sum of priorities, the number of victims, the
/// youngest.
fn cost(plan: &Plan) -> (usize, i32, i64, usize, Reverse<Timestamp>) {
    let highest = plan.victims.first().map_or(i32::MIN, |victim| victim.priority);
    // The offset keeps a few pods of negative priority from being cheaper than none.
    let sum = plan.victims.iter().map(|victim| i64::from(victim.priority) + (1 << 31)).sum();
    let earliest = plan.victims.iter().filter(|victim| victim.priority == highest).map(|v| started(v)).min();
    (plan.violations, highest, sum, plan.victims.len(), Reverse(earliest.unwrap_or_default()))
}

/// A pod that has not started counts as the youngest.
fn started(pod: &PodView) -> Timestamp {
    pod.started.unwrap_or(Timestamp::from_nanos(i64::MAX))
}

/// The cheapest way to make room on a node, or why there is none.
fn plan_for(state: &ClusterState, pod: &PodView, node: &NodeInfo) -> Result<Plan, Vec<String>> {
    let lower = node.pods().filter(|p| p.priority < pod.priority);
    let mut lower: Vec<Arc<PodView>> = lower.cloned().collect();
    if lower.is_empty() {
        return Err(vec!["No preemption victims found for incoming pod".into()]);
    }
    lower.sort_by_key(|p| (Reverse(p.priority), started(p)));
    let mut emptied = node.clone();
    let classes: Vec<Option<ClassId>> = lower.iter().map(|p| emptied.remove(&p.uid)).collect();
    let (verdict, reasons) = check_one(state, pod, &emptied);
    if verdict != Verdict::Fits {
        return Err(reasons.iter().map(ToString::to_string).collect());
    }
    let protected = state.violations(&lower);
    let (mut gone, mut violations) = (vec![false; lower.len()], 0);
    let first_protected = (0..lower.len()).filter(|i| protected[*i]).chain((0..lower.len()).filter(|i| !protected[*i]));
    for index in first_protected {
        let Some(class) = classes[index] else { continue };
        emptied.add(lower[index].clone(), class);
        if check_one(state, pod, &emptied).0 != Verdict::Fits {
            emptied.remove(&lower[index].uid);
            gone[index] = true;
            violations += usize::from(protected[index]);
        }
    }
    let victims = lower.into_iter().zip(gone).filter(|(_, gone)| *gone).map(|(victim, _)| victim).collect();
    Ok(Plan { node: node.name().into(), victims, violations })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cycle::place;
    use crate::framework::budget::Budget;
    use crate::testing::*;

    fn with(name: &str, priority: i32, cpu: &str) -> Arc<PodView> {
        let requests = json!({ "cpu": cpu });
        let containers = json!([{"name": "c", "image": "i", "resources": {"requests": requests}}]);
        let labels = json!({ "name": name });
        pod(name, json!({"metadata": {"labels": labels}, "spec": {"priority": priority, "containers": containers}}))
    }

    fn planned(state: &ClusterState, pod: &PodView) -> Result<String, String> {
        let diagnosis = place(state, pod, |_| 0).expect_err("the pod fits");
        let plan = plan(state, pod, &diagnosis, None).map_err(|refusal| refusal.message)?;
        let names: Vec<&str> = plan.victims.iter().map(|victim| victim.key.name.as_str()).collect();
        Ok(format!("{}: {}", plan.node, names.join(" ")))
    }

    #[test]
    fn as_many_as_possible_stay() {
        let state = cluster(
            [node("a", json!(null))],
            [(with("1", 1, "1"), "a"), (with("2", 2, "1"), "a"), (with("3", 3, "1"), "a"), (with("9", 9, "1"), "a")],
        );
        assert_eq!(planned(&state, &with("p", 5, "2")).unwrap(), "a: 2 1");
        assert_eq!(planned(&state, &with("p", 5, "1")).unwrap(), "a: 1");
        assert_eq!(
            planned(&state, &with("p", 5, "4")).unwrap_err(),
            "preemption: 0/1 nodes are available: 1 Insufficient cpu."
        );
        assert_eq!(
            planned(&state, &with("p", 1, "2")).unwrap_err(),
            "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."
        );
    }

    #[test]
    fn the_cheapest_node_is_taken() {
        let nodes = || [node("a", json!(null)), node("b", json!(null))];
        let state = cluster(nodes(), [(with("1", 2, "4"), "a"), (with("2", 1, "4"), "b")]);
        assert_eq!(planned(&state, &with("p", 5, "1")).unwrap(), "b: 2");
        let state = cluster(nodes(), [(with("1", 1, "2"), "a"), (with("2", 1, "2"), "a"), (with("3", 1, "4"), "b")]);
        assert_eq!(planned(&state, &with("p", 5, "4")).unwrap(), "b: 3");
    }

    #[test]
    fn budgets_are_kept_if_possible() {
        let nodes = [node("a", json!(null)), node("b", json!(null))];
        let mut state = cluster(nodes, [(with("1", 1, "4"), "a"), (with("2", 2, "4"), "b")]);
        let budget = Budget::of(&json!({"spec": {"selector": {"matchLabels": {"name": "1"}}}, "status": {}}));
        state.set_budget(cove_kube_client::Key::new("default", "b"), Some(budget));
        assert_eq!(planned(&state, &with("p", 5, "1")).unwrap(), "b: 2");
        assert_eq!(planned(&state, &with("p", 2, "1")).unwrap(), "a: 1", "but they do not save anyone");
    }

    #[test]
    fn who_may_not_preempt() {
        let state = cluster([node("a", json!(null))], [(with("1", 1, "4"), "a")]);
        let mut never = PodView::clone(&with("p", 5, "1"));
        never.never_preempts = true;
        let why = "preemption: not eligible due to preemptionPolicy=Never.";
        assert_eq!(planned(&state, &never).unwrap_err(), why);
    }
}
