//! The documents of OpenAPI 3, one per group-version.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::schemas::{Dialect, definitions};
use super::table::{Operation, gvk_value, table};

/// The document that tells some operations.
pub fn document(minor: u32, operations: &[&'static Operation]) -> Value {
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    let mut roots = Vec::new();
    for one in operations {
        let path = paths.entry(one.path).or_insert_with(|| path_item(one));
        path.insert(one.method.clone(), operation(one));
        roots.extend(referenced(one).map(str::to_string));
    }
    json!({
        "openapi": "3.0.0",
        "info": { "title": "Kubernetes", "version": format!("v1.{minor}.0") },
        "paths": paths,
        "components": {
            "schemas": definitions(Dialect::V3, roots),
            "securitySchemes": { "BearerToken": {
                "type": "apiKey", "description": "Bearer Token authentication", "name": "authorization", "in": "header",
            } },
        },
    })
}

/// The definitions that an operation names.
pub fn referenced(one: &Operation) -> impl Iterator<Item = &'static str> {
    let bodies: Vec<&'static str> = one.responses.iter().map(|(_, body)| *body).collect();
    bodies.into_iter().chain([one.body]).filter(|name| !name.is_empty() && *name != "string")
}

/// What HTTP calls a code.
pub fn reason(code: &str) -> &'static str {
    match code {
        "200" => "OK",
        "201" => "Created",
        "202" => "Accepted",
        _ => "Unauthorized",
    }
}

fn path_item(one: &Operation) -> Map<String, Value> {
    let mut item = Map::new();
    if !one.in_path.is_empty() {
        item.insert("parameters".into(), one.in_path.iter().map(|name| parameter(name, "path")).collect());
    }
    item
}

fn parameter(name: &str, place: &str) -> Value {
    let known = table().parameters.iter().find(|(n, p, _)| *n == name && *p == place);
    let ty = known.map_or("string", |(_, _, ty)| ty);
    let mut parameter = json!({ "name": name, "in": place, "schema": { "type": ty, "uniqueItems": true } });
    if place == "path" {
        parameter["required"] = true.into();
    }
    parameter
}

fn operation(one: &Operation) -> Value {
    let responses = one.responses.iter().map(|(code, body)| ((*code).to_string(), response(one, code, body)));
    let mut operation = json!({
        "tags": [one.tag], "operationId": one.id, "responses": responses.collect::<Map<String, Value>>(),
    });
    if !one.query.is_empty() {
        operation["parameters"] = one.query.iter().map(|name| parameter(name, "query")).collect();
    }
    if !one.body.is_empty() {
        let content = content(&one.consumes, &Dialect::V3.reference(one.body));
        operation["requestBody"] = if one.body_optional {
            json!({ "content": content })
        } else {
            json!({ "content": content, "required": true })
        };
    }
    if !one.action.is_empty() {
        operation["x-kubernetes-action"] = one.action.into();
    }
    if !one.gvk.is_empty() {
        operation["x-kubernetes-group-version-kind"] = gvk_value(one.gvk);
    }
    operation
}

fn content(media_types: &[&str], schema: &Value) -> Value {
    Value::Object(media_types.iter().map(|media| ((*media).to_string(), json!({ "schema": schema }))).collect())
}

fn response(one: &Operation, code: &str, body: &str) -> Value {
    let schema = match body {
        "" => return json!({ "description": reason(code) }),
        "string" => json!({ "type": "string" }),
        name => Dialect::V3.reference(name),
    };
    json!({ "description": reason(code), "content": content(&one.produces, &schema) })
}
