//! Subresources, reviews and allocations.

use cove_kube_api::door::{Options, Verb};
use cove_kube_server::bootstrap::bootstrap;
use cove_kube_server::config::Config;
use cove_kube_server::pki;
use serde_json::{Value, json};

use crate::help::{Api, run, run_with, target};

fn pod(name: &str) -> Value {
    json!({
        "metadata": {"name": name, "labels": {"app": "a"}},
        "spec": {"containers": [{"name": "c", "image": "i"}], "serviceAccountName": "default"},
    })
}

async fn ready(api: &Api) {
    api.namespace("default").await;
    api.create("v1/serviceaccounts", "default", json!({"metadata": {"name": "default"}})).await.unwrap();
    api.create("v1/nodes", "", json!({"metadata": {"name": "n", "labels": {"topology.kubernetes.io/zone": "z"}}}))
        .await
        .unwrap();
}

#[test]
fn a_pod_is_bound_once() {
    run(|api| async move {
        ready(&api).await;
        api.create("v1/pods", "default", pod("p")).await.unwrap();
        let binding = json!({"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}});
        api.create_sub("v1/pods/binding", "default", "p", binding.clone()).await.unwrap();
        let bound = api.get("v1/pods", "default", "p").await.unwrap();
        assert_eq!(bound.value()["spec"]["nodeName"], "n");
        assert_eq!(bound.value()["metadata"]["labels"]["topology.kubernetes.io/zone"], "z");
        assert_eq!(bound.value()["status"]["conditions"][0]["type"], "PodScheduled");
        let again = api.create_sub("v1/pods/binding", "default", "p", binding).await.unwrap_err();
        assert_eq!(
            again.message,
            "Operation cannot be fulfilled on pods/binding \"p\": pod p is already assigned to node \"n\""
        );
        let marked = api.delete("v1/pods", "default", "p", json!({"gracePeriodSeconds": 10})).await.unwrap();
        assert_eq!(marked.value()["metadata"]["deletionGracePeriodSeconds"], 10);
        assert_eq!(marked.value()["metadata"]["generation"], 2);
        api.delete("v1/pods", "default", "p", json!({"gracePeriodSeconds": 0})).await.unwrap();
        assert!(api.get("v1/pods", "default", "p").await.unwrap_err().is_not_found());
    });
}

#[test]
fn a_budget_refuses_and_then_pays() {
    run(|api| async move {
        ready(&api).await;
        api.create("v1/pods", "default", pod("p")).await.unwrap();
        api.patch(
            "v1/pods/status",
            "default",
            "p",
            json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}),
        )
        .await
        .unwrap();
        let budget = json!({
            "metadata": {"name": "b"}, "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "a"}}},
        });
        api.create("policy/v1/poddisruptionbudgets", "default", budget).await.unwrap();
        let eviction = json!({"metadata": {"name": "p", "namespace": "default"}});
        let processed = api.create_sub("v1/pods/eviction", "default", "p", eviction.clone()).await.unwrap_err();
        assert_eq!((processed.code, processed.details.unwrap().retry_after_seconds), (429, 10));
        let status = json!({"status": {
            "observedGeneration": 1, "disruptionsAllowed": 0, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1,
        }});
        api.patch("policy/v1/poddisruptionbudgets/status", "default", "b", status).await.unwrap();
        let refused = api.create_sub("v1/pods/eviction", "default", "p", eviction.clone()).await.unwrap_err();
        assert_eq!(refused.message, "Cannot evict pod as it would violate the pod's disruption budget.");
        let causes = refused.details.unwrap().causes;
        assert_eq!(causes[0].message, "The disruption budget b needs 1 healthy pods and has 1 currently");
        let status = json!({"status": {"disruptionsAllowed": 1}});
        api.patch("policy/v1/poddisruptionbudgets/status", "default", "b", status).await.unwrap();
        api.create_sub("v1/pods/eviction", "default", "p", eviction).await.unwrap();
        let paid = api.get("policy/v1/poddisruptionbudgets", "default", "b").await.unwrap();
        assert_eq!(paid.value()["status"]["disruptionsAllowed"], 0);
        assert!(paid.value()["status"]["disruptedPods"]["p"].is_string());
        assert!(api.get("v1/pods", "default", "p").await.unwrap_err().is_not_found());
    });
}

#[test]
fn scale_reads_and_writes_replicas_only() {
    run(|api| async move {
        api.namespace("default").await;
        let template = json!({
            "metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "i"}]},
        });
        let deployment = json!({
            "metadata": {"name": "d"},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "a"}}, "template": template},
        });
        api.create("apps/v1/deployments", "default", deployment).await.unwrap();
        let scaled =
            api.patch("apps/v1/deployments/scale", "default", "d", json!({"spec": {"replicas": 3}})).await.unwrap();
        assert_eq!((&scaled.value()["kind"], &scaled.value()["spec"]["replicas"]), (&json!("Scale"), &json!(3)));
        assert_eq!(scaled.value()["status"]["selector"], "app=a");
        let after = api.get("apps/v1/deployments", "default", "d").await.unwrap();
        assert_eq!(after.value()["metadata"]["generation"], 2);
        let wrong = api.patch("apps/v1/deployments/scale", "default", "d", json!({"spec": {"replicas": -1}})).await;
        assert_eq!(wrong.unwrap_err().code, 422);
    });
}

#[test]
fn services_get_addresses_and_ports_and_give_them_back() {
    run(|api| async move {
        bootstrap(&api.server).await.unwrap();
        let own = api.get("v1/services", "default", "kubernetes").await.unwrap();
        assert_eq!(own.value()["spec"]["clusterIP"], "10.100.0.1");
        let service = |name: &str, spec: Value| json!({"metadata": {"name": name}, "spec": spec});
        let ports = json!([{"port": 80, "protocol": "TCP"}]);
        let made = api
            .create("v1/services", "default", service("a", json!({"type": "NodePort", "ports": ports})))
            .await
            .unwrap();
        let address = made.value()["spec"]["clusterIP"].as_str().unwrap().to_string();
        let port = made.value()["spec"]["ports"][0]["nodePort"].as_i64().unwrap();
        assert!(address.starts_with("10.100.") && (30086..=32767).contains(&port), "{address} {port}");
        assert!(api.get("networking.k8s.io/v1/ipaddresses", "", &address).await.is_ok());
        let taken = api
            .create("v1/services", "default", service("b", json!({"clusterIP": address, "ports": ports})))
            .await
            .unwrap_err();
        let text = format!(
            "Service \"b\" is invalid: spec.clusterIPs: Invalid value: [\"{address}\"]: failed to allocate IP {address}: \
             provided IP is already allocated"
        );
        assert_eq!(taken.message, text);
        // A client that repeats nothing keeps both.
        let mut plain = service("a", json!({"type": "NodePort", "ports": ports, "selector": {"x": "y"}}));
        plain["metadata"]["namespace"] = "default".into();
        let kept = api.update("v1/services", plain).await.unwrap();
        assert_eq!(kept.value()["spec"]["clusterIP"].as_str(), Some(address.as_str()));
        assert_eq!(kept.value()["spec"]["ports"][0]["nodePort"].as_i64(), Some(port));
        api.delete("v1/services", "default", "a", Value::Null).await.unwrap();
        assert!(api.get("networking.k8s.io/v1/ipaddresses", "", &address).await.unwrap_err().is_not_found());
        let spec = json!({"type": "NodePort", "clusterIP": address, "ports": [{"port": 80, "nodePort": port}]});
        api.create("v1/services", "default", service("c", spec)).await.unwrap();
        let headless = api
            .create("v1/services", "default", service("h", json!({"clusterIP": "None", "ports": ports})))
            .await
            .unwrap();
        assert_eq!(headless.value()["spec"]["ipFamilies"], json!(["IPv4", "IPv6"]));
    });
}

#[test]
fn a_service_that_changes_its_type_gives_back_what_it_had() {
    run(|api| async move {
        bootstrap(&api.server).await.unwrap();
        let spec = json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local", "ports": [{"port": 80}]});
        let made =
            api.create("v1/services", "default", json!({"metadata": {"name": "a"}, "spec": spec})).await.unwrap();
        let (spec, one) = (made.value()["spec"].clone(), "/spec/ports/0/nodePort");
        assert!(spec["healthCheckNodePort"].as_i64().unwrap() >= 30000);
        let address = spec["clusterIP"].as_str().unwrap().to_string();
        let patch = |spec: Value| {
            let api = api.clone();
            async move { api.patch("v1/services", "default", "a", json!({"spec": spec})).await.unwrap() }
        };
        let node_port = patch(json!({"type": "NodePort"})).await;
        assert_eq!(node_port.value().pointer(one), spec["ports"][0].get("nodePort"));
        assert!(node_port.value()["spec"].get("healthCheckNodePort").is_none());
        let inside = patch(json!({"type": "ClusterIP"})).await;
        assert_eq!((inside.value().pointer(one), &inside.value()["spec"]["clusterIP"]), (None, &json!(address)));
        let held = api.space.range(cove_store::api::Range::prefix("/cove/nodeports/")).await.unwrap();
        assert!(held.entries.is_empty());
        let outside = patch(json!({"type": "ExternalName", "externalName": "example.com"})).await;
        assert!(outside.value()["spec"].get("clusterIP").is_none(), "{}", outside.value());
        assert!(api.get("networking.k8s.io/v1/ipaddresses", "", &address).await.unwrap_err().is_not_found());
        let back = patch(json!({"type": "ClusterIP", "externalName": null})).await;
        assert!(back.value()["spec"]["clusterIP"].as_str().unwrap().starts_with("10.100."));
    });
}

#[test]
fn a_token_is_good_until_its_pod_goes() {
    let config = Config { signing_key: Some(pki::signing_key().unwrap()), ..Config::new(35) };
    run_with(config, |api| async move {
        ready(&api).await;
        let pod = api.create("v1/pods", "default", pod("p")).await.unwrap();
        let spec = json!({
            "expirationSeconds": 3600, "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": pod.uid()},
        });
        let request = json!({"spec": spec});
        let made = api.create_sub("v1/serviceaccounts/token", "default", "default", request).await.unwrap();
        let token = made.value()["status"]["token"].as_str().unwrap().to_string();
        let review = json!({"spec": {"token": token}});
        let path = "authentication.k8s.io/v1/tokenreviews";
        let good = api.create(path, "", review.clone()).await.unwrap();
        let user = &good.value()["status"]["user"];
        assert_eq!(user["username"], "system:serviceaccount:default:default");
        assert_eq!(user["extra"]["authentication.kubernetes.io/pod-name"], json!(["p"]));
        api.delete("v1/pods", "default", "p", json!({"gracePeriodSeconds": 0})).await.unwrap();
        let bad = api.create(path, "", review).await.unwrap();
        assert!(bad.value()["status"].get("authenticated").is_none_or(|value| value == false), "{:?}", bad.value());
    });
}

#[test]
fn reviews_answer_what_rbac_says() {
    run(|api| async move {
        bootstrap(&api.server).await.unwrap();
        let ask = |user: &str, verb: &str, resource: &str| {
            json!({"spec": {
                "user": user, "groups": ["system:authenticated"],
                "resourceAttributes": {"verb": verb, "resource": resource, "namespace": "default"},
            }})
        };
        let path = "authorization.k8s.io/v1/subjectaccessreviews";
        let yes = api.create(path, "", ask("system:kube-scheduler", "list", "pods")).await.unwrap();
        assert_eq!(yes.value()["status"]["allowed"], true);
        let reason = "RBAC: allowed by ClusterRoleBinding \"system:kube-scheduler\" of ClusterRole \
                      \"system:kube-scheduler\" to User \"system:kube-scheduler\"";
        assert_eq!(yes.value()["status"]["reason"], reason);
        let no = api.create(path, "", ask("nobody", "list", "pods")).await.unwrap();
        assert_eq!(no.value()["status"]["allowed"], false);
    });
}

#[test]
fn a_namespace_goes_when_its_finalizer_does() {
    run(|api| async move {
        let namespace = json!({"metadata": {"name": "a"}, "spec": {"finalizers": ["kubernetes"]}});
        api.create("v1/namespaces", "", namespace).await.unwrap();
        let marked = api.delete("v1/namespaces", "", "a", Value::Null).await.unwrap();
        assert_eq!(marked.value()["status"]["phase"], "Terminating");
        let refused = api.config_map("a", "c", json!({})).await.unwrap_err();
        assert_eq!(refused.code, 403);
        assert_eq!(refused.details.unwrap().causes[0].reason, "NamespaceTerminating");
        let mut namespace = marked.value().as_ref().clone();
        namespace["spec"] = json!({});
        let body = cove_kube_api::door::Body::Value(namespace);
        api.call(Verb::Update, target("v1/namespaces/finalize", "", "a"), Options::default(), body).await.unwrap();
        assert!(api.get("v1/namespaces", "", "a").await.unwrap_err().is_not_found());
    });
}
