//! The operations, one file per kind of thing.

pub mod activity;
pub mod capacity;
pub mod group;
pub mod hook;
pub mod process;
pub mod tag;
