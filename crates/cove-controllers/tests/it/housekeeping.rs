//! Namespaces and what every namespace has; ClusterRoles.

use cove_kube_client::Resource;
use serde_json::json;

use crate::cluster::{Cluster, NAMESPACES, PODS, run};

const CONFIG_MAPS: Resource = Resource::core("configmaps");
const ACCOUNTS: Resource = Resource::core("serviceaccounts");
const ROLES: Resource = Resource::new("rbac.authorization.k8s.io", "v1", "clusterroles");

fn namespace(name: &str) -> serde_json::Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } })
}

#[test]
fn every_namespace_has_an_account_and_the_root_certificate() {
    run(async |cluster: Cluster| {
        cluster.create(NAMESPACES, namespace("team")).await;
        assert!(cluster.exists(ACCOUNTS, "team", "default").await);
        let map = cluster.get(CONFIG_MAPS, "team", "kube-root-ca.crt").await;
        assert_eq!(map["data"], json!({ "ca.crt": "PEM" }));
        cluster.patch(CONFIG_MAPS, "team", "kube-root-ca.crt", json!({ "data": { "ca.crt": "X", "y": "z" } })).await;
        assert_eq!(cluster.get(CONFIG_MAPS, "team", "kube-root-ca.crt").await["data"], json!({ "ca.crt": "PEM" }));
        cluster.delete(CONFIG_MAPS, "team", "kube-root-ca.crt", json!({})).await;
        cluster.delete(ACCOUNTS, "team", "default", json!({})).await;
        assert!(cluster.exists(ACCOUNTS, "team", "default").await);
        assert!(cluster.exists(CONFIG_MAPS, "team", "kube-root-ca.crt").await);
    });
}

#[test]
fn a_namespace_goes_with_everything_in_it_pods_first() {
    run(async |cluster: Cluster| {
        cluster.create(NAMESPACES, namespace("team")).await;
        let config =
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "c", "namespace": "team" } });
        cluster.create(CONFIG_MAPS, config).await;
        let mut pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p", "namespace": "team" } });
        pod["spec"] = json!({ "nodeName": "node-1", "containers": [{ "name": "main", "image": "nginx" }] });
        cluster.create(PODS, pod).await;
        cluster.delete(NAMESPACES, "", "team", json!({})).await;
        let dying = cluster.get(NAMESPACES, "", "team").await;
        assert_eq!(dying["status"]["phase"], "Terminating");
        let messages: Vec<&str> = dying["status"]["conditions"]
            .as_array()
            .expect("conditions")
            .iter()
            .filter(|c| c["status"] == "True")
            .filter_map(|c| c["message"].as_str())
            .collect();
        assert_eq!(messages, ["Some resources are remaining: pods. has 1 resource instances"]);
        assert!(cluster.exists(CONFIG_MAPS, "team", "c").await, "pods go first");
        cluster.play_kubelet().await;
        assert!(!cluster.exists(NAMESPACES, "", "team").await);
        assert!(cluster.list(CONFIG_MAPS, "team").await.is_empty());
    });
}

#[test]
fn cluster_roles_are_aggregated() {
    run(async |cluster: Cluster| {
        let role = |name: &str, resource: &str| {
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRole",
                "metadata": { "name": name, "labels": { "to": "view" } },
                "rules": [{ "apiGroups": [""], "resources": [resource], "verbs": ["get"] }],
            })
        };
        let mut view = role("view-all", "x");
        view["aggregationRule"] = json!({ "clusterRoleSelectors": [{ "matchLabels": { "to": "view" } }] });
        view["rules"] = json!([]);
        cluster.create(ROLES, view).await;
        cluster.create(ROLES, role("b", "pods")).await;
        cluster.create(ROLES, role("a", "nodes")).await;
        let rules = cluster.get(ROLES, "", "view-all").await["rules"].clone();
        let resources: Vec<_> = rules.as_array().expect("rules").iter().map(|r| r["resources"][0].clone()).collect();
        assert_eq!(resources, ["nodes", "pods"]);
        cluster.delete(ROLES, "", "a", json!({})).await;
        assert_eq!(cluster.get(ROLES, "", "view-all").await["rules"].as_array().map(Vec::len), Some(1));
    });
}

/// The same scenario twice leaves the same cluster: names, uids, times and revisions.
#[test]
fn two_runs_of_one_seed_are_identical() {
    let dump = || {
        let (told, hear) = std::sync::mpsc::channel();
        run(async move |cluster: Cluster| {
            cluster.create(NAMESPACES, namespace("team")).await;
            let deployment = json!({
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": { "name": "web", "namespace": "team" },
                "spec": {
                    "replicas": 7,
                    "selector": { "matchLabels": { "app": "web" } },
                    "template": {
                        "metadata": { "labels": { "app": "web" } },
                        "spec": { "nodeName": "node-1", "containers": [{ "name": "main", "image": "nginx" }] },
                    },
                },
            });
            cluster.create(crate::cluster::DEPLOYMENTS, deployment).await;
            cluster.play_kubelet().await;
            cluster.kill_node("node-1");
            cluster.pass(600).await;
            let mut lines = Vec::new();
            for resource in [PODS, NAMESPACES, crate::cluster::REPLICA_SETS, Resource::core("events")] {
                lines.extend(cluster.list(resource, "").await.iter().map(|object| object.value().to_string()));
            }
            told.send(lines).expect("somebody listens");
        });
        hear.recv().expect("a dump")
    };
    let (one, two) = (dump(), dump());
    assert!(one.len() > 20);
    assert_eq!(one, two);
}
