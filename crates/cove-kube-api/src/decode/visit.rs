//! The typed decoding itself: a serde visitor that walks any self-describing input along the schema table.
//!
//! One code for JSON text and for values. Wrong types and unknown members go to the [`Report`]; decoding goes on.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize as _;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::finish::{finish, sort_map, zero};
use super::report::{Report, Step};
use super::shape::Shape;
use super::{duration, time};
use crate::quantity::{Quantity, QuantityError};
use crate::schema::{Custom, FieldKind, TypeRef, schema};

/// Decodes one value of a known form. Gives null for what is not set or wrong.
pub struct Seed<'r> {
    pub report: &'r mut Report,
    pub shape: Shape,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(self.bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(self.number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(self.number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, |n| self.number(n)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(self.text(value.to_string()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(self.text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Value, A::Error> {
        match self.shape.kind() {
            FieldKind::List => self.list(seq),
            kind if is_raw(kind) => Value::deserialize(SeqAccessDeserializer::new(seq)),
            FieldKind::Struct => match self.custom() {
                Some((Custom::SchemaOrArray, ty)) => {
                    let shape = Shape::Structs(schema_inside(ty));
                    lenient(self.report, |report| Seed { report, shape }.list(seq))
                }
                Some((Custom::SchemaOrStrings, _)) => Seed { report: self.report, shape: Shape::Strings }.list(seq),
                _ => self.wrong_list(seq),
            },
            _ => self.wrong_list(seq),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        match self.shape.kind() {
            FieldKind::Struct => match (self.custom(), self.shape.struct_type()) {
                (None, Some(ty)) => self.structure(ty, map),
                (Some((_, ty)), _) => {
                    let shape = self.shape;
                    lenient(self.report, |report| Seed { report, shape }.structure(schema_inside(ty), map))
                }
                _ => self.wrong_map(map),
            },
            FieldKind::Map => self.map(map),
            kind if is_raw(kind) => Value::deserialize(MapAccessDeserializer::new(map)),
            _ => self.wrong_map(map),
        }
    }
}

impl Seed<'_> {
    fn custom(&self) -> Option<(Custom, TypeRef)> {
        let ty = self.shape.struct_type()?;
        let custom = schema().get(ty).custom;
        (custom != Custom::No).then_some((custom, ty))
    }

    fn wrong(self, got: &str) -> Value {
        match self.shape.kind() {
            // These read themselves: as text, as a number, as anything that looks like a quantity.
            FieldKind::Time | FieldKind::MicroTime | FieldKind::Duration => self.report.fatal_mismatch(got, "string"),
            FieldKind::IntOrString => self.report.fatal_mismatch(got, "int32"),
            FieldKind::Quantity => self.report.fatal(QuantityError::Format.to_string()),
            _ => {
                let go_type = self.shape.go_type();
                self.report.mismatch(got, &go_type);
            }
        }
        Value::Null
    }

    fn wrong_list<'de, A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(self.wrong("array"))
    }

    fn wrong_map<'de, A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(self.wrong("object"))
    }

    fn bool(self, value: bool) -> Value {
        match self.shape.kind() {
            FieldKind::Bool => value.into(),
            kind if is_raw(kind) => value.into(),
            FieldKind::Struct if matches!(self.custom(), Some((Custom::SchemaOrBool, _))) => value.into(),
            _ => self.wrong("bool"),
        }
    }

    fn number(self, value: Number) -> Value {
        match self.shape.kind() {
            FieldKind::Int32 if value.as_i64().is_some_and(|n| i32::try_from(n).is_ok()) => value.into(),
            FieldKind::Int64 if value.as_i64().is_some() => value.into(),
            FieldKind::Int32 | FieldKind::Int64 => self.wrong(&format!("number {value}")),
            FieldKind::Float64 => canonical_float(value.as_f64().unwrap_or_default()),
            kind if is_raw(kind) => value.into(),
            FieldKind::Quantity => self.quantity(&value.to_string()),
            FieldKind::IntOrString if value.as_i64().is_some_and(|n| i32::try_from(n).is_ok()) => value.into(),
            FieldKind::IntOrString => self.wrong(&format!("number {value}")),
            _ => self.wrong("number"),
        }
    }

    fn quantity(self, text: &str) -> Value {
        match Quantity::parse(text.trim()) {
            Ok(quantity) => quantity.canonical().into(),
            Err(error) => {
                self.report.fatal(error.to_string());
                Value::Null
            }
        }
    }

    fn text(self, value: String) -> Value {
        let checked = match self.shape.kind() {
            FieldKind::String | FieldKind::IntOrString => return value.into(),
            kind if is_raw(kind) => return value.into(),
            FieldKind::Quantity => return self.quantity(&value),
            FieldKind::Time => time::canonical_time(&value),
            FieldKind::MicroTime => time::canonical_micro_time(&value),
            FieldKind::Duration => duration::parse(&value).map(|nanos| Some(duration::format(nanos))),
            FieldKind::Bytes => {
                return canonical_bytes(&value).map_or_else(
                    |error| {
                        self.report.fail(error);
                        Value::Null
                    },
                    Value::from,
                );
            }
            _ => return self.wrong("string"),
        };
        match checked {
            Ok(canonical) => canonical.map_or(Value::Null, Value::from),
            Err(error) => {
                self.report.fatal(error);
                Value::Null
            }
        }
    }

    fn list<'de, A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let shape = self.shape.elem();
        let mut list = Vec::new();
        loop {
            self.report.path.push(Step::Index(list.len()));
            let element = seq.next_element_seed(Seed { report: self.report, shape })?;
            self.report.path.pop();
            match element {
                None => return Ok(list.into()),
                Some(Value::Null) => list.push(zero(shape)),
                Some(value) => list.push(value),
            }
            if !self.report.spend(1) {
                return Err(A::Error::custom("the object is too large"));
            }
        }
    }

    fn map<'de, A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let shape = self.shape.elem();
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            if map.contains_key(&key) {
                self.report.duplicate(&key);
            }
            self.report.path.push(Step::Key(key));
            let value = access.next_value_seed(Seed { report: self.report, shape })?;
            if let Some(Step::Key(key)) = self.report.path.pop() {
                let value = if value.is_null() { zero(shape) } else { value };
                map.insert(key, value);
            }
            if !self.report.spend(1) {
                return Err(A::Error::custom("the object is too large"));
            }
        }
        sort_map(&mut map);
        Ok(map.into())
    }

    fn structure<'de, A: MapAccess<'de>>(self, ty: TypeRef, mut access: A) -> Result<Value, A::Error> {
        let info = schema().get(ty);
        let mut slots = vec![None; info.fields().len()];
        if !self.report.spend(slots.len().min(8) + 1) {
            return Err(A::Error::custom("the object is too large"));
        }
        while let Some(key) = access.next_key_seed(Member(ty))? {
            match key {
                Ok(at) => {
                    let field = &info.fields()[at];
                    if slots[at].is_some() {
                        self.report.duplicate(field.json);
                    }
                    self.report.path.push(Step::Member(info.name, field));
                    let value = access.next_value_seed(Seed { report: self.report, shape: Shape::Field(field) })?;
                    self.report.path.pop();
                    // Null changes nothing in Go, so it does not undo an earlier value of the same member.
                    if !value.is_null() || slots[at].is_none() {
                        slots[at] = Some(value);
                    }
                }
                Err(name) => {
                    self.report.unknown(&name);
                    access.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(finish(ty, slots))
    }
}

/// The schema type inside one of the custom types.
pub(crate) fn schema_inside(ty: TypeRef) -> TypeRef {
    schema().field(ty, "Schema").and_then(|f| f.type_ref).unwrap_or(ty)
}

fn lenient<T>(report: &mut Report, run: impl FnOnce(&mut Report) -> T) -> T {
    report.lenient += 1;
    let result = run(report);
    report.lenient -= 1;
    result
}

/// Kinds that take any value as it is.
fn is_raw(kind: FieldKind) -> bool {
    matches!(kind, FieldKind::Any | FieldKind::Json | FieldKind::RawExtension | FieldKind::FieldsV1)
}

/// A double as Go writes it: without decimals if it has none.
pub(crate) fn canonical_float(value: f64) -> Value {
    // Every whole double below 2^53 is an i64 without loss.
    if value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0 {
        return (value as i64).into();
    }
    Number::from_f64(value).map_or_else(|| 0.into(), Value::Number)
}

/// Standard base64 as Go reads it: line breaks are skipped.
fn canonical_bytes(text: &str) -> Result<String, String> {
    let text: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    match STANDARD.decode(&text) {
        Ok(_) => Ok(text),
        Err(base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _)) => {
            Err(format!("illegal base64 data at input byte {at}"))
        }
        Err(_) => Err(format!("illegal base64 data at input byte {}", text.len() / 4 * 4)),
    }
}

/// Finds a member by its key without keeping the key; an unknown one is kept for the report.
struct Member(TypeRef);

impl<'de> DeserializeSeed<'de> for Member {
    type Value = Result<usize, String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Member {
    type Value = Result<usize, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(schema().get(self.0).position(name).ok_or_else(|| name.to_string()))
    }
}
