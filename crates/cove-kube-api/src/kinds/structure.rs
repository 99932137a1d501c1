//! Enumerations and mandatory members as the schema table knows them, for kinds without validation of their own.

use serde_json::Value;

use crate::schema::{Field, FieldKind, TypeRef, schema};

use super::rules::{At, Errors};

/// Checks everything but `metadata` and `status` against the table.
pub(super) fn structure(object: &Value, errors: &mut Errors) {
    let text = |member: &str| object.get(member).and_then(Value::as_str).unwrap_or_default();
    let Some(ty) = schema().type_of_api_version(text("apiVersion"), text("kind")) else { return };
    let root = At::root(object);
    for field in schema().fields(ty) {
        if !matches!(field.json, "apiVersion" | "kind" | "metadata" | "status") {
            check(field, &root.get(field.json), errors);
        }
    }
}

fn check_type(ty: TypeRef, at: &At<'_>, errors: &mut Errors) {
    for field in schema().fields(ty) {
        check(field, &at.get(field.json), errors);
    }
}

fn check(field: &Field, at: &At<'_>, errors: &mut Errors) {
    if field.required && is_missing(field, at) {
        return errors.required(at, "");
    }
    if !at.is_set() {
        return;
    }
    match field.kind {
        FieldKind::String => enumeration(field, at, errors),
        FieldKind::Struct => {
            if let Some(ty) = field.type_ref {
                check_type(ty, at, errors);
            }
        }
        FieldKind::List => {
            for item in at.items() {
                match (field.elem, field.type_ref) {
                    (Some(FieldKind::Struct), Some(ty)) => check_type(ty, &item, errors),
                    (Some(FieldKind::String), _) => enumeration(field, &item, errors),
                    _ => {}
                }
            }
        }
        FieldKind::Map => {
            if let (Some(FieldKind::Struct), Some(ty)) = (field.elem, field.type_ref) {
                at.entries().for_each(|(_, item)| check_type(ty, &item, errors));
            }
        }
        _ => {}
    }
}

/// Numbers and bools may be zero, and structs are judged by their members: text and lists must be there.
fn is_missing(field: &Field, at: &At<'_>) -> bool {
    match field.kind {
        FieldKind::String => at.text().is_empty(),
        FieldKind::List => at.is_empty() && field.elem == Some(FieldKind::Struct),
        _ => false,
    }
}

/// Upstream lists the values of an enumeration in alphabetical order.
fn enumeration(field: &Field, at: &At<'_>, errors: &mut Errors) {
    if !field.enum_values.is_empty() && !at.text().is_empty() && !field.enum_values.contains(&at.text()) {
        let mut values: Vec<&str> = field.enum_values.to_vec();
        values.sort_unstable();
        errors.not_supported(at, &values);
    }
}
