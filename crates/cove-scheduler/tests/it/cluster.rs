//! Pods find their nodes.

use std::time::Duration;

use serde_json::{Value, json};

use crate::help::{NODES, PODS, run, run_in_real_time, run_seeded, run_with};

#[test]
fn pods_are_spread_over_nodes_and_people_are_told() {
    run(|c| async move {
        for node in ["a", "b", "c"] {
            c.node(node, 4, json!(null)).await;
        }
        let mut nodes = Vec::new();
        for pod in ["p1", "p2", "p3"] {
            c.pod(pod, "1", json!(null)).await;
            nodes.push(c.placed(pod).await);
        }
        let told = c.events().await;
        assert!(
            told.contains(&format!("Normal Scheduled p1: Successfully assigned default/p1 to {}", nodes[0])),
            "{told:?}"
        );
        nodes.sort();
        assert_eq!(nodes, ["a", "b", "c"]);
    });
}

#[test]
fn a_pod_waits_for_room_and_says_why() {
    run(|c| async move {
        c.pod("p", "3", json!(null)).await;
        assert_eq!(c.not_placed("p").await, "Unschedulable: no nodes available to schedule pods");
        c.node("small", 2, json!(null)).await;
        let taint = json!({"key": "k", "value": "v", "effect": "NoSchedule"});
        c.node("tainted", 8, json!({"spec": {"taints": [taint]}})).await;
        let text = "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s). \
                    no new claims to deallocate, preemption: 0/2 nodes are available: \
                    2 Preemption is not helpful for scheduling.";
        c.until("p", |pod| (pod["status"]["conditions"][0]["message"] == text).then_some(())).await;
        c.node("large", 4, json!(null)).await;
        let since = c.rt.now();
        assert_eq!(c.placed("p").await, "large");
        assert!(c.rt.now().since(since) < Duration::from_secs(1), "a new node is tried at once");
        let told = c.events().await;
        assert!(told.contains(&format!("Warning FailedScheduling p: {text}")), "{told:?}");
    });
}

#[test]
fn no_node_is_overcommitted_by_bindings_under_way() {
    run(|c| async move {
        c.node("a", 2, json!(null)).await;
        c.node("b", 2, json!(null)).await;
        for pod in 0..6 {
            c.pod(&format!("p{pod}"), "900m", json!(null)).await;
        }
        c.rt.sleep(Duration::from_secs(30)).await;
        let mut on = std::collections::BTreeMap::<String, u32>::new();
        for pod in c.client.list(PODS, "default", Default::default()).await.unwrap().items {
            let node = pod.value()["spec"]["nodeName"].as_str().unwrap_or("none").to_string();
            *on.entry(node).or_default() += 1;
        }
        assert_eq!(on.into_iter().collect::<Vec<_>>(), [("a".into(), 2), ("b".into(), 2), ("none".into(), 2)]);
        c.client.delete(PODS, "default", "p0", json!({"gracePeriodSeconds": 0})).await.unwrap();
        c.rt.sleep(Duration::from_secs(30)).await;
        let pods = c.client.list(PODS, "default", Default::default()).await.unwrap().items;
        let waiting = pods.iter().filter(|pod| pod.value()["spec"].get("nodeName").is_none()).count();
        assert_eq!((pods.len(), waiting), (5, 1));
    });
}

#[test]
fn other_schedulers_pods_and_gated_pods_are_left_alone() {
    run(|c| async move {
        c.node("a", 4, json!(null)).await;
        c.pod("other", "1", json!({"spec": {"schedulerName": "mine"}})).await;
        c.pod("gated", "1", json!({"spec": {"schedulingGates": [{"name": "example.com/wait"}]}})).await;
        c.rt.sleep(Duration::from_secs(400)).await;
        for pod in ["other", "gated"] {
            assert_eq!(c.client.get(PODS, "default", pod).await.unwrap().value()["spec"]["nodeName"], Value::Null);
        }
    });
}

#[test]
fn one_seed_one_outcome() {
    let outcome = |seed| {
        run_seeded(seed, |c| async move {
            for node in 0..8 {
                c.node(&format!("n{node}"), 4, json!(null)).await;
            }
            let mut nodes = Vec::new();
            for pod in 0..8 {
                c.pod(&format!("p{pod}"), "100m", json!(null)).await;
                nodes.push(c.placed(&format!("p{pod}")).await);
            }
            nodes
        })
    };
    assert_eq!(outcome(1), outcome(1));
    assert_ne!(outcome(1), outcome(2));
}

#[test]
fn a_cordoned_node_takes_pods_again_when_it_is_uncordoned() {
    run(|c| async move {
        c.node("a", 4, json!({"spec": {"unschedulable": true}})).await;
        c.pod("p", "1", json!(null)).await;
        assert!(c.not_placed("p").await.contains("1 node(s) were unschedulable."));
        let patch = json!({"spec": {"unschedulable": null, "taints": null}});
        c.client.patch(NODES, "", "a", "", cove_kube_api::door::PatchKind::Merge, patch).await.unwrap();
        assert_eq!(c.placed("p").await, "a");
    });
}

#[test]
fn a_refused_binding_is_tried_again_and_blocks_nobody() {
    run_with(7, 1, |c| async move {
        c.node("a", 2, json!(null)).await;
        c.pod("first", "2", json!(null)).await;
        c.pod("second", "2", json!(null)).await;
        let told = "SchedulerError: binding rejected: running Bind plugin \"DefaultBinder\": \
                    Internal error occurred: try later";
        assert_eq!(c.not_placed("first").await, told);
        assert_eq!(c.placed("second").await, "a", "the room of the first is free again");
        c.client.delete(PODS, "default", "second", json!({"gracePeriodSeconds": 0})).await.unwrap();
        assert_eq!(c.placed("first").await, "a");
    });
}

#[test]
fn replicas_go_to_different_zones_and_friends_stay_together() {
    run(|c| async move {
        for (node, zone) in [("a1", "a"), ("a2", "a"), ("b1", "b"), ("c1", "c")] {
            c.node(node, 8, json!({"metadata": {"labels": {"topology.kubernetes.io/zone": zone}}})).await;
        }
        let app = json!({"matchLabels": {"app": "web"}});
        let spread = json!([{"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone",
            "whenUnsatisfiable": "DoNotSchedule", "labelSelector": app}]);
        let mut zones = Vec::new();
        for pod in ["w1", "w2", "w3"] {
            let change = json!({"metadata": {"labels": {"app": "web"}}, "spec": {"topologySpreadConstraints": spread}});
            c.pod(pod, "100m", change).await;
            zones.push(c.placed(pod).await[..1].to_string());
        }
        zones.sort();
        assert_eq!(zones, ["a", "b", "c"]);
        let near = json!({"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
            {"topologyKey": "kubernetes.io/hostname", "labelSelector": app}]}});
        c.pod("cache", "100m", json!({"spec": {"affinity": near}})).await;
        let node = c.placed("cache").await;
        let mut hosts = Vec::new();
        for pod in ["w1", "w2", "w3"] {
            hosts.push(c.placed(pod).await);
        }
        assert!(hosts.contains(&node), "{node} is none of {hosts:?}");
    });
}

#[test]
fn an_important_pod_gets_the_room_of_a_lesser_one() {
    run(|c| async move {
        let class = json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "value": 1000,
            "metadata": {"name": "high"}});
        let classes = cove_kube_client::Resource::new("scheduling.k8s.io", "v1", "priorityclasses");
        c.client.create(classes, "", class).await.unwrap();
        c.node("a", 2, json!(null)).await;
        c.pod("low", "2", json!(null)).await;
        c.placed("low").await;
        let important = c.pod("high", "2", json!({"spec": {"priorityClassName": "high"}})).await;
        let message = "0/1 nodes are available: 1 Insufficient cpu.";
        assert_eq!(c.not_placed("high").await, format!("Unschedulable: {message}"));
        let leaving = c.until("low", |pod| pod["metadata"].get("deletionTimestamp").map(|_| pod.clone())).await;
        let reasons: Vec<_> =
            leaving["status"]["conditions"].as_array().unwrap().iter().map(|c| &c["reason"]).collect();
        assert!(reasons.contains(&&json!("PreemptionByScheduler")), "{reasons:?}");
        let nominated = c.until("high", |pod| pod["status"]["nominatedNodeName"].as_str().map(str::to_string)).await;
        assert_eq!(nominated, "a");
        // Its agent ends the pod; meanwhile nobody of the same importance takes the room.
        c.client.delete(PODS, "default", "low", json!({"gracePeriodSeconds": 0})).await.unwrap();
        assert_eq!(c.placed("high").await, "a");
        let told = c.events().await;
        assert!(
            told.contains(&format!("Normal Preempted low: Preempted by pod {} on node a", important.uid())),
            "{told:?}"
        );
    });
}

#[test]
fn it_works_in_real_time_too() {
    run_in_real_time(|c| async move {
        c.node("a", 4, json!(null)).await;
        c.node("b", 4, json!(null)).await;
        for pod in 0..4 {
            c.pod(&format!("p{pod}"), "2", json!(null)).await;
        }
        let mut nodes = Vec::new();
        for pod in 0..4 {
            nodes.push(c.placed(&format!("p{pod}")).await);
        }
        nodes.sort();
        assert_eq!(nodes, ["a", "a", "b", "b"]);
    });
}
