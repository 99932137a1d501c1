//! The documents as the server sends them: made on first demand, kept per minor.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::OnceLock;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::operations::{document_of, served};
use super::table::Operation;
use super::{gnostic, version2, version3};
use crate::kinds::{MAX_MINOR, MIN_MINOR};

const MINORS: usize = (MAX_MINOR - MIN_MINOR + 1) as usize;

static DOCUMENTS: [OnceLock<Documents>; MINORS] = [const { OnceLock::new() }; MINORS];

/// The documents of one minor.
struct Documents {
    minor: u32,
    v2: OnceLock<Bytes>,
    v2_protobuf: OnceLock<Bytes>,
    v3: BTreeMap<&'static str, Group>,
}

/// One document of version 3.
struct Group {
    operations: Vec<&'static Operation>,
    bytes: OnceLock<Bytes>,
}

/// The documents of the nearest minor that Cove knows.
fn documents(minor: u32) -> &'static Documents {
    let minor = minor.clamp(MIN_MINOR, MAX_MINOR);
    DOCUMENTS[(minor - MIN_MINOR) as usize].get_or_init(|| {
        let mut groups: BTreeMap<&'static str, Group> = BTreeMap::new();
        for operation in served(minor) {
            let group = || Group { operations: Vec::new(), bytes: OnceLock::new() };
            groups.entry(document_of(operation.path)).or_insert_with(group).operations.push(operation);
        }
        Documents { minor, v2: OnceLock::new(), v2_protobuf: OnceLock::new(), v3: groups }
    })
}

impl Documents {
    fn v3(&self, group: &Group) -> Bytes {
        group.bytes.get_or_init(|| to_json(&version3::document(self.minor, &group.operations))).clone()
    }
}

fn to_json(value: &Value) -> Bytes {
    Bytes::from(serde_json::to_vec(value).unwrap_or_default())
}

/// `/openapi/v2` as JSON.
pub fn v2_json(minor: u32) -> Bytes {
    let documents = documents(minor);
    documents.v2.get_or_init(|| to_json(&version2::document(documents.minor))).clone()
}

/// `/openapi/v2` as `application/com.github.proto-openapi.spec.v2.v1.0+protobuf`.
pub fn v2_protobuf(minor: u32) -> Bytes {
    let documents = documents(minor);
    documents.v2_protobuf.get_or_init(|| Bytes::from(gnostic::document(&version2::document(documents.minor)))).clone()
}

/// `/openapi/v3`: where the documents are, each with the hash of its contents.
pub fn v3_index(minor: u32) -> Value {
    let documents = documents(minor);
    let entry = |(name, group): (&&str, &Group)| {
        let url = format!("/openapi/v3/{name}?hash={}", content_hash(&documents.v3(group)));
        ((*name).to_string(), json!({ "serverRelativeURL": url }))
    };
    json!({ "paths": documents.v3.iter().map(entry).collect::<Map<String, Value>>() })
}

/// `/openapi/v3/NAME`, for a name such as `apis/apps/v1`.
pub fn v3(minor: u32, name: &str) -> Option<Bytes> {
    let documents = documents(minor);
    documents.v3.get(name).map(|group| documents.v3(group))
}

/// A hash of a document for its URL and `ETag`: 128 bits of FNV-1a in upper-case hex. It only has to change with the contents.
pub fn content_hash(bytes: &[u8]) -> String {
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let start = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128;
    let hash = bytes.iter().fold(start, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME));
    let mut text = String::with_capacity(32);
    let _ = write!(text, "{hash:032X}");
    text
}
