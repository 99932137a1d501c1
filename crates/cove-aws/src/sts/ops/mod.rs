//! STS's operations.

pub mod identity;
