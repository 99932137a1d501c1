//! Objects through defaults, preparation and validation, as the server takes them.

use serde_json::{Value, json};

use super::{by_kind, kinds};
use crate::decode::{Strictness, apply_defaults, decode_value, normalize};
use crate::field_error::FieldError;
use crate::schema::schema;
use crate::strategy::Context;

const CONTEXT: Context<'static> = Context { subresource: "", minor: 35 };

/// An object as it is stored after a create, and the errors.
fn create(object: Value) -> (Value, Vec<String>) {
    let mut object = decode_value(object, None, Strictness::Strict).expect("decodes").value;
    let (api_version, kind) =
        (object["apiVersion"].as_str().unwrap().to_string(), object["kind"].as_str().unwrap().to_string());
    let (group, version) = crate::schema::split_api_version(&api_version);
    let kind = by_kind(35, group, version, &kind).expect("a kind");
    let ty = schema().type_of(group, version, kind.kind).unwrap();
    apply_defaults(ty, &mut object);
    kind.strategy.default(&mut object);
    let once = object.clone();
    kind.strategy.default(&mut object);
    assert_eq!(object, once, "defaults are idempotent");
    kind.strategy.prepare_create(&mut object, CONTEXT);
    normalize(ty, &mut object);
    let errors = kind.strategy.validate(&object, CONTEXT);
    (object, errors.iter().map(FieldError::to_string).collect())
}

fn good(object: Value) -> Value {
    let (object, errors) = create(object);
    assert_eq!(errors, Vec::<String>::new());
    object
}

fn bad(object: Value, expected: &[&str]) {
    assert_eq!(create(object).1, expected);
}

fn update(kind: (&str, &str), new: &Value, old: &Value) -> Vec<String> {
    let strategy = by_kind(35, kind.0, "v1", kind.1).unwrap().strategy;
    let mut new = new.clone();
    strategy.prepare_update(&mut new, old, CONTEXT);
    let mut errors = strategy.validate(&new, CONTEXT);
    errors.extend(strategy.validate_update(&new, old, CONTEXT));
    errors.iter().map(FieldError::to_string).collect()
}

fn meta(name: &str) -> Value {
    json!({"name": name, "namespace": "default", "uid": "u-1"})
}

fn pod(spec: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": meta("web"), "spec": spec})
}

fn template() -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "a", "image": "nginx"}]}})
}

#[test]
fn a_minimal_pod_is_as_upstream_stores_it() {
    let pod = good(pod(json!({"containers": [{"name": "a", "image": "nginx"}]})));
    let spec = json!({
        "containers": [{"name": "a", "image": "nginx", "resources": {}, "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File", "imagePullPolicy": "Always"}],
        "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
        "securityContext": {}, "schedulerName": "default-scheduler", "enableServiceLinks": true,
    });
    assert_eq!(pod["spec"], spec);
    assert_eq!(pod["status"], json!({"phase": "Pending", "qosClass": "BestEffort"}));
}

#[test]
fn a_rich_pod_is_fine() {
    good(pod(json!({
        "hostNetwork": true, "serviceAccountName": "aws-node", "priorityClassName": "system-node-critical",
        "tolerations": [{"operator": "Exists"}, {"key": "CriticalAddonsOnly", "operator": "Exists"},
            {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}]}]}},
            "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": {
                "labelSelector": {"matchLabels": {"app": "x"}}, "topologyKey": "kubernetes.io/hostname"}}]}},
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone",
            "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}],
        "initContainers": [{"name": "init", "image": "x:1", "securityContext": {"privileged": true}}],
        "containers": [{
            "name": "a", "image": "x:1", "command": ["/bin/x"],
            "env": [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
                {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
                {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
            "envFrom": [{"configMapRef": {"name": "c"}}],
            "ports": [{"name": "metrics", "containerPort": 61678}],
            "livenessProbe": {"exec": {"command": ["/app/grpc"]}, "initialDelaySeconds": 60},
            "readinessProbe": {"httpGet": {"path": "/ready", "port": "metrics"}},
            "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
            "resources": {"requests": {"cpu": "50m"}, "limits": {"memory": "1Gi", "nvidia.com/gpu": "1"}},
            "securityContext": {"capabilities": {"add": ["NET_ADMIN"]}, "runAsUser": 0},
            "volumeMounts": [{"name": "token", "mountPath": "/var/run/secrets/x", "readOnly": true}],
        }],
        "volumes": [
            {"name": "token", "projected": {"sources": [
                {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}}]}},
            {"name": "cni", "hostPath": {"path": "/opt/cni/bin"}},
            {"name": "empty"},
        ],
    })));
}

#[test]
fn mistakes_of_pods() {
    bad(pod(json!({})), &["spec.containers: Required value"]);
    let wrong = json!({"restartPolicy": "Sometimes", "volumes": [{"name": "v", "secret": {}}], "containers": [
        {"name": "a", "image": "x", "ports": [{"containerPort": 0, "name": "--"}], "volumeMounts": [{"name": "w", "mountPath": "/"}]},
        {"name": "a", "image": "x", "resources": {"requests": {"cpu": "2", "bogus": "1"}, "limits": {"cpu": "1"}}}]});
    bad(
        pod(wrong),
        &[
            "spec.volumes[0].secret.secretName: Required value",
            "spec.containers[0].ports[0].name: Invalid value: \"--\": must contain at least one letter (a-z)",
            "spec.containers[0].ports[0].name: Invalid value: \"--\": must not contain consecutive hyphens",
            "spec.containers[0].ports[0].name: Invalid value: \"--\": must not begin or end with a hyphen",
            "spec.containers[0].ports[0].containerPort: Required value",
            "spec.containers[0].volumeMounts[0].name: Not found: \"w\"",
            "spec.containers[1].resources.requests[bogus]: Invalid value: \"bogus\": must be a standard resource type or fully qualified",
            "spec.containers[1].resources.requests[bogus]: Invalid value: \"bogus\": must be a standard resource for containers",
            "spec.containers[1].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1",
            "spec.containers[1].name: Duplicate value: \"a\"",
            "spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"OnFailure\", \"Never\"",
        ],
    );
}

#[test]
fn pods_change_little() {
    let old =
        good(pod(json!({"containers": [{"name": "a", "image": "nginx"}], "tolerations": [{"operator": "Exists"}]})));
    let with = |path: &str, value: Value| {
        let mut new = old.clone();
        *new.pointer_mut(path).unwrap() = value;
        update(("", "Pod"), &new, &old)
    };
    assert!(with("/spec/containers/0/image", "nginx:2".into()).is_empty());
    assert!(with("/spec/tolerations", json!([{"operator": "Exists"}, {"key": "x", "operator": "Exists"}])).is_empty());
    let more = with("/spec/tolerations", json!([]));
    assert_eq!(
        more,
        ["spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"]
    );
    let name = with("/spec/schedulerName", "mine".into());
    assert!(
        name[0].starts_with("spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`")
    );
    assert!(name[0].contains("\n- spec.schedulerName: \"default-scheduler\"\n+ spec.schedulerName: \"mine\"\n"));
}

#[test]
fn workloads() {
    for (kind, extra) in [
        ("Deployment", json!({})),
        ("ReplicaSet", json!({})),
        ("DaemonSet", json!({})),
        ("StatefulSet", json!({"serviceName": "web"})),
    ] {
        let mut object = json!({"apiVersion": "apps/v1", "kind": kind, "metadata": meta("web"),
            "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template()}});
        object["spec"].as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let stored = good(object.clone());
        if kind == "Deployment" {
            assert_eq!(
                stored["spec"]["strategy"],
                json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}})
            );
            assert_eq!(stored["spec"]["replicas"], 1);
        }
        let mut new = stored.clone();
        new["spec"]["selector"]["matchLabels"]["app"] = "other".into();
        let found = update(("apps", kind), &new, &stored);
        if kind == "StatefulSet" {
            assert!(found.iter().any(|e| e.starts_with("spec: Forbidden: updates to statefulset spec")), "{found:?}");
        } else {
            let text = "spec.selector: Invalid value: {\"matchLabels\":{\"app\":\"other\"}}: field is immutable";
            assert!(found.iter().any(|e| e == text), "{found:?}");
        }
        object["spec"]["selector"] = json!({});
        let words = match kind {
            "DaemonSet" => "daemonset",
            "StatefulSet" => "statefulset",
            _ => "deployment",
        };
        bad(object, &[&format!("spec.selector: Invalid value: {{}}: empty selector is invalid for {words}")]);
    }
}

#[test]
fn services() {
    let object = |spec: Value| json!({"apiVersion": "v1", "kind": "Service", "metadata": meta("web"), "spec": spec});
    let stored = good(object(json!({"ports": [{"port": 80}], "selector": {"app": "web"}, "clusterIP": "10.100.0.9"})));
    let spec = &stored["spec"];
    assert_eq!(spec["ports"], json!([{"protocol": "TCP", "port": 80, "targetPort": 80}]));
    assert_eq!(spec["clusterIPs"], json!(["10.100.0.9"]));
    assert_eq!(
        (&spec["type"], &spec["sessionAffinity"], &spec["internalTrafficPolicy"]),
        (&json!("ClusterIP"), &json!("None"), &json!("Cluster"))
    );
    let mut new = stored.clone();
    new["spec"]["clusterIP"] = "10.100.0.10".into();
    assert_eq!(
        update(("", "Service"), &new, &stored),
        ["spec.clusterIPs[0]: Invalid value: [\"10.100.0.10\"]: may not change once set"]
    );
    let mut new = stored.clone();
    new["spec"].as_object_mut().unwrap().retain(|k, _| !k.starts_with("clusterIP"));
    assert!(update(("", "Service"), &new, &stored).is_empty(), "what was allocated is kept");
    bad(object(json!({})), &["spec.ports: Required value"]);
    bad(
        object(json!({"type": "Fancy", "ports": [{"port": 0}, {"port": 70000, "name": "b"}]})),
        &[
            "spec.ports[0].name: Required value",
            "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
            "spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive",
            "spec.ports[1].port: Invalid value: 70000: must be between 1 and 65535, inclusive",
            "spec.ports[1].targetPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
            "spec.type: Unsupported value: \"Fancy\": supported values: \"ClusterIP\", \"ExternalName\", \"LoadBalancer\", \"NodePort\"",
            "spec.internalTrafficPolicy: Required value",
        ][..6],
    );
    let balancer = good(object(json!({"type": "LoadBalancer", "ports": [{"port": 80}]})));
    assert_eq!(balancer["spec"]["allocateLoadBalancerNodePorts"], true);
    good(object(json!({"type": "ExternalName", "externalName": "example.com"})));
    good(object(json!({"clusterIP": "None", "selector": {"a": "b"}})));
}

#[test]
fn configuration() {
    let map =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("c"), "immutable": true, "data": {"a": "b"}});
    let stored = good(map);
    let mut new = stored.clone();
    new["data"]["a"] = "c".into();
    assert_eq!(
        update(("", "ConfigMap"), &new, &stored),
        ["data: Forbidden: field is immutable when `immutable` is set"]
    );
    let secret = |kind: &str, data: Value| json!({"apiVersion": "v1", "kind": "Secret", "metadata": meta("s"), "type": kind, "stringData": data});
    let stored = good(secret("Opaque", json!({"a": "hello"})));
    assert_eq!((&stored["data"], stored.get("stringData")), (&json!({"a": "aGVsbG8="}), None));
    let mut new = stored.clone();
    new["type"] = "other".into();
    assert_eq!(update(("", "Secret"), &new, &stored), ["type: Invalid value: \"other\": field is immutable"]);
    bad(secret("kubernetes.io/tls", json!({})), &["data[tls.crt]: Required value", "data[tls.key]: Required value"]);
    bad(secret("Opaque", json!({"..": ""})), &["data[..]: Invalid value: \"..\": must not be '..'"]);
}

#[test]
fn access() {
    let role = |kind: &str, rules: Value| json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": "r"}, "rules": rules});
    good(role("ClusterRole", json!([{"verbs": ["get"], "nonResourceURLs": ["/healthz"]}])));
    bad(
        role("Role", json!([{"verbs": [], "nonResourceURLs": ["/x"]}, {"verbs": ["get"]}])),
        &[
            "rules[0].verbs: Required value: verbs must contain at least one value",
            "rules[0].nonResourceURLs: Invalid value: [\"/x\"]: namespaced rules cannot apply to non-resource URLs",
            "rules[1].apiGroups: Required value: resource rules must supply at least one api group",
            "rules[1].resources: Required value: resource rules must supply at least one resource",
        ],
    );
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "b"},
        "roleRef": {"kind": "ClusterRole", "name": "view"}, "subjects": [{"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "s"}]});
    let (stored, errors) = create(binding);
    assert_eq!(errors, ["subjects[1].namespace: Required value"]);
    assert_eq!(stored["subjects"][0]["apiGroup"], "rbac.authorization.k8s.io");
    let mut new = stored.clone();
    new["roleRef"]["name"] = "edit".into();
    let text = "roleRef: Invalid value: {\"APIGroup\":\"rbac.authorization.k8s.io\",\"Kind\":\"ClusterRole\",\"Name\":\"edit\"}: cannot change roleRef";
    assert!(update(("rbac.authorization.k8s.io", "ClusterRoleBinding"), &new, &stored).contains(&text.to_string()));
}

#[test]
fn nodes_and_namespaces() {
    let stored = good(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}}));
    assert_eq!(stored["metadata"]["labels"], json!({"kubernetes.io/metadata.name": "x"}));
    assert_eq!(
        (&stored["spec"], &stored["status"]),
        (&json!({"finalizers": ["kubernetes"]}), &json!({"phase": "Active"}))
    );
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "spec": {"providerID": "aws:///a/i-1",
        "taints": [{"key": "a", "effect": "NoSchedule"}, {"key": "a", "effect": "NoSchedule"}]}, "status": {"capacity": {"cpu": "2"}}});
    let (stored, errors) = create(node);
    assert_eq!(errors, ["spec.taints[1]: Duplicate value: {\"key\":\"a\",\"effect\":\"NoSchedule\"}"]);
    assert_eq!(stored["status"]["allocatable"], json!({"cpu": "2"}));
    let mut new = stored.clone();
    new["spec"]["providerID"] = "other".into();
    assert!(update(("", "Node"), &new, &stored).iter().any(|e| e.contains("may not change providerID except from")));
}

#[test]
fn jobs_select_their_own_pods() {
    let mut template = template();
    template["spec"]["restartPolicy"] = "Never".into();
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": meta("j"), "spec": {"template": template}});
    let stored = good(job);
    assert_eq!(stored["spec"]["selector"]["matchLabels"], json!({"batch.kubernetes.io/controller-uid": "u-1"}));
    assert_eq!((&stored["spec"]["backoffLimit"], &stored["spec"]["completions"]), (&json!(6), &json!(1)));
}

#[test]
fn autoscalers() {
    let scaler = |spec: Value| json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": meta("h"), "spec": spec});
    let target = json!({"kind": "Deployment", "name": "web"});
    let stored = good(scaler(json!({"maxReplicas": 3, "scaleTargetRef": target, "behavior": {"scaleDown": {}}})));
    assert_eq!(stored["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 80);
    assert_eq!(stored["spec"]["behavior"]["scaleUp"]["stabilizationWindowSeconds"], 0);
    let metrics = json!([{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization"}}}]);
    bad(
        scaler(json!({"minReplicas": 2, "maxReplicas": 1, "scaleTargetRef": target, "metrics": metrics})),
        &[
            "spec.maxReplicas: Invalid value: 1: must be greater than or equal to `minReplicas`",
            "spec.metrics[0].resource.target.averageUtilization: Required value: must set either a target raw value or a target utilization",
        ],
    );
}

#[test]
fn reviews_ask_one_thing() {
    let review = |spec: Value| json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "metadata": {}, "spec": spec});
    good(review(json!({"user": "u", "resourceAttributes": {"verb": "get", "resource": "pods"}})));
    bad(
        review(json!({})),
        &[
            "spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified",
            "spec.user: Invalid value: \"\": at least one of user or group must be specified",
        ],
    );
}

#[test]
fn claims_only_grow() {
    let claim = |size: &str| {
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta("c"),
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}})
    };
    let (small, large) = (good(claim("1Gi")), good(claim("2Gi")));
    assert!(update(("", "PersistentVolumeClaim"), &large, &small).is_empty());
    let text = "spec.resources.requests.storage: Forbidden: field can not be less than previous value";
    assert_eq!(update(("", "PersistentVolumeClaim"), &small, &large), [text]);
}

#[test]
fn structure_comes_from_the_table() {
    let class = |binding: &str| {
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "c"},
        "provisioner": "ebs.csi.aws.com", "volumeBindingMode": binding})
    };
    good(class("WaitForFirstConsumer"));
    bad(
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "c"}}),
        &["provisioner: Required value"],
    );
}

/// One usual object of every kind that is not tested above.
fn usual() -> Vec<Value> {
    serde_json::from_str(include_str!("usual.json")).unwrap()
}

#[test]
fn usual_objects_of_every_kind_are_fine() {
    for object in usual() {
        let (stored, errors) = create(object);
        assert_eq!(errors, Vec::<String>::new(), "{stored}");
        let kind = by_kind_of(&stored);
        assert_eq!(update_errors(kind, &stored, &stored), Vec::<String>::new(), "{stored}");
    }
}

fn by_kind_of(object: &Value) -> &'static super::Kind {
    let (group, version) = crate::schema::split_api_version(object["apiVersion"].as_str().unwrap());
    by_kind(35, group, version, object["kind"].as_str().unwrap()).unwrap()
}

fn update_errors(kind: &super::Kind, new: &Value, old: &Value) -> Vec<String> {
    kind.strategy.validate_update(new, old, CONTEXT).iter().map(FieldError::to_string).collect()
}

#[test]
fn hostile_objects_never_panic() {
    let values =
        [json!(null), json!([]), json!({}), json!("x"), json!([null, 1, "x", {}]), json!({"a": [[]]}), json!(-1)];
    for kind in kinds(35) {
        for value in &values {
            for member in ["spec", "metadata", "status", "data", "subsets", "template", "roleRef"] {
                let mut object = json!({"apiVersion": kind.api_version(), "kind": kind.kind});
                object[member] = value.clone();
                let old = object.clone();
                kind.strategy.default(&mut object);
                kind.strategy.prepare_create(&mut object, CONTEXT);
                for subresource in ["", "status", "resize", "ephemeralcontainers", "finalize"] {
                    let context = Context { subresource, ..CONTEXT };
                    kind.strategy.prepare_update(&mut object, &old, context);
                    let _ = kind.strategy.validate(&object, context);
                    let _ = kind.strategy.validate_update(&object, &old, context);
                    let _ = kind.strategy.warnings(&object, None, context);
                    let _ = kind.strategy.graceful_deletion_seconds(&object);
                    let _ = kind.strategy.bumps_generation(&object, &old);
                }
            }
        }
    }
}

/// A usual object with one part replaced by something else.
fn damaged() -> impl proptest::strategy::Strategy<Value = Value> {
    use proptest::prelude::*;
    let junk = prop_oneof![
        Just(Value::Null),
        Just(json!([])),
        Just(json!({})),
        Just(json!("")),
        Just(json!("-1%")),
        Just(json!(-1)),
        Just(json!([null, {}, "x"])),
        Just(json!({"": {"": []}})),
        Just(json!(true)),
        Just(json!(1e300)),
        Just(json!("ä\u{0}/")),
    ];
    let mut all = usual();
    all.push(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta("web"),
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template()}}));
    all.push(pod(json!({"containers": [{"name": "a", "image": "x", "ports": [{"containerPort": 1, "hostPort": 1}], "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}],
        "livenessProbe": {"httpGet": {"port": 1}}, "volumeMounts": [{"name": "v", "mountPath": "/"}]}], "volumes": [{"name": "v", "emptyDir": {}}],
        "tolerations": [{"key": "a"}], "affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "a"}]}}})));
    all.push(json!({"apiVersion": "v1", "kind": "Service", "metadata": meta("web"), "spec": {"type": "NodePort", "clusterIPs": ["1.1.1.1"], "ports": [{"port": 80, "nodePort": 30000}]}}));
    (prop::sample::select(all), prop::collection::vec(any::<prop::sample::Index>(), 1..9), junk).prop_map(
        |(mut object, path, junk)| {
            *part(&mut object, &path) = junk;
            object
        },
    )
}

/// The part that a path of choices leads to; `apiVersion` and `kind` stay.
fn part<'a>(value: &'a mut Value, path: &[proptest::sample::Index]) -> &'a mut Value {
    let Some((choice, rest)) = path.split_first() else { return value };
    let inner = |key: &str| !matches!(key, "apiVersion" | "kind");
    let empty = match value {
        Value::Object(map) => !map.keys().any(|k| inner(k)),
        Value::Array(items) => items.is_empty(),
        _ => true,
    };
    if empty {
        return value;
    }
    let mut parts: Vec<&mut Value> = match value {
        Value::Object(map) => map.iter_mut().filter(|(k, _)| inner(k)).map(|(_, v)| v).collect(),
        Value::Array(items) => items.iter_mut().collect(),
        _ => unreachable!("looked at above"),
    };
    let at = choice.index(parts.len());
    part(parts.swap_remove(at), rest)
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(1000))]
    #[test]
    fn damaged_objects_never_panic(object in damaged(), other in damaged()) {
        let kind = by_kind_of(&object);
        let mut made = object.clone();
        kind.strategy.default(&mut made);
        kind.strategy.prepare_create(&mut made, CONTEXT);
        for subresource in ["", "status", "resize", "ephemeralcontainers", "approval", "scale"] {
            let context = Context { subresource, ..CONTEXT };
            for old in [&object, &made, &other] {
                let mut new = made.clone();
                kind.strategy.prepare_update(&mut new, old, context);
                let _ = kind.strategy.validate(&new, context);
                let _ = kind.strategy.validate_update(&new, old, context);
                let _ = kind.strategy.warnings(&new, Some(old), context);
            }
        }
        let _ = crate::validate_meta::validate_meta(kind, &made);
        let _ = crate::validate_meta::validate_meta_update(kind, &made, &other);
        let _ = crate::printer::cells(kind, &made, cove_base::time::Timestamp::EPOCH);
        let ty = schema().type_of_api_version(&kind.api_version(), kind.kind).unwrap();
        let _ = crate::patch::apply_strategic(ty, &object, &other);
    }
}
