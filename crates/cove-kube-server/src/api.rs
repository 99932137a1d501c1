//! What this room uses of `cove-kube-api`, under one short path.

pub use cove_kube_api::{kinds, selector, validate_meta};

pub use crate::shim::{decode, patch, schema};
