//! Reads the embedded table. The format is described where it is written: `xtask/src/facts/kubernetes.rs`.

use std::io::Read as _;
use std::sync::LazyLock;

use flate2::read::GzDecoder;
use serde_json::Value;

use super::table::{
    Custom, Field, FieldKind, ListType, PatchStrategy, ProtoField, ProtoSource, Role, Schema, Type, TypeRef,
};

static SCHEMA: LazyLock<Schema> = LazyLock::new(load);

/// The schema table.
pub fn schema() -> &'static Schema {
    &SCHEMA
}

/// A type as its lines say, before inlined structs are expanded.
struct Raw {
    ty: Type,
    parts: Vec<Part>,
}

enum Part {
    Field(Box<Field>),
    Inlined(TypeRef, u32),
    Default(&'static str, Value),
}

fn load() -> Schema {
    let mut text = String::with_capacity(400 * 1024);
    let embedded = include_bytes!("../../data/schema.tsv.gz");
    GzDecoder::new(&embedded[..]).read_to_string(&mut text).expect("the embedded schema table is whole");
    // The table lives as long as the program, and so do the names in it.
    let text: &'static str = text.leak();
    let mut enums: Vec<&'static [&'static str]> = Vec::new();
    let mut raw: Vec<Raw> = Vec::new();
    for line in text.lines() {
        let mut cells = line.split('\t');
        match (cells.next(), raw.last_mut()) {
            (Some("E"), _) => enums.push(cells.collect::<Vec<_>>().leak()),
            (Some("T"), _) => raw.push(Raw { ty: read_type(&mut cells), parts: Vec::new() }),
            (Some("F"), Some(last)) => last.parts.push(Part::Field(Box::new(read_field(&mut cells, &enums)))),
            (Some("I"), Some(last)) => {
                let mut next = || cells.next().unwrap_or("").parse().unwrap_or(0);
                last.parts.push(Part::Inlined(TypeRef(next()), next()));
            }
            (Some("D"), Some(last)) => {
                let path = cells.next().unwrap_or("");
                let value = serde_json::from_str(cells.next().unwrap_or("")).unwrap_or_default();
                last.parts.push(Part::Default(path, value));
            }
            _ => {}
        }
    }
    finish(raw)
}

fn read_type(cells: &mut dyn Iterator<Item = &'static str>) -> Type {
    let mut next = || cells.next().unwrap_or("");
    let (reference, role, flags, openapi, package) = (next(), next(), next(), next(), next());
    let (group_version, name) = reference.rsplit_once('.').unwrap_or(("", reference));
    let (group, version) = group_version.split_once('/').unwrap_or((group_version, ""));
    Type {
        group: if group == "core" { "" } else { group },
        version,
        name,
        package,
        openapi,
        role: match role {
            "object" => Role::Object,
            "list" => Role::List,
            "typed" => Role::Typed,
            _ => Role::Part,
        },
        custom: match name {
            "JSONSchemaPropsOrArray" => Custom::SchemaOrArray,
            "JSONSchemaPropsOrBool" => Custom::SchemaOrBool,
            "JSONSchemaPropsOrStringArray" => Custom::SchemaOrStrings,
            _ => Custom::No,
        },
        atomic: flags.contains('a'),
        fields: Vec::new(),
        by_name: Vec::new(),
        proto: Vec::new(),
        path_defaults: Vec::new(),
    }
}

fn read_field(cells: &mut dyn Iterator<Item = &'static str>, enums: &[&'static [&'static str]]) -> Field {
    let mut next = || cells.next().unwrap_or("");
    let (json, kind, elem, of, flags, number) = (next(), next(), next(), next(), next(), next());
    let (strategy, merge_key, list_type, keys, map_type, struct_type) =
        (next(), next(), next(), next(), next(), next());
    let (enumeration, default, format, go_name, go_elem_name) = (next(), next(), next(), next(), next());
    Field {
        json,
        kind: kind_of(kind).unwrap_or(FieldKind::Any),
        elem: kind_of(elem),
        type_ref: of.parse().ok().map(TypeRef),
        wrapped: flags.contains('w'),
        pointer: flags.contains('p'),
        omitempty: flags.contains('o'),
        omitzero: flags.contains('z'),
        required: flags.contains('r'),
        proto_number: number.parse().unwrap_or(0),
        patch_strategy: PatchStrategy {
            merge: strategy.contains("merge"),
            retain_keys: strategy.contains("retainKeys"),
            replace: strategy.contains("replace"),
        },
        merge_key,
        list_type: match list_type {
            "atomic" => ListType::Atomic,
            "set" => ListType::Set,
            "map" => ListType::Map,
            _ => ListType::None,
        },
        list_map_keys: keys.split(',').filter(|k| !k.is_empty()).collect(),
        atomic: map_type == "atomic" || struct_type == "atomic",
        granular: map_type == "granular" || struct_type == "granular",
        enum_values: enumeration.parse::<usize>().ok().and_then(|i| enums.get(i).copied()).unwrap_or_default(),
        default_in_code: flags.contains('c'),
        default: serde_json::from_str(default).ok(),
        format,
        embedded: "",
        go_name,
        go_elem_name,
    }
}

fn kind_of(name: &str) -> Option<FieldKind> {
    Some(match name {
        "string" => FieldKind::String,
        "bool" => FieldKind::Bool,
        "int32" => FieldKind::Int32,
        "int64" => FieldKind::Int64,
        "float64" => FieldKind::Float64,
        "bytes" => FieldKind::Bytes,
        "struct" => FieldKind::Struct,
        "list" => FieldKind::List,
        "map" => FieldKind::Map,
        "any" => FieldKind::Any,
        "quantity" => FieldKind::Quantity,
        "int-or-string" => FieldKind::IntOrString,
        "time" => FieldKind::Time,
        "microtime" => FieldKind::MicroTime,
        "duration" => FieldKind::Duration,
        "raw-extension" => FieldKind::RawExtension,
        "fields-v1" => FieldKind::FieldsV1,
        "json" => FieldKind::Json,
        _ => return None,
    })
}

fn finish(raw: Vec<Raw>) -> Schema {
    let types: Vec<Type> = raw.iter().map(|one| expand(one, &raw)).collect();
    let mut by_name: Vec<u32> = (0..types.len() as u32).collect();
    by_name.sort_by_key(|i| (types[*i as usize].group, types[*i as usize].version, types[*i as usize].name));
    Schema { types, by_name }
}

fn expand(one: &Raw, all: &[Raw]) -> Type {
    let mut ty = one.ty.clone();
    for part in &one.parts {
        let start = ty.fields.len();
        match part {
            Part::Field(field) => {
                if field.proto_number > 0 {
                    ty.proto.push(ProtoField { number: field.proto_number, source: ProtoSource::Member(start) });
                }
                ty.fields.push(Field::clone(field));
            }
            Part::Default(path, value) => ty.path_defaults.push((path, value.clone())),
            Part::Inlined(inner, number) => {
                ty.fields.extend(embed(expand(&all[inner.0 as usize], all)));
                if *number > 0 {
                    let source = ProtoSource::Inlined(*inner, start..ty.fields.len());
                    ty.proto.push(ProtoField { number: *number, source });
                }
            }
        }
    }
    ty.proto.sort_by_key(|p| p.number);
    let mut by_name: Vec<u16> = (0..ty.fields.len() as u16).collect();
    by_name.sort_by_key(|i| ty.fields[usize::from(*i)].json);
    ty.by_name = by_name;
    ty
}

/// The fields of an inlined struct, with its name on the way to them. Go names an embedded field like its type.
fn embed(inner: Type) -> impl Iterator<Item = Field> {
    inner.fields.into_iter().map(move |mut field| {
        field.embedded = match field.embedded {
            "" => inner.name,
            deeper => format!("{}.{deeper}", inner.name).leak(),
        };
        field
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inlined_structs_are_expanded_in_place() {
        let pod = schema().type_of("", "v1", "Pod").expect("Pod");
        let names: Vec<_> = schema().fields(pod).iter().map(|f| f.json).collect();
        assert_eq!(names, ["kind", "apiVersion", "metadata", "spec", "status"]);
        let spec = schema().field(pod, "spec").and_then(|f| f.type_ref).expect("spec");
        let volumes = schema().field(spec, "volumes").expect("volumes");
        assert!(volumes.patch_strategy.merge && volumes.patch_strategy.retain_keys);
        let volume = volumes.type_ref.expect("Volume");
        assert!(schema().field(volume, "emptyDir").is_some());
        assert_eq!(schema().get(volume).proto().iter().map(|p| p.number).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn kinds_of_every_group_are_found() {
        assert!(schema().type_of("apps", "v1", "DeleteOptions").is_some());
        assert!(schema().type_of("apps", "v1", "DeploymentList").is_some());
        assert!(schema().type_of("apps", "v1", "Pod").is_none());
    }
}
