//! How much one body may ask for.

/// The largest request body, in bytes (upstream's limit).
pub const MAX_BODY_BYTES: usize = 3 * 1024 * 1024;
/// The most members and elements one body may expand to. Three bytes of a body can become a struct of many members.
pub const MAX_NODES: usize = 2_000_000;
/// The deepest nesting of a body.
pub const MAX_DEPTH: usize = 128;
/// The deepest nesting of JSON that is read at all, unknown fields included: that of Go's decoder.
pub const MAX_JSON_DEPTH: usize = 10_000;
/// The most unknown or duplicate fields that are told (upstream's limit).
pub const MAX_STRICT_ERRORS: usize = 100;

const _: () = assert!(MAX_NODES > MAX_BODY_BYTES / 2, "a flat list of digits must fit");
