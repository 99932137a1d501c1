//! What is peculiar to a kind: small functions beside the generic verbs (style section 5, rule 12).
//!
//! Upstream's counterpart is `strategy.go` of each registry. The server calls them in this order.
//! Create: decode, structural defaults (schema table), [`Strategy::default`], admission, defaults again,
//! [`Strategy::prepare_create`], [`Strategy::validate`]. Update: as create with [`Strategy::prepare_update`], and
//! [`Strategy::validate_update`] in addition. A patch or a subresource computes a new object and takes the same path.

use serde_json::Value;

use crate::field_error::FieldError;

/// What a strategy may know of the call.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The subresource that is written, empty for the object itself.
    pub subresource: &'a str,
    /// The Kubernetes minor version of the cluster (35 for 1.35).
    pub minor: u32,
}

/// The rules of one kind. The default implementations are right for a kind without rules of its own.
pub trait Strategy: Send + Sync {
    /// Defaults that upstream sets in code (`defaults.csv` rows that are not in the schema table). Must be idempotent.
    fn default(&self, _object: &mut Value) {}

    /// Clears and sets what a client may not choose on create (for most kinds: drops `status`).
    fn prepare_create(&self, object: &mut Value, _cx: Context<'_>) {
        if let Value::Object(map) = object {
            map.remove("status");
        }
    }

    /// Keeps what this write may not change. For the object itself `status` stays as it was; for `/status`
    /// everything but `status`, labels and annotations does. The server handles those two; overrides add to it.
    fn prepare_update(&self, _new: &mut Value, _old: &Value, _cx: Context<'_>) {}

    /// Everything wrong with an object, beyond metadata and what the schema table says.
    fn validate(&self, _object: &Value, _cx: Context<'_>) -> Vec<FieldError> {
        Vec::new()
    }

    /// Everything wrong with a change, beyond what [`Strategy::validate`] says of the new object.
    fn validate_update(&self, _new: &Value, _old: &Value, _cx: Context<'_>) -> Vec<FieldError> {
        Vec::new()
    }

    /// Texts for `Warning` headers.
    fn warnings(&self, _new: &Value, _old: Option<&Value>, _cx: Context<'_>) -> Vec<String> {
        Vec::new()
    }

    /// Whether this change raises `metadata.generation`. Default: any change outside metadata and status.
    fn bumps_generation(&self, new: &Value, old: &Value) -> bool {
        let rest = |value: &Value| -> Vec<(String, Value)> {
            let map = value.as_object().into_iter().flatten();
            let mut rest: Vec<_> = map.filter(|(k, _)| !matches!(k.as_str(), "metadata" | "status")).collect();
            rest.sort_by_key(|(k, _)| k.as_str());
            rest.into_iter().map(|(k, v)| (k.clone(), v.clone())).collect()
        };
        rest(new) != rest(old)
    }

    /// Seconds of grace that a deletion without `gracePeriodSeconds` gets; `None` for kinds that are deleted at once.
    fn graceful_deletion_seconds(&self, _object: &Value) -> Option<i64> {
        None
    }
}

/// The strategy of kinds without rules of their own.
pub struct Plain;

impl Strategy for Plain {}
