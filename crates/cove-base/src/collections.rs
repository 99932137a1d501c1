//! Maps and sets whose iteration order does not change from run to run.
//!
//! `std`'s default hasher is seeded by the operating system and therefore banned (`clippy.toml`). Take a `BTreeMap`
//! where order is visible, these where only look-up matters.
#![allow(clippy::disallowed_types)] // This file is what the ban points to.

use std::hash::{BuildHasherDefault, DefaultHasher};

/// A hash map with a fixed hasher.
pub type HashMap<K, V> = std::collections::HashMap<K, V, BuildHasherDefault<DefaultHasher>>;
/// A hash set with a fixed hasher.
pub type HashSet<K> = std::collections::HashSet<K, BuildHasherDefault<DefaultHasher>>;
