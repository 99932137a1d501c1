//! The generic verbs: create, read, change, watch, delete.

use cove_kube_api::door::{Options, UserInfo};
use serde_json::json;

use crate::help::{run, shown};

#[test]
fn an_object_lives_and_dies() {
    run(|api| async move {
        api.namespace("default").await;
        let made = api.config_map("default", "c", json!({})).await.unwrap();
        assert_eq!(made.value()["kind"], "ConfigMap");
        assert_eq!(made.meta("resourceVersion"), "2");
        assert_eq!(made.meta("uid").len(), 36);
        let again = api.config_map("default", "c", json!({})).await.unwrap_err();
        assert_eq!(again.message, "configmaps \"c\" already exists");
        let same = api.patch("v1/configmaps", "default", "c", json!({"data": {"a": "b"}})).await.unwrap();
        assert_eq!(same.revision(), 2);
        let changed = api.patch("v1/configmaps", "default", "c", json!({"data": {"a": null, "x": "y"}})).await.unwrap();
        assert_eq!((changed.revision(), &changed.value()["data"]), (3, &json!({"x": "y"})));
        let stale = api.update("v1/configmaps", made.value().as_ref().clone()).await.unwrap_err();
        assert!(stale.is_conflict(), "{stale:?}");
        let gone = api.delete("v1/configmaps", "default", "c", json!(null)).await.unwrap();
        assert_eq!(gone.value()["status"], "Success");
        assert!(api.get("v1/configmaps", "default", "c").await.unwrap_err().is_not_found());
    });
}

#[test]
fn nothing_is_made_in_a_namespace_that_is_missing() {
    run(|api| async move {
        let status = api.config_map("nowhere", "c", json!({})).await.unwrap_err();
        assert_eq!(status.message, "namespaces \"nowhere\" not found");
    });
}

#[test]
fn generated_names_differ() {
    run(|api| async move {
        api.namespace("default").await;
        let object = json!({"metadata": {"generateName": "c-"}});
        let one = api.create("v1/configmaps", "default", object.clone()).await.unwrap();
        let two = api.create("v1/configmaps", "default", object).await.unwrap();
        assert!(one.name().starts_with("c-") && one.name().len() == 7);
        assert_ne!(one.name(), two.name());
    });
}

#[test]
fn a_stranger_may_nothing() {
    run(|api| async move {
        api.namespace("default").await;
        let stranger = api.as_user(UserInfo::new("u", &[]));
        let status = stranger.list("v1/pods", "default", Options::default()).await.unwrap_err();
        let text = "pods is forbidden: User \"u\" cannot list resource \"pods\" in API group \"\" in the namespace \
                    \"default\"";
        assert_eq!((status.code, status.message.as_str()), (403, text));
    });
}

#[test]
fn a_watch_shows_state_changes_and_what_leaves_its_selection() {
    run(|api| async move {
        api.namespace("default").await;
        api.config_map("default", "a", json!({"on": "1"})).await.unwrap();
        let options = Options { label_selector: "on=1".into(), ..Options::default() };
        let mut watch = api.watch("v1/configmaps", "default", options).await;
        assert_eq!(shown(watch.next().await), "ADDED a@2");
        api.config_map("default", "b", json!({})).await.unwrap();
        api.patch("v1/configmaps", "default", "b", json!({"metadata": {"labels": {"on": "1"}}})).await.unwrap();
        assert_eq!(shown(watch.next().await), "ADDED b@4");
        api.patch("v1/configmaps", "default", "a", json!({"metadata": {"labels": {"on": "2"}}})).await.unwrap();
        assert_eq!(shown(watch.next().await), "DELETED a@5");
        api.patch("v1/configmaps", "default", "b", json!({"data": {"x": "y"}})).await.unwrap();
        assert_eq!(shown(watch.next().await), "MODIFIED b@6");
        api.delete("v1/configmaps", "default", "b", json!(null)).await.unwrap();
        assert_eq!(shown(watch.next().await), "DELETED b@7");
    });
}

#[test]
fn initial_events_end_with_a_bookmark_also_when_there_are_none() {
    run(|api| async move {
        api.namespace("default").await;
        let options = Options {
            send_initial_events: Some(true),
            resource_version_match: "NotOlderThan".into(),
            allow_watch_bookmarks: true,
            timeout_seconds: Some(90),
            ..Options::default()
        };
        let mut watch = api.watch("v1/configmaps", "default", options).await;
        assert_eq!(shown(watch.next().await), "BOOKMARK 1 true");
        assert_eq!(shown(watch.next().await), "BOOKMARK 1 false");
        assert_eq!(shown(watch.next().await), "END");
    });
}

#[test]
fn pages_show_one_revision() {
    run(|api| async move {
        api.namespace("default").await;
        for name in ["a", "b", "c"] {
            api.config_map("default", name, json!({})).await.unwrap();
        }
        let options = Options { limit: 2, ..Options::default() };
        let first = api.list("v1/configmaps", "default", options.clone()).await.unwrap();
        assert_eq!((first.items.len(), first.revision, first.remaining), (2, 4, Some(1)));
        api.config_map("default", "d", json!({})).await.unwrap();
        let next = Options { continue_token: first.continue_token, ..options };
        let last = api.list("v1/configmaps", "default", next).await.unwrap();
        assert_eq!((last.items.len(), last.revision, last.remaining), (1, 4, None));
        assert_eq!(last.continue_token, "");
    });
}
