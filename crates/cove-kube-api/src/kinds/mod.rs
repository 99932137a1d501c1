//! The table of kinds: every built-in kind that a default API server of Kubernetes 1.32 to 1.36 offers.
//!
//! The server routes, discovers and stores by it; nothing else lists kinds. In reading order:

mod acts;
mod fill;
mod pod;
mod rules;
mod strategies;
mod table;

pub use pod::qos_class;
pub use table::{
    Acts, FieldLabel, Generation, Group, GroupVersion, Kind, MAX_MINOR, MIN_MINOR, Subresource, by_kind, by_resource,
    groups, kinds,
};
