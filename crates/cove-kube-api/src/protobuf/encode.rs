//! From a canonical value to the bytes of its message, along the schema table.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::wire::Writer;
use crate::decode::{parse_duration, schema_inside, time_to_parts};
use crate::schema::{Custom, Field, FieldKind, ProtoSource, TypeRef, schema};

/// The message of a value, without an envelope.
pub fn encode_message(ty: TypeRef, value: &Value) -> Vec<u8> {
    let mut writer = Writer::default();
    write_struct(&mut writer, ty, value);
    writer.finish()
}

pub(super) fn write_struct(writer: &mut Writer, ty: TypeRef, value: &Value) {
    match schema().get(ty).custom {
        Custom::No => write_members(writer, ty, value.as_object()),
        custom => write_custom(writer, ty, custom, value),
    }
}

fn write_members(writer: &mut Writer, ty: TypeRef, map: Option<&Map<String, Value>>) {
    let info = schema().get(ty);
    for proto in info.proto().iter().rev() {
        match &proto.source {
            ProtoSource::Member(at) => {
                let field = &info.fields()[*at];
                let value = map.and_then(|m| m.get(field.json)).filter(|v| !v.is_null());
                write_field(writer, proto.number, field, value);
            }
            ProtoSource::Inlined(inner, _) => {
                let mark = writer.mark();
                write_members(writer, *inner, map);
                writer.close(proto.number, mark);
            }
        }
    }
}

fn write_field(writer: &mut Writer, number: u32, field: &Field, value: Option<&Value>) {
    match field.kind {
        FieldKind::List if field.wrapped => {
            if let Some(value) = value {
                write_strings(writer, number, value);
            }
        }
        FieldKind::List => {
            let kind = field.elem.unwrap_or(FieldKind::Any);
            for element in value.and_then(Value::as_array).into_iter().flatten().rev() {
                write_value(writer, number, kind, field.type_ref, element);
            }
        }
        FieldKind::Map => write_map(writer, number, field, value.and_then(Value::as_object)),
        FieldKind::Bytes => {
            if let Some(bytes) = value.and_then(bytes_of) {
                writer.bytes(number, &bytes);
            }
        }
        kind => match value {
            Some(value) => write_value(writer, number, kind, field.type_ref, value),
            None if !field.pointer => write_value(writer, number, kind, field.type_ref, &Value::Null),
            None => {}
        },
    }
}

/// Entries in ascending order of their keys, so from the back in descending order.
fn write_map(writer: &mut Writer, number: u32, field: &Field, map: Option<&Map<String, Value>>) {
    let mut entries: Vec<_> = map.into_iter().flatten().collect();
    entries.sort_by_key(|(key, _)| key.as_str());
    for (key, value) in entries.into_iter().rev() {
        let mark = writer.mark();
        match field.elem {
            Some(FieldKind::List) => write_strings(writer, 2, value),
            Some(FieldKind::Bytes) => {
                if let Some(bytes) = bytes_of(value) {
                    writer.bytes(2, &bytes);
                }
            }
            kind => write_value(writer, 2, kind.unwrap_or(FieldKind::Any), field.type_ref, value),
        }
        writer.bytes(1, key.as_bytes());
        writer.close(number, mark);
    }
}

/// A named list of strings: a message of its own.
fn write_strings(writer: &mut Writer, number: u32, value: &Value) {
    let mark = writer.mark();
    for text in value.as_array().into_iter().flatten().rev() {
        writer.bytes(1, text.as_str().unwrap_or_default().as_bytes());
    }
    writer.close(number, mark);
}

/// One value; null is written as the zero value.
fn write_value(writer: &mut Writer, number: u32, kind: FieldKind, ty: Option<TypeRef>, value: &Value) {
    match kind {
        FieldKind::String => writer.bytes(number, value.as_str().unwrap_or_default().as_bytes()),
        FieldKind::Bool => writer.varint(number, u64::from(value.as_bool().unwrap_or_default())),
        FieldKind::Int32 | FieldKind::Int64 => writer.varint(number, value.as_i64().unwrap_or_default() as u64),
        FieldKind::Float64 => writer.fixed64(number, value.as_f64().unwrap_or_default().to_bits()),
        FieldKind::Bytes => writer.bytes(number, &bytes_of(value).unwrap_or_default()),
        FieldKind::Any | FieldKind::List | FieldKind::Map => {}
        _ => {
            let mark = writer.mark();
            write_contents(writer, kind, ty, value);
            writer.close(number, mark);
        }
    }
}

/// What is inside the message of a struct or a special scalar.
fn write_contents(writer: &mut Writer, kind: FieldKind, ty: Option<TypeRef>, value: &Value) {
    match (kind, value) {
        (FieldKind::Struct, _) => {
            if let Some(ty) = ty {
                write_struct(writer, ty, value);
            }
        }
        (FieldKind::Quantity, _) => writer.bytes(1, value.as_str().unwrap_or("0").as_bytes()),
        (FieldKind::IntOrString, _) => {
            writer.bytes(3, value.as_str().unwrap_or_default().as_bytes());
            writer.varint(2, value.as_i64().unwrap_or_default() as u64);
            writer.varint(1, u64::from(value.is_string()));
        }
        (FieldKind::Duration, _) => {
            let nanos = value.as_str().and_then(|text| parse_duration(text).ok()).unwrap_or_default();
            writer.varint(1, nanos as u64);
        }
        (FieldKind::Time | FieldKind::MicroTime, Value::String(text)) => {
            let (seconds, nanos) = time_to_parts(text);
            let nanos = if kind == FieldKind::Time { 0 } else { nanos / 1000 * 1000 };
            writer.varint(2, i64::from(nanos) as u64);
            writer.varint(1, seconds as u64);
        }
        (FieldKind::RawExtension | FieldKind::FieldsV1 | FieldKind::Json, value) if !value.is_null() => {
            writer.bytes(1, &serde_json::to_vec(value).unwrap_or_default());
        }
        _ => {}
    }
}

fn write_custom(writer: &mut Writer, ty: TypeRef, custom: Custom, value: &Value) {
    let inside = schema_inside(ty);
    let nested = |writer: &mut Writer, number: u32, value: &Value| {
        let mark = writer.mark();
        write_struct(writer, inside, value);
        writer.close(number, mark);
    };
    match (custom, value) {
        (Custom::SchemaOrBool, Value::Object(_)) => {
            nested(writer, 2, value);
            writer.varint(1, 1);
        }
        (Custom::SchemaOrBool, _) => writer.varint(1, u64::from(value.as_bool().unwrap_or_default())),
        (_, Value::Object(_)) => nested(writer, 1, value),
        (Custom::SchemaOrArray, Value::Array(list)) => list.iter().rev().for_each(|one| nested(writer, 2, one)),
        (_, Value::Array(list)) => {
            let texts = list.iter().rev().map(|one| one.as_str().unwrap_or_default());
            texts.for_each(|text| writer.bytes(2, text.as_bytes()));
        }
        _ => {}
    }
}

fn bytes_of(value: &Value) -> Option<Vec<u8>> {
    value.as_str().and_then(|text| STANDARD.decode(text).ok())
}
