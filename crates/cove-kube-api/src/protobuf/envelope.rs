//! The envelope around every protobuf object, lists made of stored objects, and the frames of a watch.

use std::sync::Arc;

use serde_json::Value;

use super::decode::decode_message;
use super::encode::write_struct;
use super::wire::{Reader, Wire, Writer};
use crate::object::Object;
use crate::schema::{TypeRef, schema};

/// The first bytes of every enveloped object.
const MAGIC: [u8; 4] = *b"k8s\0";

/// An opened envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown<'a> {
    /// `apiVersion`, empty if not said.
    pub api_version: String,
    /// `kind`, empty if not said.
    pub kind: String,
    /// The object's own message.
    pub raw: &'a [u8],
}

/// Opens an envelope.
pub fn open(bytes: &[u8]) -> Result<Unknown<'_>, String> {
    let Some(rest) = bytes.strip_prefix(&MAGIC) else {
        return Err("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]".into());
    };
    let mut unknown = Unknown { api_version: String::new(), kind: String::new(), raw: &[] };
    let mut reader = Reader::new(rest);
    while let Some((number, wire)) = reader.next()? {
        match (number, wire) {
            (1, Wire::Bytes(meta)) => read_type_meta(meta, &mut unknown)?,
            (2, Wire::Bytes(raw)) => unknown.raw = raw,
            (1 | 2, _) => return Err(format!("proto: wrong wireType for field number {number}")),
            _ => {}
        }
    }
    Ok(unknown)
}

fn read_type_meta(bytes: &[u8], unknown: &mut Unknown<'_>) -> Result<(), String> {
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.next()? {
        let target = match number {
            1 => &mut unknown.api_version,
            2 => &mut unknown.kind,
            _ => continue,
        };
        let Wire::Bytes(text) = wire else {
            return Err(format!("proto: wrong wireType for field number {number}"));
        };
        *target = String::from_utf8(text.to_vec()).map_err(|_| "string field contains invalid UTF-8".to_string())?;
    }
    Ok(())
}

/// Decodes an enveloped object of a kind of the table, with `kind` and `apiVersion`.
pub fn decode(bytes: &[u8]) -> Result<Value, String> {
    let unknown = open(bytes)?;
    let (api_version, kind) = (&unknown.api_version, &unknown.kind);
    let ty = schema().type_of_api_version(api_version, kind);
    let ty = ty.ok_or_else(|| format!("no kind {kind:?} is registered for version {api_version:?}"))?;
    let mut value = decode_message(ty, unknown.raw)?;
    if let Value::Object(map) = &mut value {
        map.shift_insert(0, "kind".into(), kind.clone().into());
        map.shift_insert(1, "apiVersion".into(), api_version.clone().into());
    }
    Ok(value)
}

/// An object in its envelope. Empty for kinds that are not in the table (custom kinds have no protobuf).
pub fn encode_object(value: &Value) -> Vec<u8> {
    let text = |member: &str| value.get(member).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let Some(ty) = schema().type_of_api_version(api_version, kind) else { return Vec::new() };
    in_envelope(api_version, kind, |writer| write_struct(writer, ty, value))
}

/// A list in its envelope, made of stored objects. Empty for kinds that are not in the table.
pub fn encode_list(api_version: &str, kind: &str, list_meta: &Value, items: &[Arc<Object>]) -> Vec<u8> {
    let Some((ty, item, number)) = list_parts(api_version, kind) else { return Vec::new() };
    in_envelope(api_version, kind, |writer| {
        for object in items.iter().rev() {
            let mark = writer.mark();
            match open(object.protobuf(encode_object)) {
                Ok(unknown) if !object.protobuf(encode_object).is_empty() => writer.raw(unknown.raw),
                _ => write_struct(writer, item, object.value()),
            }
            writer.close(number, mark);
        }
        let empty = serde_json::json!({ "metadata": list_meta });
        write_struct(writer, ty, &empty);
    })
}

/// The types of a list and of its items, and the number of `items`, which is always after that of `metadata`.
fn list_parts(api_version: &str, kind: &str) -> Option<(TypeRef, TypeRef, u32)> {
    let ty = schema().type_of_api_version(api_version, kind)?;
    let items = schema().field(ty, "items")?;
    Some((ty, items.type_ref?, items.proto_number))
}

fn in_envelope(api_version: &str, kind: &str, message: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.bytes(4, b"");
    writer.bytes(3, b"");
    let mark = writer.mark();
    message(&mut writer);
    writer.close(2, mark);
    let mark = writer.mark();
    writer.bytes(2, kind.as_bytes());
    writer.bytes(1, api_version.as_bytes());
    writer.close(1, mark);
    writer.raw(&MAGIC);
    writer.finish()
}

/// One frame of a watch: a length, and a bare `WatchEvent` around an enveloped object.
pub fn encode_watch_frame(event_type: &str, object_enveloped: &[u8]) -> Vec<u8> {
    let mut writer = Writer::default();
    let mark = writer.mark();
    writer.bytes(1, object_enveloped);
    writer.close(2, mark);
    writer.bytes(1, event_type.as_bytes());
    let length = u32::try_from(writer.mark()).unwrap_or(u32::MAX);
    writer.raw(&length.to_be_bytes());
    writer.finish()
}
