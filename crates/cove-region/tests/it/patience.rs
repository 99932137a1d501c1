//! What EKS waits fifteen minutes for: nodes that do not join, and pods that must not be evicted.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cove_kube_client::Resource;
use serde_json::{Value, json};

use crate::bench::{self, Bench, CLUSTER, deployment};

const CONFIG_MAPS: Resource = Resource::core("configmaps");
const BUDGETS: Resource = Resource::new("policy", "v1", "poddisruptionbudgets");

fn run<F: Future<Output = ()> + Send + 'static>(test: impl FnOnce(Bench) -> F) {
    bench::run(7, Arc::new(Mutex::new(Box::new(std::io::sink()))), test);
}

fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

/// Asks for one node more than there is, and sees the node group fail once EKS's patience is over.
async fn one_more_node_fails_to_join(bench: &Bench) {
    let begun = bench.rt.now();
    let scaling = json!({"minSize": 0, "maxSize": 5, "desiredSize": 2});
    let input = json!({"clusterName": CLUSTER, "nodegroupName": "ng", "scalingConfig": scaling});
    bench.aws("eks", "UpdateNodegroupConfig", input).await;
    bench.rt.sleep(minutes(14)).await;
    assert_eq!(bench.node_group().await["health"]["issues"], json!([]), "too early");
    assert_eq!(bench.instances().await.len(), 2);
    bench
        .until("the node group's health tells of it", 180, || async {
            bench.node_group().await["health"]["issues"] != json!([])
        })
        .await;
    assert!(bench.rt.now().since(begun) >= minutes(15));
    let group = bench.node_group().await;
    let issue = &group["health"]["issues"][0];
    assert_eq!(issue["code"], "NodeCreationFailure");
    assert_eq!(issue["message"], "Instances failed to join the kubernetes cluster");
    assert_eq!(issue["resourceIds"].as_array().map(Vec::len), Some(1));
    assert_eq!(group["status"], "DEGRADED");
    assert_eq!(bench.region.objects("", CLUSTER, "nodes").await.unwrap().as_array().map(Vec::len), Some(1));
}

#[test]
fn without_its_role_in_aws_auth_a_node_does_not_join() {
    run(|bench| async move {
        bench.create_cluster("CONFIG_MAP").await;
        bench.create_nodes(1).await;
        bench.kube().await.delete(CONFIG_MAPS, "kube-system", "aws-auth", Value::Null).await.unwrap();
        one_more_node_fails_to_join(&bench).await;
    });
}

#[test]
fn without_its_access_entry_a_node_does_not_join() {
    run(|bench| async move {
        bench.create_cluster("API").await;
        bench.create_nodes(1).await;
        let role = bench.node_group().await["nodeRole"].clone();
        let entry = json!({"clusterName": CLUSTER, "principalArn": role});
        let described = bench.aws("eks", "DescribeAccessEntry", entry.clone()).await;
        assert_eq!(described["accessEntry"]["type"], "EC2_LINUX");
        bench.aws("eks", "DeleteAccessEntry", entry).await;
        one_more_node_fails_to_join(&bench).await;
    });
}

#[test]
fn a_budget_that_refuses_every_eviction_holds_a_deletion_up_for_fifteen_minutes() {
    run(|bench| async move {
        bench.create_cluster("CONFIG_MAP").await;
        bench.create_nodes(2).await;
        bench.region.create_deployment(CLUSTER, "default", deployment(2)).await.unwrap();
        let budget = json!({
            "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web", "namespace": "default"},
            "spec": {"maxUnavailable": 0, "selector": {"matchLabels": {"app": "web"}}},
        });
        bench.kube().await.create(BUDGETS, "default", budget).await.unwrap();
        bench.until("the deployment runs", 120, || async { bench.running_pods().await == 2 }).await;

        let begun = bench.rt.now();
        let group = json!({"clusterName": CLUSTER, "nodegroupName": "ng"});
        bench.aws("eks", "DeleteNodegroup", group.clone()).await;
        bench.rt.sleep(minutes(14)).await;
        assert_eq!(bench.node_group().await["status"], "DELETING");
        assert_eq!(bench.running_pods().await, 2);
        bench
            .until("the node group is gone", 180, || async {
                let found = bench.region.call("", "eks", "DescribeNodegroup", group.clone()).await;
                found.is_err_and(|fault| fault.code == "ResourceNotFoundException")
            })
            .await;
        assert!(bench.rt.now().since(begun) >= minutes(15));
        assert_eq!(bench.instances().await, Vec::<String>::new());
    });
}
