//! The one document of OpenAPI 2.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::operations::served;
use super::schemas::{Dialect, definitions};
use super::table::{Operation, gvk_value, table};

/// The document of a minor.
pub fn document(minor: u32) -> Value {
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    let mut roots = Vec::new();
    for one in served(minor) {
        let path = paths.entry(one.path).or_insert_with(|| path_item(one));
        path.insert(one.method.clone(), operation(one));
        roots.extend(super::version3::referenced(one).map(str::to_string));
    }
    let consumes = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
    json!({
        "swagger": "2.0",
        "info": { "title": "Kubernetes", "version": format!("v1.{minor}.0") },
        "consumes": consumes,
        "produces": consumes,
        "paths": paths,
        "definitions": definitions(Dialect::V2, roots),
        "parameters": parameters(),
        "securityDefinitions": { "BearerToken": {
            "description": "Bearer Token authentication", "type": "apiKey", "name": "authorization", "in": "header",
        } },
        "security": [{ "BearerToken": [] }],
    })
}

fn path_item(one: &Operation) -> Map<String, Value> {
    let mut item = Map::new();
    if !one.in_path.is_empty() {
        item.insert("parameters".into(), one.in_path.iter().map(|name| parameter_reference(name, "path")).collect());
    }
    item
}

fn parameter_reference(name: &str, place: &str) -> Value {
    json!({ "$ref": format!("#/parameters/{name}-{place}") })
}

fn parameters() -> Value {
    let all = table().parameters.iter().map(|(name, place, ty)| {
        let mut parameter = json!({ "name": name, "in": place, "type": ty, "uniqueItems": true });
        if *place == "path" {
            parameter["required"] = true.into();
        }
        (format!("{name}-{place}"), parameter)
    });
    Value::Object(all.collect())
}

fn operation(one: &Operation) -> Value {
    let mut parameters: Vec<Value> = one.query.iter().map(|name| parameter_reference(name, "query")).collect();
    if !one.body.is_empty() {
        let mut body = json!({ "name": "body", "in": "body", "schema": Dialect::V2.reference(one.body) });
        if !one.body_optional {
            body["required"] = true.into();
        }
        parameters.insert(0, body);
    }
    let responses: Map<String, Value> =
        one.responses.iter().map(|(code, body)| ((*code).into(), response(code, body))).collect();
    let mut operation =
        json!({ "operationId": one.id, "tags": [one.tag], "schemes": ["https"], "responses": responses });
    for (name, list) in [("consumes", &one.consumes), ("produces", &one.produces)] {
        if !list.is_empty() {
            operation[name] = list.clone().into();
        }
    }
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if !one.action.is_empty() {
        operation["x-kubernetes-action"] = one.action.into();
    }
    if !one.gvk.is_empty() {
        operation["x-kubernetes-group-version-kind"] = gvk_value(one.gvk);
    }
    operation
}

fn response(code: &str, body: &str) -> Value {
    let mut response = json!({ "description": super::version3::reason(code) });
    match body {
        "" => {}
        "string" => response["schema"] = json!({ "type": "string" }),
        name => response["schema"] = Dialect::V2.reference(name),
    }
    response
}
