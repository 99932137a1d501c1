//! InterPodAffinity: pods that must or want to be near others or far from them, also by the wish of those others.

use cove_base::collections::HashMap;

use crate::framework::affinity::PodTerm;
use crate::framework::{
    Class, Cycle, Event, Events, Filter, Labels, NodeInfo, Plugin, PodView, Reason, Score, Verdict,
};
use crate::limits::MAX_SCORE;

/// How much the required affinity of an existing pod counts as a preference.
const HARD_AFFINITY_WEIGHT: i64 = 1;

/// The plug-in.
pub struct InterPodAffinity;

impl Plugin for InterPodAffinity {
    fn name(&self) -> &'static str {
        "InterPodAffinity"
    }

    fn weight(&self) -> i64 {
        2
    }

    fn wakes_on(&self) -> Events {
        let nodes_and_pods =
            Events::of([Event::NodeAdded, Event::NodeChanged, Event::PodPlaced, Event::PodGone, Event::PodChanged]);
        nodes_and_pods.or(Events::of([Event::NamespaceChanged]))
    }

    fn filter<'a>(&self, cycle: &Cycle<'a>) -> Option<Box<dyn Filter + 'a>> {
        let prepared = Required::new(cycle);
        (!prepared.is_empty()).then(|| Box::new(prepared) as Box<dyn Filter>)
    }

    fn score<'a>(&self, cycle: &Cycle<'a>, _feasible: &[&'a NodeInfo]) -> Option<Box<dyn Score + 'a>> {
        let prepared = Preferred { weights: weights(cycle) };
        (!prepared.weights.is_empty()).then(|| Box::new(prepared) as Box<dyn Score>)
    }
}

/// Sums by domain: label of nodes, then its value.
type Domains<'a> = Vec<(Box<str>, HashMap<&'a str, i64>)>;

fn add<'a>(domains: &mut Domains<'a>, node: &'a NodeInfo, key: &str, amount: i64) {
    let Some(domain) = node.view.labels.get(key) else { return };
    let at = domains.iter().position(|(known, _)| **known == *key).unwrap_or_else(|| {
        domains.push((key.into(), HashMap::default()));
        domains.len() - 1
    });
    *domains[at].1.entry(domain).or_default() += amount;
}

fn sum(domains: &Domains<'_>, node: &NodeInfo) -> i64 {
    let of = |(key, sums): &(Box<str>, HashMap<&str, i64>)| {
        node.view.labels.get(key).and_then(|domain| sums.get(domain).copied()).unwrap_or(0)
    };
    domains.iter().map(of).sum()
}

/// The incoming pod as the terms of others see it.
struct Incoming<'a> {
    pod: &'a PodView,
    namespace_labels: Labels,
}

impl<'a> Incoming<'a> {
    fn new(cycle: &Cycle<'a>) -> Self {
        Self { pod: cycle.pod, namespace_labels: cycle.state.namespace_labels(cycle.pod.namespace()) }
    }

    fn is_meant_by(&self, term: &PodTerm) -> bool {
        term.matches(self.pod.namespace(), &self.namespace_labels, self.pod.labels())
    }
}

/// Whether a term means the pods of a class.
fn means(cycle: &Cycle<'_>, term: &PodTerm, class: &Class) -> bool {
    term.matches(&class.namespace, &cycle.state.namespace_labels(&class.namespace), &class.labels)
}

/// For every class, something per topology key; then summed up over the nodes that have the class.
fn over_nodes<'a>(cycle: &Cycle<'a>, ask: impl Fn(&Class) -> Vec<(Box<str>, i64)>) -> Domains<'a> {
    let table = cycle.state.class_table(ask);
    let mut domains = Domains::new();
    if table.iter().all(Vec::is_empty) {
        return domains;
    }
    for &node in &cycle.nodes {
        for &(class, count) in node.classes() {
            for (key, amount) in &table[class.index()] {
                add(&mut domains, node, key, amount * count);
            }
        }
    }
    domains
}

struct Required<'a> {
    /// Where existing pods refuse this one.
    refused: Domains<'a>,
    /// Labels of the pod's required terms.
    near_keys: Vec<&'a str>,
    /// Where pods are that all required terms mean.
    near: Domains<'a>,
    /// Where pods are that a required anti-affinity term means.
    far: Domains<'a>,
    /// The pod itself is what its required terms mean: the first of a group may go anywhere.
    means_itself: bool,
}

impl<'a> Required<'a> {
    fn new(cycle: &Cycle<'a>) -> Self {
        let incoming = Incoming::new(cycle);
        let affinity = cycle.pod.affinity();
        let keys = |terms: &[PodTerm]| terms.iter().map(|t| (t.topology_key.clone(), 1)).collect::<Vec<_>>();
        let refused = over_nodes(cycle, |class| {
            let terms = class.affinity.required_anti.iter().filter(|term| incoming.is_meant_by(term));
            terms.map(|term| (term.topology_key.clone(), 1)).collect()
        });
        let near = match affinity.required.as_slice() {
            [] => Domains::new(),
            terms => over_nodes(cycle, |class| match terms.iter().all(|term| means(cycle, term, class)) {
                true => keys(terms),
                false => Vec::new(),
            }),
        };
        let far = match affinity.required_anti.as_slice() {
            [] => Domains::new(),
            terms => over_nodes(cycle, |class| {
                let meant = terms.iter().filter(|term| means(cycle, term, class));
                meant.map(|term| (term.topology_key.clone(), 1)).collect()
            }),
        };
        let near_keys = affinity.required.iter().map(|term| &*term.topology_key).collect();
        let means_itself = affinity.required.iter().all(|term| incoming.is_meant_by(term));
        Self { refused, near_keys, near, far, means_itself }
    }

    fn is_empty(&self) -> bool {
        self.refused.is_empty() && self.near_keys.is_empty() && self.far.is_empty()
    }

    fn is_near(&self, node: &NodeInfo) -> bool {
        let mut all_near = true;
        for key in &self.near_keys {
            let Some(domain) = node.view.labels.get(key) else { return false };
            let sums = self.near.iter().find(|(known, _)| &&**known == key).map(|(_, sums)| sums);
            all_near &= sums.and_then(|sums| sums.get(domain)).is_some_and(|count| *count > 0);
        }
        all_near || (self.near.is_empty() && self.means_itself)
    }
}

impl Filter for Required<'_> {
    fn check(&self, node: &NodeInfo, reasons: &mut Vec<Reason>) -> Verdict {
        let (reason, verdict) = if !self.is_near(node) {
            (Reason::PodAffinity, Verdict::Unresolvable)
        } else if sum(&self.far, node) > 0 {
            (Reason::PodAntiAffinity, Verdict::Unschedulable)
        } else if sum(&self.refused, node) > 0 {
            (Reason::ExistingAntiAffinity, Verdict::Unschedulable)
        } else {
            return Verdict::Fits;
        };
        reasons.push(reason);
        verdict
    }
}

/// What the wishes of the incoming pod and of existing pods add up to, by domain.
fn weights<'a>(cycle: &Cycle<'a>) -> Domains<'a> {
    let incoming = Incoming::new(cycle);
    over_nodes(cycle, |class| {
        let mine = cycle.pod.affinity().preferred.iter().filter(|(_, term)| means(cycle, term, class));
        let theirs = class.affinity.preferred.iter().filter(|(_, term)| incoming.is_meant_by(term));
        let required = class.affinity.required.iter().filter(|term| incoming.is_meant_by(term));
        let wishes = mine.chain(theirs).map(|(weight, term)| (term.topology_key.clone(), *weight));
        wishes.chain(required.map(|term| (term.topology_key.clone(), HARD_AFFINITY_WEIGHT))).collect()
    })
}

struct Preferred<'a> {
    weights: Domains<'a>,
}

impl Score for Preferred<'_> {
    fn score(&self, node: &NodeInfo) -> i64 {
        sum(&self.weights, node)
    }

    fn normalize(&self, _nodes: &[&NodeInfo], scores: &mut [i64]) {
        let lowest = scores.iter().copied().min().unwrap_or(0);
        let range = scores.iter().copied().max().unwrap_or(0) - lowest;
        for score in scores {
            *score = match range {
                0 => 0,
                range => (MAX_SCORE as f64 * ((*score - lowest) as f64 / range as f64)) as i64,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    const ZONE: &str = "topology.kubernetes.io/zone";

    fn term(app: &str, key: &str) -> serde_json::Value {
        json!({"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": key})
    }

    fn required(terms: serde_json::Value) -> serde_json::Value {
        json!({"requiredDuringSchedulingIgnoredDuringExecution": terms})
    }

    fn with(name: &str, app: &str, kind: &str, affinity: serde_json::Value) -> std::sync::Arc<PodView> {
        pod(name, json!({"metadata": {"labels": {"app": app}}, "spec": {"affinity": {kind: affinity}}}))
    }

    fn three() -> [crate::framework::NodeView; 3] {
        [in_zone("a", "z1"), in_zone("b", "z1"), in_zone("x", "z2")]
    }

    #[test]
    fn near() {
        let state = cluster(three(), [(labelled("1", json!({"app": "db"})), "a")]);
        let no = "never: node(s) didn't match pod affinity rules";
        let near =
            |app: &str, terms| verdicts(&InterPodAffinity, &state, &with("p", app, "podAffinity", required(terms)));
        assert_eq!(near("web", json!([term("db", ZONE)])), ["fits", "fits", no]);
        assert_eq!(near("web", json!([term("db", "kubernetes.io/hostname")])), ["fits", no, no]);
        assert_eq!(near("web", json!([term("web", ZONE)])), ["fits", "fits", "fits"], "the first of its group");
        assert_eq!(near("web", json!([term("none", ZONE)])), [no, no, no]);
        let mut elsewhere = term("db", ZONE);
        elsewhere["namespaces"] = json!(["other"]);
        assert_eq!(near("web", json!([elsewhere])), [no, no, no]);
        let mut anywhere = term("db", ZONE);
        anywhere["namespaceSelector"] = json!({});
        assert_eq!(near("web", json!([anywhere])), ["fits", "fits", no]);
    }

    #[test]
    fn far() {
        let state = cluster(three(), [(labelled("1", json!({"app": "db"})), "a")]);
        let no = "node(s) didn't match pod anti-affinity rules";
        let far = |key: &str| {
            let pod = with("p", "web", "podAntiAffinity", required(json!([term("db", key)])));
            verdicts(&InterPodAffinity, &state, &pod)
        };
        assert_eq!(far(ZONE), [no, no, "fits"]);
        assert_eq!(far("kubernetes.io/hostname"), [no, "fits", "fits"]);
    }

    #[test]
    fn those_who_are_there_refuse_too() {
        let loner = with("1", "db", "podAntiAffinity", required(json!([term("web", ZONE)])));
        let state = cluster(three(), [(loner, "a")]);
        let no = "node(s) didn't satisfy existing pods anti-affinity rules";
        assert_eq!(verdicts(&InterPodAffinity, &state, &labelled("p", json!({"app": "web"}))), [no, no, "fits"]);
        assert_eq!(verdicts(&InterPodAffinity, &state, &labelled("p", json!({"app": "x"}))), ["fits"; 3]);
    }

    #[test]
    fn wishes_of_both_sides() {
        let wish = |weight: u32, app: &str, key: &str| json!({"weight": weight, "podAffinityTerm": term(app, key)});
        let preferred = |terms| json!({"preferredDuringSchedulingIgnoredDuringExecution": terms});
        let db = || labelled("1", json!({"app": "db"}));
        let near = with(
            "p",
            "web",
            "podAffinity",
            preferred(json!([wish(10, "db", ZONE), wish(10, "db", "kubernetes.io/hostname")])),
        );
        let of = |state: &crate::framework::ClusterState, pod: &PodView| scores(&InterPodAffinity, state, pod);
        assert_eq!(of(&cluster(three(), [(db(), "a")]), &near), [100, 50, 0]);
        let far = with("p", "web", "podAntiAffinity", preferred(json!([wish(10, "db", ZONE)])));
        assert_eq!(of(&cluster(three(), [(db(), "a")]), &far), [0, 0, 100]);
        let wishing = with("1", "db", "podAffinity", preferred(json!([wish(10, "web", ZONE)])));
        assert_eq!(of(&cluster(three(), [(wishing, "x")]), &labelled("p", json!({"app": "web"}))), [0, 0, 100]);
        let needing = with("1", "db", "podAffinity", required(json!([term("web", ZONE)])));
        assert_eq!(of(&cluster(three(), [(needing, "a")]), &labelled("p", json!({"app": "web"}))), [100, 100, 0]);
        assert!(of(&cluster(three(), [(db(), "a")]), &labelled("p", json!({"app": "web"}))).is_empty());
    }
}
