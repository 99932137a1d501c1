//! The rules of `metadata`, on create and on update, for every kind
//! (k8s.io/apimachinery v0.35 pkg/api/validation/objectmeta.go). Called by the server beside the kind's strategy.

use serde_json::Value;

use crate::field_error::{FieldError, FieldErrorKind};
use crate::kinds::Kind;
use crate::names::{self, NameRule};

/// Keys and values of all annotations together, in bytes.
const ANNOTATIONS_BYTES: usize = 256 * 1024;

/// Everything wrong with the metadata of an object that is to be created.
pub fn validate_meta(kind: &Kind, object: &Value) -> Vec<FieldError> {
    let meta = object.get("metadata").unwrap_or(&Value::Null);
    let mut errors = name_errors(meta, kind.name_rule);
    errors.extend(common_errors(kind, meta));
    errors
}

/// Everything wrong with the metadata of an object that is to replace `old`.
pub fn validate_meta_update(kind: &Kind, new: &Value, old: &Value) -> Vec<FieldError> {
    let (meta, old) = (new.get("metadata").unwrap_or(&Value::Null), old.get("metadata").unwrap_or(&Value::Null));
    let mut errors = common_errors(kind, meta);
    errors.extend(new_finalizer_errors(meta, old));
    let number = |meta: &Value| meta.get("generation").and_then(Value::as_i64).unwrap_or_default();
    if number(meta) < number(old) {
        errors.push(FieldError::invalid_raw("metadata.generation", number(meta), "must not be decremented"));
    }
    for member in ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        let (new, old) = (meta.get(member).unwrap_or(&Value::Null), old.get(member).unwrap_or(&Value::Null));
        if blank(new) && member == "creationTimestamp" {
            continue; // silently restored by the server
        }
        if new != old && !(blank(new) && blank(old)) {
            errors.push(FieldError::invalid_raw(format!("metadata.{member}"), new, "field is immutable"));
        }
    }
    errors
}

fn blank(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("")
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

fn name_errors(meta: &Value, rule: NameRule) -> Vec<FieldError> {
    let invalid = |field: &'static str, value: &str, messages: Vec<String>| -> Vec<FieldError> {
        messages.into_iter().map(|m| FieldError::invalid(field, value, m)).collect()
    };
    let (name, prefix) = (text(meta, "name"), text(meta, "generateName"));
    let mut errors = Vec::new();
    if !prefix.is_empty() {
        errors.extend(invalid("metadata.generateName", prefix, rule.check(prefix, true)));
    }
    if name.is_empty() {
        errors.push(FieldError::required("metadata.name", "name or generateName is required"));
    } else if rule == NameRule::CsiDriver && name.len() > 63 {
        let error = FieldError::new(FieldErrorKind::TooLong, "metadata.name", "", "may not be more than 63 bytes");
        errors.push(error);
    } else {
        errors.extend(invalid("metadata.name", name, rule.check(name, false)));
    }
    errors
}

fn common_errors(kind: &Kind, meta: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    match (kind.namespaced, text(meta, "namespace")) {
        (true, "") => errors.push(FieldError::required("metadata.namespace", "")),
        (true, namespace) => {
            let wrong = names::dns1123_label(namespace);
            errors.extend(wrong.into_iter().map(|m| FieldError::invalid("metadata.namespace", namespace, m)));
        }
        (false, "") => {}
        (false, _) => errors.push(FieldError::forbidden("metadata.namespace", "not allowed on this type")),
    }
    errors.extend(label_errors(meta.get("labels").unwrap_or(&Value::Null), "metadata.labels"));
    errors.extend(annotation_errors(meta.get("annotations").unwrap_or(&Value::Null), "metadata.annotations"));
    errors.extend(owner_errors(meta));
    errors.extend(finalizer_errors(meta));
    errors
}

/// Labels: qualified names as keys, label values as values. Also for labels inside specs (`path` says where).
pub fn label_errors(labels: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (key, value) in labels.as_object().into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        errors.extend(names::qualified_name(key).into_iter().map(|m| FieldError::invalid(path, key, m)));
        errors.extend(names::label_value(value).into_iter().map(|m| FieldError::invalid(path, value, m)));
    }
    errors
}

/// Annotations: qualified names (in any case) as keys, and no more than 256 KiB.
pub fn annotation_errors(annotations: &Value, path: &str) -> Vec<FieldError> {
    let (mut errors, mut bytes) = (Vec::new(), 0);
    for (key, value) in annotations.as_object().into_iter().flatten() {
        let wrong = names::qualified_name(&key.to_lowercase());
        errors.extend(wrong.into_iter().map(|m| FieldError::invalid(path, key, m)));
        bytes += key.len() + value.as_str().unwrap_or_default().len();
    }
    if bytes > ANNOTATIONS_BYTES {
        let detail = format!("may not be more than {ANNOTATIONS_BYTES} bytes");
        errors.push(FieldError::new(FieldErrorKind::TooLong, path, "", detail));
    }
    errors
}

fn owner_errors(meta: &Value) -> Vec<FieldError> {
    const PATH: &str = "metadata.ownerReferences";
    let mut errors = Vec::new();
    let mut controller: Option<&str> = None;
    for owner in meta.get("ownerReferences").and_then(Value::as_array).into_iter().flatten() {
        let api_version = text(owner, "apiVersion");
        let version = api_version.rsplit('/').next().unwrap_or_default();
        if version.is_empty() {
            errors.push(FieldError::invalid(format!("{PATH}.apiVersion"), api_version, "version must not be empty"));
        }
        for member in ["kind", "name", "uid"] {
            if text(owner, member).is_empty() {
                errors.push(FieldError::invalid(format!("{PATH}.{member}"), "", "must not be empty"));
            }
        }
        if api_version == "v1" && text(owner, "kind") == "Event" {
            errors.push(FieldError::invalid_raw(PATH, owner, "/v1, Kind=Event is disallowed from being an owner"));
        }
        if owner.get("controller").and_then(Value::as_bool) == Some(true) {
            if let Some(first) = controller {
                let why = format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {}",
                    text(owner, "name")
                );
                errors.push(FieldError::invalid_raw(PATH, &meta["ownerReferences"], why));
            }
            controller = controller.or(Some(text(owner, "name")));
        }
    }
    errors
}

fn finalizers(meta: &Value) -> impl Iterator<Item = &str> {
    meta.get("finalizers").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// Finalizers that Kubernetes itself sets; all others need a domain.
const STANDARD_FINALIZERS: [&str; 3] = ["kubernetes", "orphan", "foregroundDeletion"];

/// Errors of one finalizer's name; also for a namespace's `spec.finalizers`.
pub fn finalizer_name_errors(name: &str, path: &str) -> Vec<FieldError> {
    let mut errors: Vec<_> =
        names::qualified_name(name).into_iter().map(|m| FieldError::invalid(path, name, m)).collect();
    if errors.is_empty() && !name.contains('/') && !STANDARD_FINALIZERS.contains(&name) {
        let why = "name is neither a standard finalizer name nor is it fully qualified";
        errors.push(FieldError::invalid(path, name, why));
    }
    errors
}

fn finalizer_errors(meta: &Value) -> Vec<FieldError> {
    const PATH: &str = "metadata.finalizers";
    let mut errors: Vec<_> = finalizers(meta).flat_map(|name| finalizer_name_errors(name, PATH)).collect();
    let has = |wanted: &str| finalizers(meta).any(|f| f == wanted);
    if has("orphan") && has("foregroundDeletion") {
        let why = "finalizer orphan and foregroundDeletion cannot be both set";
        errors.push(FieldError::invalid_raw(PATH, &meta["finalizers"], why));
    }
    errors
}

fn new_finalizer_errors(meta: &Value, old: &Value) -> Option<FieldError> {
    if blank(old.get("deletionTimestamp").unwrap_or(&Value::Null)) {
        return None;
    }
    let added: Vec<String> =
        finalizers(meta).filter(|f| !finalizers(old).any(|o| o == *f)).map(|f| format!("{f:?}")).collect();
    let why = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
        added.join(", ")
    );
    (!added.is_empty()).then(|| FieldError::forbidden("metadata.finalizers", why))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds::by_resource;

    fn errors(resource: &str, meta: Value) -> Vec<String> {
        let kind = by_resource(35, "", "v1", resource).unwrap();
        validate_meta(kind, &json!({"metadata": meta})).iter().map(FieldError::to_string).collect()
    }

    #[test]
    fn names_and_namespaces() {
        assert!(errors("pods", json!({"name": "a", "namespace": "b"})).is_empty());
        assert_eq!(errors("nodes", json!({})), ["metadata.name: Required value: name or generateName is required"]);
        assert_eq!(errors("pods", json!({"name": "a"})), ["metadata.namespace: Required value"]);
        let forbidden = "metadata.namespace: Forbidden: not allowed on this type";
        assert_eq!(errors("nodes", json!({"name": "a", "namespace": "b"})), [forbidden]);
        assert!(errors("namespaces", json!({"name": "a.b"}))[0].ends_with("must not contain dots"));
    }

    #[test]
    fn lists() {
        let found =
            errors("nodes", json!({"name": "a", "labels": {"a b": "-"}, "finalizers": ["x"], "ownerReferences": [{}]}));
        assert_eq!(found.len(), 7, "{found:?}");
        assert!(found[2].starts_with("metadata.ownerReferences.apiVersion: Invalid value: \"\": version must not"));
        assert!(found[6].contains("neither a standard finalizer name"));
    }

    #[test]
    fn updates() {
        let kind = by_resource(35, "", "v1", "nodes").unwrap();
        let old = json!({"metadata": {"name": "a", "uid": "1", "deletionTimestamp": "t", "generation": 2}});
        let new = json!({"metadata": {"name": "b", "uid": "1", "deletionTimestamp": "t", "finalizers": ["x.y/z"]}});
        let found: Vec<String> = validate_meta_update(kind, &new, &old).iter().map(FieldError::to_string).collect();
        assert_eq!(
            found,
            [
                "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{\"x.y/z\"}",
                "metadata.generation: Invalid value: 0: must not be decremented",
                "metadata.name: Invalid value: \"b\": field is immutable",
            ]
        );
    }
}
