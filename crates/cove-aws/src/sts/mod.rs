//! STS: who calls, and temporary credentials.

pub mod ops;

#[cfg(test)]
mod tests;

use crate::input::row;
use crate::operation::{Permission, Service};
use ops::{assume_role, identity};

/// The service.
pub const SERVICE: Service = Service {
    name: "sts",
    operations: &[
        // The trust policy decides who may, with an identity policy if it names the account only.
        row!("AssumeRole", Permission::NONE_NEEDED, assume_role::assume_role),
        row!("GetCallerIdentity", Permission::NONE_NEEDED, identity::get_caller_identity),
        row!("GetSessionToken", Permission::NONE_NEEDED, assume_role::get_session_token),
    ],
    start: |_| {},
};
