//! The schema table: every API type of Kubernetes 1.35 with its fields, in one embedded table.
//!
//! Decoding, defaults, patches, apply, OpenAPI and protobuf read it (design invariant 8). It is loaded on first use and
//! lives as long as the program: everything handed out is `'static`, a [`TypeRef`] is a number.

mod load;
mod table;

pub use load::schema;
pub use table::{
    Custom, Field, FieldKind, ListType, PatchStrategy, ProtoField, ProtoSource, Role, Schema, Type, TypeRef,
    split_api_version,
};
