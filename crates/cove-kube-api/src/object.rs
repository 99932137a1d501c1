//! A stored object: encoded once, shared by everyone (design invariant 4).
//!
//! At rest an object is canonical JSON without `metadata.resourceVersion`. [`Object`] is one version of it together
//! with its revision; replies are written as three slices, the parsed value is made on first demand.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde_json::Value;

/// One version of one object. Always handled as `Arc<Object>`.
pub struct Object {
    /// Canonical JSON in the storage version, without `metadata.resourceVersion`.
    stored: Bytes,
    /// The store's revision of this version (for an object in a DELETED event: the deletion's).
    revision: u64,
    value: OnceLock<Arc<Value>>,
    json: OnceLock<Bytes>,
    protobuf: OnceLock<Bytes>,
}

impl Object {
    /// From stored bytes and their revision.
    pub fn new(stored: Bytes, revision: u64) -> Self {
        Self { stored, revision, value: OnceLock::new(), json: OnceLock::new(), protobuf: OnceLock::new() }
    }

    /// An object that is not stored (a review's answer, a dry run): `value` as it is, revision 0.
    pub fn transient(value: Value) -> Self {
        let object = Self::new(Bytes::new(), 0);
        let _ = object.value.set(Arc::new(value));
        object
    }

    /// The revision as clients see it in `metadata.resourceVersion`.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The bytes at rest.
    pub fn stored(&self) -> &Bytes {
        &self.stored
    }

    /// The object as a value, with `metadata.resourceVersion`. Parsed once.
    pub fn value(&self) -> &Arc<Value> {
        self.value.get_or_init(|| {
            let mut value: Value = serde_json::from_slice(&self.stored).unwrap_or(Value::Null);
            if let Some(Value::Object(metadata)) = value.get_mut("metadata") {
                metadata.insert("resourceVersion".into(), Value::String(self.revision.to_string()));
            }
            Arc::new(value)
        })
    }

    /// The object as JSON with `metadata.resourceVersion`. Encoded once.
    pub fn json(&self) -> &Bytes {
        self.json.get_or_init(|| Bytes::from(serde_json::to_vec(self.value().as_ref()).unwrap_or_default()))
    }

    /// The object in protobuf (with its envelope), encoded once by `encode`.
    pub fn protobuf(&self, encode: impl FnOnce(&Value) -> Vec<u8>) -> &Bytes {
        self.protobuf.get_or_init(|| Bytes::from(encode(self.value())))
    }

    /// A member of `metadata` as text, empty if absent.
    pub fn meta(&self, member: &str) -> &str {
        self.value().get("metadata").and_then(|m| m.get(member)).and_then(Value::as_str).unwrap_or("")
    }

    /// `metadata.name`.
    pub fn name(&self) -> &str {
        self.meta("name")
    }

    /// `metadata.namespace`, empty for cluster-scoped objects.
    pub fn namespace(&self) -> &str {
        self.meta("namespace")
    }

    /// `metadata.uid`.
    pub fn uid(&self) -> &str {
        self.meta("uid")
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.namespace(), self.name(), self.revision)
    }
}
