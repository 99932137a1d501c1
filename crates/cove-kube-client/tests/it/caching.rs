//! The cache follows, tells, and recovers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cove_kube_api::door::Options;
use cove_kube_client::{Cache, Change};
use serde_json::json;

use crate::help::{MAPS, World, run};

fn names(cache: &Cache) -> Vec<String> {
    cache.list("default").iter().map(|object| object.name().to_string()).collect()
}

fn listen(cache: &Cache) -> Arc<Mutex<Vec<String>>> {
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = heard.clone();
    cache.subscribe(move |change: &Change| {
        let what = match (&change.old, &change.new) {
            (None, _) => "+",
            (_, None) => "-",
            _ => "~",
        };
        log.lock().expect("the log").push(format!("{what}{}", change.latest().name()));
    });
    heard
}

#[test]
fn late_subscribers_hear_what_exists_and_everybody_hears_changes() {
    run(async |world: World| {
        world.put("a", json!({})).await;
        let cache = Cache::start(&world.rt, world.client.clone(), MAPS, "", Options::default());
        cache.synced().await;
        world.put("b", json!({})).await;
        world.settle().await;
        let heard = listen(&cache);
        world.put("a", json!({ "x": "y" })).await;
        world.remove("b").await;
        world.settle().await;
        assert_eq!(*heard.lock().expect("the log"), ["+a", "+b", "~a", "-b"]);
        assert_eq!(names(&cache), ["a"]);
    });
}

#[test]
fn a_cache_lists_again_when_its_watch_is_too_old() {
    run(async |world: World| {
        world.put("a", json!({})).await;
        world.put("b", json!({})).await;
        let cache = Cache::start(&world.rt, world.client.clone(), MAPS, "", Options::default());
        cache.synced().await;
        let heard = listen(&cache);
        world.set_broken(true);
        world.remove("b").await;
        world.put("a", json!({ "x": "y" })).await;
        world.put("c", json!({})).await;
        world.pass(Duration::from_secs(60)).await;
        assert_eq!(names(&cache), ["a", "b"], "the last known state stays");
        world.set_broken(false);
        world.pass(Duration::from_secs(31)).await;
        assert_eq!(names(&cache), ["a", "c"]);
        assert_eq!(*heard.lock().expect("the log"), ["+a", "+b", "-b", "~a", "+c"]);
        world.put("d", json!({})).await;
        world.settle().await;
        assert_eq!(names(&cache), ["a", "c", "d"], "and the new watch works");
    });
}

#[test]
fn a_write_is_waited_for() {
    run(async |world: World| {
        let cache = Cache::start(&world.rt, world.client.clone(), MAPS, "", Options::default());
        cache.synced().await;
        let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" } });
        let made = world.client.create(MAPS, "default", map).await.expect("created");
        assert!(cache.caught_up(made.revision()).await);
        assert_eq!(names(&cache), ["a"]);
        assert!(!cache.caught_up(made.revision() + 1_000).await, "a revision that never comes is given up");
    });
}

#[test]
fn a_selector_narrows_a_cache() {
    run(async |world: World| {
        world.put("a", json!({})).await;
        world.put("b", json!({})).await;
        let options = Options { field_selector: "metadata.name=b".into(), ..Options::default() };
        let cache = Cache::start(&world.rt, world.client.clone(), MAPS, "default", options);
        cache.synced().await;
        assert_eq!(names(&cache), ["b"]);
    });
}
