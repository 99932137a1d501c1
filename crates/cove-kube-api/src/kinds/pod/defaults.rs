//! Defaults of pods and pod templates that depend on other fields; the schema table has the rest.

use serde_json::{Map, Value};

use crate::kinds::fill::{Fill, each, set};

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
    each(spec, "resources", &mut requests_from_limits);
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
