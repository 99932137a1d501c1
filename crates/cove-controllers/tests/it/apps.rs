//! ReplicaSets, Deployments and DaemonSets.

use serde_json::{Value, json};

use crate::cluster::{Cluster, DEPLOYMENTS, PODS, REPLICA_SETS, run};

fn template(app: &str, image: &str) -> Value {
    json!({
        "metadata": { "labels": { "app": app } },
        "spec": { "nodeName": "node-1", "containers": [{ "name": "main", "image": image }] },
    })
}

fn replica_set(name: &str, replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": { "name": name, "namespace": "default" },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": { "app": name } },
            "template": template(name, "nginx"),
        },
    })
}

fn deployment(name: &str, replicas: u32, strategy: Value) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": name, "namespace": "default" },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": { "app": name } },
            "strategy": strategy,
            "template": template(name, "nginx:1"),
            "progressDeadlineSeconds": 600,
            "revisionHistoryLimit": 2,
        },
    })
}

fn rolling() -> Value {
    json!({ "type": "RollingUpdate", "rollingUpdate": { "maxSurge": "25%", "maxUnavailable": "25%" } })
}

#[test]
fn a_replica_set_keeps_its_pods() {
    run(async |cluster: Cluster| {
        cluster.create(REPLICA_SETS, replica_set("web", 3)).await;
        cluster.play_kubelet().await;
        let status = cluster.get(REPLICA_SETS, "default", "web").await["status"].clone();
        let expected = json!({
            "replicas": 3, "fullyLabeledReplicas": 3, "readyReplicas": 3, "availableReplicas": 3,
            "terminatingReplicas": 0, "observedGeneration": 1,
        });
        assert_eq!(status, expected);
        let pods = cluster.active_pods().await;
        assert!(pods.iter().all(|pod| pod.name().starts_with("web-") && pod.name().len() == "web-".len() + 5));
        cluster.delete(PODS, "default", pods[0].name(), json!({})).await;
        cluster.play_kubelet().await;
        assert_eq!(cluster.active_pods().await.len(), 3);
        cluster.patch(REPLICA_SETS, "default", "web", json!({ "spec": { "replicas": 1 } })).await;
        cluster.play_kubelet().await;
        assert_eq!(cluster.active_pods().await.len(), 1);
        let events = cluster.events("ReplicaSet", "web").await;
        assert_eq!(events.iter().filter(|e| e.starts_with("SuccessfulCreate: Created pod: web-")).count(), 4);
        assert_eq!(events.iter().filter(|e| e.starts_with("SuccessfulDelete: Deleted pod: web-")).count(), 2);
    });
}

#[test]
fn a_replica_set_adopts_and_releases() {
    run(async |cluster: Cluster| {
        let mut pod = json!({ "apiVersion": "v1", "kind": "Pod" });
        pod["metadata"] = json!({ "name": "orphan", "namespace": "default", "labels": { "app": "web" } });
        pod["spec"] = template("web", "nginx")["spec"].clone();
        cluster.create(PODS, pod).await;
        cluster.create(REPLICA_SETS, replica_set("web", 2)).await;
        assert_eq!(cluster.active_pods().await.len(), 2);
        let owner = cluster.get(PODS, "default", "orphan").await["metadata"]["ownerReferences"][0].clone();
        assert_eq!((owner["name"].as_str(), owner["controller"].as_bool()), (Some("web"), Some(true)));
        cluster.patch(PODS, "default", "orphan", json!({ "metadata": { "labels": { "app": "other" } } })).await;
        assert_eq!(cluster.active_pods().await.len(), 3);
        assert_eq!(cluster.get(PODS, "default", "orphan").await["metadata"].get("ownerReferences"), None);
    });
}

#[test]
fn a_deployment_rolls_out_and_back() {
    run(async |cluster: Cluster| {
        cluster.create(DEPLOYMENTS, deployment("web", 4, rolling())).await;
        cluster.play_kubelet().await;
        let first = cluster.list(REPLICA_SETS, "default").await.remove(0);
        let hash = first.value()["metadata"]["labels"]["pod-template-hash"].as_str().expect("a hash").to_string();
        assert_eq!(first.name(), format!("web-{hash}"));
        let done = cluster.get(DEPLOYMENTS, "default", "web").await;
        assert_eq!(done["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "1");
        let conditions = done["status"]["conditions"].as_array().expect("conditions").clone();
        let words: Vec<String> = conditions
            .iter()
            .map(|c| ["type", "status", "reason", "message"].map(|m| c[m].as_str().unwrap_or("")).join("|"))
            .collect();
        assert_eq!(
            words,
            [
                "Available|True|MinimumReplicasAvailable|Deployment has minimum availability.".to_string(),
                format!(
                    "Progressing|True|NewReplicaSetAvailable|ReplicaSet \"web-{hash}\" has successfully progressed."
                ),
            ]
        );
        let update = json!({ "spec": { "template": template("web", "nginx:2") } });
        cluster.patch(DEPLOYMENTS, "default", "web", update).await;
        assert_eq!(cluster.active_pods().await.len(), 5, "one more than wanted, one old one less");
        cluster.play_kubelet().await;
        let status = cluster.get(DEPLOYMENTS, "default", "web").await["status"].clone();
        assert_eq!([&status["replicas"], &status["updatedReplicas"], &status["availableReplicas"]], [4, 4, 4]);
        assert_eq!(cluster.list(REPLICA_SETS, "default").await.len(), 2);
        // `kubectl rollout undo` puts the old template back: the old ReplicaSet becomes revision 3.
        let update = json!({ "spec": { "template": template("web", "nginx:1") } });
        cluster.patch(DEPLOYMENTS, "default", "web", update).await;
        cluster.play_kubelet().await;
        let back = cluster.get(REPLICA_SETS, "default", first.name()).await;
        assert_eq!(back["spec"]["replicas"], 4);
        let annotations = &back["metadata"]["annotations"];
        assert_eq!(annotations["deployment.kubernetes.io/revision"], "3");
        assert_eq!(annotations["deployment.kubernetes.io/revision-history"], "1");
        let events = cluster.events("Deployment", "web").await;
        assert_eq!(events[0], format!("ScalingReplicaSet: Scaled up replica set web-{hash} from 0 to 4"));
    });
}

#[test]
fn a_deployment_keeps_only_so_many_old_sets() {
    run(async |cluster: Cluster| {
        cluster.create(DEPLOYMENTS, deployment("web", 1, rolling())).await;
        for version in 2..=5 {
            cluster.play_kubelet().await;
            let image = format!("nginx:{version}");
            cluster
                .patch(DEPLOYMENTS, "default", "web", json!({ "spec": { "template": template("web", &image) } }))
                .await;
        }
        cluster.play_kubelet().await;
        assert_eq!(cluster.list(REPLICA_SETS, "default").await.len(), 3);
    });
}

#[test]
fn recreate_never_mixes_versions() {
    run(async |cluster: Cluster| {
        cluster.create(DEPLOYMENTS, deployment("web", 2, json!({ "type": "Recreate" }))).await;
        cluster.play_kubelet().await;
        cluster
            .patch(DEPLOYMENTS, "default", "web", json!({ "spec": { "template": template("web", "nginx:2") } }))
            .await;
        let images = |pods: &[std::sync::Arc<cove_kube_api::object::Object>]| -> Vec<String> {
            pods.iter().map(|p| p.value()["spec"]["containers"][0]["image"].as_str().unwrap_or("").into()).collect()
        };
        let pods = cluster.list(PODS, "default").await;
        assert!(images(&pods).iter().all(|image| image == "nginx:1"), "old pods still end: {:?}", images(&pods));
        cluster.play_kubelet().await;
        assert_eq!(images(&cluster.list(PODS, "default").await), ["nginx:2", "nginx:2"]);
    });
}

#[test]
fn a_stuck_deployment_times_out_and_a_paused_one_waits() {
    run(async |cluster: Cluster| {
        cluster.create(DEPLOYMENTS, deployment("web", 2, rolling())).await;
        cluster.pass(590).await;
        let reason = async |cluster: &Cluster| {
            let status = cluster.get(DEPLOYMENTS, "default", "web").await["status"].clone();
            let all = status["conditions"].as_array().expect("conditions").clone();
            let progressing = all.iter().find(|c| c["type"] == "Progressing").expect("Progressing").clone();
            progressing["reason"].as_str().unwrap_or("").to_string()
        };
        assert_eq!(reason(&cluster).await, "ReplicaSetUpdated");
        cluster.pass(20).await;
        assert_eq!(reason(&cluster).await, "ProgressDeadlineExceeded");
        cluster.play_kubelet().await;
        assert_eq!(reason(&cluster).await, "NewReplicaSetAvailable");
        cluster.patch(DEPLOYMENTS, "default", "web", json!({ "spec": { "paused": true } })).await;
        assert_eq!(reason(&cluster).await, "DeploymentPaused");
        let update = json!({ "spec": { "replicas": 3, "template": template("web", "nginx:2") } });
        cluster.patch(DEPLOYMENTS, "default", "web", update).await;
        cluster.play_kubelet().await;
        assert_eq!(cluster.list(REPLICA_SETS, "default").await.len(), 1, "nothing is rolled out");
        assert_eq!(cluster.active_pods().await.len(), 3, "but sizes follow");
        cluster.patch(DEPLOYMENTS, "default", "web", json!({ "spec": { "paused": false } })).await;
        cluster.play_kubelet().await;
        assert_eq!(cluster.list(REPLICA_SETS, "default").await.len(), 2);
    });
}

#[test]
fn scaling_in_the_middle_of_a_rollout_is_proportional() {
    run(async |cluster: Cluster| {
        let strategy = json!({ "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 3, "maxUnavailable": 2 } });
        cluster.create(DEPLOYMENTS, deployment("web", 10, strategy)).await;
        cluster.play_kubelet().await;
        cluster.patch(DEPLOYMENTS, "default", "web", json!({ "spec": { "template": template("web", "bad") } })).await;
        let sizes = async |cluster: &Cluster| {
            let mut sizes: Vec<i64> = cluster
                .list(REPLICA_SETS, "default")
                .await
                .iter()
                .map(|set| set.value()["spec"]["replicas"].as_i64().unwrap_or(0))
                .collect();
            sizes.sort_unstable();
            sizes
        };
        assert_eq!(sizes(&cluster).await, [5, 8]);
        cluster.patch(DEPLOYMENTS, "default", "web", json!({ "spec": { "replicas": 15 } })).await;
        assert_eq!(sizes(&cluster).await, [7, 11]);
    });
}

#[test]
fn pods_that_cannot_be_made_are_reported_and_tried_again() {
    run(async |cluster: Cluster| {
        cluster.expect_complaint("replicaset-controller");
        let mut wanted = deployment("web", 2, rolling());
        wanted["spec"]["template"]["spec"]["serviceAccountName"] = "robot".into();
        cluster.create(DEPLOYMENTS, wanted).await;
        let failure = |object: &Value| {
            let all = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let found = all.iter().find(|c| c["type"] == "ReplicaFailure").cloned().unwrap_or_default();
            (found["reason"].clone(), found["message"].as_str().unwrap_or("").to_string())
        };
        let set = cluster.list(REPLICA_SETS, "default").await.remove(0);
        let (reason, message) = failure(set.value());
        assert_eq!(reason, "FailedCreate");
        assert!(message.contains("serviceaccount \"robot\" not found"), "{message}");
        assert_eq!(failure(&cluster.get(DEPLOYMENTS, "default", "web").await), (reason, message.clone()));
        let events = cluster.events("ReplicaSet", set.name()).await;
        assert_eq!(events[0], format!("FailedCreate: Error creating: {message}"));
        let account = json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "robot", "namespace": "default" },
        });
        cluster.create(cove_kube_client::Resource::core("serviceaccounts"), account).await;
        cluster.pass(30).await;
        assert_eq!(cluster.active_pods().await.len(), 2, "the back-off ends in success");
        assert_eq!(failure(&cluster.get(DEPLOYMENTS, "default", "web").await).0, Value::Null);
    });
}
