//! What a pod demands of nodes and of its neighbours: node affinity, pod affinity, spreading.

use std::collections::BTreeSet;

use serde_json::Value;

use super::labels::Labels;
use super::node_view::NodeView;
use super::selector::{Requirement, Selector, strings};

/// One alternative of a node selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeTerm {
    labels: Vec<Requirement>,
    /// Demands on `metadata.name`.
    names: Vec<Requirement>,
}

impl NodeTerm {
    fn of(term: &Value) -> Self {
        let of = |member: &str| term[member].as_array().into_iter().flatten().map(Requirement::of).collect();
        Self { labels: of("matchExpressions"), names: of("matchFields") }
    }

    fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.names.is_empty()
    }

    /// Whether a node is as demanded. An empty term accepts none.
    pub fn accepts(&self, node: &NodeView) -> bool {
        !self.is_empty()
            && self.labels.iter().all(|r| r.accepts(node.labels.get(r.key())))
            && self.names.iter().all(|r| r.key() == "metadata.name" && r.accepts(Some(&node.name)))
    }

    /// The names that this term allows; `None` for all.
    fn allowed_names(&self) -> Option<BTreeSet<Box<str>>> {
        let lists = self.names.iter().filter(|r| r.key() == "metadata.name").filter_map(Requirement::allowed);
        let sets = lists.map(|names| names.iter().cloned().collect::<BTreeSet<_>>());
        sets.reduce(|a, b| a.intersection(&b).cloned().collect())
    }
}

/// What a pod demands of its node, and what it prefers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeDemand {
    selector: Vec<Requirement>,
    /// One of these must hold. `None` demands nothing.
    terms: Option<Vec<NodeTerm>>,
    /// Weights and terms.
    pub preferred: Vec<(i64, NodeTerm)>,
}

impl NodeDemand {
    /// From a pod's spec.
    pub fn of(spec: &Value) -> Self {
        let selector = Labels::of(&spec["nodeSelector"]);
        let affinity = &spec["affinity"]["nodeAffinity"];
        let required = &affinity["requiredDuringSchedulingIgnoredDuringExecution"];
        let terms = required["nodeSelectorTerms"].as_array().map(|terms| terms.iter().map(NodeTerm::of).collect());
        let preferred = affinity["preferredDuringSchedulingIgnoredDuringExecution"].as_array();
        let preference =
            |p: &Value| (p["weight"].as_i64().unwrap_or_default(), NodeTerm::of(p.get("preference").unwrap_or(p)));
        Self {
            selector: selector.iter().map(|(key, value)| Requirement::equal(key, value)).collect(),
            terms,
            preferred: preferred
                .into_iter()
                .flatten()
                .map(preference)
                .filter(|(w, t)| *w != 0 && !t.is_empty())
                .collect(),
        }
    }

    /// Whether a node is as demanded.
    pub fn accepts(&self, node: &NodeView) -> bool {
        self.selector.iter().all(|r| r.accepts(node.labels.get(r.key())))
            && self.terms.as_ref().is_none_or(|terms| terms.iter().any(|term| term.accepts(node)))
    }

    /// Whether nothing is demanded.
    pub fn is_empty(&self) -> bool {
        self.selector.is_empty() && self.terms.is_none()
    }

    /// The only nodes that can be meant, by name; `None` if any can.
    pub fn allowed_names(&self) -> Option<BTreeSet<Box<str>>> {
        let sets = self.terms.as_ref()?.iter().map(NodeTerm::allowed_names);
        sets.reduce(|a, b| Some(a?.union(&b?).cloned().collect())).flatten()
    }
}

/// Which pods, and in which domain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodTerm {
    /// The label of nodes that makes a domain.
    pub topology_key: Box<str>,
    selector: Selector,
    namespaces: Vec<Box<str>>,
    namespace_selector: Option<Selector>,
}

impl PodTerm {
    fn of(term: &Value, namespace: &str, labels: &Labels) -> Self {
        let mut selector = Selector::of(&term["labelSelector"]);
        let own = |member: &str| {
            let keys = strings(&term[member]).into_iter();
            keys.filter_map(|key| labels.get(&key).map(|value| (key.clone(), value.to_string()))).collect::<Vec<_>>()
        };
        // The API server has merged these already; doing it again changes nothing.
        selector.add(own("matchLabelKeys").iter().map(|(key, value)| Requirement::equal(key, value)));
        selector.add(own("mismatchLabelKeys").iter().map(|(key, value)| Requirement::not_equal(key, value)));
        let namespace_selector = term.get("namespaceSelector").filter(|s| s.is_object()).map(Selector::of);
        let mut namespaces = strings(&term["namespaces"]);
        if namespaces.is_empty() && namespace_selector.is_none() {
            namespaces.push(namespace.into());
        }
        let topology_key = term["topologyKey"].as_str().unwrap_or_default().into();
        Self { topology_key, selector, namespaces, namespace_selector }
    }

    /// Whether a pod is meant.
    pub fn matches(&self, namespace: &str, namespace_labels: &Labels, labels: &Labels) -> bool {
        let here = self.namespaces.iter().any(|n| n.as_ref() == namespace)
            || self.namespace_selector.as_ref().is_some_and(|s| s.matches(namespace_labels));
        here && self.selector.matches(labels)
    }
}

/// What a pod demands of and prefers for its neighbours.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodAffinity {
    /// Pods that must be near.
    pub required: Vec<PodTerm>,
    /// Pods that must not be near.
    pub required_anti: Vec<PodTerm>,
    /// Pods that are wanted near (positive) or far (negative weight).
    pub preferred: Vec<(i64, PodTerm)>,
}

impl PodAffinity {
    /// From a pod's spec; its labels are for `matchLabelKeys`.
    pub fn of(spec: &Value, namespace: &str, labels: &Labels) -> Self {
        let (near, far) = (&spec["affinity"]["podAffinity"], &spec["affinity"]["podAntiAffinity"]);
        let required = |group: &Value| {
            let terms = group["requiredDuringSchedulingIgnoredDuringExecution"].as_array();
            terms.into_iter().flatten().map(|term| PodTerm::of(term, namespace, labels)).collect()
        };
        let mut preferred = Vec::new();
        for (group, sign) in [(near, 1), (far, -1)] {
            for term in group["preferredDuringSchedulingIgnoredDuringExecution"].as_array().into_iter().flatten() {
                let weight = term["weight"].as_i64().unwrap_or_default() * sign;
                preferred.push((weight, PodTerm::of(&term["podAffinityTerm"], namespace, labels)));
            }
        }
        Self { required: required(near), required_anti: required(far), preferred }
    }

    /// Whether nothing is demanded or preferred.
    pub fn is_empty(&self) -> bool {
        self.required.is_empty() && self.required_anti.is_empty() && self.preferred.is_empty()
    }
}

/// How evenly pods must be spread over domains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpreadConstraint {
    /// The largest allowed difference.
    pub max_skew: i64,
    /// The label of nodes that makes a domain.
    pub topology_key: Box<str>,
    /// `DoNotSchedule`, not `ScheduleAnyway`.
    pub hard: bool,
    /// Which pods are counted.
    pub selector: Selector,
    /// With fewer domains, the smallest count is taken as zero.
    pub min_domains: usize,
    /// Only nodes that the pod's node affinity accepts are counted.
    pub honor_affinity: bool,
    /// Only nodes whose taints the pod tolerates are counted.
    pub honor_taints: bool,
}

impl SpreadConstraint {
    /// From a pod's spec; its labels are for `matchLabelKeys`.
    pub fn all(spec: &Value, labels: &Labels) -> Vec<Self> {
        let constraints = spec["topologySpreadConstraints"].as_array();
        constraints.into_iter().flatten().map(|c| Self::of(c, labels)).collect()
    }

    fn of(constraint: &Value, labels: &Labels) -> Self {
        let mut selector = Selector::of(&constraint["labelSelector"]);
        for key in strings(&constraint["matchLabelKeys"]) {
            selector.add(labels.get(&key).map(|value| Requirement::equal(&key, value)));
        }
        Self {
            max_skew: constraint["maxSkew"].as_i64().unwrap_or(1),
            topology_key: constraint["topologyKey"].as_str().unwrap_or_default().into(),
            hard: constraint["whenUnsatisfiable"] != "ScheduleAnyway",
            selector,
            min_domains: constraint["minDomains"].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(1),
            honor_affinity: constraint["nodeAffinityPolicy"] != "Ignore",
            honor_taints: constraint["nodeTaintsPolicy"] == "Honor",
        }
    }

    /// A preference that everyone has (upstream's system defaults).
    pub fn preference(topology_key: &str, max_skew: i64, selector: Selector) -> Self {
        let topology_key = topology_key.into();
        let (hard, min_domains, honor_affinity, honor_taints) = (false, 1, true, false);
        Self { max_skew, topology_key, hard, selector, min_domains, honor_affinity, honor_taints }
    }
}
