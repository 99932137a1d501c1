//! Denials in each service's own words (facts: iam-notes.md 28-37).

use cove_aws_wire::fault::Fault;
use cove_aws_wire::model::Protocol;
use cove_policy::{Denial, PolicyType};

/// IAM names roles in these denials by their name alone.
const BY_ROLE_NAME: &[&str] = &["iam:GetRole", "iam:ListAttachedRolePolicies"];

/// A refused permission.
pub struct Refused<'a> {
    /// The principal's ARN.
    pub principal: &'a str,
    /// The action.
    pub action: &'a str,
    /// The resource, `*` if the action knows none.
    pub resource: &'a str,
    /// What decided.
    pub denial: Denial,
    /// The ARN of the managed policy that denies explicitly.
    pub policy_arn: Option<&'a str>,
}

impl Refused<'_> {
    /// The fault in the words of the protocol's services.
    pub fn fault(&self, protocol: Protocol) -> Fault {
        match protocol {
            Protocol::Ec2 => {
                let sentence = self.sentence(self.resource != "*");
                let text = format!("You are not authorized to perform this operation. {sentence}");
                Fault::new(403, "UnauthorizedOperation", text)
            }
            Protocol::Query => Fault::new(403, "AccessDenied", self.sentence(true)),
            Protocol::RestJson => Fault::new(403, "AccessDeniedException", self.sentence(true)),
            Protocol::Json => Fault::client("AccessDeniedException", self.sentence(true)),
        }
    }

    fn sentence(&self, with_resource: bool) -> String {
        let Self { principal, action, resource, .. } = self;
        let role_name = resource.split_once(":role/").map(|(_, path)| path.rsplit('/').next().unwrap_or(path));
        let resource = match role_name {
            Some(name) if BY_ROLE_NAME.contains(action) => format!("role {name}"),
            _ => resource.to_string(),
        };
        let on = if with_resource { format!(" on resource: {resource}") } else { String::new() };
        format!("User: {principal} is not authorized to perform: {action}{on} {}", self.why())
    }

    fn why(&self) -> String {
        let noun = match self.denial.policy_type {
            PolicyType::Identity => "identity-based policy",
            PolicyType::Boundary => "permissions boundary",
            PolicyType::Session => "session policy",
        };
        match (self.denial.explicit, self.policy_arn) {
            (None, _) => format!("because no {noun} allows the {} action", self.action),
            (Some(_), arn) => {
                let article = if self.denial.policy_type == PolicyType::Identity { "an" } else { "a" };
                let which = arn.map(|arn| format!(": {arn}")).unwrap_or_default();
                format!("with an explicit deny in {article} {noun}{which}")
            }
        }
    }
}
