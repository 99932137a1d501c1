//! Why a pod could not be placed, as people and programs read it (upstream's `FitError`).

use std::collections::BTreeMap;

use crate::framework::{Event, Events, NodeInfo, Reason, Verdict};

/// Why no node takes a pod.
#[derive(Clone, Debug, Default)]
pub struct Diagnosis {
    node_count: usize,
    reasons: BTreeMap<Reason, usize>,
    /// What was found before any node was looked at.
    before_filters: Option<&'static str>,
    resolvable: Vec<Box<str>>,
    wakes_on: Events,
}

impl Diagnosis {
    /// Nothing is known yet of that many nodes.
    pub fn new(node_count: usize) -> Self {
        Self { node_count, wakes_on: Events::of([Event::NodeAdded]), ..Self::default() }
    }

    /// No node can take the pod, whatever it is.
    pub fn before_filters(mut self, why: &'static str, wakes_on: Events) -> Self {
        (self.before_filters, self.wakes_on) = (Some(why), wakes_on);
        self
    }

    /// A node does not take the pod. Empties `reasons`.
    pub fn reject(&mut self, node: &NodeInfo, verdict: Verdict, reasons: &mut Vec<Reason>, wakes_on: Events) {
        for reason in reasons.drain(..) {
            *self.reasons.entry(reason).or_default() += 1;
        }
        if verdict == Verdict::Unschedulable {
            self.resolvable.push(node.name().into());
        }
        self.wakes_on = self.wakes_on.or(wakes_on);
    }

    /// How many nodes there are.
    pub fn node_count(&self) -> usize {
        self.node_count
    }

    /// The nodes that might take the pod if others left.
    pub fn resolvable(&self) -> &[Box<str>] {
        &self.resolvable
    }

    /// What may help.
    pub fn wakes_on(&self) -> Events {
        self.wakes_on
    }

    /// The message, with why preemption does not help; `None` if it does.
    pub fn message(&self, preemption: Option<&str>) -> String {
        if self.node_count == 0 {
            return "no nodes available to schedule pods".into();
        }
        let why = match self.before_filters {
            Some(why) => why.into(),
            None => listed(&self.reasons),
        };
        let after = preemption.map(|text| format!(" no new claims to deallocate, {text}")).unwrap_or_default();
        format!("0/{} nodes are available: {why}.{after}", self.node_count)
    }
}

/// `2 Insufficient cpu, 3 Too many pods`: sorted as texts, the numbers included.
pub fn listed<R: ToString>(reasons: &BTreeMap<R, usize>) -> String {
    let mut texts: Vec<String> =
        reasons.iter().map(|(reason, count)| format!("{count} {}", reason.to_string())).collect();
    texts.sort();
    texts.join(", ")
}
