//! IAM's records. They live in the space of the account, not of a region.

use std::collections::BTreeMap;

use cove_aws_wire::fault::Fault;
use serde::{Deserialize, Serialize};

use crate::records::Resource;

/// A tag, as IAM and STS spell it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Tag {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
}

/// A managed policy that is attached to someone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AttachedPolicy {
    /// Its name.
    pub policy_name: String,
    /// Its ARN.
    pub policy_arn: String,
}

/// What a user and a role have in common.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Holdings {
    /// Tags in the order in which they were set.
    pub tags: Vec<Tag>,
    /// Inline policies by name.
    pub inline: BTreeMap<String, String>,
    /// Attached policies in the order in which they were attached.
    pub attached: Vec<AttachedPolicy>,
    /// The ARN of the permissions boundary.
    pub boundary: Option<String>,
}

/// Someone who holds policies.
pub trait Holder: Resource {
    /// `user` or `role`, as messages say it.
    const NOUN: &'static str;
    /// Its name.
    fn name(&self) -> &str;
    /// What it holds.
    fn holdings(&self) -> &Holdings;
    /// What it holds.
    fn holdings_mut(&mut self) -> &mut Holdings;
    /// Refuses changes of what only AWS may change.
    fn check_changeable(&self) -> Result<(), Fault>;
}

/// A user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct User {
    /// Its path.
    pub path: String,
    /// Its name.
    pub name: String,
    /// `AIDA...`.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// Seconds since the epoch.
    pub created: i64,
    /// Policies and tags.
    pub holdings: Holdings,
}

impl Resource for User {
    const KIND: &'static str = "iam/user";
    fn id(&self) -> String {
        key_of(&self.name)
    }
}

impl Holder for User {
    const NOUN: &'static str = "user";
    fn name(&self) -> &str {
        &self.name
    }
    fn holdings(&self) -> &Holdings {
        &self.holdings
    }
    fn holdings_mut(&mut self) -> &mut Holdings {
        &mut self.holdings
    }
    fn check_changeable(&self) -> Result<(), Fault> {
        Ok(())
    }
}

/// A role.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Role {
    /// Its path.
    pub path: String,
    /// Its name.
    pub name: String,
    /// `AROA...`.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// Seconds since the epoch.
    pub created: i64,
    /// The trust policy.
    pub trust: String,
    /// The description.
    pub description: Option<String>,
    /// The longest session in seconds.
    pub max_session_s: i64,
    /// The service that the role is linked to.
    pub linked_service: Option<String>,
    /// Policies and tags.
    pub holdings: Holdings,
}

impl Resource for Role {
    const KIND: &'static str = "iam/role";
    fn id(&self) -> String {
        key_of(&self.name)
    }
}

impl Holder for Role {
    const NOUN: &'static str = "role";
    fn name(&self) -> &str {
        &self.name
    }
    fn holdings(&self) -> &Holdings {
        &self.holdings
    }
    fn holdings_mut(&mut self) -> &mut Holdings {
        &mut self.holdings
    }
    fn check_changeable(&self) -> Result<(), Fault> {
        match self.linked_service {
            None => Ok(()),
            Some(_) => Err(Fault::client(
                "UnmodifiableEntity",
                format!(
                    "Cannot perform the operation on the protected role '{}' - this role is only modifiable by AWS",
                    self.name
                ),
            )),
        }
    }
}

/// A long-term access key. Has no `Debug`: a secret must not get into a log.
#[derive(Clone, Serialize, Deserialize)]
pub struct AccessKey {
    /// `AKIA...`.
    pub id: String,
    /// The secret.
    pub secret: String,
    /// Whose; `None` for root.
    pub user_name: Option<String>,
    /// Whether it may be used.
    pub active: bool,
    /// Seconds since the epoch.
    pub created: i64,
}

impl Resource for AccessKey {
    const KIND: &'static str = "iam/access-key";
    fn id(&self) -> String {
        self.id.clone()
    }
}

/// A version of a managed policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PolicyVersion {
    /// `v1`.
    pub id: String,
    /// The document.
    pub document: String,
    /// Seconds since the epoch.
    pub created: i64,
}

/// A managed policy: the account's own as a record, AWS's from data.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Policy {
    /// Its path.
    pub path: String,
    /// Its name.
    pub name: String,
    /// `ANPA...`.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// The description.
    pub description: Option<String>,
    /// Seconds since the epoch.
    pub created: i64,
    /// Seconds since the epoch.
    pub updated: i64,
    /// Tags.
    pub tags: Vec<Tag>,
    /// Versions, oldest first.
    pub versions: Vec<PolicyVersion>,
    /// Which of them counts.
    pub default_version: String,
    /// The number of the next version.
    pub next_version: u32,
}

impl Policy {
    /// The document that counts.
    pub fn document(&self) -> &str {
        self.versions.iter().find(|v| v.id == self.default_version).map_or("", |v| v.document.as_str())
    }
}

impl Resource for Policy {
    const KIND: &'static str = "iam/policy";
    fn id(&self) -> String {
        key_of(&self.name)
    }
}

/// An instance profile.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InstanceProfile {
    /// Its path.
    pub path: String,
    /// Its name.
    pub name: String,
    /// `AIPA...`.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// Seconds since the epoch.
    pub created: i64,
    /// The name of its role.
    pub role: Option<String>,
    /// Tags.
    pub tags: Vec<Tag>,
}

impl Resource for InstanceProfile {
    const KIND: &'static str = "iam/instance-profile";
    fn id(&self) -> String {
        key_of(&self.name)
    }
}

/// Names are unique without regard to case, and looked up with it.
pub fn key_of(name: &str) -> String {
    name.to_ascii_lowercase()
}
