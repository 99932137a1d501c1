//! What the door asks of IAM: whose key is it, and which policies does a principal have. The iam folder implements it
//! over its records.

use std::collections::BTreeMap;

use async_trait::async_trait;
use cove_aws_wire::door::Principal;
use cove_aws_wire::fault::Fault;

/// A long-term access key that may be used.
#[derive(Clone)]
pub struct AccessKey {
    /// The secret.
    pub secret_access_key: String,
    /// Whose: a user's or root's.
    pub principal: Principal,
}

/// A policy as it applies to a principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedPolicy {
    /// The ARN of a managed policy; `None` for inline ones.
    pub arn: Option<String>,
    /// The document.
    pub document: String,
}

/// What applies to a principal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppliedPolicies {
    /// Inline and attached policies, of its groups too.
    pub identity: Vec<AppliedPolicy>,
    /// The permissions boundary.
    pub boundary: Option<AppliedPolicy>,
    /// The tags of the user or role (`aws:PrincipalTag/...`).
    pub tags: BTreeMap<String, String>,
}

/// IAM as the door sees it.
#[async_trait]
pub trait Identities: Send + Sync {
    /// A key by its id. `None` if there is none or it is inactive.
    async fn access_key(&self, access_key_id: &str) -> Result<Option<AccessKey>, Fault>;
    /// The policies of a user or of a role's session. Empty if the user or role does not exist (any more).
    async fn policies_of(&self, principal: &Principal) -> Result<AppliedPolicies, Fault>;
}
