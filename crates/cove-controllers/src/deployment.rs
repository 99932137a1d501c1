//! The Deployment controller: one ReplicaSet per template, and the way from the old ones to the newest.
//!
//! Reconcile and the two strategies are here; the parts are: [`sets`] finds and makes ReplicaSets, [`scale`] changes
//! their sizes, [`status`] tells how far a rollout is.

mod annotations;
mod scale;
mod sets;
mod status;

use std::sync::Arc;

use cove_kube_api::object::Object;
use cove_kube_api::selector::LabelSelector;
use cove_kube_api::status::Status;
use cove_kube_client::{Context, Controller, Key, Requeue, Watch};
use serde_json::Value;

use crate::claim::{Claim, owner_keys};
use crate::limits;
use crate::pods::{self, BY_CONTROLLER};
use crate::resources::{DEPLOYMENTS, PODS, REPLICA_SETS};
use crate::shared::Shared;
use crate::view::{controller_of, count, deleting, flag, scaled, text};

/// The declaration. Keys are Deployments. A pod that goes may be the last one that `Recreate` waits for.
pub const CONTROLLER: Controller<Shared> = Controller {
    name: "deployment-controller",
    component: "deployment-controller",
    watches: |_| {
        vec![
            Watch::itself(DEPLOYMENTS),
            Watch::mapped(REPLICA_SETS, |cx, change| owner_keys(cx, change, "Deployment", DEPLOYMENTS)),
            Watch::mapped(PODS, |cx, change| match &change.new {
                None => deployment_of_pod(cx, change.latest()).into_iter().collect(),
                Some(_) => Vec::new(),
            }),
        ]
    },
    singleton: false,
    workers: limits::WORKERS,
    reconcile: |cx, key| Box::pin(reconcile(cx, key)),
};

fn deployment_of_pod(cx: &Context<Shared>, pod: &Object) -> Option<Key> {
    let owner = controller_of(pod.value())?;
    let set = cx.cache(REPLICA_SETS).find(pod.namespace(), text(owner, "/name"))?;
    let owner = controller_of(set.value())?;
    let deployment = cx.cache(DEPLOYMENTS).find(pod.namespace(), text(owner, "/name"))?;
    (text(deployment.value(), "/spec/strategy/type") == "Recreate").then(|| Key::of(&deployment))
}

/// One reconcile: the deployment as last read or written, and its ReplicaSets.
struct Rollout<'a> {
    cx: &'a Context<Shared>,
    deployment: Arc<Object>,
    /// All claimed ReplicaSets, oldest first.
    sets: Vec<Arc<Object>>,
    /// The uid of the one whose template is the deployment's; empty if there is none.
    new_uid: String,
}

async fn reconcile(cx: Arc<Context<Shared>>, key: Key) -> Result<Requeue, Status> {
    let Some(deployment) = cx.cache(DEPLOYMENTS).get(&key) else { return Ok(Requeue::Done) };
    let Ok(selector) = LabelSelector::from_json(&deployment.value()["spec"]["selector"]) else {
        return Ok(Requeue::Done);
    };
    if selector.is_everything() {
        let message = "This deployment is selecting all pods. A non-empty selector is required.";
        cx.events.warning(&deployment, "SelectingAll", message);
        return Ok(Requeue::Done);
    }
    let claim = Claim { cx: &cx, owner_resource: DEPLOYMENTS, owner: &deployment, selector: &selector };
    let sets = claim.all(REPLICA_SETS, |_| true).await?;
    let mut rollout = Rollout { cx: &cx, deployment, sets, new_uid: String::new() };
    match rollout.run().await {
        // The deployment went away meanwhile.
        Err(status) if status.is_not_found() && cx.cache(DEPLOYMENTS).get(&key).is_none() => Ok(Requeue::Done),
        result => result,
    }
}

impl Rollout<'_> {
    async fn run(&mut self) -> Result<Requeue, Status> {
        self.find_new();
        if deleting(&self.deployment) {
            return self.sync_status().await;
        }
        self.note_pause().await?;
        if flag(self.value(), "/spec/paused") || self.was_scaled().await? {
            return self.sync().await;
        }
        match text(self.value(), "/spec/strategy/type") {
            "Recreate" => self.recreate().await,
            _ => self.roll().await,
        }
    }

    fn value(&self) -> &Value {
        self.deployment.value()
    }

    /// `spec.replicas`.
    fn wanted(&self) -> i64 {
        count(self.value(), "/spec/replicas")
    }

    fn is_rolling(&self) -> bool {
        text(self.value(), "/spec/strategy/type") != "Recreate"
    }

    /// `maxSurge` and `maxUnavailable` in pods, never both zero.
    fn fenceposts(&self) -> (i64, i64) {
        let member = |name: &str| self.value().pointer(&format!("/spec/strategy/rollingUpdate/{name}"));
        let surge = scaled(member("maxSurge"), self.wanted(), true, 0);
        let unavailable = scaled(member("maxUnavailable"), self.wanted(), false, 0);
        if surge == 0 && unavailable == 0 { (0, 1) } else { (surge, unavailable) }
    }

    fn max_surge(&self) -> i64 {
        if self.is_rolling() { self.fenceposts().0 } else { 0 }
    }

    fn max_unavailable(&self) -> i64 {
        if self.is_rolling() { self.fenceposts().1.min(self.wanted()) } else { 0 }
    }

    /// The ReplicaSet of the current template.
    fn new_set(&self) -> Option<&Arc<Object>> {
        self.sets.iter().find(|set| set.uid() == self.new_uid)
    }

    /// The ReplicaSets of earlier templates, oldest first.
    fn old_sets(&self) -> Vec<Arc<Object>> {
        self.sets.iter().filter(|set| set.uid() != self.new_uid).cloned().collect()
    }

    /// Puts a written ReplicaSet in place of its earlier version.
    fn put(&mut self, set: Arc<Object>) {
        match self.sets.iter_mut().find(|known| known.uid() == set.uid()) {
            Some(known) => *known = set,
            None => self.sets.push(set),
        }
    }

    /// `RollingUpdate`: one step up, else one step down, else done.
    async fn roll(&mut self) -> Result<Requeue, Status> {
        self.sync_revision(true).await?;
        if self.grow_new().await? || self.shrink_old().await? {
            return self.sync_rollout_status().await;
        }
        if self.is_complete(&self.value()["status"]) {
            self.clean_up().await?;
        }
        self.sync_rollout_status().await
    }

    /// `Recreate`: nothing new before everything old is gone.
    async fn recreate(&mut self) -> Result<Requeue, Status> {
        self.sync_revision(false).await?;
        let mut scaled_down = false;
        for set in active(&self.old_sets()) {
            scaled_down |= self.scale(&set, 0).await?;
        }
        if scaled_down || self.old_pods_run() {
            return self.sync_rollout_status().await;
        }
        if self.new_set().is_none() {
            self.sync_revision(true).await?;
        }
        if let Some(set) = self.new_set().cloned() {
            self.scale(&set, self.wanted()).await?;
        }
        if self.is_complete(&self.value()["status"]) {
            self.clean_up().await?;
        }
        self.sync_rollout_status().await
    }

    fn old_pods_run(&self) -> bool {
        let old = self.old_sets();
        if old.iter().any(|set| count(set.value(), "/status/replicas") > 0) {
            return true;
        }
        let pods = self.cx.cache(PODS);
        old.iter().any(|set| pods.indexed(BY_CONTROLLER, set.uid()).iter().any(|pod| !pods::is_terminal(pod)))
    }

    /// Paused, or scaled: sizes follow `spec.replicas`, but nothing is rolled out.
    async fn sync(&mut self) -> Result<Requeue, Status> {
        self.sync_revision(false).await?;
        self.scale_all().await?;
        if flag(self.value(), "/spec/paused") {
            self.clean_up().await?;
        }
        self.sync_status().await
    }
}

/// `spec.replicas` of a ReplicaSet.
fn size(set: &Object) -> i64 {
    count(set.value(), "/spec/replicas")
}

/// The ReplicaSets that want pods.
fn active(sets: &[Arc<Object>]) -> Vec<Arc<Object>> {
    sets.iter().filter(|set| size(set) > 0).cloned().collect()
}
