//! Where objects are kept: keys, reading, and compare-and-set over a space of the store.
//!
//! Called by the generic verbs only. What is stored is canonical JSON without `metadata.resourceVersion`.

use std::sync::Arc;

use bytes::Bytes;
use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use cove_store::api::{Entry, Range, RangeResult, Space, StoreError, Txn, TxnResult, Watch};
use serde_json::Value;

use crate::api::kinds::Kind;

/// The objects of one cluster.
#[derive(Clone)]
pub struct Storage {
    space: Arc<dyn Space>,
}

/// A stored version of an object, ready to be compared and set.
#[derive(Clone)]
pub struct Stored {
    /// The object.
    pub object: Arc<Object>,
    /// The revision of this version.
    pub mod_revision: u64,
}

/// The key of an object.
pub fn key(kind: &Kind, namespace: &str, name: &str) -> String {
    if kind.namespaced {
        format!("{}/{namespace}/{name}", kind.etcd_prefix)
    } else {
        format!("{}/{name}", kind.etcd_prefix)
    }
}

/// What the keys of a kind (in a namespace, if one is given) begin with.
pub fn prefix(kind: &Kind, namespace: &str) -> String {
    if kind.namespaced && !namespace.is_empty() {
        format!("{}/{namespace}/", kind.etcd_prefix)
    } else {
        format!("{}/", kind.etcd_prefix)
    }
}

/// The object of a record, shared by everyone who reads this version.
pub fn object_of(entry: &Entry) -> Arc<Object> {
    entry.decoded(|record| Object::new(record.value.clone(), record.mod_revision))
}

/// The bytes of an object as it is kept: without `metadata.resourceVersion`.
pub fn encode(value: &Value) -> Bytes {
    let mut value = value.clone();
    if let Some(Value::Object(metadata)) = value.get_mut("metadata") {
        metadata.shift_remove("resourceVersion");
    }
    Bytes::from(serde_json::to_vec(&value).unwrap_or_default())
}

/// A failure of the store as clients see it.
pub fn store_error(error: StoreError) -> Status {
    match error {
        StoreError::Closed => Status::new(503, "ServiceUnavailable", "apiserver is shutting down"),
        other => Status::internal(other),
    }
}

impl Storage {
    /// Over a space.
    pub fn new(space: Arc<dyn Space>) -> Self {
        Self { space }
    }

    /// The newest revision, at least 1: clients take "0" for "any".
    pub fn revision(&self) -> u64 {
        self.space.revision().max(1)
    }

    /// Reads one object.
    pub async fn get(&self, key: &str) -> Result<Option<Stored>, Status> {
        let entry = self.space.get(key).await.map_err(store_error)?;
        Ok(entry.map(|entry| stored(&entry)))
    }

    /// Reads a value that is not an object.
    pub async fn raw(&self, key: &str) -> Result<Option<Bytes>, Status> {
        let entry = self.space.get(key).await.map_err(store_error)?;
        Ok(entry.map(|entry| entry.value.clone()))
    }

    /// Reads all objects under a prefix, now.
    pub async fn all(&self, prefix: impl Into<String>) -> Result<Vec<Arc<Object>>, Status> {
        let result = self.space.range(Range::prefix(prefix)).await.map_err(store_error)?;
        Ok(result.entries.iter().map(object_of).collect())
    }

    /// Reads a range.
    pub async fn range(&self, range: Range) -> Result<RangeResult, StoreError> {
        self.space.range(range).await
    }

    /// Follows a prefix.
    pub async fn watch(&self, prefix: &str, after: u64) -> Result<Box<dyn Watch>, StoreError> {
        self.space.watch(prefix, after).await
    }

    /// Compares and writes. `None` means that a comparison did not hold; otherwise the entries, per operation.
    pub async fn commit(&self, txn: Txn) -> Result<Option<Vec<Option<Stored>>>, Status> {
        match self.space.txn(txn).await.map_err(store_error)? {
            TxnResult::Committed { entries, .. } => {
                Ok(Some(entries.iter().map(|entry| entry.as_ref().map(stored)).collect()))
            }
            TxnResult::Conflict { .. } => Ok(None),
        }
    }
}

fn stored(entry: &Entry) -> Stored {
    Stored { object: object_of(entry), mod_revision: entry.mod_revision }
}
