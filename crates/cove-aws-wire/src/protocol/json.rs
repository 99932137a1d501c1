//! JSON bodies: values in and out by the model, shared by the json and rest-json protocols.

use serde_json::{Map, Value};

use crate::fault::Fault;
use crate::model::{Kind, Location, Model, Reference, ShapeId};

/// The content type of JSON 1.1 services.
pub const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// Reads a body into the members of an input. Unknown members are ignored, as AWS does.
pub fn read_body(model: &Model, input: Option<ShapeId>, body: &[u8]) -> Result<Map<String, Value>, Fault> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    let body: Value = serde_json::from_slice(body).map_err(|_| serialization("Unable to parse the request body"))?;
    let Some(input) = input else { return Ok(Map::new()) };
    match read_structure(model, input, &body)? {
        Value::Object(members) => Ok(members),
        _ => Ok(Map::new()),
    }
}

fn serialization(message: &str) -> Fault {
    Fault::client("SerializationException", message)
}

fn read_structure(model: &Model, shape: ShapeId, value: &Value) -> Result<Value, Fault> {
    let Value::Object(given) = value else { return Err(unexpected(value, "Structure")) };
    let mut out = Map::new();
    for member in model.members(shape).iter().filter(|m| m.reference.location == Location::Body) {
        let name = member.reference.location_name.as_deref().unwrap_or(&member.name);
        if let Some(value) = given.get(name).filter(|v| !v.is_null()) {
            out.insert(member.name.clone(), read_value(model, &member.reference, value)?);
        }
    }
    Ok(out.into())
}

fn read_value(model: &Model, reference: &Reference, value: &Value) -> Result<Value, Fault> {
    let fits = match (&model.shape(reference.shape).kind, value) {
        (Kind::Structure(_), _) => return read_structure(model, reference.shape, value),
        (Kind::List(item), Value::Array(items)) => {
            let items = items.iter().filter(|v| !v.is_null()).map(|v| read_value(model, item, v));
            return items.collect::<Result<Vec<_>, _>>().map(Value::from);
        }
        (Kind::Map(_, item), Value::Object(entries)) => {
            let entries = entries.iter().filter(|(_, v)| !v.is_null());
            let entries = entries.map(|(k, v)| Ok((k.clone(), read_value(model, item, v)?)));
            return entries.collect::<Result<Map<_, _>, _>>().map(Value::from);
        }
        (Kind::String | Kind::Blob, v) => v.is_string(),
        (Kind::Integer, v) => v.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
        (Kind::Long, v) => v.is_i64(),
        (Kind::Double | Kind::Timestamp, v) => v.is_number(),
        (Kind::Boolean, v) => v.is_boolean(),
        _ => false,
    };
    if fits { Ok(value.clone()) } else { Err(unexpected(value, java_type(&model.shape(reference.shape).kind))) }
}

/// The wording of AWS's Java services.
fn unexpected(value: &Value, wanted: &str) -> Fault {
    match value {
        Value::Object(_) => serialization("Start of structure or map found where not expected."),
        Value::Array(_) => serialization("Start of list found where not expected"),
        Value::String(_) => serialization(&format!("STRING_VALUE can not be converted to a {wanted}")),
        Value::Number(_) => serialization(&format!("NUMBER_VALUE can not be converted to a {wanted}")),
        Value::Bool(true) => serialization(&format!("TRUE_VALUE can not be converted to a {wanted}")),
        Value::Bool(false) => serialization(&format!("FALSE_VALUE can not be converted to a {wanted}")),
        Value::Null => serialization("Unexpected null"),
    }
}

fn java_type(kind: &Kind) -> &'static str {
    match kind {
        Kind::Structure(_) => "Structure",
        Kind::List(_) => "List",
        Kind::Map(..) => "Map",
        Kind::String => "String",
        Kind::Integer => "Integer",
        Kind::Long => "Long",
        Kind::Double => "Double",
        Kind::Boolean => "Boolean",
        Kind::Timestamp => "Timestamp",
        Kind::Blob => "Blob",
    }
}

/// An output as JSON. What the model does not know is left out.
pub fn write_output(model: &Model, output: Option<ShapeId>, value: &Value) -> Value {
    output.map_or_else(|| Value::Object(Map::new()), |shape| write_structure(model, shape, value))
}

fn write_structure(model: &Model, shape: ShapeId, value: &Value) -> Value {
    let members = model.members(shape).iter().filter_map(|member| {
        let name = member.reference.location_name.as_deref().unwrap_or(&member.name);
        let value = value.get(&member.name).filter(|v| !v.is_null())?;
        Some((name.to_string(), write_value(model, &member.reference, value)))
    });
    members.collect::<Map<_, _>>().into()
}

fn write_value(model: &Model, reference: &Reference, value: &Value) -> Value {
    match (&model.shape(reference.shape).kind, value) {
        (Kind::Structure(_), _) => write_structure(model, reference.shape, value),
        (Kind::List(item), Value::Array(items)) => items.iter().map(|v| write_value(model, item, v)).collect(),
        (Kind::Map(_, item), Value::Object(entries)) => {
            entries.iter().map(|(k, v)| (k.clone(), write_value(model, item, v))).collect::<Map<_, _>>().into()
        }
        _ => value.clone(),
    }
}
