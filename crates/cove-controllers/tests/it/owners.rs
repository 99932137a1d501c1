//! The garbage collector.

use cove_kube_client::Resource;
use serde_json::{Value, json};

use crate::cluster::{Cluster, run};

const MAPS: Resource = Resource::core("configmaps");

fn map(name: &str, owners: Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": name, "namespace": "default", "ownerReferences": owners },
    })
}

fn owner(name: &str, uid: &str, block: bool) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid, "blockOwnerDeletion": block })
}

async fn exists(cluster: &Cluster, name: &str) -> bool {
    cluster.exists(MAPS, "default", name).await
}

#[test]
fn dependents_follow_their_last_owner() {
    run(async |cluster: Cluster| {
        let a = cluster.create(MAPS, map("a", json!([]))).await;
        let b = cluster.create(MAPS, map("b", json!([]))).await;
        cluster.create(MAPS, map("of-a", json!([owner("a", a.uid(), false)]))).await;
        cluster.create(MAPS, map("of-both", json!([owner("a", a.uid(), false), owner("b", b.uid(), false)]))).await;
        cluster.delete(MAPS, "default", "a", json!({})).await;
        assert!(!exists(&cluster, "of-a").await);
        let left = cluster.get(MAPS, "default", "of-both").await["metadata"]["ownerReferences"].clone();
        assert_eq!(left.as_array().map(Vec::len), Some(1));
        cluster.delete(MAPS, "default", "b", json!({})).await;
        assert!(!exists(&cluster, "of-both").await);
    });
}

#[test]
fn an_owner_that_never_was_or_was_another_holds_nothing() {
    run(async |cluster: Cluster| {
        let a = cluster.create(MAPS, map("a", json!([]))).await;
        cluster
            .create(MAPS, map("lost", json!([owner("nobody", "00000000-0000-4000-8000-000000000000", false)])))
            .await;
        cluster.create(MAPS, map("stale", json!([owner("a", "00000000-0000-4000-8000-000000000001", false)]))).await;
        cluster.create(MAPS, map("kept", json!([owner("a", a.uid(), false)]))).await;
        assert!(!exists(&cluster, "lost").await);
        assert!(!exists(&cluster, "stale").await);
        assert!(exists(&cluster, "kept").await);
    });
}

#[test]
fn foreground_deletion_waits_for_blocking_dependents() {
    run(async |cluster: Cluster| {
        let a = cluster.create(MAPS, map("a", json!([]))).await;
        let mut held = map("held", json!([owner("a", a.uid(), true)]));
        held["metadata"]["finalizers"] = json!(["test.example/hold"]);
        cluster.create(MAPS, held).await;
        cluster.create(MAPS, map("free", json!([owner("a", a.uid(), false)]))).await;
        cluster.delete(MAPS, "default", "a", json!({ "propagationPolicy": "Foreground" })).await;
        assert!(exists(&cluster, "a").await && exists(&cluster, "held").await);
        assert!(!exists(&cluster, "free").await);
        cluster.patch(MAPS, "default", "held", json!({ "metadata": { "finalizers": null } })).await;
        assert!(!exists(&cluster, "held").await);
        assert!(!exists(&cluster, "a").await);
    });
}

#[test]
fn orphans_stay_and_forget_their_owner() {
    run(async |cluster: Cluster| {
        let a = cluster.create(MAPS, map("a", json!([]))).await;
        cluster.create(MAPS, map("child", json!([owner("a", a.uid(), true)]))).await;
        cluster.delete(MAPS, "default", "a", json!({ "propagationPolicy": "Orphan" })).await;
        assert!(!exists(&cluster, "a").await);
        assert_eq!(cluster.get(MAPS, "default", "child").await["metadata"].get("ownerReferences"), None);
    });
}

#[test]
fn a_circle_of_owners_goes_as_a_whole() {
    run(async |cluster: Cluster| {
        let a = cluster.create(MAPS, map("a", json!([]))).await;
        let b = cluster.create(MAPS, map("b", json!([owner("a", a.uid(), true)]))).await;
        let circle = json!({ "metadata": { "ownerReferences": [owner("b", b.uid(), true)] } });
        cluster.patch(MAPS, "default", "a", circle).await;
        cluster.delete(MAPS, "default", "a", json!({ "propagationPolicy": "Foreground" })).await;
        assert!(!exists(&cluster, "a").await && !exists(&cluster, "b").await);
    });
}
