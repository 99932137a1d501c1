//! OpenAPI 2 in protobuf, as the messages of `openapi.v2` (github.com/google/gnostic, OpenAPIv2.proto) number it.
//!
//! Written from the JSON document. Values without a form of their own (`Any`) are YAML text; JSON is YAML.

use serde_json::{Map, Value};

use crate::protobuf::Writer;

/// Writes the contents of a message.
type Body = fn(&mut Writer, &Value);

/// The bytes of a `Document`.
pub fn document(value: &Value) -> Vec<u8> {
    let mut w = Writer::default();
    // From the last field to the first.
    named(&mut w, 13, value.get("securityDefinitions"), 1, security);
    for requirement in list(value, "security").rev() {
        message(&mut w, 12, requirement, |w, v| pairs(w, 1, v, |_, _| {}));
    }
    named(&mut w, 10, value.get("parameters"), 1, parameter);
    named(&mut w, 9, value.get("definitions"), 1, schema);
    named(&mut w, 8, value.get("paths"), 2, path_item);
    texts(&mut w, 7, value, "produces");
    texts(&mut w, 6, value, "consumes");
    if let Some(info) = value.get("info") {
        message(&mut w, 2, info, |w, v| {
            text(w, 2, v, "version");
            text(w, 1, v, "title");
        });
    }
    text(&mut w, 1, value, "swagger");
    w.finish()
}

fn message(w: &mut Writer, number: u32, value: &Value, body: Body) {
    let mark = w.mark();
    body(w, value);
    w.close(number, mark);
}

/// A message of named values, such as `Definitions`.
fn named(w: &mut Writer, number: u32, value: Option<&Value>, pair_number: u32, body: Body) {
    if let Some(value) = value {
        let mark = w.mark();
        pairs(w, pair_number, value, body);
        w.close(number, mark);
    }
}

/// Name and value of every member.
fn pairs(w: &mut Writer, number: u32, value: &Value, body: Body) {
    for (name, value) in members(value).iter().rev() {
        let mark = w.mark();
        message(w, 2, value, body);
        w.bytes(1, name.as_bytes());
        w.close(number, mark);
    }
}

fn members(value: &Value) -> Vec<(&String, &Value)> {
    value.as_object().map(Map::iter).into_iter().flatten().collect()
}

fn list<'v>(value: &'v Value, member: &str) -> std::slice::Iter<'v, Value> {
    value.get(member).and_then(Value::as_array).map_or(&[][..], Vec::as_slice).iter()
}

fn text(w: &mut Writer, number: u32, value: &Value, member: &str) {
    if let Some(text) = value.get(member).and_then(Value::as_str) {
        w.bytes(number, text.as_bytes());
    }
}

fn texts(w: &mut Writer, number: u32, value: &Value, member: &str) {
    list(value, member).rev().filter_map(Value::as_str).for_each(|text| w.bytes(number, text.as_bytes()));
}

fn flag(w: &mut Writer, number: u32, value: &Value, member: &str) {
    if value.get(member).and_then(Value::as_bool) == Some(true) {
        w.varint(number, 1);
    }
}

/// An `Any`: its YAML.
fn any(w: &mut Writer, value: &Value) {
    w.bytes(2, format!("{value}\n").as_bytes());
}

/// `vendor_extension`.
fn extensions(w: &mut Writer, number: u32, value: &Value) {
    for (name, value) in members(value).into_iter().rev().filter(|(name, _)| name.starts_with("x-")) {
        let mark = w.mark();
        message(w, 2, value, any);
        w.bytes(1, name.as_bytes());
        w.close(number, mark);
    }
}

fn schema(w: &mut Writer, value: &Value) {
    extensions(w, 31, value);
    named(w, 25, value.get("properties"), 1, schema);
    if let Some(items) = value.get("items") {
        message(w, 23, items, |w, v| message(w, 1, v, schema));
    }
    if value.get("type").is_some() {
        message(w, 22, value, |w, v| text(w, 1, v, "type"));
    }
    if let Some(inner) = value.get("additionalProperties") {
        message(w, 21, inner, |w, v| message(w, 1, v, schema));
    }
    list(value, "enum").rev().for_each(|one| message(w, 20, one, any));
    texts(w, 19, value, "required");
    text(w, 4, value, "description");
    text(w, 2, value, "format");
    text(w, 1, value, "$ref");
}

fn path_item(w: &mut Writer, value: &Value) {
    list(value, "parameters").rev().for_each(|one| message(w, 9, one, parameters_item));
    let methods = [(8, "patch"), (7, "head"), (6, "options"), (5, "delete"), (4, "post"), (3, "put"), (2, "get")];
    for (number, method) in methods {
        if let Some(one) = value.get(method) {
            message(w, number, one, operation);
        }
    }
}

fn operation(w: &mut Writer, value: &Value) {
    extensions(w, 13, value);
    texts(w, 10, value, "schemes");
    named(w, 9, value.get("responses"), 1, |w, v| message(w, 1, v, response));
    list(value, "parameters").rev().for_each(|one| message(w, 8, one, parameters_item));
    texts(w, 7, value, "consumes");
    texts(w, 6, value, "produces");
    text(w, 5, value, "operationId");
    texts(w, 1, value, "tags");
}

fn response(w: &mut Writer, value: &Value) {
    if let Some(inner) = value.get("schema") {
        message(w, 2, inner, |w, v| message(w, 1, v, schema));
    }
    text(w, 1, value, "description");
}

fn parameters_item(w: &mut Writer, value: &Value) {
    if value.get("$ref").is_some() {
        message(w, 2, value, |w, v| text(w, 1, v, "$ref"));
    } else {
        message(w, 1, value, parameter);
    }
}

fn parameter(w: &mut Writer, value: &Value) {
    match value.get("in").and_then(Value::as_str) {
        Some("body") => message(w, 1, value, body_parameter),
        Some("path") => message(w, 2, value, |w, v| message(w, 4, v, |w, v| simple_parameter(w, v, 5, 19))),
        _ => message(w, 2, value, |w, v| message(w, 3, v, |w, v| simple_parameter(w, v, 6, 20))),
    }
}

fn body_parameter(w: &mut Writer, value: &Value) {
    if let Some(inner) = value.get("schema") {
        message(w, 5, inner, schema);
    }
    flag(w, 4, value, "required");
    text(w, 3, value, "in");
    text(w, 2, value, "name");
}

/// Parameters of query and path differ in the numbers after `name`.
fn simple_parameter(w: &mut Writer, value: &Value, type_number: u32, unique_number: u32) {
    flag(w, unique_number, value, "uniqueItems");
    text(w, type_number, value, "type");
    text(w, 4, value, "name");
    text(w, 2, value, "in");
    flag(w, 1, value, "required");
}

fn security(w: &mut Writer, value: &Value) {
    message(w, 2, value, |w, v| {
        text(w, 4, v, "description");
        text(w, 3, v, "in");
        text(w, 2, v, "name");
        text(w, 1, v, "type");
    });
}
