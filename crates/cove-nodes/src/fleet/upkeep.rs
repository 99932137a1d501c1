//! One node's own objects: registration, status and lease.

use std::time::Duration;

use cove_base::{Runtime, Timestamp};
use cove_kube_api::door::PatchKind;
use cove_kube_api::status::Status;
use cove_kube_client::{Client, Resource};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::limits::{LEASE_PERIOD, LEASE_SECONDS, NODE_STATUS_PERIOD, WRITE_RETRY};
use crate::node::NodeSpec;

const NODES: Resource = Resource::core("nodes");
const LEASES: Resource = Resource::new("coordination.k8s.io", "v1", "leases");
const LEASE_NAMESPACE: &str = "kube-node-lease";

/// Keeps one node alive in the API for as long as it is polled. Never finishes.
pub(super) async fn keep(rt: Runtime, client: Client, spec: NodeSpec, mut network: watch::Receiver<bool>) {
    let mut up = *network.borrow_and_update();
    let mut since = rt.now();
    let uid = register(&rt, &client, &spec).await;
    loop {
        let status = spec.status(up, since, rt.now());
        let written = write_status(&client, &spec.name, status).await;
        let renewed = renew(&client, &spec.name, &uid, rt.now()).await;
        if let Err(error) = written.and(renewed) {
            tracing::debug!(node = %spec.name, "keeping the node: {error}");
            rt.sleep(WRITE_RETRY).await;
            if error.is_not_found() {
                register(&rt, &client, &spec).await;
            }
            continue;
        }
        let due = rt.now() + NODE_STATUS_PERIOD;
        if renew_until(&rt, &client, &spec.name, &uid, due, &mut network).await {
            up = *network.borrow_and_update();
            since = rt.now();
        }
    }
}

/// Renews the lease every [`LEASE_PERIOD`] until `due`, or until the network changes (then `true`).
async fn renew_until(
    rt: &Runtime,
    client: &Client,
    node: &str,
    uid: &str,
    due: Timestamp,
    network: &mut watch::Receiver<bool>,
) -> bool {
    while rt.now() < due {
        match rt.timeout(LEASE_PERIOD, network.changed()).await {
            Some(Ok(())) => return true,
            Some(Err(_)) => std::future::pending::<()>().await,
            None => {
                if let Err(error) = renew(client, node, uid, rt.now()).await {
                    tracing::debug!(node, "renewing the lease: {error}");
                }
            }
        }
    }
    false
}

/// Creates the Node, or finds it; tries again, with growing delays, for as long as it is refused. Gives its uid.
async fn register(rt: &Runtime, client: &Client, spec: &NodeSpec) -> String {
    let mut delay = WRITE_RETRY;
    loop {
        let made = match client.create(NODES, "", spec.registration()).await {
            Err(status) if status.is_already_exists() => client.get(NODES, "", &spec.name).await,
            other => other,
        };
        match made {
            Ok(node) => return node.uid().to_string(),
            Err(error) => tracing::warn!(node = %spec.name, "registering the node: {error}"),
        }
        rt.sleep(delay).await;
        delay = (delay * 2).min(Duration::from_secs(7));
    }
}

async fn write_status(client: &Client, node: &str, status: Value) -> Result<(), Status> {
    client.patch(NODES, "", node, "status", PatchKind::Strategic, json!({"status": status})).await.map(drop)
}

/// Renews the node's lease, making it if there is none.
async fn renew(client: &Client, node: &str, uid: &str, now: Timestamp) -> Result<(), Status> {
    let renewal = json!({"spec": {"renewTime": now.rfc3339_micros()}});
    match client.patch(LEASES, LEASE_NAMESPACE, node, "", PatchKind::Merge, renewal).await {
        Err(status) if status.is_not_found() => {}
        other => return other.map(drop),
    }
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {
            "name": node, "namespace": LEASE_NAMESPACE,
            "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": node, "uid": uid}],
        },
        "spec": {"holderIdentity": node, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now.rfc3339_micros()},
    });
    client.create(LEASES, LEASE_NAMESPACE, lease).await.map(drop)
}
