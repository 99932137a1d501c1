//! EndpointSlices, Endpoints and disruption budgets.

use cove_kube_client::Resource;
use serde_json::{Value, json};

use crate::cluster::{Cluster, PODS, REPLICA_SETS, run};

const SERVICES: Resource = Resource::core("services");
const ENDPOINTS: Resource = Resource::core("endpoints");
const SLICES: Resource = Resource::new("discovery.k8s.io", "v1", "endpointslices");
const BUDGETS: Resource = Resource::new("policy", "v1", "poddisruptionbudgets");

fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "namespace": "default", "labels": { "app": "web" } },
        "spec": {
            "nodeName": "node-1",
            "containers": [{ "name": "main", "image": "nginx", "ports": [{ "name": "http", "containerPort": 8080 }] }],
        },
    })
}

fn service() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": "web", "namespace": "default", "labels": { "team": "a" } },
        "spec": { "selector": { "app": "web" }, "ports": [{ "port": 80, "targetPort": "http" }] },
    })
}

async fn slices(cluster: &Cluster) -> Vec<Value> {
    let all = cluster.list(SLICES, "default").await;
    let ours = all.iter().filter(|s| s.value()["metadata"]["labels"]["kubernetes.io/service-name"] == "web");
    ours.map(|s| s.value().as_ref().clone()).collect()
}

#[test]
fn endpoints_follow_the_pods() {
    run(async |cluster: Cluster| {
        cluster.create(SERVICES, service()).await;
        let empty = slices(&cluster).await;
        assert_eq!(empty.len(), 1, "a service without pods has a slice too");
        assert_eq!(empty[0]["endpoints"].as_array().map(Vec::len).unwrap_or(0), 0);
        cluster.create(PODS, pod("one")).await;
        cluster.play_kubelet().await;
        let full = slices(&cluster).await;
        assert_eq!(full.len(), 1);
        let name = full[0]["metadata"]["name"].as_str().expect("a name");
        assert!(name.starts_with("web-") && name.len() == 9, "{name}");
        assert_eq!(full[0]["ports"], json!([{ "name": "", "port": 8080, "protocol": "TCP" }]));
        let endpoint = &full[0]["endpoints"][0];
        assert_eq!(endpoint["conditions"], json!({ "ready": true, "serving": true, "terminating": false }));
        assert_eq!((&endpoint["nodeName"], &endpoint["zone"]), (&json!("node-1"), &json!("us-west-2a")));
        assert_eq!(
            full[0]["metadata"]["labels"],
            json!({
                "team": "a",
                "kubernetes.io/service-name": "web",
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            })
        );
        let old = cluster.get(ENDPOINTS, "default", "web").await;
        assert_eq!(old["subsets"][0]["ports"], json!([{ "port": 8080, "protocol": "TCP" }]));
        assert_eq!(old["subsets"][0]["addresses"][0]["targetRef"]["name"], "one");
        cluster.delete(PODS, "default", "one", json!({})).await;
        let ending = slices(&cluster).await.remove(0);
        let conditions = json!({ "ready": false, "serving": true, "terminating": true });
        assert_eq!(ending["endpoints"][0]["conditions"], conditions);
        assert_eq!(cluster.get(ENDPOINTS, "default", "web").await.get("subsets"), None);
        cluster.play_kubelet().await;
        assert_eq!(slices(&cluster).await.len(), 1);
        cluster.delete(SERVICES, "default", "web", json!({})).await;
        assert_eq!(slices(&cluster).await.len(), 0);
        assert!(!cluster.exists(ENDPOINTS, "default", "web").await);
    });
}

#[test]
fn many_endpoints_take_several_slices() {
    run(async |cluster: Cluster| {
        cluster.create(SERVICES, service()).await;
        let set = json!({
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": { "name": "web", "namespace": "default" },
            "spec": {
                "replicas": 150,
                "selector": { "matchLabels": { "app": "web" } },
                "template": { "metadata": { "labels": { "app": "web" } }, "spec": pod("x")["spec"] },
            },
        });
        cluster.create(REPLICA_SETS, set).await;
        cluster.play_kubelet().await;
        let slices = slices(&cluster).await;
        let total: usize = slices.iter().map(|s| s["endpoints"].as_array().map_or(0, Vec::len)).sum();
        assert_eq!(total, 150);
        assert!(slices.iter().all(|s| s["endpoints"].as_array().map_or(0, Vec::len) <= 100));
    });
}

#[test]
fn a_budget_knows_how_many_pods_may_go() {
    run(async |cluster: Cluster| {
        let budget = |name: &str, member: &str, value: Value| {
            json!({
                "apiVersion": "policy/v1",
                "kind": "PodDisruptionBudget",
                "metadata": { "name": name, "namespace": "default" },
                "spec": { member: value, "selector": { "matchLabels": { "app": "web" } } },
            })
        };
        cluster.create(BUDGETS, budget("least", "minAvailable", json!(2))).await;
        cluster.create(BUDGETS, budget("most", "maxUnavailable", json!("50%"))).await;
        let status = async |cluster: &Cluster, name: &str| {
            let budget = cluster.get(BUDGETS, "default", name).await;
            let numbers = ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"];
            let numbers = numbers.map(|m| budget["status"][m].as_i64().unwrap_or(-1));
            (numbers, budget["status"]["conditions"][0]["reason"].as_str().unwrap_or("").to_string())
        };
        assert_eq!(status(&cluster, "least").await, ([0, 0, 2, 0], "InsufficientPods".into()));
        let set = json!({
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": { "name": "web", "namespace": "default" },
            "spec": {
                "replicas": 3,
                "selector": { "matchLabels": { "app": "web" } },
                "template": { "metadata": { "labels": { "app": "web" } }, "spec": pod("x")["spec"] },
            },
        });
        cluster.create(REPLICA_SETS, set).await;
        assert_eq!(status(&cluster, "least").await, ([0, 0, 2, 3], "InsufficientPods".into()));
        cluster.play_kubelet().await;
        assert_eq!(status(&cluster, "least").await, ([1, 3, 2, 3], "SufficientPods".into()));
        assert_eq!(status(&cluster, "most").await, ([2, 3, 1, 3], "SufficientPods".into()));
        cluster.patch(REPLICA_SETS, "default", "web", json!({ "spec": { "replicas": 1 } })).await;
        cluster.play_kubelet().await;
        assert_eq!(status(&cluster, "least").await, ([0, 1, 2, 1], "InsufficientPods".into()));
        let events = cluster.events("PodDisruptionBudget", "least").await;
        assert_eq!(events[0], "NoPods: No matching pods found");
    });
}

#[test]
fn an_announced_disruption_that_does_not_come_is_taken_back() {
    run(async |cluster: Cluster| {
        cluster.create(PODS, pod("one")).await;
        cluster.play_kubelet().await;
        let now = cluster.rt.now().rfc3339();
        let mut conditions = cluster.get(PODS, "default", "one").await["status"]["conditions"].clone();
        conditions.as_array_mut().expect("conditions").push(json!({
            "type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "lastTransitionTime": now,
        }));
        cluster.patch_status(PODS, "default", "one", json!({ "conditions": conditions })).await;
        let target = async |cluster: &Cluster| {
            let pod = cluster.get(PODS, "default", "one").await;
            let all = pod["status"]["conditions"].as_array().expect("conditions").clone();
            all.iter().find(|c| c["type"] == "DisruptionTarget").expect("it stays")["status"].clone()
        };
        cluster.pass(115).await;
        assert_eq!(target(&cluster).await, "True");
        cluster.pass(10).await;
        assert_eq!(target(&cluster).await, "False");
    });
}
