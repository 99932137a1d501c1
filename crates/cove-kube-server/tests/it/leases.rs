//! Leases of simulated nodes look as if their agents had renewed them.

use std::time::Duration;

use cove_base::time::Timestamp;
use cove_kube_api::door::{Heartbeat, KubeDoor, Options, SIMULATED_FLEET, UserInfo, WatchEvent, WatchStream};
use serde_json::{Value, json};

use crate::help::{Api, run};

const LEASES: &str = "coordination.k8s.io/v1/leases";
const NAMESPACE: &str = "kube-node-lease";
const PERIOD: Duration = Duration::from_secs(10);

fn lease(node: &str, owner: &str) -> Value {
    json!({
        "metadata": {"name": node, "namespace": NAMESPACE,
            "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": node, "uid": owner}]},
        "spec": {"holderIdentity": node, "leaseDurationSeconds": 40},
    })
}

fn now(api: &Api) -> Timestamp {
    api.server.runtime().now()
}

fn renewed(at: Timestamp) -> Value {
    json!({"spec": {"renewTime": at.rfc3339_micros()}})
}

/// A node with the lease that its agent has made now.
async fn node(api: &Api, name: &str) -> Value {
    let node = api.create("v1/nodes", "", json!({"metadata": {"name": name}})).await.unwrap();
    let lease = lease(name, node.uid());
    let mut first = lease.clone();
    first["spec"]["renewTime"] = now(api).rfc3339_micros().into();
    api.create(LEASES, NAMESPACE, first).await.unwrap();
    lease
}

fn announce(api: &Api, node: &str, lease: Value) {
    let beat = Heartbeat::Alive { since: now(api), every: PERIOD, lease };
    api.server.heartbeat(&UserInfo::new(SIMULATED_FLEET, &[]), node, beat).unwrap();
}

fn gone(api: &Api, node: &str) {
    api.server.heartbeat(&UserInfo::new(SIMULATED_FLEET, &[]), node, Heartbeat::Gone).unwrap();
}

async fn cluster(api: &Api) {
    cove_kube_server::bootstrap::bootstrap(&api.server).await.unwrap();
}

async fn renew_time(api: &Api, node: &str) -> (String, u64) {
    let lease = api.get(LEASES, NAMESPACE, node).await.unwrap();
    (lease.value()["spec"]["renewTime"].as_str().unwrap().to_string(), lease.revision())
}

/// What a watch of one node's lease shows: when, what kind of event, the whole lease without what names the node.
async fn seen(api: &Api, watch: &mut Box<dyn WatchStream>, events: usize) -> Vec<(Timestamp, &'static str, Value)> {
    let mut seen = Vec::new();
    let mut last = 0;
    while seen.len() < events {
        let (kind, object) = match watch.next().await.unwrap() {
            WatchEvent::Added(object) => ("ADDED", object),
            WatchEvent::Modified(object) => ("MODIFIED", object),
            other => panic!("{other:?}"),
        };
        assert!(object.revision() > last, "revisions grow");
        last = object.revision();
        let mut value = object.value().as_ref().clone();
        for member in ["name", "uid", "resourceVersion", "ownerReferences"] {
            value["metadata"].as_object_mut().unwrap().remove(member).unwrap();
        }
        value["spec"].as_object_mut().unwrap().remove("holderIdentity").unwrap();
        seen.push((now(api), kind, value));
    }
    seen
}

#[test]
fn a_watched_lease_of_a_simulated_node_is_that_of_a_real_one() {
    run(|api| async move {
        cluster(&api).await;
        node(&api, "real").await;
        let lease = node(&api, "simulated").await;
        announce(&api, "simulated", lease);
        let of = |name: &str| Options { field_selector: format!("metadata.name={name}"), ..Options::default() };
        let mut real = api.watch(LEASES, NAMESPACE, of("real")).await;
        let mut simulated = api.watch(LEASES, NAMESPACE, of("simulated")).await;
        let agent = {
            let api = api.as_user(UserInfo::new("system:node:real", &["system:nodes"]));
            api.server.runtime().clone().spawn("agent", async move {
                loop {
                    api.server.runtime().sleep(PERIOD).await;
                    api.patch(LEASES, NAMESPACE, "real", renewed(now(&api))).await.unwrap();
                }
            })
        };
        let both = futures_util::future::join(seen(&api, &mut real, 8), seen(&api, &mut simulated, 8));
        let (real, simulated) = both.await;
        assert_eq!(real, simulated);
        agent.abort();
    });
}

#[test]
fn a_lease_is_renewed_when_somebody_looks_and_not_before() {
    run(|api| async move {
        cluster(&api).await;
        let lease = node(&api, "n").await;
        let start = now(&api);
        announce(&api, "n", lease);
        let before = api.space.revision();
        api.server.runtime().sleep(Duration::from_secs(95)).await;
        assert_eq!(api.space.revision(), before, "nobody looked");
        let list = api.list(LEASES, NAMESPACE, Options::default()).await.unwrap();
        let at = |seconds: u64| (start + Duration::from_secs(seconds)).rfc3339_micros();
        assert_eq!(list.items[0].value()["spec"]["renewTime"], at(90));
        assert_eq!((list.items[0].revision(), list.revision), (before + 1, before + 1));
        assert_eq!(renew_time(&api, "n").await, (at(90), before + 1));
        api.server.runtime().sleep(Duration::from_secs(5)).await;
        assert_eq!(renew_time(&api, "n").await, (at(100), before + 2));
    });
}

#[test]
fn a_dead_node_stops_at_its_last_tick() {
    run(|api| async move {
        cluster(&api).await;
        let lease = node(&api, "n").await;
        let start = now(&api);
        announce(&api, "n", lease);
        api.server.runtime().sleep(Duration::from_secs(35)).await;
        gone(&api, "n");
        api.server.runtime().sleep(Duration::from_secs(100)).await;
        let (at, revision) = renew_time(&api, "n").await;
        assert_eq!(at, (start + Duration::from_secs(30)).rfc3339_micros());
        api.server.runtime().sleep(Duration::from_secs(100)).await;
        assert_eq!(renew_time(&api, "n").await, (at, revision));
    });
}

#[test]
fn a_deleted_lease_comes_back_as_long_as_its_node_is_there() {
    run(|api| async move {
        cluster(&api).await;
        let lease = node(&api, "n").await;
        let start = now(&api);
        announce(&api, "n", lease);
        api.delete(LEASES, NAMESPACE, "n", json!({})).await.unwrap();
        assert!(api.get(LEASES, NAMESPACE, "n").await.unwrap_err().is_not_found());
        api.server.runtime().sleep(Duration::from_secs(10)).await;
        let (at, _) = renew_time(&api, "n").await;
        assert_eq!(at, (start + Duration::from_secs(10)).rfc3339_micros());
        api.delete("v1/nodes", "", "n", json!({})).await.unwrap();
        api.delete(LEASES, NAMESPACE, "n", json!({})).await.unwrap();
        api.server.runtime().sleep(Duration::from_secs(10)).await;
        assert!(api.get(LEASES, NAMESPACE, "n").await.unwrap_err().is_not_found());
    });
}

#[test]
fn only_the_fleet_announces() {
    run(|api| async move {
        let beat = Heartbeat::Alive { since: now(&api), every: PERIOD, lease: json!({}) };
        let status = api.server.heartbeat(&api.user, "n", beat.clone()).unwrap_err();
        assert_eq!((status.code, status.reason.as_str()), (403, "Forbidden"));
        let never = Heartbeat::Alive { since: now(&api), every: Duration::ZERO, lease: json!({}) };
        let status = api.server.heartbeat(&UserInfo::new(SIMULATED_FLEET, &[]), "n", never).unwrap_err();
        assert_eq!(status.code, 400);
    });
}
