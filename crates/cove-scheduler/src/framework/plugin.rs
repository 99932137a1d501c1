//! What a plug-in is. Plug-ins are pure: they see a [`Cycle`] and answer; nothing is kept between cycles.
//!
//! A plug-in prepares once per pod ([`Plugin::filter`], [`Plugin::score`]); what it prepared is asked once per node and
//! must not allocate then. `None` means that the plug-in has nothing to say about this pod.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::node_info::NodeInfo;
use super::pod_view::PodView;
use super::state::ClusterState;

/// One pod before the nodes of a cluster.
pub struct Cycle<'a> {
    /// Everything else that is known of the cluster. Nodes are taken from `nodes`.
    pub state: &'a ClusterState,
    /// The pod to be placed.
    pub pod: &'a PodView,
    /// All nodes, in the order of their names.
    pub nodes: Vec<&'a NodeInfo>,
}

impl<'a> Cycle<'a> {
    /// A pod before the cluster as it is.
    pub fn new(state: &'a ClusterState, pod: &'a PodView) -> Self {
        Self { state, pod, nodes: state.nodes().collect() }
    }
}

/// Why a node does not take a pod. Prints as people read it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A plug-in refuses the pod wherever it is.
    Refused(&'static str),
    /// The node is cordoned.
    NodeUnschedulable,
    /// The pod names another node.
    NodeName,
    /// A taint is not tolerated.
    Taint,
    /// Node selector or node affinity.
    NodeAffinity,
    /// The node is not among those that a plug-in allows.
    NotAllowedBy(&'static str),
    /// A port of the node is taken.
    Ports,
    /// The node is full.
    TooManyPods,
    /// A resource is short.
    Insufficient(Arc<str>),
    /// The pods would be too uneven.
    Spread,
    /// The node is in no domain.
    SpreadMissingLabel,
    /// The pod's own affinity.
    PodAffinity,
    /// The pod's own anti-affinity.
    PodAntiAffinity,
    /// The anti-affinity of a pod that is there.
    ExistingAntiAffinity,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused(why) => why,
            Self::NodeUnschedulable => "node(s) were unschedulable",
            Self::NodeName => "node(s) didn't match the requested node name",
            Self::Taint => "node(s) had untolerated taint(s)",
            Self::NodeAffinity => "node(s) didn't match Pod's node affinity/selector",
            Self::NotAllowedBy(plugin) => return write!(f, "node(s) didn't satisfy plugin(s) [{plugin}]"),
            Self::Ports => "node(s) didn't have free ports for the requested pod ports",
            Self::TooManyPods => "Too many pods",
            Self::Insufficient(resource) => return write!(f, "Insufficient {resource}"),
            Self::Spread => "node(s) didn't match pod topology spread constraints",
            Self::SpreadMissingLabel => "node(s) didn't match pod topology spread constraints (missing required label)",
            Self::PodAffinity => "node(s) didn't match pod affinity rules",
            Self::PodAntiAffinity => "node(s) didn't match pod anti-affinity rules",
            Self::ExistingAntiAffinity => "node(s) didn't satisfy existing pods anti-affinity rules",
        })
    }
}

/// Whether a node takes a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It does.
    Fits,
    /// It does not, but it might with fewer pods on it.
    Unschedulable,
    /// It does not, whatever pods leave.
    Unresolvable,
}

/// Something in the cluster that may help a pod that could not be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Event {
    /// A node has come.
    NodeAdded = 1,
    /// Labels, taints, capacity or images of a node have changed, or it has gone.
    NodeChanged = 2,
    /// A pod has been placed.
    PodPlaced = 4,
    /// A placed pod has ended or has been deleted.
    PodGone = 8,
    /// A placed pod has changed in its labels, or is being deleted.
    PodChanged = 16,
    /// The labels of a namespace have changed.
    NamespaceChanged = 32,
    /// A placed pod asks for another amount.
    PodResized = 64,
}

/// A set of [`Event`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Events(u8);

impl Events {
    /// No event.
    pub const NONE: Self = Self(0);
    /// Every event.
    pub const ALL: Self = Self(u8::MAX);

    /// These events.
    pub const fn of<const N: usize>(events: [Event; N]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < N {
            bits |= events[at] as u8;
            at += 1;
        }
        Self(bits)
    }

    /// Those of both sets.
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the sets have something in common.
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// What a plug-in has prepared for one pod: asked for every node.
pub trait Filter {
    /// Whether the node takes the pod; if not, adds at least one reason.
    fn check(&self, node: &NodeInfo, reasons: &mut Vec<Reason>) -> Verdict;
}

/// What a plug-in has prepared for one pod: asked for every node that takes the pod.
pub trait Score {
    /// The raw score of a node.
    fn score(&self, node: &NodeInfo) -> i64;

    /// Brings the raw scores into 0 to 100. `nodes` are those of `scores`, in order.
    fn normalize(&self, _nodes: &[&NodeInfo], _scores: &mut [i64]) {}
}

/// A plug-in.
pub trait Plugin: Sync {
    /// Upstream's name.
    fn name(&self) -> &'static str;

    /// How much its scores count.
    fn weight(&self) -> i64 {
        0
    }

    /// What may help a pod that it has rejected.
    fn wakes_on(&self) -> Events {
        Events::NONE
    }

    /// Why no node at all can take a pod, as its message says it.
    fn refuses(&self, _pod: &PodView) -> Option<&'static str> {
        None
    }

    /// The only nodes that need to be looked at, by name; `None` for all.
    fn allowed_nodes(&self, _pod: &PodView) -> Option<BTreeSet<Box<str>>> {
        None
    }

    /// Prepares to filter.
    fn filter<'a>(&self, _cycle: &Cycle<'a>) -> Option<Box<dyn Filter + 'a>> {
        None
    }

    /// Prepares to score the nodes that take the pod.
    fn score<'a>(&self, _cycle: &Cycle<'a>, _feasible: &[&'a NodeInfo]) -> Option<Box<dyn Score + 'a>> {
        None
    }
}

/// Upstream's `DefaultNormalizeScore`: in proportion to the highest; `reverse` makes the highest the worst.
pub fn in_proportion(scores: &mut [i64], reverse: bool) {
    use crate::limits::MAX_SCORE;
    let highest = scores.iter().copied().max().unwrap_or(0);
    if highest == 0 {
        if reverse {
            scores.fill(MAX_SCORE);
        }
        return;
    }
    for score in scores {
        *score = MAX_SCORE * *score / highest;
        if reverse {
            *score = MAX_SCORE - *score;
        }
    }
}
