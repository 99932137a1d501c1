//! What this room uses of `cove-kube-api`, under one short path.

pub use cove_kube_api::{decode, kinds, openapi, patch, printer, protobuf, schema, selector, validate_meta};
