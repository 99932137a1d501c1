//! From what clients send to the canonical value of an object.
//!
//! The server calls [`decode`] for request bodies and [`decode_value`] for in-process callers and the results of patches;
//! controllers that build objects call [`normalize`]. What always holds of a canonical value: members are in the order of the
//! Go struct, unknown and null members are gone, `omitempty` is applied, quantities, times and durations are in their one
//! form, map keys are sorted. Members that Go always writes are there: zero scalars and structs, and `null` for what has no
//! `omitempty` and is not set (`"lastProbeTime": null`, `"rules": null`). The types `Any`, `RawExtension`, `Json` and
//! `FieldsV1` are kept as they came.
//!
//! [`apply_defaults`] sets the structural defaults. The split with the strategies (`Strategy::default`): it covers the
//! `+default` markers of the types and every row of `defaults.csv` whose condition is about its own member only (`empty`,
//! `null`, `0`, `each quantity`) and whose default is a literal (`ClusterFirst`, `30`, `420 (0644)`, `{}`), but for
//! `updateStrategy.type` of StatefulSet, which another default asks for. Every other row (a condition on other fields, a
//! copied or computed value, `create`, admission, `enableServiceLinks`) is the strategies', which run afterwards.

mod api;
mod defaults;
mod duration;
mod finish;
mod head;
mod limits;
mod report;
mod shape;
mod time;
mod tree;
mod visit;

pub use api::{Decoded, Strictness, decode, decode_value, normalize};
pub use defaults::apply_defaults;
pub use head::go_syntax_error;
pub use limits::MAX_BODY_BYTES;

pub(crate) use duration::{format as format_duration, parse as parse_duration};
pub(crate) use finish::{finish, sort_map, zero};
pub(crate) use shape::Shape;
pub(crate) use time::{micro_time_from_parts, time_from_parts, to_parts as time_to_parts};
pub(crate) use visit::{canonical_float, schema_inside};
