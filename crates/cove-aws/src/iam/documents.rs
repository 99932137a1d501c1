//! Policy documents as IAM takes them in: their language (`cove-policy`) and their sizes.

use cove_aws_wire::fault::Fault;
use cove_policy::{Document, Kind};

use super::faults::limit_exceeded;
use crate::limits;

fn parse(document: &str, kind: Kind) -> Result<(), Fault> {
    let parsed = Document::parse(document, kind);
    parsed.map(|_| ()).map_err(|malformed| Fault::client("MalformedPolicyDocument", malformed.to_string()))
}

/// The size that IAM's quotas count: white space is free.
pub fn size(document: &str) -> usize {
    document.chars().filter(|c| !c.is_whitespace()).count()
}

/// Checks a document that is attached to a user or role.
pub fn check_identity_policy(document: &str) -> Result<(), Fault> {
    parse(document, Kind::Identity)
}

/// Checks a managed policy, whose size is bounded by itself.
pub fn check_managed_policy(document: &str) -> Result<(), Fault> {
    parse(document, Kind::Identity)?;
    match size(document) > limits::MANAGED_POLICY_BYTES {
        true => Err(limit_exceeded("PolicySize", limits::MANAGED_POLICY_BYTES)),
        false => Ok(()),
    }
}

/// Checks a role's trust policy.
pub fn check_trust(document: &str) -> Result<(), Fault> {
    parse(document, Kind::Trust)?;
    match size(document) > limits::TRUST_POLICY_BYTES {
        true => Err(limit_exceeded("ACLSizePerRole", limits::TRUST_POLICY_BYTES)),
        false => Ok(()),
    }
}
