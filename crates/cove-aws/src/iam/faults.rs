//! IAM's errors in its own words.

use cove_aws_wire::fault::Fault;

/// 404.
pub fn no_such_entity(message: impl Into<String>) -> Fault {
    Fault::new(404, "NoSuchEntity", message)
}

/// A user or role that does not exist.
pub fn no_such_holder(noun: &str, name: &str) -> Fault {
    no_such_entity(format!("The {noun} with name {name} cannot be found."))
}

/// 409: the name is taken.
pub fn already_exists(message: impl Into<String>) -> Fault {
    Fault::new(409, "EntityAlreadyExists", message)
}

/// 409: something hangs on it.
pub fn delete_conflict(message: impl Into<String>) -> Fault {
    Fault::new(409, "DeleteConflict", message)
}

/// 409: a quota.
pub fn limit_exceeded(quota: &str, limit: usize) -> Fault {
    Fault::new(409, "LimitExceeded", format!("Cannot exceed quota for {quota}: {limit}"))
}

/// 400: a rule of IAM beyond the model's.
pub fn validation(message: impl Into<String>) -> Fault {
    Fault::client("ValidationError", message)
}
