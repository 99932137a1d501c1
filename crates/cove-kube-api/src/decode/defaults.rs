//! Structural defaults: the `default` column of the schema table, at every depth of an object.

use serde_json::Value;

use crate::schema::{Field, FieldKind, TypeRef, schema};

/// Sets the table's defaults where a member is absent, or empty in a way that Go cannot tell from absent.
pub fn apply_defaults(ty: TypeRef, value: &mut Value) {
    let Value::Object(map) = value else { return };
    let mut set = false;
    for field in schema().fields(ty) {
        match (map.get_mut(field.json), &field.default) {
            (None | Some(Value::Null), Some(default)) if is_worth_writing(field, default) => {
                map.insert(field.json.into(), default.clone());
                set = true;
            }
            (Some(Value::String(text)), Some(default)) if text.is_empty() && !field.pointer => {
                map.insert(field.json.into(), default.clone());
            }
            (Some(member), _) => descend(field, member),
            (None, _) => {}
        }
    }
    if set {
        super::normalize(ty, value);
    }
}

/// A zero default of a non-pointer with `omitempty` is not written.
fn is_worth_writing(field: &Field, default: &Value) -> bool {
    let zero = matches!(default, Value::Bool(false)) || default.as_str() == Some("") || default.as_i64() == Some(0);
    field.pointer || !(zero && field.omitempty)
}

fn descend(field: &Field, member: &mut Value) {
    let Some(ty) = field.type_ref else { return };
    match (field.kind, member) {
        (FieldKind::Struct, member) => apply_defaults(ty, member),
        (FieldKind::List, Value::Array(list)) => list.iter_mut().for_each(|one| apply_defaults(ty, one)),
        (FieldKind::Map, Value::Object(map)) => map.values_mut().for_each(|one| apply_defaults(ty, one)),
        _ => {}
    }
}
