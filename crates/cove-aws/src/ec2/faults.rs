//! EC2's errors in its own words, as far as several operations share them.

use cove_aws_wire::fault::Fault;

/// `InvalidParameterValue`.
pub fn invalid_parameter(message: impl Into<String>) -> Fault {
    Fault::client("InvalidParameterValue", message)
}

/// `MissingParameter`.
pub fn missing_parameter(member: &str) -> Fault {
    Fault::client("MissingParameter", format!("The request must contain the parameter {member}"))
}

/// `InvalidParameterCombination`.
pub fn invalid_combination(message: impl Into<String>) -> Fault {
    Fault::client("InvalidParameterCombination", message)
}

/// An id that cannot be one of its kind.
pub fn malformed_id(code: &str, id: &str, prefix: &str) -> Fault {
    // Security groups spell the stem differently in their two errors.
    let code = if code == "InvalidGroup" { "InvalidGroupId" } else { code };
    Fault::client(&format!("{code}.Malformed"), format!("Invalid id: \"{id}\" (expecting \"{prefix}-...\")"))
}

/// Something still hangs on it.
pub fn dependency(noun: &str, id: &str) -> Fault {
    Fault::client("DependencyViolation", format!("The {noun} '{id}' has dependencies and cannot be deleted."))
}
