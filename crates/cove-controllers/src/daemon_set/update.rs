//! The rolling update of a DaemonSet: within `maxUnavailable` old pods are deleted first, or within `maxSurge` new ones
//! are made first.

use std::sync::Arc;

use cove_kube_api::object::Object;
use cove_kube_api::selector::LabelSelector;
use cove_kube_api::status::Status;

use super::{Daemon, PodsByNode};
use crate::view::{deleting, scaled};

/// What runs on one node during an update.
enum Place<'a> {
    /// Something that `manage` has to sort out first.
    Unclear,
    /// At most one pod of each kind.
    Clear { old: Option<&'a Arc<Object>>, new: Option<&'a Arc<Object>> },
}

impl Daemon<'_> {
    fn limit(&self, member: &str, desired: i64) -> i64 {
        let value = self.value().pointer(&format!("/spec/updateStrategy/rollingUpdate/{member}"));
        scaled(value, desired, true, 0)
    }

    /// `maxSurge` in pods.
    pub(super) fn surge(&self) -> i64 {
        self.limit("maxSurge", self.desired())
    }

    fn desired(&self) -> i64 {
        self.nodes.iter().filter(|(_, run, _)| *run).count() as i64
    }

    fn place<'a>(&self, pods: &'a [Arc<Object>]) -> Place<'a> {
        if pods.iter().any(|pod| deleting(pod)) {
            return Place::Unclear;
        }
        let (new, old): (Vec<_>, Vec<_>) = pods.iter().partition(|pod| self.is_current(pod));
        if new.len() > 1 || old.len() > 1 {
            return Place::Unclear;
        }
        Place::Clear { old: old.first().copied(), new: new.first().copied() }
    }

    /// One step of the update.
    pub(super) async fn roll(&mut self, selector: &LabelSelector) -> Result<(), Status> {
        let mut by_node = PodsByNode::clone(&*self.pods_by_node(selector).await?);
        for (node, run, _) in &self.nodes {
            if *run {
                by_node.entry(node.name().to_string()).or_default();
            }
        }
        let desired = self.desired();
        let (surge, unavailable) = (self.limit("maxSurge", desired), self.limit("maxUnavailable", desired));
        if surge > 0 {
            return self.roll_by_surge(&by_node, surge).await;
        }
        self.roll_in_place(&by_node, unavailable.max(1)).await
    }

    async fn roll_in_place(&mut self, by_node: &PodsByNode, most: i64) -> Result<(), Status> {
        let mut unavailable = 0;
        let (mut broken, mut candidates) = (Vec::new(), Vec::new());
        for pods in by_node.values() {
            match self.place(pods) {
                Place::Clear { old: None, new: Some(new) } => unavailable += i64::from(!self.is_available(new)),
                Place::Clear { old: Some(old), new: None } if !self.is_available(old) => {
                    // A pod that serves nobody may go whatever the limit says.
                    broken.push(old.clone());
                    unavailable += 1;
                }
                Place::Clear { old: Some(old), new: None } => candidates.push(old.clone()),
                _ => unavailable += 1,
            }
        }
        let room = usize::try_from(most - unavailable).unwrap_or(0);
        broken.extend(candidates.into_iter().take(room));
        self.sync_nodes(broken, Vec::new()).await
    }

    async fn roll_by_surge(&mut self, by_node: &PodsByNode, most: i64) -> Result<(), Status> {
        let mut surging = 0;
        let (mut surplus, mut allowed, mut candidates) = (Vec::new(), Vec::new(), Vec::new());
        for (node, pods) in by_node {
            match self.place(pods) {
                Place::Unclear => surging += 1,
                Place::Clear { old: None, .. } => {}
                Place::Clear { old: Some(old), new: None } => {
                    let list = if self.is_available(old) { &mut candidates } else { &mut allowed };
                    list.push(node.clone());
                }
                Place::Clear { old: Some(old), new: Some(new) } => {
                    if !self.is_available(old) || self.is_available(new) {
                        surplus.push(old.clone());
                    }
                    surging += i64::from(!self.is_available(new));
                }
            }
        }
        let room = usize::try_from(most - surging).unwrap_or(0);
        allowed.extend(candidates.into_iter().take(room));
        self.sync_nodes(surplus, allowed).await
    }
}
