//! Who may do what: RBAC, escalation, nodes; and what admission adds.

use cove_kube_api::door::{Options, UserInfo};
use cove_kube_server::bootstrap::bootstrap;
use serde_json::{Value, json};

use crate::help::{Api, run};

fn pod(name: &str, secret: &str) -> Value {
    json!({
        "metadata": {"name": name},
        "spec": {
            "containers": [{"name": "c", "image": "i"}],
            "volumes": [{"name": "s", "secret": {"secretName": secret}}],
        },
    })
}

async fn ready(api: &Api) -> Api {
    bootstrap(&api.server).await.unwrap();
    api.create("v1/serviceaccounts", "default", json!({"metadata": {"name": "default"}})).await.unwrap();
    for name in ["s", "t"] {
        api.create("v1/secrets", "default", json!({"metadata": {"name": name}})).await.unwrap();
        api.create("v1/pods", "default", pod(name, name)).await.unwrap();
    }
    for (pod, node) in [("s", "n"), ("t", "m")] {
        let binding = json!({"metadata": {"name": pod}, "target": {"kind": "Node", "name": node}});
        api.create_sub("v1/pods/binding", "default", pod, binding).await.unwrap();
    }
    api.as_user(UserInfo::new("system:node:n", &["system:nodes"]))
}

#[test]
fn a_node_sees_what_its_pods_refer_to() {
    run(|api| async move {
        let node = ready(&api).await;
        node.get("v1/secrets", "default", "s").await.unwrap();
        let status = node.get("v1/secrets", "default", "t").await.unwrap_err();
        assert!(status.message.ends_with("no relationship found between node 'n' and this object"), "{status}");
        node.get("v1/pods", "default", "s").await.unwrap();
        let one = |name: &str| Options { field_selector: format!("metadata.name={name}"), ..Options::default() };
        assert_eq!(node.list("v1/secrets", "default", one("s")).await.unwrap().items.len(), 1);
        assert_eq!(node.list("v1/secrets", "default", one("t")).await.unwrap_err().code, 403);
        assert_eq!(node.get("v1/pods", "default", "t").await.unwrap_err().code, 403);
        assert_eq!(node.list("v1/pods", "", Options::default()).await.unwrap_err().code, 403);
        let own = Options { field_selector: "spec.nodeName=n".into(), ..Options::default() };
        assert_eq!(node.list("v1/pods", "", own).await.unwrap().items.len(), 1);
    });
}

#[test]
fn a_node_changes_itself_only() {
    run(|api| async move {
        let node = ready(&api).await;
        node.create("v1/nodes", "", json!({"metadata": {"name": "n"}})).await.unwrap();
        let other = node.create("v1/nodes", "", json!({"metadata": {"name": "m"}})).await.unwrap_err();
        assert_eq!(other.message, "nodes \"m\" is forbidden: node \"n\" is not allowed to modify node \"m\"");
        let made = api.get("v1/nodes", "", "n").await.unwrap();
        assert_eq!(made.value()["spec"]["taints"][0]["key"], "node.kubernetes.io/not-ready");
        let label = json!({"metadata": {"labels": {"node-restriction.kubernetes.io/a": "b"}}});
        let status = node.patch("v1/nodes", "", "n", label).await.unwrap_err();
        assert!(
            status.message.ends_with("is not allowed to modify labels: node-restriction.kubernetes.io/a"),
            "{status}"
        );
        let lease = |name: &str| json!({"metadata": {"name": name}, "spec": {"holderIdentity": name}});
        node.create("coordination.k8s.io/v1/leases", "kube-node-lease", lease("n")).await.unwrap();
        assert_eq!(
            node.create("coordination.k8s.io/v1/leases", "kube-node-lease", lease("m")).await.unwrap_err().code,
            403
        );
        let patch = json!({"status": {"phase": "Running"}});
        node.patch("v1/pods/status", "default", "s", patch.clone()).await.unwrap();
        assert_eq!(node.patch("v1/pods/status", "default", "t", patch).await.unwrap_err().code, 403);
        let nameless = api.as_user(UserInfo::new("system:node:", &["system:nodes"]));
        assert_eq!(nameless.get("v1/secrets", "default", "s").await.unwrap_err().code, 403);
    });
}

#[test]
fn a_pod_gets_account_token_priority_and_tolerations() {
    run(|api| async move {
        ready(&api).await;
        let made = api.get("v1/pods", "default", "s").await.unwrap();
        let spec = &made.value()["spec"];
        assert_eq!((&spec["serviceAccountName"], &spec["priority"]), (&json!("default"), &json!(0)));
        assert_eq!(spec["tolerations"].as_array().unwrap().len(), 2);
        let volume = &spec["volumes"][1];
        assert!(volume["name"].as_str().unwrap().starts_with("kube-api-access-"));
        let sources = r#"[{"serviceAccountToken":{"expirationSeconds":3607,"path":"token"}},{"configMap":{"name":"kube-root-ca.crt","items":[{"key":"ca.crt","path":"ca.crt"}]}},{"downwardAPI":{"items":[{"path":"namespace","fieldRef":{"apiVersion":"v1","fieldPath":"metadata.namespace"}}]}}]"#;
        assert_eq!(volume["projected"]["sources"].to_string(), sources);
        let mount = &spec["containers"][0]["volumeMounts"][0];
        assert_eq!(mount["mountPath"], "/var/run/secrets/kubernetes.io/serviceaccount");
        let mut critical = pod("c", "s");
        critical["spec"]["priorityClassName"] = "system-node-critical".into();
        let critical = api.create("v1/pods", "default", critical).await.unwrap();
        assert_eq!(critical.value()["spec"]["priority"], 2_000_001_000);
        let mut wrong = pod("w", "s");
        wrong["spec"]["priorityClassName"] = "none".into();
        let status = api.create("v1/pods", "default", wrong).await.unwrap_err();
        assert_eq!(status.message, "pods \"w\" is forbidden: no PriorityClass with name none was found");
    });
}

#[test]
fn nobody_gives_what_they_do_not_have() {
    run(|api| async move {
        bootstrap(&api.server).await.unwrap();
        let role = |name: &str, verbs: Value, resources: Value| json!({"metadata": {"name": name}, "rules": [{"apiGroups": ["", "rbac.authorization.k8s.io"], "verbs": verbs, "resources": resources}]});
        let path = "rbac.authorization.k8s.io/v1/clusterroles";
        api.create(path, "", role("maker", json!(["create", "get"]), json!(["clusterroles", "pods"]))).await.unwrap();
        let binding = json!({
            "metadata": {"name": "maker"}, "subjects": [{"kind": "User", "name": "u", "apiGroup": "rbac.authorization.k8s.io"}],
            "roleRef": {"kind": "ClusterRole", "name": "maker", "apiGroup": "rbac.authorization.k8s.io"},
        });
        api.create("rbac.authorization.k8s.io/v1/clusterrolebindings", "", binding).await.unwrap();
        let user = api.as_user(UserInfo::new("u", &[]));
        user.create(path, "", role("less", json!(["get"]), json!(["pods"]))).await.unwrap();
        let status = user.create(path, "", role("more", json!(["delete"]), json!(["pods"]))).await.unwrap_err();
        assert_eq!(status.code, 403);
        assert!(
            status.message.contains(
                "user \"u\" (groups=[\"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n\
                 {APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"delete\"]}"
            ),
            "{status}"
        );
    });
}
