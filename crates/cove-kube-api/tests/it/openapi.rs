//! The OpenAPI documents: whole, closed, and what kubectl looks for in them.

use cove_kube_api::openapi::{v2_json, v2_protobuf, v3, v3_index};
use cove_kube_api::protobuf;
use serde_json::{Value, json};

fn apps() -> Value {
    serde_json::from_slice(&v3(35, "apis/apps/v1").unwrap()).unwrap()
}

/// Every reference in a document leads somewhere.
fn check_references(document: &Value, value: &Value) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(reference)) = map.get("$ref") {
                let target = document.pointer(reference.trim_start_matches('#'));
                assert!(target.is_some(), "{reference} leads nowhere");
            }
            map.values().for_each(|v| check_references(document, v));
        }
        Value::Array(list) => list.iter().for_each(|v| check_references(document, v)),
        _ => {}
    }
}

#[test]
fn every_document_of_version_3_is_closed() {
    for minor in [32, 35, 36] {
        let index = v3_index(minor);
        let paths = index["paths"].as_object().unwrap();
        assert!(paths.len() > 40, "{}", paths.len());
        for (name, entry) in paths {
            let bytes = v3(minor, name).unwrap();
            let document: Value = serde_json::from_slice(&bytes).unwrap();
            check_references(&document, &document);
            let url = entry["serverRelativeURL"].as_str().unwrap();
            assert!(url.starts_with(&format!("/openapi/v3/{name}?hash=")), "{url}");
        }
    }
    assert!(v3(35, "apis/nope/v1").is_none());
}

#[test]
fn kubectl_finds_a_kind_and_the_parameters_of_its_patch() {
    let document = apps();
    let path = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"];
    let gvk = json!({"group": "apps", "kind": "Deployment", "version": "v1"});
    assert_eq!(path["patch"]["x-kubernetes-group-version-kind"], gvk);
    let names: Vec<_> =
        path["patch"]["parameters"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"fieldValidation") && names.contains(&"dryRun"), "{names:?}");
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["io.k8s.api.apps.v1.Deployment"]["x-kubernetes-group-version-kind"], json!([gvk]));
}

#[test]
fn schemas_tell_types_defaults_merge_keys_and_meaning() {
    let document = apps();
    let schemas = &document["components"]["schemas"];
    let containers = &schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"];
    assert_eq!(containers["x-kubernetes-patch-merge-key"], "name");
    assert_eq!(containers["x-kubernetes-list-map-keys"], json!(["name"]));
    let container = json!([{"$ref": "#/components/schemas/io.k8s.api.core.v1.Container"}]);
    assert_eq!(containers["items"], json!({"allOf": container, "default": {}}));
    assert_eq!(schemas["io.k8s.api.core.v1.PodSpec"]["required"], json!(["containers"]));
    let protocol = &schemas["io.k8s.api.core.v1.ContainerPort"]["properties"]["protocol"];
    assert_eq!((&protocol["default"], &protocol["enum"]), (&json!("TCP"), &json!(["SCTP", "TCP", "UDP"])));
    let policy = &schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["dnsPolicy"];
    assert_eq!(policy["default"], Value::Null, "a default in code is not told");
    let surge = &schemas["io.k8s.api.apps.v1.RollingUpdateDeployment"]["properties"]["maxSurge"];
    assert!(surge["description"].as_str().unwrap().len() > 40);
    let either = json!([{"type": "integer"}, {"type": "string"}]);
    assert_eq!(schemas["io.k8s.apimachinery.pkg.util.intstr.IntOrString"]["oneOf"], either);
}

#[test]
fn version_2_is_closed_and_has_the_same_in_protobuf() {
    let document: Value = serde_json::from_slice(&v2_json(35)).unwrap();
    check_references(&document, &document);
    let definitions = document["definitions"].as_object().unwrap();
    assert!(definitions.len() > 450, "{}", definitions.len());
    let bytes = v2_protobuf(35);
    let fields = fields(&bytes);
    assert_eq!(fields[0], (1, b"2.0".as_slice()));
    let count = |number| fields.iter().find(|(n, _)| *n == number).map(|(_, bytes)| self::fields(bytes).len());
    assert_eq!(count(9), Some(definitions.len()));
    assert_eq!(count(8), Some(document["paths"].as_object().unwrap().len()));
    assert!(protobuf::open(&bytes).is_err(), "it has no envelope");
}

/// The fields of a message that has only fields of bytes.
fn fields(mut bytes: &[u8]) -> Vec<(u64, &[u8])> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        assert_eq!(tag & 7, 2);
        let length = varint(&mut bytes) as usize;
        fields.push((tag >> 3, &bytes[..length]));
        bytes = &bytes[length..];
    }
    fields
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}
