//! The way of one body: size, encoding, what it is, typed decoding, strictness.

use serde::de::DeserializeSeed as _;
use serde_json::Value;

use super::finish::{sort_map, zero};
use super::head::{self, Head, go_syntax_error};
use super::limits::MAX_BODY_BYTES;
use super::report::{Report, Step};
use super::shape::Shape;
use super::tree::Tree;
use super::visit::Seed;
use crate::door::Encoding;
use crate::protobuf;
use crate::schema::{TypeRef, schema, split_api_version};
use crate::status::Status;

/// What to do about unknown and duplicate fields (`fieldValidation`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strictness {
    /// Refuse the object.
    Strict,
    /// Drop them and warn.
    #[default]
    Warn,
    /// Drop them.
    Ignore,
}

impl Strictness {
    /// From the query parameter; empty means the default. `None` for an unknown word.
    pub fn from_parameter(word: &str) -> Option<Self> {
        match word {
            "" | "Warn" => Some(Self::Warn),
            "Strict" => Some(Self::Strict),
            "Ignore" => Some(Self::Ignore),
            _ => None,
        }
    }
}

/// A decoded object.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The canonical value, `kind` and `apiVersion` included.
    pub value: Value,
    /// Its `apiVersion`.
    pub api_version: String,
    /// Its `kind`.
    pub kind: String,
    /// Texts for `Warning` headers.
    pub warnings: Vec<String>,
}

/// What a body is decoded as.
struct Target<'a> {
    head: Head,
    /// `None` for custom kinds.
    ty: Option<TypeRef>,
    expected: Option<(&'a str, &'a str)>,
}

/// Decodes a body. `default_gvk` is the `apiVersion` and kind of the endpoint: it fills what the body does not say, and
/// what the body says must agree with it.
pub fn decode(
    encoding: Encoding,
    bytes: &[u8],
    default_gvk: Option<(&str, &str)>,
    strictness: Strictness,
) -> Result<Decoded, Status> {
    if bytes.len() > MAX_BODY_BYTES {
        let message = format!("Request entity too large: limit is {MAX_BODY_BYTES}");
        return Err(Status::new(413, "RequestEntityTooLarge", message));
    }
    let mut report = Report::default();
    match encoding {
        Encoding::Json => decode_json(bytes, default_gvk, strictness, report),
        Encoding::Protobuf => decode_protobuf(bytes, default_gvk),
        Encoding::Yaml => {
            let value = read_yaml(bytes, &mut report).map_err(|e| unrecognized(default_gvk, &e, bytes))?;
            decode_tree(value, default_gvk, strictness, report)
        }
    }
}

/// As [`decode`], for a value: from callers in process and of patches.
pub fn decode_value(
    value: Value,
    default_gvk: Option<(&str, &str)>,
    strictness: Strictness,
) -> Result<Decoded, Status> {
    decode_tree(value, default_gvk, strictness, Report::default())
}

/// Brings a value of a known type into canonical form. Members of the wrong type become unset.
pub fn normalize(ty: TypeRef, value: &mut Value) {
    let seed = Seed { report: &mut Report::default(), shape: Shape::Struct(ty) };
    if let Ok(canonical) = seed.deserialize(value.take()) {
        *value = canonical;
    }
}

fn decode_json(
    bytes: &[u8],
    default_gvk: Option<(&str, &str)>,
    strictness: Strictness,
    mut report: Report,
) -> Result<Decoded, Status> {
    let head = head::of_json(bytes).map_err(|e| unrecognized(default_gvk, &e, bytes))?;
    let target = target(head, default_gvk)?;
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = match target.ty {
        Some(ty) => Seed { report: &mut report, shape: Shape::Struct(ty) }.deserialize(&mut deserializer),
        None => Tree { report: &mut report }.deserialize(&mut deserializer),
    };
    let value = value.map_err(|e| unhandled(&target, &go_syntax_error(&e, bytes)))?;
    conclude(target, value, strictness, report)
}

fn decode_tree(
    value: Value,
    default_gvk: Option<(&str, &str)>,
    strictness: Strictness,
    mut report: Report,
) -> Result<Decoded, Status> {
    let head = head::of_value(&value).map_err(|e| unrecognized(default_gvk, &e, value.to_string().as_bytes()))?;
    let target = target(head, default_gvk)?;
    let value = match target.ty {
        Some(ty) => {
            let seed = Seed { report: &mut report, shape: Shape::Struct(ty) };
            seed.deserialize(value).map_err(|e| unhandled(&target, &e.to_string()))?
        }
        None => value,
    };
    conclude(target, value, strictness, report)
}

fn decode_protobuf(bytes: &[u8], default_gvk: Option<(&str, &str)>) -> Result<Decoded, Status> {
    let unknown = protobuf::open(bytes).map_err(|e| unrecognized(default_gvk, &e, bytes))?;
    let head = Head { api_version: unknown.api_version, kind: unknown.kind };
    let target = target(head, default_gvk)?;
    let Some(ty) = target.ty else {
        let (api_version, kind) = (&target.head.api_version, &target.head.kind);
        return Err(unhandled(&target, &not_registered(api_version, kind)));
    };
    let value = protobuf::decode_message(ty, unknown.raw).map_err(|e| unhandled(&target, &e))?;
    conclude(target, value, Strictness::Ignore, Report::default())
}

/// Reads the first YAML document. Aliases are bounded by the parser's budget, so a small text stays a small value.
fn read_yaml(bytes: &[u8], report: &mut Report) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "yaml: invalid leading UTF-8 octet".to_string())?;
    let options = serde_saphyr::options! {
        legacy_octal_numbers: true,
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::PassThrough,
        with_snippet: false,
    };
    let read = |d: serde_saphyr::Deserializer<'_, '_>| Tree { report }.deserialize(d);
    serde_saphyr::with_deserializer_from_str_with_options(first_document(text), options, read)
        .map_err(|e| yaml_error(&e.to_string(), text))
}

fn yaml_error(error: &str, text: &str) -> String {
    match error.contains("budget breached") {
        true if text.contains('*') => "yaml: document contains excessive aliasing".into(),
        true => "yaml: the document is too large".into(),
        false => format!("yaml: {error}"),
    }
}

/// The text up to the second document. A line that starts with `---` is a marker wherever it stands.
fn first_document(text: &str) -> &str {
    let (mut at, mut has_content) = (0, false);
    for line in text.split_inclusive('\n') {
        let is_marker =
            line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace));
        if is_marker && has_content {
            return &text[..at];
        }
        let bare = line.trim_start();
        has_content |= is_marker || !(bare.is_empty() || bare.starts_with(['#', '%']));
        at += line.len();
    }
    text
}

/// What the body is, given what the endpoint expects.
fn target<'a>(head: Head, expected: Option<(&'a str, &'a str)>) -> Result<Target<'a>, Status> {
    let mut head = head;
    if let Some((api_version, kind)) = expected {
        // As upstream: a kind without a version is looked for in the endpoint's version, and the other way round.
        if head.api_version.is_empty() {
            head.api_version = api_version.into();
        }
        if head.kind.is_empty() {
            head.kind = kind.into();
        }
    }
    let ty = schema().type_of_api_version(&head.api_version, &head.kind);
    let target = Target { head, ty, expected };
    check_expected(&target)?;
    Ok(target)
}

fn check_expected(target: &Target<'_>) -> Result<(), Status> {
    let Head { api_version, kind } = &target.head;
    let Some((expected_version, expected_kind)) = target.expected else {
        if kind.is_empty() {
            return Err(Status::bad_request("Object 'Kind' is missing"));
        }
        return Ok(());
    };
    let expected = schema().type_of_api_version(expected_version, expected_kind);
    if kind == expected_kind && (api_version == expected_version || target.ty.is_some() && target.ty == expected) {
        return Ok(());
    }
    match (expected, target.ty) {
        (Some(_), None) => Err(unhandled(target, &not_registered(api_version, kind))),
        (Some(_), Some(_)) if kind != expected_kind => {
            let from = format!("{}.{kind}", split_api_version(api_version).1);
            let to = format!("{}.{expected_kind}", internal_package(split_api_version(expected_version).0));
            Err(unhandled(target, &format!("converting ({from}) to ({to}): unknown conversion")))
        }
        _ if kind != expected_kind => {
            let message = format!("the kind in the data ({kind}) does not match the expected kind ({expected_kind})");
            Err(Status::bad_request(message))
        }
        _ => Err(Status::bad_request(format!(
            "the API version in the data ({api_version}) does not match the expected API version ({expected_version})"
        ))),
    }
}

/// The Go package of upstream's internal types of a group.
fn internal_package(group: &str) -> &str {
    match group {
        "" => "core",
        "internal.apiserver.k8s.io" => "apiserverinternal",
        _ => group.split('.').next().unwrap_or(group),
    }
}

fn not_registered(api_version: &str, kind: &str) -> String {
    // Where upstream's scheme is made, as its trimmed builds print it.
    let scheme = "pkg/api/legacyscheme/scheme.go:30";
    format!("no kind {kind:?} is registered for version {api_version:?} in scheme {scheme:?}")
}

/// The body says what it is, and cannot be read as that.
fn unhandled(target: &Target<'_>, error: &str) -> Status {
    let Head { api_version, kind } = &target.head;
    let version = split_api_version(api_version).1;
    let expected = target.expected.map_or(kind.as_str(), |(_, k)| k);
    Status::bad_request(format!("{kind} in version {version:?} cannot be handled as a {expected}: {error}"))
}

/// The body does not say what it is.
fn unrecognized(expected: Option<(&str, &str)>, error: &str, bytes: &[u8]) -> Status {
    let kind = expected.map_or("", |(_, kind)| kind);
    let shown = &bytes[..bytes.len().min(30)];
    let rest = if bytes.len() > shown.len() { " ..." } else { "" };
    let summary = match shown.first() {
        None => "<empty>".to_string(),
        Some(b'{') => String::from_utf8_lossy(shown).into_owned() + rest,
        Some(_) => shown.iter().map(|b| format!("{b:02x}")).collect::<String>() + rest,
    };
    Status::bad_request(format!("the object provided is unrecognized (must be of type {kind}): {error} ({summary})"))
}

fn conclude(target: Target<'_>, value: Value, strictness: Strictness, mut report: Report) -> Result<Decoded, Status> {
    let mut value = value;
    if let (true, Some(ty)) = (value.is_null(), target.ty) {
        value = zero(Shape::Struct(ty));
    }
    if target.ty.is_none() {
        finish_custom(&mut value, &mut report);
    }
    if let Some(error) = &report.error {
        return Err(unhandled(&target, error));
    }
    if strictness == Strictness::Strict && !report.strict.is_empty() {
        return Err(unhandled(&target, &format!("strict decoding error: {}", report.strict.join(", "))));
    }
    let warnings = if strictness == Strictness::Warn { report.strict } else { Vec::new() };
    let Head { api_version, kind } = target.head;
    if let Value::Object(map) = &mut value {
        map.shift_insert(0, "kind".into(), kind.clone().into());
        map.shift_insert(1, "apiVersion".into(), api_version.clone().into());
        if target.ty.is_none() {
            sort_map(map);
        }
    }
    Ok(Decoded { value, api_version, kind, warnings })
}

/// Objects of custom kinds are kept as they came, but for metadata, and written with sorted keys as Go writes maps.
fn finish_custom(value: &mut Value, report: &mut Report) {
    let member =
        schema().type_of("meta.k8s.io", "v1", "PartialObjectMetadata").and_then(|ty| schema().field(ty, "metadata"));
    let metadata = value.get_mut("metadata").filter(|m| !m.is_null());
    if let (Some(metadata), Some(member)) = (metadata, member) {
        report.path.push(Step::Member("", member));
        if let Ok(canonical) = (Seed { report, shape: Shape::Field(member) }).deserialize(metadata.take()) {
            *metadata = canonical;
        }
        report.path.pop();
    }
    sort_all(value);
}

fn sort_all(value: &mut Value) {
    match value {
        Value::Object(map) => {
            sort_map(map);
            map.values_mut().for_each(sort_all);
        }
        Value::Array(list) => list.iter_mut().for_each(sort_all),
        _ => {}
    }
}
