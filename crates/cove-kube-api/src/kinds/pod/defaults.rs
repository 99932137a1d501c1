//! Defaults of pods and pod templates that depend on other fields; the schema table has the rest.

use serde_json::{Map, Value};

use crate::kinds::fill::{Fill, each, set};
use crate::quantity::Quantity;

const CONTAINERS: [&str; 3] = ["initContainers[]", "containers[]", "ephemeralContainers[]"];

/// The defaults that hold for pods and templates alike. `spec` is the pod spec.
pub(super) fn default_spec(spec: &mut Value) {
    if let Value::Object(map) = spec {
        mirror_service_account(map);
    }
    each(spec, "volumes[]", &mut |volume| {
        if !volume.iter().any(|(name, source)| name != "name" && !source.is_null()) {
            volume.insert("emptyDir".into(), Value::Object(Map::new()));
        }
    });
    each(spec, "volumes[].image", &mut pull_policy_of_reference);
    for path in CONTAINERS {
        each(spec, path, &mut default_container);
    }
}

/// `serviceAccount` is the old name of `serviceAccountName`; both are always shown.
fn mirror_service_account(spec: &mut Map<String, Value>) {
    let text = |member: &str| spec.get(member).and_then(Value::as_str).filter(|t| !t.is_empty()).map(str::to_string);
    if let Some(name) = text("serviceAccountName").or_else(|| text("serviceAccount")) {
        spec.insert("serviceAccountName".into(), name.as_str().into());
        spec.insert("serviceAccount".into(), name.into());
    }
}

fn default_container(container: &mut Map<String, Value>) {
    if container.get("imagePullPolicy").and_then(Value::as_str).unwrap_or_default().is_empty() {
        let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
        container.insert("imagePullPolicy".into(), pull_policy(image).into());
    }
}

/// `Always` for images that may change under their name.
fn pull_policy(image: &str) -> &'static str {
    let (name, digest) = image.split_once('@').map_or((image, false), |(name, _)| (name, true));
    let last = name.rsplit('/').next().unwrap_or_default();
    match last.split_once(':') {
        Some((_, "latest")) => "Always",
        None if !digest && !name.is_empty() => "Always",
        _ => "IfNotPresent",
    }
}

fn pull_policy_of_reference(volume: &mut Map<String, Value>) {
    if volume.get("pullPolicy").and_then(Value::as_str).unwrap_or_default().is_empty() {
        let reference = volume.get("reference").and_then(Value::as_str).unwrap_or_default();
        volume.insert("pullPolicy".into(), pull_policy(reference).into());
    }
}

/// The defaults that hold for Pod objects only.
pub(super) fn default_pod_only(spec: &mut Value) {
    let host_network = spec.get("hostNetwork").and_then(Value::as_bool).unwrap_or_default();
    each(spec, "", &mut |spec| set(spec, "enableServiceLinks", Fill::NullFlag(true)));
    for path in ["initContainers[]", "containers[]"] {
        each(spec, &format!("{path}.resources"), &mut requests_from_limits);
        if host_network {
            each(spec, &format!("{path}.ports[]"), &mut |port| {
                if let Some(Value::Number(number)) = port.get("containerPort").cloned() {
                    set(port, "hostPort", Fill::Number(number.as_i64().unwrap_or_default()));
                }
            });
        }
    }
    if let Some(Value::Object(limits)) = spec.get("resources").and_then(|r| r.get("limits")).cloned() {
        let sums: Vec<(String, Value)> =
            limits.keys().filter_map(|name| Some((name.clone(), requested(spec, name)?))).collect();
        each(spec, "resources", &mut |resources| {
            let requests = resources.entry("requests").or_insert_with(|| Value::Object(Map::new()));
            if requests.is_null() {
                *requests = Value::Object(Map::new());
            }
            for (name, sum) in &sums {
                if let Value::Object(requests) = &mut *requests {
                    requests.entry(name.clone()).or_insert_with(|| sum.clone());
                }
            }
        });
    }
    each(spec, "resources", &mut requests_from_limits);
}

/// What the containers request together of a resource that may be overcommitted: init containers run before the others,
/// sidecars beside them.
fn requested(spec: &Value, name: &str) -> Option<Value> {
    if name.starts_with("hugepages-") {
        return None;
    }
    let of = |container: &Value| {
        let request = container.get("resources").and_then(|r| r.get("requests")).and_then(|r| r.get(name));
        request.and_then(|q| Quantity::from_value(q).ok())
    };
    let list = |member: &str| spec.get(member).and_then(Value::as_array).into_iter().flatten();
    let sidecar = |c: &&Value| c.get("restartPolicy").and_then(Value::as_str) == Some("Always");
    let beside = list("containers").chain(list("initContainers").filter(sidecar)).filter_map(of);
    let sum = beside.reduce(|a, b| a + b);
    let before = list("initContainers").filter(|c| !sidecar(c)).filter_map(of).max();
    sum.max(before).map(|q| q.canonical().into())
}

/// A limit without a request is the request.
fn requests_from_limits(resources: &mut Map<String, Value>) {
    let Some(Value::Object(limits)) = resources.get("limits").filter(|l| !l.as_object().is_none_or(Map::is_empty))
    else {
        return;
    };
    let limits = limits.clone();
    let requests = resources.entry("requests").or_insert_with(|| Value::Object(Map::new()));
    if requests.is_null() {
        *requests = Value::Object(Map::new());
    }
    if let Value::Object(requests) = requests {
        for (name, limit) in limits {
            requests.entry(name).or_insert(limit);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pull_policies() {
        for (image, policy) in [
            ("nginx", "Always"),
            ("nginx:latest", "Always"),
            ("nginx:1.27", "IfNotPresent"),
            ("host:5000/nginx", "Always"),
            ("host:5000/nginx:1", "IfNotPresent"),
            ("nginx@sha256:abc", "IfNotPresent"),
            ("nginx:latest@sha256:abc", "Always"),
            ("", "IfNotPresent"),
        ] {
            assert_eq!(pull_policy(image), policy, "{image}");
        }
    }

    #[test]
    fn pod_level_requests_come_from_the_containers() {
        let mut spec = json!({
            "resources": {"limits": {"cpu": "2", "memory": "1Gi"}},
            "containers": [{"resources": {"requests": {"cpu": "500m"}}}, {"resources": {"requests": {"cpu": "250m"}}}],
            "initContainers": [{"resources": {"requests": {"cpu": "1"}}}],
        });
        default_pod_only(&mut spec);
        assert_eq!(spec["resources"]["requests"], json!({"cpu": "1", "memory": "1Gi"}));
    }

    #[test]
    fn a_small_pod_gets_everything_and_twice_is_once() {
        let mut spec = json!({
            "hostNetwork": true, "serviceAccount": "x", "volumes": [{"name": "v"}, {"name": "h", "hostPath": {"path": "/"}}],
            "containers": [{"name": "a", "image": "nginx", "ports": [{"containerPort": 80}],
                "resources": {"limits": {"cpu": "1"}}}],
        });
        default_spec(&mut spec);
        default_pod_only(&mut spec);
        let once = spec.clone();
        default_spec(&mut spec);
        default_pod_only(&mut spec);
        assert_eq!(spec, once);
        assert_eq!(spec["volumes"][0], json!({"name": "v", "emptyDir": {}}));
        assert_eq!((&spec["serviceAccountName"], &spec["enableServiceLinks"]), (&json!("x"), &json!(true)));
        let container = &spec["containers"][0];
        assert_eq!(container["ports"][0]["hostPort"], 80);
        assert_eq!(container["resources"]["requests"]["cpu"], "1");
        assert_eq!(container["imagePullPolicy"], "Always");
    }
}
