//! What the schema table holds, and how to find things in it.

use std::ops::Range;

use serde_json::Value;

/// A struct type of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeRef(pub(crate) u32);

/// The form of a field, of a list's element or of a map's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// Text, also of a named type.
    String,
    /// `true` or `false`.
    Bool,
    /// 32 bits, signed.
    Int32,
    /// 64 bits, signed.
    Int64,
    /// A double.
    Float64,
    /// Base64 in JSON.
    Bytes,
    /// Another type of the table.
    Struct,
    /// A list; see [`Field::elem`].
    List,
    /// A map with text keys; see [`Field::elem`].
    Map,
    /// Anything. Not in protobuf.
    Any,
    /// A `resource.Quantity`.
    Quantity,
    /// A number or text.
    IntOrString,
    /// RFC 3339 with whole seconds.
    Time,
    /// RFC 3339 with six decimals.
    MicroTime,
    /// Go's duration text.
    Duration,
    /// `runtime.RawExtension`: any object.
    RawExtension,
    /// Field sets of managed fields.
    FieldsV1,
    /// `apiextensions` JSON: any value.
    Json,
}

/// Struct types whose JSON is not their fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Custom {
    /// The fields are the JSON.
    No,
    /// A schema or a list of schemas.
    SchemaOrArray,
    /// A schema or a bool.
    SchemaOrBool,
    /// A schema or a list of strings.
    SchemaOrStrings,
}

/// What a type is to the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A part of others.
    Part,
    /// Has type and object metadata.
    Object,
    /// A list of objects.
    List,
    /// Has type metadata only.
    Typed,
}

/// Strategic merge: how a field is patched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PatchStrategy {
    /// Lists merge by key (or as sets) instead of being replaced.
    pub merge: bool,
    /// Members that `$retainKeys` does not name go.
    pub retain_keys: bool,
    /// Replaced as a whole.
    pub replace: bool,
}

/// Server-side apply: what a list is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListType {
    /// Not said (atomic where it matters).
    #[default]
    None,
    /// Owned as a whole.
    Atomic,
    /// A set of scalars.
    Set,
    /// Keyed by [`Field::list_map_keys`].
    Map,
}

/// One member of a type's JSON.
#[derive(Clone, Debug)]
pub struct Field {
    /// The member's name.
    pub json: &'static str,
    /// Its form.
    pub kind: FieldKind,
    /// For lists the element's form, for maps the value's.
    pub elem: Option<FieldKind>,
    /// The struct, or the struct of the elements.
    pub type_ref: Option<TypeRef>,
    /// A named list (`ExtraValue`, `Verbs`), which is a message of its own in protobuf. If `kind` is a map, its values are
    /// such lists of strings.
    pub wrapped: bool,
    /// A Go pointer: absent and zero differ.
    pub pointer: bool,
    /// Left out of JSON when empty (for non-pointers: when zero, but never for structs).
    pub omitempty: bool,
    /// Left out of JSON when the whole struct is zero.
    pub omitzero: bool,
    /// In the `required` list of OpenAPI.
    pub required: bool,
    /// The number in protobuf; 0 if it is not there.
    pub proto_number: u32,
    /// Strategic merge.
    pub patch_strategy: PatchStrategy,
    /// Strategic merge: the key of list elements, empty for none.
    pub merge_key: &'static str,
    /// Server-side apply.
    pub list_type: ListType,
    /// Server-side apply: the keys of a list of type map.
    pub list_map_keys: Vec<&'static str>,
    /// Server-side apply: owned as a whole (maps and structs).
    pub atomic: bool,
    /// Server-side apply: owned member by member, even if the type says otherwise.
    pub granular: bool,
    /// The closed set of values, empty if open. For lists of the elements, for maps of the keys.
    pub enum_values: &'static [&'static str],
    /// The structural default.
    pub default: Option<Value>,
    /// Upstream sets the default in code, so OpenAPI does not tell it.
    pub default_in_code: bool,
    /// The OpenAPI format, empty for none.
    pub format: &'static str,
    /// The Go names of the inlined structs on the way to it, joined by dots, empty for none. Only error texts show them.
    pub embedded: &'static str,
    /// How Go prints the named type (`v1.PullPolicy`) if it is not a struct; empty for none.
    pub go_name: &'static str,
    /// How Go prints the named type of the struct or the elements; empty for none.
    pub go_elem_name: &'static str,
}

/// A struct type.
#[derive(Clone, Debug)]
pub struct Type {
    /// The group, empty for core. Go packages without a group start with `@`.
    pub group: &'static str,
    /// The version.
    pub version: &'static str,
    /// The name, for kinds the kind.
    pub name: &'static str,
    /// The Go package's last part, as error texts print it.
    pub package: &'static str,
    /// The name in OpenAPI.
    pub openapi: &'static str,
    /// What it is to the API.
    pub role: Role,
    /// Whether JSON differs from the fields.
    pub custom: Custom,
    /// Server-side apply: owned as a whole.
    pub atomic: bool,
    pub(super) fields: Vec<Field>,
    pub(super) by_name: Vec<u16>,
    pub(super) proto: Vec<ProtoField>,
    /// Defaults at dotted paths that only this kind has, where others have the same field without it.
    pub(crate) path_defaults: Vec<(&'static str, Value)>,
}

/// One field of a type's protobuf message.
#[derive(Clone, Debug)]
pub struct ProtoField {
    /// Its number.
    pub number: u32,
    /// Where it is in JSON.
    pub source: ProtoSource,
}

/// Where a protobuf field is in JSON.
#[derive(Clone, Debug)]
pub enum ProtoSource {
    /// The member with this index in [`Type::fields`].
    Member(usize),
    /// An inlined struct: a message in protobuf, these members in JSON.
    Inlined(TypeRef, Range<usize>),
}

impl Type {
    /// The members in the order of JSON, inlined structs expanded.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The protobuf fields in ascending order.
    pub fn proto(&self) -> &[ProtoField] {
        &self.proto
    }

    /// The index of a member in [`Type::fields`].
    pub fn position(&self, json: &str) -> Option<usize> {
        let found = self.by_name.binary_search_by(|i| self.fields[usize::from(*i)].json.cmp(json));
        found.ok().map(|at| usize::from(self.by_name[at]))
    }
}

/// The table.
pub struct Schema {
    pub(super) types: Vec<Type>,
    /// Indexes into `types`, ordered by group, version, name.
    pub(super) by_name: Vec<u32>,
}

/// Kinds of meta/v1 that upstream registers in every group and version.
const IN_EVERY_GROUP: [&str; 13] = [
    "APIGroup",
    "APIGroupList",
    "APIResourceList",
    "APIVersions",
    "CreateOptions",
    "DeleteOptions",
    "GetOptions",
    "ListOptions",
    "PatchOptions",
    "Status",
    "Table",
    "UpdateOptions",
    "WatchEvent",
];

impl Schema {
    /// The type of a kind, a list kind, or one of the kinds that every group has (`DeleteOptions`, `Status`, ...).
    pub fn type_of(&self, group: &str, version: &str, kind: &str) -> Option<TypeRef> {
        self.named(group, version, kind).or_else(|| {
            let everywhere = IN_EVERY_GROUP.contains(&kind);
            if everywhere { self.named("meta.k8s.io", "v1", kind) } else { None }
        })
    }

    /// As [`Schema::type_of`], with group and version as `apiVersion` has them.
    pub fn type_of_api_version(&self, api_version: &str, kind: &str) -> Option<TypeRef> {
        let (group, version) = split_api_version(api_version);
        self.type_of(group, version, kind)
    }

    fn named(&self, group: &str, version: &str, name: &str) -> Option<TypeRef> {
        let found = self.by_name.binary_search_by(|i| {
            let ty = &self.types[*i as usize];
            (ty.group, ty.version, ty.name).cmp(&(group, version, name))
        });
        found.ok().map(|at| TypeRef(self.by_name[at]))
    }

    /// What the table says of a type.
    pub fn get(&self, ty: TypeRef) -> &Type {
        &self.types[ty.0 as usize]
    }

    /// A member of a type.
    pub fn field(&self, ty: TypeRef, json: &str) -> Option<&Field> {
        let ty = self.get(ty);
        ty.position(json).map(|at| &ty.fields[at])
    }

    /// The members of a type in the order of JSON.
    pub fn fields(&self, ty: TypeRef) -> &[Field] {
        &self.get(ty).fields
    }

    /// Every type.
    pub fn types(&self) -> impl Iterator<Item = (TypeRef, &Type)> {
        self.types.iter().enumerate().map(|(i, ty)| (TypeRef(i as u32), ty))
    }
}

/// `apps/v1` to `("apps", "v1")`, `v1` to `("", "v1")`.
pub fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}
