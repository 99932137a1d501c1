//! STS: who calls, and temporary credentials.

pub mod ops;

#[cfg(test)]
mod tests;

use crate::input::row;
use crate::operation::{Permission, Service};
use ops::identity;

/// The service.
pub const SERVICE: Service = Service {
    name: "sts",
    operations: &[row!("GetCallerIdentity", Permission::NONE_NEEDED, identity::get_caller_identity)],
    start: |_| {},
};
