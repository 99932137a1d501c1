//! Service models, read at run time: operations and shapes as botocore's public models describe them.
//!
//! The data (`models/*.json.gz`) is made by `cargo xtask facts aws-models`. A model is decoded when its service is
//! first asked for and kept; shapes refer to each other by index.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::LazyLock;

use flate2::read::GzDecoder;
use serde::Deserialize;

/// How a service speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Form in, XML out (`sts`, `iam`, `autoscaling`).
    Query,
    /// EC2's dialect of it.
    Ec2,
    /// Paths and JSON bodies (`eks`).
    RestJson,
    /// A target header and JSON bodies.
    Json,
}

/// The index of a shape in its model.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ShapeId(usize);

/// One service.
#[derive(Debug)]
pub struct Model {
    /// botocore's name, such as `autoscaling`.
    pub name: String,
    /// How it speaks.
    pub protocol: Protocol,
    /// Such as `2016-11-15`.
    pub api_version: String,
    /// The service in a credential scope.
    pub signing_name: String,
    /// The XML namespace of replies; empty for JSON protocols.
    pub namespace: String,
    /// The prefix in `X-Amz-Target`; empty for other protocols.
    pub target_prefix: String,
    operations: BTreeMap<String, OperationModel>,
    shapes: Vec<Shape>,
}

/// One operation.
#[derive(Debug)]
pub struct OperationModel {
    /// Its name.
    pub name: String,
    /// The HTTP method.
    pub method: String,
    /// The path with `{labels}`.
    pub uri: String,
    /// The status of success.
    pub status: u16,
    /// The input's structure.
    pub input: Option<ShapeId>,
    /// The output's structure.
    pub output: Option<ShapeId>,
    /// The element around a query service's output.
    pub result_wrapper: Option<String>,
    /// Whether AWS takes it without a signature.
    pub unsigned: bool,
    /// How it is paged.
    pub pagination: Option<Pagination>,
    /// Input members that a client fills with a token of its own (idempotency).
    pub idempotency_tokens: Vec<String>,
}

/// How an operation is paged: names of members.
#[derive(Clone, Debug, Deserialize)]
pub struct Pagination {
    /// The token in the input.
    pub input_token: String,
    /// The token in the output.
    pub output_token: String,
    /// The page size in the input.
    pub limit: Option<String>,
    /// The flag in the output that tells that there is more.
    pub more: Option<String>,
    /// The paged list in the output.
    pub result: String,
}

/// One shape.
#[derive(Debug)]
pub struct Shape {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Allowed values; empty if any is.
    pub enum_values: Vec<String>,
    /// The least length, count or value.
    pub min: Option<f64>,
    /// The greatest length, count or value.
    pub max: Option<f64>,
    /// A pattern for the whole value, as the model words it.
    pub pattern: Option<Pattern>,
    /// For an error: its code and status.
    pub error: Option<ErrorShape>,
}

/// A pattern with its compiled form.
#[derive(Debug)]
pub struct Pattern {
    /// As the model has it; AWS prints it in its messages.
    pub text: String,
    /// Matches a whole value.
    pub regex: regex::Regex,
}

/// An error's code and status.
#[derive(Clone, Debug)]
pub struct ErrorShape {
    /// The code on the wire.
    pub code: String,
    /// The HTTP status.
    pub status: u16,
}

/// What a shape is.
#[derive(Debug)]
pub enum Kind {
    /// Named members.
    Structure(Vec<Member>),
    /// Items.
    List(Reference),
    /// Keys and values.
    Map(Reference, Reference),
    /// Text.
    String,
    /// A 32-bit number.
    Integer,
    /// A 64-bit number.
    Long,
    /// A number with a fraction.
    Double,
    /// True or false.
    Boolean,
    /// A moment: seconds since the epoch in values.
    Timestamp,
    /// Bytes: base64 text in values.
    Blob,
}

/// One member of a structure.
#[derive(Debug)]
pub struct Member {
    /// Its name in the model, and in values.
    pub name: String,
    /// Whether a request must have it.
    pub required: bool,
    /// Its shape and how it stands on the wire.
    pub reference: Reference,
}

/// A use of a shape, with its names on the wire.
#[derive(Debug)]
pub struct Reference {
    /// The shape.
    pub shape: ShapeId,
    /// Where the value stands; `Body` unless said.
    pub location: Location,
    /// The name on the wire, where it differs.
    pub location_name: Option<String>,
    /// EC2's name in requests, where it differs again.
    pub query_name: Option<String>,
    /// Whether list items stand without an element around them.
    pub flattened: bool,
}

/// Where a value stands in an HTTP message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Location {
    /// In the body.
    #[default]
    Body,
    /// A label of the path.
    Uri,
    /// A parameter of the query string.
    Querystring,
    /// A header.
    Header,
    /// Headers with a common prefix.
    Headers,
    /// The status line.
    StatusCode,
}

impl Model {
    /// An operation by name.
    pub fn operation(&self, name: &str) -> Option<&OperationModel> {
        self.operations.get(name)
    }

    /// All operations, by name.
    pub fn operations(&self) -> impl Iterator<Item = &OperationModel> {
        self.operations.values()
    }

    /// A shape by its index.
    pub fn shape(&self, id: ShapeId) -> &Shape {
        &self.shapes[id.0]
    }

    /// The members of a structure, none for other shapes.
    pub fn members(&self, id: ShapeId) -> &[Member] {
        match &self.shape(id).kind {
            Kind::Structure(members) => members,
            _ => &[],
        }
    }

    /// The error shape with a wire code.
    pub fn error(&self, code: &str) -> Option<&Shape> {
        self.shapes.iter().find(|s| s.error.as_ref().is_some_and(|e| e.code == code))
    }
}

/// What is known of a service before its model is read.
pub struct Entry {
    /// botocore's name.
    pub name: &'static str,
    /// The service in a credential scope.
    pub signing_name: &'static str,
    /// The version that query requests carry.
    pub api_version: &'static str,
    /// How it speaks.
    pub protocol: Protocol,
    /// The IAM prefix of its actions.
    pub iam_prefix: &'static str,
    packed: &'static [u8],
    model: LazyLock<Model>,
}

impl Entry {
    /// The model, decoded on first use.
    pub fn model(&self) -> &Model {
        &self.model
    }
}

macro_rules! services {
    ($(($name:literal, $version:literal, $protocol:ident)),* $(,)?) => {
        static ENTRIES: [Entry; [$($name),*].len()] = [$(Entry {
            name: $name,
            signing_name: $name,
            api_version: $version,
            protocol: Protocol::$protocol,
            iam_prefix: $name,
            packed: include_bytes!(concat!("../models/", $name, ".json.gz")),
            model: LazyLock::new(|| load($name)),
        }),*];
    };
}

services![
    ("autoscaling", "2011-01-01", Query),
    ("ec2", "2016-11-15", Ec2),
    ("eks", "2017-11-01", RestJson),
    ("iam", "2010-05-08", Query),
    ("sts", "2011-06-15", Query),
];

/// All services that Cove has a model of.
pub fn entries() -> &'static [Entry] {
    &ENTRIES
}

/// A service by botocore's name.
pub fn entry(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|e| e.name == name)
}

/// A model by botocore's name of the service.
pub fn model(name: &str) -> Option<&'static Model> {
    entry(name).map(Entry::model)
}

fn load(name: &str) -> Model {
    let packed = entry(name).map_or(&[][..], |e| e.packed);
    let mut text = String::new();
    let raw = GzDecoder::new(packed).read_to_string(&mut text).map_err(|e| e.to_string());
    let raw: Result<RawModel, String> = raw.and_then(|_| serde_json::from_str(&text).map_err(|e| e.to_string()));
    match raw {
        Ok(raw) => build(raw),
        // The data is part of the binary and checked by a test, so this is a defect of the build.
        Err(error) => panic!("the model of {name} that was built in cannot be read: {error}"),
    }
}

#[derive(Deserialize)]
struct RawModel {
    name: String,
    metadata: RawMetadata,
    operations: BTreeMap<String, RawOperation>,
    shapes: BTreeMap<String, RawShape>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawMetadata {
    api_version: String,
    endpoint_prefix: String,
    protocol: Protocol,
    signing_name: Option<String>,
    namespace: Option<String>,
    target_prefix: Option<String>,
}

#[derive(Deserialize)]
struct RawOperation {
    method: String,
    uri: String,
    status: Option<u16>,
    input: Option<String>,
    output: Option<String>,
    result_wrapper: Option<String>,
    #[serde(default)]
    unsigned: bool,
    pagination: Option<Pagination>,
}

#[derive(Deserialize)]
struct RawShape {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    members: serde_json::Map<String, serde_json::Value>,
    member: Option<RawReference>,
    key: Option<RawReference>,
    value: Option<RawReference>,
    #[serde(default)]
    required: Vec<String>,
    #[serde(default, rename = "enum")]
    enum_values: Vec<String>,
    min: Option<f64>,
    max: Option<f64>,
    pattern: Option<String>,
    #[serde(default)]
    flattened: bool,
    #[serde(default)]
    exception: bool,
    error: Option<RawError>,
}

#[derive(Deserialize, Default)]
struct RawError {
    code: Option<String>,
    #[serde(rename = "httpStatusCode")]
    status: Option<u16>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawReference {
    shape: String,
    #[serde(default)]
    location: Location,
    location_name: Option<String>,
    query_name: Option<String>,
    #[serde(default)]
    flattened: bool,
}

/// Turns names into indexes.
struct Builder {
    index: BTreeMap<String, ShapeId>,
    flattened: Vec<bool>,
}

fn build(raw: RawModel) -> Model {
    let builder = Builder {
        index: raw.shapes.keys().enumerate().map(|(i, name)| (name.clone(), ShapeId(i))).collect(),
        flattened: raw.shapes.values().map(|s| s.flattened).collect(),
    };
    let tokens: BTreeMap<String, Vec<String>> =
        raw.shapes.iter().map(|(name, shape)| (name.clone(), idempotency_tokens(shape))).collect();
    let operations = raw
        .operations
        .into_iter()
        .map(|(name, o)| {
            let idempotency_tokens = o.input.as_ref().and_then(|i| tokens.get(i)).cloned().unwrap_or_default();
            (name.clone(), builder.operation(name, o, idempotency_tokens))
        })
        .collect();
    let metadata = raw.metadata;
    Model {
        name: raw.name,
        protocol: metadata.protocol,
        api_version: metadata.api_version,
        signing_name: metadata.signing_name.unwrap_or(metadata.endpoint_prefix),
        namespace: metadata.namespace.unwrap_or_default(),
        target_prefix: metadata.target_prefix.unwrap_or_default(),
        operations,
        shapes: raw.shapes.into_iter().map(|(name, shape)| builder.shape(name, shape)).collect(),
    }
}

fn raw_reference(value: &serde_json::Value) -> RawReference {
    serde_json::from_value(value.clone()).unwrap_or_else(|e| panic!("a member of a built-in model: {e}"))
}

fn idempotency_tokens(shape: &RawShape) -> Vec<String> {
    let is_token = |m: &serde_json::Value| m.get("idempotencyToken").is_some_and(|t| t == true);
    shape.members.iter().filter(|(_, m)| is_token(m)).map(|(name, _)| name.clone()).collect()
}

impl Builder {
    fn operation(&self, name: String, raw: RawOperation, idempotency_tokens: Vec<String>) -> OperationModel {
        OperationModel {
            name,
            method: raw.method,
            uri: raw.uri,
            status: raw.status.unwrap_or(200),
            input: raw.input.and_then(|i| self.index.get(&i).copied()),
            output: raw.output.and_then(|o| self.index.get(&o).copied()),
            result_wrapper: raw.result_wrapper,
            unsigned: raw.unsigned,
            pagination: raw.pagination,
            idempotency_tokens,
        }
    }

    fn shape(&self, name: String, raw: RawShape) -> Shape {
        let error = raw.exception.then(|| {
            let error = raw.error.as_ref();
            ErrorShape {
                code: error.and_then(|e| e.code.clone()).unwrap_or_else(|| name.clone()),
                status: error.and_then(|e| e.status).unwrap_or(400),
            }
        });
        let pattern = raw.pattern.as_deref().map(compile);
        Shape { kind: self.kind(&raw), name, enum_values: raw.enum_values, min: raw.min, max: raw.max, pattern, error }
    }

    fn kind(&self, raw: &RawShape) -> Kind {
        match raw.kind.as_str() {
            "structure" => Kind::Structure(self.members(raw)),
            "list" => Kind::List(self.part(&raw.member)),
            "map" => Kind::Map(self.part(&raw.key), self.part(&raw.value)),
            "integer" => Kind::Integer,
            "long" => Kind::Long,
            "double" | "float" => Kind::Double,
            "boolean" => Kind::Boolean,
            "timestamp" => Kind::Timestamp,
            "blob" => Kind::Blob,
            _ => Kind::String,
        }
    }

    fn members(&self, raw: &RawShape) -> Vec<Member> {
        let member = |(name, m): (&String, &serde_json::Value)| Member {
            name: name.clone(),
            required: raw.required.contains(name),
            reference: self.reference(&raw_reference(m)),
        };
        raw.members.iter().map(member).collect()
    }

    fn part(&self, raw: &Option<RawReference>) -> Reference {
        match raw {
            Some(raw) => self.reference(raw),
            None => panic!("a list or map of a built-in model has no items"),
        }
    }

    fn reference(&self, raw: &RawReference) -> Reference {
        let shape = self.index[&raw.shape];
        Reference {
            shape,
            location: raw.location,
            location_name: raw.location_name.clone(),
            query_name: raw.query_name.clone(),
            flattened: raw.flattened || self.flattened[shape.0],
        }
    }
}

/// Compiles a pattern of the models: they are Java's, whole-value, with ASCII classes and UTF-16 surrogates.
fn compile(text: &str) -> Pattern {
    let translated = text
        .replace(r"\uD800\uDC00-\uDBFF\uDFFF", r"\x{10000}-\x{10FFFF}")
        .replace(r"\w", "[A-Za-z0-9_]")
        .replace(r"\d", "[0-9]")
        .replace(r"\/", "/");
    let regex = regex::Regex::new(&format!("^(?:{translated})$"));
    Pattern { text: text.into(), regex: regex.unwrap_or_else(|e| panic!("a pattern of a built-in model: {e}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_agrees_with_the_models() {
        for entry in entries() {
            let model = entry.model();
            assert_eq!(model.name, entry.name);
            assert_eq!(model.protocol, entry.protocol, "{}", entry.name);
            assert_eq!(model.api_version, entry.api_version, "{}", entry.name);
            assert_eq!(model.signing_name, entry.signing_name, "{}", entry.name);
        }
        let count: usize = entries().iter().map(|e| e.model().operations().count()).sum();
        assert_eq!(count, 11 + 176 + 765 + 66 + 64);
    }

    #[test]
    fn errors_carry_their_wire_code_and_status() {
        let error = model("iam").and_then(|m| m.error("NoSuchEntity")).and_then(|s| s.error.clone()).expect("a shape");
        assert_eq!(error.status, 404);
        let error = model("eks").and_then(|m| m.error("ResourceInUseException")).expect("a shape");
        assert_eq!(error.error.as_ref().map(|e| e.status), Some(409));
    }

    #[test]
    fn patterns_match_whole_values() {
        let iam = model("iam").expect("a model");
        let input = iam.operation("CreateRole").and_then(|o| o.input).expect("an input");
        let name = iam.members(input).iter().find(|m| m.name == "RoleName").expect("a member");
        let pattern = iam.shape(name.reference.shape).pattern.as_ref().expect("a pattern");
        assert!(pattern.regex.is_match("eks-node_1") && !pattern.regex.is_match("a b") && !pattern.regex.is_match("é"));
    }
}
