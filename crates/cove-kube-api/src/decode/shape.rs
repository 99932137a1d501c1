//! The form of the value at hand: a struct, a field, or an element of one.

use crate::schema::{Field, FieldKind, TypeRef, schema};

/// The form of one value.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// A whole struct.
    Struct(TypeRef),
    /// The value of a field.
    Field(&'static Field),
    /// An element of a list, or a value of a map.
    Elem(&'static Field),
    /// A plain kind: strings of a wrapped list, parts of custom types.
    Plain(FieldKind),
    /// A list of structs that is no field (custom types).
    Structs(TypeRef),
    /// A list of strings that is no field (custom types).
    Strings,
}

impl Shape {
    /// The form.
    pub fn kind(self) -> FieldKind {
        match self {
            Self::Struct(_) => FieldKind::Struct,
            Self::Field(field) => field.kind,
            Self::Elem(field) => field.elem.unwrap_or(FieldKind::Any),
            Self::Plain(kind) => kind,
            Self::Structs(_) | Self::Strings => FieldKind::List,
        }
    }

    /// The struct, if it is one.
    pub fn struct_type(self) -> Option<TypeRef> {
        match self {
            Self::Struct(ty) => Some(ty),
            Self::Field(field) if field.kind == FieldKind::Struct => field.type_ref,
            Self::Elem(field) if field.elem == Some(FieldKind::Struct) => field.type_ref,
            _ => None,
        }
    }

    /// The form of the elements of a list or the values of a map.
    pub fn elem(self) -> Self {
        match self {
            Self::Field(field) => Self::Elem(field),
            Self::Structs(ty) => Self::Struct(ty),
            // Named lists of strings, as values of a map or on their own.
            _ => Self::Plain(FieldKind::String),
        }
    }

    /// How Go prints the type in errors.
    pub fn go_type(self) -> String {
        match self {
            Self::Struct(ty) => {
                let ty = schema().get(ty);
                format!("{}.{}", ty.package, ty.name)
            }
            Self::Field(field) if !field.go_name.is_empty() => field.go_name.into(),
            Self::Field(field) => match field.kind {
                FieldKind::List => format!("[]{}", Self::Elem(field).go_type()),
                FieldKind::Map => format!("map[string]{}", Self::Elem(field).go_type()),
                FieldKind::Struct => field.go_elem_name.into(),
                kind => plain(kind).into(),
            },
            Self::Elem(field) if !field.go_elem_name.is_empty() => field.go_elem_name.into(),
            Self::Elem(field) => plain(field.elem.unwrap_or(FieldKind::Any)).into(),
            Self::Plain(kind) => plain(kind).into(),
            Self::Structs(ty) => format!("[]{}", Self::Struct(ty).go_type()),
            Self::Strings => "[]string".into(),
        }
    }
}

fn plain(kind: FieldKind) -> &'static str {
    match kind {
        FieldKind::String => "string",
        FieldKind::Bool => "bool",
        FieldKind::Int32 => "int32",
        FieldKind::Int64 => "int64",
        FieldKind::Float64 => "float64",
        FieldKind::Bytes => "[]uint8",
        FieldKind::Quantity => "resource.Quantity",
        FieldKind::IntOrString => "intstr.IntOrString",
        FieldKind::Time => "v1.Time",
        FieldKind::MicroTime => "v1.MicroTime",
        FieldKind::Duration => "v1.Duration",
        FieldKind::RawExtension => "runtime.RawExtension",
        FieldKind::FieldsV1 => "v1.FieldsV1",
        FieldKind::Json => "v1.JSON",
        FieldKind::Struct | FieldKind::List | FieldKind::Map | FieldKind::Any => "interface {}",
    }
}
