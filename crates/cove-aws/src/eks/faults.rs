//! The errors of the EKS API, each with the wording that clients know.

use cove_aws_wire::fault::Fault;

/// `ResourceNotFoundException` for a cluster.
pub fn no_cluster(name: &str) -> Fault {
    Fault::new(404, "ResourceNotFoundException", format!("No cluster found for name: {name}."))
        .with("clusterName", name)
}

/// `ResourceNotFoundException` for a node group.
pub fn no_nodegroup(cluster: &str, name: &str) -> Fault {
    Fault::new(404, "ResourceNotFoundException", format!("No node group found for name: {name}."))
        .with("clusterName", cluster)
        .with("nodegroupName", name)
}

/// `ResourceNotFoundException`.
pub fn not_found(cluster: &str, message: impl Into<String>) -> Fault {
    Fault::new(404, "ResourceNotFoundException", message).with("clusterName", cluster)
}

/// `ResourceInUseException`.
pub fn in_use(cluster: &str, message: impl Into<String>) -> Fault {
    Fault::new(409, "ResourceInUseException", message).with("clusterName", cluster)
}

/// `InvalidParameterException`.
pub fn parameter(cluster: &str, message: impl Into<String>) -> Fault {
    let fault = Fault::client("InvalidParameterException", message);
    if cluster.is_empty() { fault } else { fault.with("clusterName", cluster) }
}

/// `InvalidRequestException`.
pub fn request(cluster: &str, message: impl Into<String>) -> Fault {
    Fault::client("InvalidRequestException", message).with("clusterName", cluster)
}

/// `ResourceLimitExceededException`.
pub fn limit(cluster: &str, message: impl Into<String>) -> Fault {
    Fault::client("ResourceLimitExceededException", message).with("clusterName", cluster)
}

/// What Cove does not do yet, refused by its name.
pub fn unsupported(what: &str) -> Fault {
    Fault::new(501, "NotImplementedException", format!("Cove does not support {what} yet"))
}
