//! Nodes that die, taints that drive pods away, pods that nobody else removes.

use serde_json::{Value, json};

use crate::cluster::{Cluster, LEASES, NODES, PODS, run};

fn pod(name: &str, node: &str, tolerations: Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "namespace": "default" },
        "spec": {
            "nodeName": node,
            "tolerations": tolerations,
            "containers": [{ "name": "main", "image": "nginx" }],
        },
    })
}

fn tolerates(key: &str, seconds: i64) -> Value {
    json!({ "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds })
}

fn taints(node: &Value) -> Vec<String> {
    let all = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
    let one = |taint: &Value| ["key", "effect"].map(|m| taint[m].as_str().unwrap_or("").to_string()).join(":");
    let mut all: Vec<String> = all.iter().map(one).collect();
    all.sort();
    all
}

fn condition(object: &Value, kind: &str) -> String {
    let all = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = all.iter().find(|c| c["type"] == kind).cloned().unwrap_or_default();
    ["status", "reason", "message"].map(|m| found[m].as_str().unwrap_or("").to_string()).join("|")
}

#[test]
fn a_silent_node_is_tainted_and_its_pods_leave_after_their_time() {
    run(async |cluster: Cluster| {
        cluster.add_node("node-2", "us-west-2b").await;
        let patient = json!([tolerates("node.kubernetes.io/unreachable", 300)]);
        cluster.create(PODS, pod("patient", "node-2", patient)).await;
        cluster.create(PODS, pod("daemon", "node-2", json!([{ "operator": "Exists" }]))).await;
        cluster.play_kubelet().await;
        cluster.pass(60).await;
        assert_eq!(taints(&cluster.get(NODES, "", "node-2").await), Vec::<String>::new(), "leases keep it alive");
        cluster.kill_node("node-2");
        cluster.pass(29).await;
        assert!(condition(&cluster.get(NODES, "", "node-2").await, "Ready").starts_with("True|"));
        cluster.pass(15).await;
        let node = cluster.get(NODES, "", "node-2").await;
        let words = "Unknown|NodeStatusUnknown|Kubelet stopped posting node status.";
        assert_eq!(condition(&node, "Ready"), words);
        assert_eq!(condition(&node, "MemoryPressure"), words);
        assert_eq!(
            condition(&node, "DiskPressure"),
            "Unknown|NodeStatusNeverUpdated|Kubelet never posted node status."
        );
        let unreachable = "node.kubernetes.io/unreachable";
        assert_eq!(taints(&node), [format!("{unreachable}:NoExecute"), format!("{unreachable}:NoSchedule")]);
        assert_eq!(condition(&cluster.get(PODS, "default", "patient").await, "Ready"), "False||");
        cluster.pass(280).await;
        assert_eq!(cluster.active_pods().await.len(), 2);
        cluster.pass(20).await;
        let gone = cluster.get(PODS, "default", "patient").await;
        assert!(gone["metadata"]["deletionTimestamp"].is_string());
        let words = "True|DeletionByTaintManager|Taint manager: deleting due to NoExecute taint";
        assert_eq!(condition(&gone, "DisruptionTarget"), words);
        assert_eq!(cluster.active_pods().await[0].name(), "daemon");
        let events = cluster.events("Pod", "patient").await;
        assert_eq!(
            events,
            ["NodeNotReady: Node is not ready", "TaintManagerEviction: Marking for deletion Pod default/patient",]
        );
        let events = cluster.events("Node", "node-2").await;
        assert_eq!(
            events,
            [
                "RegisteredNode: Node node-2 event: Registered Node node-2 in Controller",
                "NodeNotReady: Node node-2 status is now: NodeNotReady",
            ]
        );
        // It comes back: the next status says so.
        let now = cluster.rt.now().rfc3339();
        let ready = json!({ "type": "Ready", "status": "True", "lastHeartbeatTime": now, "lastTransitionTime": now });
        cluster.patch_status(NODES, "", "node-2", json!({ "conditions": [ready] })).await;
        cluster.settle().await;
        assert_eq!(taints(&cluster.get(NODES, "", "node-2").await), Vec::<String>::new());
    });
}

#[test]
fn when_every_zone_is_dark_nobody_is_evicted() {
    run(async |cluster: Cluster| {
        cluster.kill_node("node-1");
        cluster.pass(60).await;
        let node = cluster.get(NODES, "", "node-1").await;
        assert_eq!(taints(&node), ["node.kubernetes.io/unreachable:NoSchedule"]);
    });
}

#[test]
fn a_lost_zone_is_tainted_node_by_node() {
    run(async |cluster: Cluster| {
        for node in ["b-1", "b-2", "b-3"] {
            cluster.add_node(node, "us-west-2b").await;
        }
        for node in ["b-1", "b-2", "b-3"] {
            cluster.kill_node(node);
        }
        let evicting = async |cluster: &Cluster| {
            let nodes = cluster.list(NODES, "").await;
            nodes.iter().filter(|n| taints(n.value()).iter().any(|t| t.ends_with(":NoExecute"))).count()
        };
        let mut seen = vec![0];
        for _ in 0..80 {
            cluster.settle().await;
            let now = evicting(&cluster).await;
            if seen.last() != Some(&now) {
                seen.push(now);
            }
        }
        assert_eq!(seen, [0, 1, 2, 3], "ten seconds apart");
    });
}

#[test]
fn a_node_s_conditions_and_cordon_become_taints() {
    run(async |cluster: Cluster| {
        cluster.patch(NODES, "", "node-1", json!({ "spec": { "unschedulable": true } })).await;
        assert_eq!(taints(&cluster.get(NODES, "", "node-1").await), ["node.kubernetes.io/unschedulable:NoSchedule"]);
        cluster.patch(NODES, "", "node-1", json!({ "spec": { "unschedulable": null } })).await;
        assert_eq!(taints(&cluster.get(NODES, "", "node-1").await), Vec::<String>::new());
    });
}

#[test]
fn a_taint_by_hand_evicts_at_once_or_later_and_can_be_taken_back() {
    run(async |cluster: Cluster| {
        cluster.create(PODS, pod("now", "node-1", json!([]))).await;
        cluster.create(PODS, pod("later", "node-1", json!([tolerates("maintenance", 60)]))).await;
        cluster.play_kubelet().await;
        let taint = json!([{ "key": "maintenance", "effect": "NoExecute" }]);
        cluster.patch(NODES, "", "node-1", json!({ "spec": { "taints": taint } })).await;
        cluster.play_kubelet().await;
        assert!(!cluster.exists(PODS, "default", "now").await);
        cluster.pass(30).await;
        cluster.patch(NODES, "", "node-1", json!({ "spec": { "taints": null } })).await;
        cluster.pass(60).await;
        assert!(cluster.exists(PODS, "default", "later").await);
        let events = cluster.events("Pod", "later").await;
        assert_eq!(events, ["TaintManagerEviction: Cancelling deletion of Pod default/later"]);
    });
}

#[test]
fn a_deleted_node_leaves_nothing_behind() {
    run(async |cluster: Cluster| {
        cluster.add_node("node-2", "us-west-2b").await;
        cluster.create(PODS, pod("lost", "node-2", json!([]))).await;
        cluster.play_kubelet().await;
        cluster.kill_node("node-2");
        cluster.pass(11).await;
        cluster.delete(NODES, "", "node-2", json!({})).await;
        assert!(!cluster.exists(LEASES, "kube-node-lease", "node-2").await);
        cluster.pass(30).await;
        assert!(cluster.exists(PODS, "default", "lost").await);
        cluster.pass(40).await;
        assert!(!cluster.exists(PODS, "default", "lost").await);
    });
}
