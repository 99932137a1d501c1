//! Amazon Resource Names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The account that everything in a region belongs to (design section 4).
pub const ACCOUNT: &str = "123456789012";
/// The partition.
pub const PARTITION: &str = "aws";

/// An ARN in its parts. `region` and `account` may be empty (IAM has no region).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Arn {
    /// `aws`.
    pub partition: String,
    /// The service's prefix, such as `iam`.
    pub service: String,
    /// The region, or empty.
    pub region: String,
    /// Twelve digits, `aws` (managed policies), or empty.
    pub account: String,
    /// Everything behind the fifth colon.
    pub resource: String,
}

impl Arn {
    /// An ARN of Cove's own account.
    pub fn new(service: &str, region: &str, resource: impl Into<String>) -> Self {
        Self {
            partition: PARTITION.into(),
            service: service.into(),
            region: region.into(),
            account: ACCOUNT.into(),
            resource: resource.into(),
        }
    }

    /// An IAM ARN (global, so without a region).
    pub fn iam(resource: impl Into<String>) -> Self {
        Self::new("iam", "", resource)
    }
}

/// The text was no ARN.
#[derive(Debug, thiserror::Error)]
#[error("not an ARN: {0}")]
pub struct ArnError(String);

impl FromStr for Arn {
    type Err = ArnError;

    fn from_str(text: &str) -> Result<Self, ArnError> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        match parts.as_slice() {
            ["arn", partition, service, region, account, resource] => Ok(Self {
                partition: (*partition).into(),
                service: (*service).into(),
                region: (*region).into(),
                account: (*account).into(),
                resource: (*resource).into(),
            }),
            _ => Err(ArnError(text.into())),
        }
    }
}

impl TryFrom<String> for Arn {
    type Error = ArnError;
    fn try_from(text: String) -> Result<Self, ArnError> {
        text.parse()
    }
}

impl From<Arn> for String {
    fn from(arn: Arn) -> String {
        arn.to_string()
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "arn:{}:{}:{}:{}:{}", self.partition, self.service, self.region, self.account, self.resource)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_and_prints() {
        let text = "arn:aws:iam::123456789012:role/path/eks-node";
        let arn: Arn = text.parse().expect("an ARN");
        assert_eq!((arn.service.as_str(), arn.resource.as_str()), ("iam", "role/path/eks-node"));
        assert_eq!(arn.to_string(), text);
        assert!("arn:aws:iam".parse::<Arn>().is_err());
    }
}
