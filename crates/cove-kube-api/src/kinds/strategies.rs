//! Which strategy a kind has. A kind without a line here has no rules beyond the schema table's.

use crate::strategy::{Plain, Strategy};

use super::pod::PodStrategy;

/// The strategy of a kind, the same in all its versions.
pub(super) fn of(group: &str, kind: &str) -> &'static dyn Strategy {
    match (group, kind) {
        ("", "Pod") => &PodStrategy,
        _ => &Plain,
    }
}
