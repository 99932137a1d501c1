//! One node's own objects: registration, status and lease.
//!
//! The status is posted when it changes, every [`NODE_STATUS_PERIOD`] if it does not, and at the next
//! [`NODE_STATUS_CHECK`] when the API has come to say something else (somebody took the node for dead). Lease renewals
//! are announced to the server once; one that takes no announcements gets them by patch.

use std::sync::Arc;
use std::time::Duration;

use cove_base::runtime::BoxFuture;
use cove_base::{Runtime, Timestamp};
use cove_kube_api::door::{Heartbeat, PatchKind};
use cove_kube_api::quantity::Quantity;
use cove_kube_api::status::Status;
use cove_kube_client::cache::Cache;
use cove_kube_client::{Client, Resource};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};

use crate::limits::{LEASE_PERIOD, LEASE_SECONDS, NODE_STATUS_CHECK, NODE_STATUS_PERIOD, WRITE_RETRY};
use crate::node::NodeSpec;

const NODES: Resource = Resource::core("nodes");
const LEASES: Resource = Resource::new("coordination.k8s.io", "v1", "leases");
const LEASE_NAMESPACE: &str = "kube-node-lease";

/// What keeps one node alive in the API.
pub(super) struct Upkeep {
    pub rt: Runtime,
    pub spec: NodeSpec,
    /// The node's identity.
    pub client: Client,
    /// The fleet's identity, which announces heartbeats; `None` for a node that is real.
    pub fleet: Option<Client>,
    /// All nodes and all pods, as the fleet sees them.
    pub nodes: Cache,
    pub pods: Cache,
    /// Whether pods can get addresses.
    pub network: watch::Receiver<bool>,
    /// Told when the API's Node has changed.
    pub changed: Arc<Notify>,
}

impl Upkeep {
    /// Works for as long as it is polled. Never finishes.
    pub(super) async fn keep(mut self) {
        // What was there before a restart decides whether the node is ready.
        self.nodes.synced().await;
        self.pods.synced().await;
        let started = self.rt.now();
        loop {
            let uid = self.register().await;
            self.report(started, &uid).await;
        }
    }

    /// Creates the Node, or finds it; tries again, with growing delays, for as long as it is refused. Gives its uid.
    async fn register(&self) -> String {
        let mut delay = WRITE_RETRY;
        loop {
            let made = match self.client.create(NODES, "", self.spec.registration()).await {
                Err(status) if status.is_already_exists() => self.client.get(NODES, "", &self.spec.name).await,
                other => other,
            };
            match made {
                Ok(node) => return node.uid().to_string(),
                Err(error) => tracing::warn!(node = %self.spec.name, "registering the node: {error}"),
            }
            self.rt.sleep(delay).await;
            delay = (delay * 2).min(Duration::from_secs(7));
        }
    }

    /// Posts the status and keeps the lease renewed until the Node is gone.
    async fn report(&mut self, started: Timestamp, uid: &str) {
        let mut renewals: Option<BoxFuture<()>> = None;
        loop {
            self.network.borrow_and_update();
            let mut result = self.write_status().await;
            if let (Ok(()), None) = (&result, &renewals) {
                result = self.begin_renewals(uid).await.map(|begun| renewals = Some(begun));
            }
            match (result, &mut renewals) {
                (Ok(()), Some(renewals)) => self.wait(started, renewals).await,
                (Err(error), _) if error.is_not_found() => return,
                (result, _) => {
                    tracing::debug!(node = %self.spec.name, "keeping the node: {result:?}");
                    self.rt.sleep(WRITE_RETRY).await;
                }
            }
        }
    }

    /// Waits until the status is to be posted again.
    async fn wait(&mut self, started: Timestamp, renewals: &mut BoxFuture<()>) {
        let mut due = self.rt.now() + NODE_STATUS_PERIOD;
        loop {
            tokio::select! {
                biased;
                changed = self.network.changed() => match changed {
                    Ok(()) => return,
                    Err(_) => std::future::pending().await,
                },
                () = self.changed.notified() => if self.differs() {
                    due = due.min(next_tick(started, self.rt.now()));
                },
                () = self.rt.sleep_until(due) => return,
                () = &mut *renewals => {}
            }
        }
    }

    fn status(&self) -> Value {
        let now = self.rt.now();
        let mut status = self.spec.status(*self.network.borrow(), now, now);
        if let Some(node) = self.nodes.find("", &self.spec.name) {
            keep_transitions(&mut status, &node.value()["status"]);
        }
        status
    }

    /// Whether the API says of this node what its agent would not.
    fn differs(&self) -> bool {
        let node = self.nodes.find("", &self.spec.name);
        node.is_some_and(|node| differ(&self.status(), &node.value()["status"]))
    }

    async fn write_status(&self) -> Result<(), Status> {
        let patch = json!({"status": self.status()});
        self.client.patch(NODES, "", &self.spec.name, "status", PatchKind::Strategic, patch).await.map(drop)
    }

    /// Renews the lease now and from now on: by announcement, or (as long as what it gives is polled) by patches.
    async fn begin_renewals(&self, uid: &str) -> Result<BoxFuture<()>, Status> {
        let since = self.rt.now();
        let lease = lease(&self.spec.name, uid);
        renew(&self.client, &self.spec.name, &lease, since).await?;
        let beat = Heartbeat::Alive { since, every: LEASE_PERIOD, lease: lease.clone() };
        if self.fleet.as_ref().is_some_and(|fleet| fleet.heartbeat(&self.spec.name, beat).is_ok()) {
            return Ok(Box::pin(std::future::pending()));
        }
        let (rt, client, name) = (self.rt.clone(), self.client.clone(), self.spec.name.clone());
        Ok(Box::pin(renew_by_patch(rt, client, name, lease, since)))
    }
}

async fn renew_by_patch(rt: Runtime, client: Client, node: String, lease: Value, mut last: Timestamp) {
    loop {
        last = last + LEASE_PERIOD;
        rt.sleep_until(last).await;
        if let Err(error) = renew(&client, &node, &lease, rt.now()).await {
            tracing::debug!(node, "renewing the lease: {error}");
        }
    }
}

/// The next time at which an agent that began at `started` looks at its status.
fn next_tick(started: Timestamp, now: Timestamp) -> Timestamp {
    let ticks = now.since(started).as_nanos() / NODE_STATUS_CHECK.as_nanos();
    started + NODE_STATUS_CHECK * (u32::try_from(ticks).unwrap_or(u32::MAX - 1) + 1)
}

fn conditions(status: &Value) -> &[Value] {
    status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A condition that is as it was keeps the time of its transition.
fn keep_transitions(status: &mut Value, known: &Value) {
    for condition in status["conditions"].as_array_mut().into_iter().flatten() {
        let same = |c: &&Value| c["type"] == condition["type"] && c["status"] == condition["status"];
        if let Some(known) = conditions(known).iter().find(same) {
            condition["lastTransitionTime"] = known["lastTransitionTime"].clone();
        }
    }
}

/// Whether conditions or resources are not what they should be. Times do not count, nor what others add.
fn differ(wanted: &Value, known: &Value) -> bool {
    let as_wanted = |condition: &Value| {
        let said = conditions(known).iter().find(|c| c["type"] == condition["type"]);
        said.is_some_and(|said| ["status", "reason", "message"].iter().all(|m| said[m] == condition[m]))
    };
    let amount = |value: &Value| Quantity::from_value(value).ok();
    let same_amounts = |side: &str| {
        let mut wanted = wanted[side].as_object().into_iter().flatten();
        wanted.all(|(name, value)| amount(value) == amount(&known[side][name]))
    };
    !conditions(wanted).iter().all(as_wanted) || !same_amounts("capacity") || !same_amounts("allocatable")
}

fn lease(node: &str, uid: &str) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {
            "name": node, "namespace": LEASE_NAMESPACE,
            "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": node, "uid": uid}],
        },
        "spec": {"holderIdentity": node, "leaseDurationSeconds": LEASE_SECONDS},
    })
}

/// Renews a node's lease, making it if there is none.
async fn renew(client: &Client, node: &str, lease: &Value, now: Timestamp) -> Result<(), Status> {
    let renewal = json!({"spec": {"renewTime": now.rfc3339_micros()}});
    match client.patch(LEASES, LEASE_NAMESPACE, node, "", PatchKind::Merge, renewal).await {
        Err(status) if status.is_not_found() => {}
        other => return other.map(drop),
    }
    let mut lease = lease.clone();
    lease["spec"]["renewTime"] = now.rfc3339_micros().into();
    client.create(LEASES, LEASE_NAMESPACE, lease).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_add_and_times_make_no_difference() {
        let wanted = json!({
            "capacity": {"memory": "1024Ki"},
            "conditions": [{"type": "Ready", "status": "True", "reason": "r", "message": "m", "lastHeartbeatTime": "1"}],
        });
        let mut known = json!({
            "capacity": {"memory": "1Mi", "example.com/gpu": "1"},
            "conditions": [
                {"type": "Ready", "status": "True", "reason": "r", "message": "m", "lastHeartbeatTime": "0"},
                {"type": "Other", "status": "True"},
            ],
        });
        assert!(!differ(&wanted, &known));
        known["conditions"][0]["status"] = "Unknown".into();
        assert!(differ(&wanted, &known));
    }

    #[test]
    fn ticks_are_counted_from_the_start() {
        let at = Timestamp::from_secs;
        assert_eq!(next_tick(at(3), at(3)), at(13));
        assert_eq!(next_tick(at(3), at(12)), at(13));
        assert_eq!(next_tick(at(3), at(13)), at(23));
    }
}
