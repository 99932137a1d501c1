//! Patches: computing the new object that then takes the update path. In reading order:

mod json;
mod merge;

pub use json::{MAX_OPERATIONS, apply_json};
pub use merge::{apply_merge, diff_merge};
