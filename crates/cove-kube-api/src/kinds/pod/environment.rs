//! Environment variables of containers and the downward API.

use serde_json::Value;

use crate::kinds::rules::{At, Errors};
use crate::names;
use crate::quantity::Quantity;

/// `env` and `envFrom` of a container.
pub(super) fn environment(container: &At<'_>, errors: &mut Errors) {
    for variable in container.list("env") {
        errors.need_valid(&variable.get("name"), names::env_var_name);
        value_from(&variable, errors);
    }
    for source in container.list("envFrom") {
        errors.if_set(&source.get("prefix"), names::env_var_name);
        let mut found = 0;
        for member in ["configMapRef", "secretRef"] {
            let reference = source.get(member);
            if reference.is_set() {
                found += 1;
                errors.need_valid(&reference.get("name"), names::dns1123_subdomain);
            }
        }
        let whole = At::new(&Value::Null, source.path.clone());
        let shown = At::new(&EMPTY, whole.path.clone());
        match found {
            0 => errors.invalid(&shown, "must specify one of: `configMapRef` or `secretRef`"),
            1 => {}
            _ => errors.invalid(&shown, "may not have more than one field specified at a time"),
        }
    }
}

/// Upstream prints an empty text where a combination is wrong.
static EMPTY: Value = Value::String(String::new());

fn value_from(variable: &At<'_>, errors: &mut Errors) {
    let from = variable.get("valueFrom");
    if !from.is_set() {
        return;
    }
    let mut found = 0;
    let members = ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"];
    for reference in members.map(|m| (m, from.get(m))).into_iter().filter(|(_, r)| r.is_set()) {
        found += 1;
        match reference {
            ("fieldRef", at) => field_ref(&at, ENV_FIELDS, true, errors),
            ("resourceFieldRef", at) => resource_field_ref(&at, false, errors),
            ("fileKeyRef", at) => {
                errors.need(&at.get("key"));
                errors.need(&at.get("volumeName"));
                errors.need(&at.get("path"));
            }
            (_, at) => {
                errors.if_set(&at.get("name"), names::dns1123_subdomain);
                errors.need_valid(&at.get("key"), names::config_key);
            }
        }
    }
    let shown = At::new(&EMPTY, from.path.clone());
    if found == 0 {
        let why =
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
        errors.invalid(&shown, why);
    }
    if !variable.text_of("value").is_empty() {
        errors.invalid(&shown, "may not be specified when `value` is not empty");
    } else if found > 1 {
        errors.invalid(&shown, "may not have more than one field specified at a time");
    }
}

/// What `fieldRef` of a variable may name.
const ENV_FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

/// What `fieldRef` of a downward API volume may name.
pub(super) const VOLUME_FIELDS: &[&str] =
    &["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];

/// All that either may name; anything else does not convert.
const KNOWN_FIELDS: &[&str] = &["spec.restartPolicy", "spec.schedulerName", "status.phase", "spec.hostname"];

/// A `fieldRef`. Subscripts are `metadata.annotations['key']` and the same of labels.
pub(super) fn field_ref(at: &At<'_>, supported: &[&str], env: bool, errors: &mut Errors) {
    let (version, path) = (at.get("apiVersion"), at.get("fieldPath"));
    if !errors.need(&version) || !errors.need(&path) {
        return;
    }
    let subscript = path.text().strip_suffix("']").and_then(|p| p.split_once("['"));
    if let Some((base, key)) = subscript {
        match base {
            "metadata.annotations" => errors.messages(&path, names::qualified_name(&key.to_lowercase())),
            "metadata.labels" => errors.messages(&path, names::qualified_name(key)),
            _ => {
                let value = Value::from(base);
                errors.invalid(&At::new(&value, path.path.clone()), "does not support subscript");
            }
        }
        return;
    }
    let both = env && matches!(path.text(), "metadata.annotations" | "metadata.labels");
    let known = |p: &str| supported.contains(&p) || ENV_FIELDS.contains(&p) || KNOWN_FIELDS.contains(&p) || both;
    if !known(path.text()) && !VOLUME_FIELDS.contains(&path.text()) {
        errors.invalid(&path, format!("error converting fieldPath: field label not supported: {}", path.text()));
    } else if !supported.contains(&path.text()) {
        errors.not_supported(&path, supported);
    }
}

const RESOURCES: &[&str] = &[
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

/// A `resourceFieldRef`; in volumes the container must be named.
pub(super) fn resource_field_ref(at: &At<'_>, volume: bool, errors: &mut Errors) {
    if volume && !errors.need(&at.get("containerName")) {
        return;
    }
    let resource = at.get("resource");
    if !errors.need(&resource) {
        return;
    }
    let huge = ["limits.hugepages-", "requests.hugepages-"].iter().any(|p| resource.text().starts_with(p));
    if !RESOURCES.contains(&resource.text()) && !huge {
        errors.not_supported(&resource, RESOURCES);
        return;
    }
    divisor(&at.get("divisor"), resource.text(), errors);
}

fn divisor(at: &At<'_>, resource: &str, errors: &mut Errors) {
    let Ok(found) = Quantity::from_value(at.value) else { return };
    if found == Quantity::ZERO {
        return;
    }
    const SIZES: [&str; 13] = ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];
    let (allowed, words): (&[&str], _) = match resource.split_once('.').map_or("", |(_, r)| r) {
        "cpu" => (&["1m", "1"], "cpu"),
        "memory" => (&SIZES, "memory"),
        "ephemeral-storage" => (&SIZES, "local ephemeral storage"),
        _ => (&SIZES, "hugepages"),
    };
    if !allowed.iter().filter_map(|a| Quantity::parse(a).ok()).any(|a| a == found) {
        let list = if words == "cpu" { "1m and 1".to_string() } else { allowed.join(", ") };
        let name = if words == "cpu" { "resource" } else { words };
        let why = match words {
            "cpu" => format!("only divisor's values {list} are supported with the cpu {name}"),
            _ => format!("only divisor's values {list} are supported with the {words} resource"),
        };
        let value = Value::from(found.canonical());
        errors.invalid(&At::new(&value, at.path.clone()), why);
    }
}
