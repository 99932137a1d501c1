//! The errors of the Auto Scaling API.

use cove_aws_wire::fault::Fault;

/// `ValidationError`.
pub fn validation(message: impl Into<String>) -> Fault {
    Fault::client("ValidationError", message)
}

/// There is no such group.
pub fn no_group(name: &str) -> Fault {
    validation(format!("AutoScalingGroup name not found - no such group: {name}"))
}

/// What Cove does not do yet, refused by its name.
pub fn unsupported(what: &str) -> Fault {
    Fault::new(501, "NotImplemented", format!("Cove does not support {what} yet"))
}
