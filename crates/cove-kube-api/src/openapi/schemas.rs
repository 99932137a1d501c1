//! Definitions: a type of the schema table as a JSON schema, in the dialect of OpenAPI 2 or 3.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::LazyLock;

use cove_base::collections::HashMap;
use serde_json::{Map, Value, json};

use super::descriptions;
use super::table::{gvk_value, table};
use crate::schema::{Custom, Field, FieldKind, ListType, Type, schema};

/// The two dialects.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Swagger.
    V2,
    /// Tells defaults, and wraps references that have siblings.
    V3,
}

impl Dialect {
    /// A reference to a definition.
    pub fn reference(self, name: &str) -> Value {
        let place = if self == Self::V2 { "#/definitions/" } else { "#/components/schemas/" };
        json!({ "$ref": format!("{place}{name}") })
    }
}

static BY_NAME: LazyLock<HashMap<&'static str, &'static Type>> =
    LazyLock::new(|| schema().types().map(|(_, ty)| (ty.openapi, ty)).collect());

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";

/// The definitions that are reached from some names, themselves included.
pub fn definitions(dialect: Dialect, roots: impl IntoIterator<Item = String>) -> BTreeMap<String, Value> {
    let mut done = BTreeMap::new();
    let mut open: Vec<String> = roots.into_iter().collect();
    while let Some(name) = open.pop() {
        if let Entry::Vacant(entry) = done.entry(name) {
            let definition = definition(dialect, entry.key(), &mut open);
            entry.insert(definition);
        }
    }
    done
}

/// One definition; the names it refers to are put into `open`.
fn definition(dialect: Dialect, name: &str, open: &mut Vec<String>) -> Value {
    let mut map = Map::new();
    let description = descriptions::of_type(name);
    if !description.is_empty() {
        map.insert("description".into(), description.into());
    }
    match BY_NAME.get(name) {
        Some(ty) if ty.custom == Custom::No && !ty.fields().is_empty() => object(dialect, ty, &mut map, open),
        _ => bare(dialect, name, &mut map),
    }
    if let Some(more) = table().definitions.get(name) {
        if !more.gvks.is_empty() {
            map.insert("x-kubernetes-group-version-kind".into(), more.gvks.iter().map(|gvk| gvk_value(gvk)).collect());
        }
        if let Some(unions) = more.extra.get("x-kubernetes-unions") {
            map.insert("x-kubernetes-unions".into(), unions.clone());
        }
    }
    map.into()
}

/// A definition without properties.
fn bare(dialect: Dialect, name: &str, map: &mut Map<String, Value>) {
    let alternatives = match name.rsplit('.').next() {
        Some("IntOrString") => ["integer", "string"],
        Some("Quantity") => ["string", "number"],
        _ => ["", ""],
    };
    let extra = table().definitions.get(name).map(|d| &d.extra);
    let text = |member: &str| extra.and_then(|e| e.get(member)).and_then(Value::as_str).unwrap_or("");
    if dialect == Dialect::V3 && !alternatives[0].is_empty() {
        map.insert("oneOf".into(), alternatives.iter().map(|one| json!({ "type": one })).collect());
    } else if !text("type").is_empty() {
        map.insert("type".into(), text("type").into());
    } else if extra.is_none() && name == format!("{META}.Duration") {
        map.insert("type".into(), "string".into());
    }
    if !text("format").is_empty() {
        map.insert("format".into(), text("format").into());
    }
}

fn object(dialect: Dialect, ty: &Type, map: &mut Map<String, Value>, open: &mut Vec<String>) {
    map.insert("type".into(), "object".into());
    let required: Vec<&str> = ty.fields().iter().filter(|f| f.required).map(|f| f.json).collect();
    if !required.is_empty() {
        map.insert("required".into(), required.into());
    }
    let mut members: Vec<&'static Field> =
        BY_NAME.get(ty.openapi).map(|ty| ty.fields().iter().collect()).unwrap_or_default();
    members.sort_by_key(|field| field.json);
    let properties: Map<String, Value> =
        members.into_iter().map(|field| (field.json.to_string(), property(dialect, ty.openapi, field, open))).collect();
    map.insert("properties".into(), properties.into());
    if ty.atomic {
        map.insert("x-kubernetes-map-type".into(), "atomic".into());
    }
}

fn property(dialect: Dialect, owner: &str, field: &Field, open: &mut Vec<String>) -> Value {
    let mut map = Map::new();
    let description = descriptions::of_member(owner, field.json);
    if !description.is_empty() {
        map.insert("description".into(), description.into());
    }
    if dialect == Dialect::V3
        && let Some(default) = field_default(field)
    {
        map.insert("default".into(), default);
    }
    describe(dialect, field, field.kind, &mut map, open);
    if matches!(field.kind, FieldKind::String) && !field.enum_values.is_empty() {
        map.insert("enum".into(), sorted(field.enum_values));
    }
    add_extensions(field, &mut map);
    wrap_reference(dialect, map)
}

fn sorted(values: &[&str]) -> Value {
    let mut values = values.to_vec();
    values.sort_unstable();
    values.into()
}

/// In version 3 a reference with siblings is wrapped, since a bare one would hide them.
fn wrap_reference(dialect: Dialect, mut map: Map<String, Value>) -> Value {
    if dialect == Dialect::V3
        && map.len() > 1
        && let Some(reference) = map.shift_remove("$ref")
    {
        map.shift_insert(0, "allOf".into(), json!([{ "$ref": reference }]));
    }
    map.into()
}

/// The form of a field or of its elements.
fn describe(dialect: Dialect, field: &Field, kind: FieldKind, map: &mut Map<String, Value>, open: &mut Vec<String>) {
    let mut set = |ty: &str, format: &str| {
        map.insert("type".into(), ty.into());
        if !format.is_empty() {
            map.insert("format".into(), format.into());
        }
    };
    match kind {
        FieldKind::String => set("string", ""),
        FieldKind::Bool => set("boolean", ""),
        FieldKind::Int32 => set("integer", "int32"),
        FieldKind::Int64 => set("integer", "int64"),
        FieldKind::Float64 => set("number", "double"),
        FieldKind::Bytes => set("string", "byte"),
        FieldKind::List => {
            set("array", "");
            map.insert("items".into(), element(dialect, field, open));
        }
        FieldKind::Map => {
            set("object", "");
            map.insert("additionalProperties".into(), element(dialect, field, open));
        }
        FieldKind::Any => {}
        kind => {
            let name = definition_name(field, kind);
            if let Value::Object(reference) = dialect.reference(&name) {
                map.extend(reference);
            }
            open.push(name);
        }
    }
}

fn element(dialect: Dialect, field: &Field, open: &mut Vec<String>) -> Value {
    let kind = field.elem.unwrap_or(FieldKind::Any);
    if kind == FieldKind::List {
        // A map of named lists of strings.
        return json!({ "type": "array", "items": element_scalar(dialect) });
    }
    let mut map = Map::new();
    if dialect == Dialect::V3
        && !is_custom(field)
        && let Some(default) = zero_default(kind)
    {
        map.insert("default".into(), default);
    }
    describe(dialect, field, kind, &mut map, open);
    if field.kind == FieldKind::List && kind == FieldKind::String && !field.enum_values.is_empty() {
        map.insert("enum".into(), sorted(field.enum_values));
    }
    wrap_reference(dialect, map)
}

fn element_scalar(dialect: Dialect) -> Value {
    if dialect == Dialect::V3 { json!({ "type": "string", "default": "" }) } else { json!({ "type": "string" }) }
}

fn definition_name(field: &Field, kind: FieldKind) -> String {
    match kind {
        FieldKind::Quantity => "io.k8s.apimachinery.pkg.api.resource.Quantity".into(),
        FieldKind::IntOrString => "io.k8s.apimachinery.pkg.util.intstr.IntOrString".into(),
        FieldKind::RawExtension => "io.k8s.apimachinery.pkg.runtime.RawExtension".into(),
        FieldKind::Json => "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON".into(),
        FieldKind::Time => format!("{META}.Time"),
        FieldKind::MicroTime => format!("{META}.MicroTime"),
        FieldKind::Duration => format!("{META}.Duration"),
        FieldKind::FieldsV1 => format!("{META}.FieldsV1"),
        _ => field.type_ref.map(|ty| schema().get(ty).openapi.to_string()).unwrap_or_default(),
    }
}

/// The marker's default; else what absent means: the zero value of a scalar that Go always writes, `{}` for a struct.
fn field_default(field: &Field) -> Option<Value> {
    if let (Some(default), false) = (&field.default, field.default_in_code) {
        return Some(default.clone());
    }
    let scalar_may_be_absent = field.kind != FieldKind::Struct && (field.omitempty || field.omitzero);
    if field.pointer || scalar_may_be_absent || is_custom(field) { None } else { zero_default(field.kind) }
}

fn is_custom(field: &Field) -> bool {
    field.type_ref.is_some_and(|ty| schema().get(ty).custom != Custom::No)
}

fn zero_default(kind: FieldKind) -> Option<Value> {
    Some(match kind {
        FieldKind::String => "".into(),
        FieldKind::Bool => false.into(),
        FieldKind::Int32 | FieldKind::Int64 | FieldKind::Float64 => 0.into(),
        FieldKind::Struct => json!({}),
        _ => return None,
    })
}

fn add_extensions(field: &Field, map: &mut Map<String, Value>) {
    let list_type = match field.list_type {
        ListType::None => "",
        ListType::Atomic => "atomic",
        ListType::Set => "set",
        ListType::Map => "map",
    };
    let strategy = field.patch_strategy;
    let named = [(strategy.merge, "merge"), (strategy.replace, "replace"), (strategy.retain_keys, "retainKeys")];
    let strategies: Vec<&str> = named.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect();
    let mut set = |name: &str, value: Value| map.insert(format!("x-kubernetes-{name}"), value);
    if !field.list_map_keys.is_empty() {
        set("list-map-keys", field.list_map_keys.clone().into());
    }
    if !list_type.is_empty() {
        set("list-type", list_type.into());
    }
    if field.atomic || field.granular {
        set("map-type", if field.atomic { "atomic" } else { "granular" }.into());
    }
    if !field.merge_key.is_empty() {
        set("patch-merge-key", field.merge_key.into());
    }
    if !strategies.is_empty() {
        set("patch-strategy", strategies.join(",").into());
    }
}
