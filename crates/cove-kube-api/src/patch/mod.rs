//! Patches: computing the new object that then takes the update path. In reading order:

mod apply;
mod json;
mod merge;
mod strategic;

pub use apply::apply;
pub use json::{MAX_OPERATIONS, apply_json};
pub use merge::{apply_merge, diff_merge};
pub use strategic::apply_strategic;
