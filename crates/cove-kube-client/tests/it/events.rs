//! Events are counted, combined and limited.

use std::time::Duration;

use cove_kube_api::door::Options;
use cove_kube_client::Resource;
use cove_kube_client::events::Sink;
use serde_json::json;

use crate::help::{MAPS, World, run};

async fn events(world: &World) -> Vec<(String, u64)> {
    let list = world.client.list(Resource::core("events"), "", Options::default()).await.expect("listed");
    let mut all: Vec<(String, u64)> = list
        .items
        .iter()
        .map(|event| {
            let value = event.value();
            (value["message"].as_str().unwrap_or("").to_string(), value["count"].as_u64().unwrap_or(0))
        })
        .collect();
    all.sort();
    all
}

#[test]
fn the_same_event_is_counted_and_names_are_upstreams() {
    run(async |world: World| {
        world.put("a", json!({})).await;
        let object = world.client.get(MAPS, "default", "a").await.expect("found");
        let recorder = Sink::start(&world.rt).recorder(world.client.clone(), "tester", "");
        for _ in 0..3 {
            recorder.normal(&object, "Tested", "It works");
            world.pass(Duration::from_secs(1)).await;
        }
        assert_eq!(events(&world).await, [("It works".to_string(), 3)]);
        let list = world.client.list(Resource::core("events"), "", Options::default()).await.expect("listed");
        let event = list.items[0].value();
        let suffix = list.items[0].name().strip_prefix("a.").expect("the object's name comes first");
        assert!(suffix.len() == 16 && suffix.bytes().all(|b| b.is_ascii_hexdigit()), "{suffix}");
        assert_eq!(event["source"], json!({ "component": "tester" }));
        assert_eq!(event["involvedObject"]["uid"], *object.uid());
        assert_ne!(event["firstTimestamp"], event["lastTimestamp"]);
    });
}

#[test]
fn many_similar_events_become_one_and_a_flood_is_cut() {
    run(async |world: World| {
        world.put("a", json!({})).await;
        let object = world.client.get(MAPS, "default", "a").await.expect("found");
        let recorder = Sink::start(&world.rt).recorder(world.client.clone(), "tester", "");
        for number in 0..40 {
            recorder.warning(&object, "Failed", format!("attempt {number:02}"));
        }
        world.settle().await;
        let all = events(&world).await;
        assert_eq!(all.len(), 11, "ten of their own, the rest combined");
        let combined = &all[0];
        assert_eq!(*combined, ("(combined from similar events): attempt 24".to_string(), 15));
    });
}
