//! DaemonSets.

use cove_kube_client::Resource;
use serde_json::{Value, json};

use crate::cluster::{Cluster, NODES, PODS, run};

const SETS: Resource = Resource::new("apps", "v1", "daemonsets");
const REVISIONS: Resource = Resource::new("apps", "v1", "controllerrevisions");

fn daemon(strategy: Value) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": { "name": "agent", "namespace": "default" },
        "spec": {
            "selector": { "matchLabels": { "app": "agent" } },
            "updateStrategy": strategy,
            "template": template("agent:1"),
        },
    })
}

fn template(image: &str) -> Value {
    json!({
        "metadata": { "labels": { "app": "agent" } },
        "spec": { "containers": [{ "name": "main", "image": image }] },
    })
}

fn rolling(member: &str, value: Value) -> Value {
    let mut rolling = json!({ "maxSurge": 0, "maxUnavailable": 0 });
    rolling[member] = value;
    json!({ "type": "RollingUpdate", "rollingUpdate": rolling })
}

async fn three_nodes(cluster: &Cluster) {
    cluster.add_node("node-2", "us-west-2b").await;
    cluster.add_node("node-3", "us-west-2c").await;
}

async fn numbers(cluster: &Cluster) -> [i64; 4] {
    let status = cluster.get(SETS, "default", "agent").await["status"].clone();
    let members = ["desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled"];
    members.map(|member| status[member].as_i64().unwrap_or(0))
}

fn images(pods: &[std::sync::Arc<cove_kube_api::object::Object>]) -> Vec<String> {
    let image = |pod: &Value| pod["spec"]["containers"][0]["image"].as_str().unwrap_or("").to_string();
    let mut images: Vec<String> = pods.iter().map(|pod| image(pod.value())).collect();
    images.sort();
    images
}

#[test]
fn every_node_runs_one_and_new_nodes_too() {
    run(async |cluster: Cluster| {
        three_nodes(&cluster).await;
        cluster.create(SETS, daemon(rolling("maxUnavailable", json!(1)))).await;
        cluster.play_kubelet().await;
        assert_eq!(numbers(&cluster).await, [3, 3, 3, 3]);
        let pod = cluster.active_pods().await.remove(0);
        let terms = &pod.value()["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
        let field = &terms["nodeSelectorTerms"][0]["matchFields"][0];
        assert_eq!((&field["key"], &field["operator"]), (&json!("metadata.name"), &json!("In")));
        let revision = cluster.list(REVISIONS, "default").await.remove(0);
        let hash = revision.value()["metadata"]["labels"]["controller-revision-hash"].as_str().expect("a hash");
        assert_eq!(revision.name(), format!("agent-{hash}"));
        assert_eq!(pod.value()["metadata"]["labels"]["controller-revision-hash"], *hash);
        cluster.add_node("node-4", "us-west-2a").await;
        cluster.play_kubelet().await;
        assert_eq!(numbers(&cluster).await, [4, 4, 4, 4]);
        let taint = json!([{ "key": "dedicated", "effect": "NoExecute" }]);
        cluster.patch(NODES, "", "node-4", json!({ "spec": { "taints": taint } })).await;
        cluster.play_kubelet().await;
        assert_eq!(numbers(&cluster).await, [3, 3, 3, 3]);
    });
}

#[test]
fn an_update_goes_pod_by_pod() {
    run(async |cluster: Cluster| {
        three_nodes(&cluster).await;
        cluster.create(SETS, daemon(rolling("maxUnavailable", json!(1)))).await;
        cluster.play_kubelet().await;
        cluster.patch(SETS, "default", "agent", json!({ "spec": { "template": template("agent:2") } })).await;
        let pods = cluster.active_pods().await;
        let old = pods.iter().filter(|pod| pod.value()["spec"]["containers"][0]["image"] == "agent:1").count();
        assert_eq!(old, 2, "one at a time");
        cluster.play_kubelet().await;
        assert_eq!(images(&cluster.list(PODS, "default").await), ["agent:2", "agent:2", "agent:2"]);
        assert_eq!(numbers(&cluster).await, [3, 3, 3, 3]);
        let mut revisions: Vec<i64> = cluster
            .list(REVISIONS, "default")
            .await
            .iter()
            .map(|revision| revision.value()["revision"].as_i64().unwrap_or(0))
            .collect();
        revisions.sort_unstable();
        assert_eq!(revisions, [1, 2]);
    });
}

#[test]
fn a_surge_starts_the_new_pod_first() {
    run(async |cluster: Cluster| {
        cluster.create(SETS, daemon(rolling("maxSurge", json!(1)))).await;
        cluster.play_kubelet().await;
        cluster.patch(SETS, "default", "agent", json!({ "spec": { "template": template("agent:2") } })).await;
        assert_eq!(images(&cluster.active_pods().await), ["agent:1", "agent:2"]);
        cluster.play_kubelet().await;
        assert_eq!(images(&cluster.list(PODS, "default").await), ["agent:2"]);
    });
}

#[test]
fn a_failed_pod_is_replaced_and_on_delete_waits_for_the_user() {
    run(async |cluster: Cluster| {
        cluster.create(SETS, daemon(json!({ "type": "OnDelete" }))).await;
        cluster.play_kubelet().await;
        cluster.patch(SETS, "default", "agent", json!({ "spec": { "template": template("agent:2") } })).await;
        cluster.play_kubelet().await;
        let pods = cluster.list(PODS, "default").await;
        assert_eq!(images(&pods), ["agent:1"]);
        cluster.patch_status(PODS, "default", pods[0].name(), json!({ "phase": "Failed" })).await;
        cluster.settle().await;
        cluster.play_kubelet().await;
        assert_eq!(images(&cluster.list(PODS, "default").await), ["agent:2"]);
        let events = cluster.events("DaemonSet", "agent").await;
        let message = format!(
            "FailedDaemonPod: Found failed daemon pod default/{} on node node-1, will try to kill it",
            pods[0].name()
        );
        assert!(events.contains(&message), "{events:?}");
    });
}
