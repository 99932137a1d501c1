//! STS's operations.

pub mod assume_role;
pub mod identity;
