//! What this room uses of `cove-kube-api`, under one short path.

pub use crate::shim::{decode, kinds, meta_rules, patch, schema, selector};
