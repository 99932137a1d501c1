//! IAM's operations, one file per resource.

pub mod access_keys;
pub mod holders;
pub mod instance_profiles;
pub mod policies;
pub mod roles;
pub mod service_linked;
pub mod users;
