//! Structural defaults: those of the schema table, at every depth of an object. `decode/mod.rs` says which those are.

use serde_json::{Map, Value};

use crate::quantity::Quantity;
use crate::schema::{Field, FieldKind, TypeRef, schema};

/// Sets the table's defaults in a canonical value where a member is absent, or zero in a way that Go cannot tell from absent.
/// What is set is canonical again.
pub fn apply_defaults(ty: TypeRef, value: &mut Value) {
    for (path, default) in &schema().get(ty).path_defaults {
        set_at(ty, value, path, default);
    }
    apply(ty, value);
}

fn apply(ty: TypeRef, value: &mut Value) {
    let Value::Object(map) = value else { return };
    let mut set = false;
    for field in schema().fields(ty) {
        if let Some(default) = missing(field, map.get(field.json)) {
            map.insert(field.json.into(), default.clone());
            set = true;
        }
        if let Some(member) = map.get_mut(field.json) {
            descend(field, member);
        }
    }
    if set {
        reorder(ty, map);
    }
}

/// The default of a member that needs it.
fn missing<'f>(field: &'f Field, member: Option<&Value>) -> Option<&'f Value> {
    let default = field.default.as_ref()?;
    let needs = match member {
        None | Some(Value::Null) => true,
        Some(value) => !field.pointer && is_zero(value),
    };
    // A zero default of a non-pointer is what absent means already.
    (needs && (field.pointer || !is_zero(default))).then_some(default)
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(b) => !b,
        Value::Number(n) => n.as_f64() == Some(0.0),
        Value::String(s) => s.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(_) => false,
    }
}

fn descend(field: &Field, member: &mut Value) {
    if field.go_name == "v1.ResourceList" {
        return round_quantities(member);
    }
    let Some(ty) = field.type_ref else { return };
    match (field.kind, member) {
        (FieldKind::Struct, member) => apply(ty, member),
        (FieldKind::List, Value::Array(list)) => list.iter_mut().for_each(|one| apply(ty, one)),
        (FieldKind::Map, Value::Object(map)) => map.values_mut().for_each(|one| apply(ty, one)),
        _ => {}
    }
}

/// Amounts of resources are rounded up to a thousandth. In canonical form only these suffixes are below that.
fn round_quantities(list: &mut Value) {
    for amount in list.as_object_mut().into_iter().flat_map(|map| map.values_mut()) {
        let Value::String(text) = amount else { continue };
        let below = text.ends_with(['n', 'u']) || text.contains("e-");
        if let (true, Ok(quantity)) = (below, Quantity::parse(text)) {
            *text = Quantity::from_milli(quantity.milli()).canonical();
        }
    }
}

/// Sets a default at a dotted path of structs, if all structs on the way are there.
fn set_at(ty: TypeRef, value: &mut Value, path: &str, default: &Value) {
    let Value::Object(map) = value else { return };
    let (name, rest) = path.split_once('.').unwrap_or((path, ""));
    let Some(field) = schema().field(ty, name) else { return };
    if let (Some(inner), Some(member), false) = (field.type_ref, map.get_mut(name), rest.is_empty()) {
        return set_at(inner, member, rest, default);
    }
    let member = map.get(name);
    if rest.is_empty() && (member.is_none_or(Value::is_null) || !field.pointer && member.is_some_and(is_zero)) {
        map.insert(name.into(), default.clone());
        reorder(ty, map);
    }
}

/// Puts members into the order of the struct again.
fn reorder(ty: TypeRef, map: &mut Map<String, Value>) {
    let mut old = std::mem::take(map);
    for field in schema().fields(ty) {
        if let Some((name, value)) = old.swap_remove_entry(field.json) {
            map.insert(name, value);
        }
    }
    map.append(&mut old);
}
