//! From the bytes of a message to its canonical value, along the schema table.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::wire::{Reader, Wire};
use crate::decode::{
    Shape, canonical_float, finish, format_duration, micro_time_from_parts, schema_inside, sort_map, time_from_parts,
    zero,
};
use crate::quantity::Quantity;
use crate::schema::{Custom, Field, FieldKind, ProtoSource, TypeRef, schema};

/// The deepest nesting of messages: no less than JSON's, so that what one accepts the other does.
const MAX_DEPTH: u32 = 128;
/// The most values one message may expand to: an empty struct is two bytes on the wire, and many members in JSON.
const MAX_NODES: usize = 1_000_000;

/// The canonical value of a message. Unknown fields are skipped, as protobuf wants it.
pub fn decode_message(ty: TypeRef, bytes: &[u8]) -> Result<Value, String> {
    Decoder { depth: 0, nodes: 0 }.structure(ty, bytes)
}

struct Decoder {
    depth: u32,
    nodes: usize,
}

type Slots = [Option<Value>];

impl Decoder {
    fn spend(&mut self, nodes: usize) -> Result<(), String> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES { Err("the object is too large".into()) } else { Ok(()) }
    }

    fn structure(&mut self, ty: TypeRef, bytes: &[u8]) -> Result<Value, String> {
        if self.depth >= MAX_DEPTH {
            return Err("exceeded max depth".into());
        }
        self.depth += 1;
        let value = match schema().get(ty).custom {
            Custom::No => {
                let mut slots = vec![None; schema().fields(ty).len()];
                self.spend(slots.len().min(8) + 1)?;
                self.members(ty, bytes, &mut slots)?;
                finish(ty, slots)
            }
            custom => self.custom(schema_inside(ty), custom, bytes)?,
        };
        self.depth -= 1;
        Ok(value)
    }

    /// Reads the fields of a message into the slots of its members. An inlined struct is a message with slots of ours.
    fn members(&mut self, ty: TypeRef, bytes: &[u8], slots: &mut Slots) -> Result<(), String> {
        let info = schema().get(ty);
        let mut reader = Reader::new(bytes);
        while let Some((number, wire)) = reader.next()? {
            let Ok(at) = info.proto().binary_search_by_key(&number, |p| p.number) else { continue };
            match &info.proto()[at].source {
                ProtoSource::Member(at) => self.member(&info.fields()[*at], wire, &mut slots[*at])?,
                ProtoSource::Inlined(inner, range) => {
                    self.members(*inner, bytes_of(wire, number)?, &mut slots[range.clone()])?;
                }
            }
        }
        Ok(())
    }

    fn member(&mut self, field: &'static Field, wire: Wire<'_>, slot: &mut Option<Value>) -> Result<(), String> {
        match field.kind {
            FieldKind::List if field.wrapped => *slot = Some(self.strings(bytes_of(wire, field.proto_number)?)?),
            FieldKind::List => {
                let element = self.value(Shape::Elem(field), wire, field.proto_number)?;
                self.spend(1)?;
                match slot.get_or_insert_with(|| Value::Array(Vec::new())) {
                    Value::Array(list) => list.push(element),
                    _ => unreachable!("the slot of a list has a list"),
                }
            }
            FieldKind::Map => {
                let (key, value) = self.entry(field, bytes_of(wire, field.proto_number)?)?;
                self.spend(1)?;
                match slot.get_or_insert_with(|| Value::Object(Map::new())) {
                    Value::Object(map) => {
                        map.insert(key, value);
                        if map.len() > 1 && map.keys().rev().nth(1) > map.keys().next_back() {
                            sort_map(map);
                        }
                    }
                    _ => unreachable!("the slot of a map has a map"),
                }
            }
            _ => *slot = Some(self.value(Shape::Field(field), wire, field.proto_number)?),
        }
        Ok(())
    }

    fn entry(&mut self, field: &'static Field, bytes: &[u8]) -> Result<(String, Value), String> {
        let mut key = String::new();
        let mut value = None;
        let mut reader = Reader::new(bytes);
        while let Some((number, wire)) = reader.next()? {
            match number {
                1 => key = text_of(bytes_of(wire, 1)?)?,
                2 if field.elem == Some(FieldKind::List) => value = Some(self.strings(bytes_of(wire, 2)?)?),
                2 => value = Some(self.value(Shape::Elem(field), wire, 2)?),
                _ => {}
            }
        }
        Ok((key, value.unwrap_or_else(|| zero(Shape::Elem(field)))))
    }

    fn strings(&mut self, bytes: &[u8]) -> Result<Value, String> {
        let mut list = Vec::new();
        let mut reader = Reader::new(bytes);
        while let Some((number, wire)) = reader.next()? {
            if number == 1 {
                self.spend(1)?;
                list.push(Value::String(text_of(bytes_of(wire, 1)?)?));
            }
        }
        Ok(list.into())
    }

    fn value(&mut self, shape: Shape, wire: Wire<'_>, number: u32) -> Result<Value, String> {
        match (shape.kind(), wire) {
            (FieldKind::Bool, Wire::Varint(v)) => Ok((v != 0).into()),
            (FieldKind::Int32, Wire::Varint(v)) => Ok((v as i32).into()),
            (FieldKind::Int64, Wire::Varint(v)) => Ok((v as i64).into()),
            (FieldKind::Float64, Wire::Fixed64(v)) => Ok(canonical_float(f64::from_bits(v))),
            (FieldKind::Bool | FieldKind::Int32 | FieldKind::Int64 | FieldKind::Float64, _) => Err(wrong_wire(number)),
            (kind, wire) => {
                let bytes = bytes_of(wire, number)?;
                match (kind, shape.struct_type()) {
                    (FieldKind::String, _) => Ok(text_of(bytes)?.into()),
                    (FieldKind::Bytes, _) => Ok(STANDARD.encode(bytes).into()),
                    (FieldKind::Struct, Some(ty)) => self.structure(ty, bytes),
                    (kind, _) => special(kind, bytes),
                }
            }
        }
    }

    fn custom(&mut self, inside: TypeRef, custom: Custom, bytes: &[u8]) -> Result<Value, String> {
        let (mut allows, mut one, mut many) = (false, None, Vec::new());
        let mut reader = Reader::new(bytes);
        while let Some((number, wire)) = reader.next()? {
            match (custom, number, wire) {
                (Custom::SchemaOrBool, 1, Wire::Varint(v)) => allows = v != 0,
                (Custom::SchemaOrBool, 2, wire) | (_, 1, wire) => {
                    one = Some(self.structure(inside, bytes_of(wire, number)?)?)
                }
                (Custom::SchemaOrArray, 2, wire) => many.push(self.structure(inside, bytes_of(wire, 2)?)?),
                (_, 2, wire) => {
                    self.spend(1)?;
                    many.push(text_of(bytes_of(wire, 2)?)?.into());
                }
                _ => {}
            }
        }
        Ok(match (one, custom) {
            (Some(schema), _) => schema,
            (None, Custom::SchemaOrBool) => allows.into(),
            (None, _) if many.is_empty() => Value::Null,
            (None, _) => many.into(),
        })
    }
}

/// The scalars that are messages in protobuf.
fn special(kind: FieldKind, bytes: &[u8]) -> Result<Value, String> {
    let (mut first, mut second, mut data, mut third) = (0_u64, 0_u64, None, None);
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.next()? {
        match (number, wire) {
            (1, Wire::Varint(v)) => first = v,
            (2, Wire::Varint(v)) => second = v,
            (1, Wire::Bytes(b)) => data = Some(b),
            (3, Wire::Bytes(b)) => third = Some(b),
            _ => {}
        }
    }
    match kind {
        FieldKind::Time if bytes.is_empty() => Ok(Value::Null),
        FieldKind::Time => Ok(time_from_parts(first as i64).map_or(Value::Null, Value::String)),
        FieldKind::MicroTime if bytes.is_empty() => Ok(Value::Null),
        FieldKind::MicroTime => {
            Ok(micro_time_from_parts(first as i64, second as i32).map_or(Value::Null, Value::String))
        }
        FieldKind::Duration => Ok(format_duration(first as i64).into()),
        FieldKind::IntOrString if first == 1 => Ok(text_of(third.unwrap_or_default())?.into()),
        FieldKind::IntOrString => Ok((second as i32).into()),
        FieldKind::Quantity => {
            let text = text_of(data.unwrap_or(b"0"))?;
            let quantity = Quantity::parse(if text.is_empty() { "0" } else { &text }).map_err(|e| e.to_string())?;
            Ok(quantity.canonical().into())
        }
        _ => match data {
            None | Some([]) => Ok(Value::Null),
            Some(json) => serde_json::from_slice(json).map_err(|e| e.to_string()),
        },
    }
}

fn bytes_of(wire: Wire<'_>, number: u32) -> Result<&[u8], String> {
    match wire {
        Wire::Bytes(bytes) => Ok(bytes),
        _ => Err(wrong_wire(number)),
    }
}

fn wrong_wire(number: u32) -> String {
    format!("proto: wrong wireType for field number {number}")
}

fn text_of(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "string field contains invalid UTF-8".into())
}
