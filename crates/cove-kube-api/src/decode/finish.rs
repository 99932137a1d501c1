//! From decoded members to the object that Go would write: order, `omitempty`, zero values.

use serde_json::{Map, Value};

use super::shape::Shape;
use crate::schema::{Custom, Field, FieldKind, TypeRef, schema};

/// The object of a struct, from one slot per member ([`crate::schema::Type::fields`]). `None` and null mean not set.
pub fn finish(ty: TypeRef, slots: Vec<Option<Value>>) -> Value {
    let mut map = Map::new();
    for (field, slot) in schema().fields(ty).iter().zip(slots) {
        let value = match slot {
            Some(value) if !value.is_null() => (!is_omitted(field, &value)).then_some(value),
            _ => unset(field),
        };
        if let Some(value) = value {
            map.insert(field.json.into(), value);
        }
    }
    Value::Object(map)
}

/// Whether Go leaves a member out that has this value.
fn is_omitted(field: &Field, value: &Value) -> bool {
    field.omitempty
        && !field.pointer
        && match value {
            Value::String(s) => s.is_empty() && matches!(field.kind, FieldKind::String | FieldKind::Bytes),
            Value::Bool(b) => !b && field.kind == FieldKind::Bool,
            Value::Number(n) => {
                n.as_f64() == Some(0.0)
                    && matches!(field.kind, FieldKind::Int32 | FieldKind::Int64 | FieldKind::Float64)
            }
            Value::Array(list) => list.is_empty() && field.kind == FieldKind::List,
            Value::Object(map) => map.is_empty() && field.kind == FieldKind::Map,
            Value::Null => true,
        }
}

/// What Go writes for a member that is not set.
fn unset(field: &'static Field) -> Option<Value> {
    if field.omitzero || field.omitempty && (field.pointer || has_empty_form(field.kind)) {
        return None;
    }
    Some(if field.pointer { Value::Null } else { zero(Shape::Field(field)) })
}

/// Whether `omitempty` means anything: Go knows no empty structs.
fn has_empty_form(kind: FieldKind) -> bool {
    matches!(
        kind,
        FieldKind::String
            | FieldKind::Bool
            | FieldKind::Int32
            | FieldKind::Int64
            | FieldKind::Float64
            | FieldKind::Bytes
            | FieldKind::List
            | FieldKind::Map
            | FieldKind::Any
    )
}

/// What Go writes for the zero value.
pub fn zero(shape: Shape) -> Value {
    match shape.kind() {
        FieldKind::String => "".into(),
        FieldKind::Bool => false.into(),
        FieldKind::Int32 | FieldKind::Int64 | FieldKind::Float64 | FieldKind::IntOrString => 0.into(),
        FieldKind::Quantity => "0".into(),
        FieldKind::Duration => "0s".into(),
        FieldKind::Struct => shape.struct_type().map(zero_struct).unwrap_or_default(),
        _ => Value::Null,
    }
}

fn zero_struct(ty: TypeRef) -> Value {
    match schema().get(ty).custom {
        Custom::No => finish(ty, vec![None; schema().fields(ty).len()]),
        Custom::SchemaOrBool => false.into(),
        Custom::SchemaOrArray | Custom::SchemaOrStrings => Value::Null,
    }
}

/// Puts a map's keys in order, as Go writes them.
pub fn sort_map(map: &mut Map<String, Value>) {
    if !map.keys().is_sorted() {
        map.sort_keys();
    }
}
