//! What writes must keep right when many write, and what a store that lives on must keep.

use cove_kube_api::door::{Body, Options, PatchKind, Verb};
use cove_kube_server::bootstrap::bootstrap;
use cove_kube_server::config::Config;
use cove_kube_server::server::ApiServer;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::help::{Api, run, target};

#[test]
fn patches_of_many_all_land() {
    run(|api| async move {
        api.namespace("default").await;
        api.config_map("default", "c", json!({})).await.unwrap();
        let patches = (0..40).map(|n| {
            let api = api.clone();
            async move { api.patch("v1/configmaps", "default", "c", json!({"data": {format!("k{n}"): "v"}})).await }
        });
        assert!(join_all(patches).await.iter().all(Result::is_ok));
        let all = api.get("v1/configmaps", "default", "c").await.unwrap();
        assert_eq!(all.value()["data"].as_object().unwrap().len(), 41);
    });
}

#[test]
fn services_made_at_once_share_no_address() {
    run(|api| async move {
        bootstrap(&api.server).await.unwrap();
        let made = (0..30).map(|n| {
            let api = api.clone();
            let spec = json!({"type": "NodePort", "ports": [{"port": 80}]});
            let service = json!({"metadata": {"name": format!("s{n}")}, "spec": spec});
            async move { api.create("v1/services", "default", service).await.unwrap() }
        });
        let made = join_all(made).await;
        let distinct = |pointer: &str| {
            let mut values: Vec<String> =
                made.iter().map(|s| s.value().pointer(pointer).unwrap().to_string()).collect();
            values.sort();
            values.dedup();
            values.len()
        };
        assert_eq!((distinct("/spec/clusterIP"), distinct("/spec/ports/0/nodePort")), (30, 30));
    });
}

#[test]
fn a_pinned_patch_conflicts() {
    run(|api| async move {
        api.namespace("default").await;
        api.config_map("default", "c", json!({})).await.unwrap();
        let patch = json!({"metadata": {"resourceVersion": "1"}, "data": {"x": "y"}});
        let status = api.patch("v1/configmaps", "default", "c", patch).await.unwrap_err();
        let text = "Operation cannot be fulfilled on configmaps \"c\": the object has been modified; please apply your \
                    changes to the latest version and try again";
        assert_eq!((status.code, status.message.as_str()), (409, text));
        let test = json!([{"op": "test", "path": "/data/a", "value": "no"}]);
        let body = Body::Patch(PatchKind::Json, test);
        let target = target("v1/configmaps", "default", "c");
        let status = api.call(Verb::Patch, target, Options::default(), body).await.err().unwrap();
        assert_eq!(status.code, 422);
    });
}

#[test]
fn status_and_spec_are_apart_and_generation_counts_the_spec() {
    run(|api| async move {
        api.namespace("default").await;
        let budget = json!({
            "metadata": {"name": "b", "generation": 7}, "spec": {"maxUnavailable": 1}, "status": {"currentHealthy": 9},
        });
        let path = "policy/v1/poddisruptionbudgets";
        let made = api.create(path, "default", budget).await.unwrap();
        let number = |object: &Value, pointer: &str| object.pointer(pointer).and_then(Value::as_i64);
        assert_eq!(number(made.value(), "/metadata/generation"), Some(1));
        assert_eq!(number(made.value(), "/status/currentHealthy"), Some(0));
        let both = json!({"spec": {"maxUnavailable": 2}, "status": {"currentHealthy": 3}});
        let main = api.patch(path, "default", "b", both.clone()).await.unwrap();
        let found = (number(main.value(), "/spec/maxUnavailable"), number(main.value(), "/status/currentHealthy"));
        assert_eq!((found, number(main.value(), "/metadata/generation")), ((Some(2), Some(0)), Some(2)));
        let both = json!({"spec": {"maxUnavailable": 5}, "status": {"currentHealthy": 3}});
        let status = api.patch("policy/v1/poddisruptionbudgets/status", "default", "b", both).await.unwrap();
        let found = (number(status.value(), "/spec/maxUnavailable"), number(status.value(), "/status/currentHealthy"));
        assert_eq!((found, number(status.value(), "/metadata/generation")), ((Some(2), Some(3)), Some(2)));
    });
}

#[test]
fn propagation_sets_its_finalizer() {
    run(|api| async move {
        api.namespace("default").await;
        let job = json!({
            "metadata": {"name": "j"},
            "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}},
        });
        api.create("batch/v1/jobs", "default", job).await.unwrap();
        // Jobs orphan by default, whatever else does.
        let marked = api.delete("batch/v1/jobs", "default", "j", Value::Null).await.unwrap();
        assert_eq!(marked.value()["metadata"]["finalizers"], json!(["orphan"]));
        api.config_map("default", "c", json!({})).await.unwrap();
        let foreground = json!({"propagationPolicy": "Foreground"});
        let marked = api.delete("v1/configmaps", "default", "c", foreground).await.unwrap();
        assert_eq!(marked.value()["metadata"]["finalizers"], json!(["foregroundDeletion"]));
        let added = json!({"metadata": {"finalizers": ["foregroundDeletion", "example.com/x"]}});
        let refused = api.patch("v1/configmaps", "default", "c", added).await.unwrap_err();
        assert_eq!(refused.code, 422);
        api.patch("v1/configmaps", "default", "c", json!({"metadata": {"finalizers": null}})).await.unwrap();
        assert!(api.get("v1/configmaps", "default", "c").await.unwrap_err().is_not_found());
        let wrong = json!({"propagationPolicy": "Foreground", "orphanDependents": true});
        api.config_map("default", "c", json!({})).await.unwrap();
        assert_eq!(api.delete("v1/configmaps", "default", "c", wrong).await.unwrap_err().code, 422);
        let other = json!({"preconditions": {"uid": "x"}});
        let status = api.delete("v1/configmaps", "default", "c", other).await.unwrap_err();
        assert!(
            status.message.contains("the UID in the precondition (x) does not match the UID in record"),
            "{status}"
        );
    });
}

#[test]
fn a_second_start_changes_nothing() {
    run(|api| async move {
        bootstrap(&api.server).await.unwrap();
        let before = api.space.revision();
        let again = ApiServer::new(api.server.runtime().clone(), api.space.clone(), Config::new(35));
        bootstrap(&again).await.unwrap();
        assert_eq!(api.space.revision(), before);
        let second = Api { server: again, ..api };
        second.get("v1/services", "default", "kubernetes").await.unwrap();
    });
}
