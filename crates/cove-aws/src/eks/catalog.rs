//! What EKS offers: Kubernetes versions, AMI types and releases, access policies. Read from the tables in `data/`.

use std::sync::LazyLock;

use cove_base::Timestamp;

/// The version that a cluster gets whose creator names none.
pub const DEFAULT_VERSION: &str = "1.35";
/// The platform version of a Kubernetes version whose first one is not known.
const FIRST_PLATFORM_VERSION: &str = "eks.4";

/// A Kubernetes version of EKS.
#[derive(Debug)]
pub struct Version {
    /// Such as `1.35`.
    pub name: &'static str,
    /// When EKS released it.
    pub released: Timestamp,
    /// End of standard support.
    pub end_standard: Timestamp,
    /// End of extended support.
    pub end_extended: Option<Timestamp>,
    /// The newest platform version.
    pub platform_version: &'static str,
    /// The patch version of its control planes.
    pub patch: &'static str,
}

/// How a version is supported at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// Standard support.
    Standard,
    /// Extended support.
    Extended,
    /// None.
    None,
}

impl Version {
    /// How it is supported at `now`.
    pub fn support(&self, now: Timestamp) -> Support {
        match self.end_extended {
            _ if now < self.end_standard => Support::Standard,
            Some(end) if now < end => Support::Extended,
            _ => Support::None,
        }
    }

    /// The minor number.
    pub fn minor(&self) -> u32 {
        minor(self.name)
    }
}

/// The minor number of `1.35`; 0 for what is no version.
pub fn minor(version: &str) -> u32 {
    version.strip_prefix("1.").and_then(|m| m.parse().ok()).unwrap_or(0)
}

/// The oldest and the newest version whose API Cove serves.
const SERVED: std::ops::RangeInclusive<u32> = 32..=36;

/// All versions that EKS ever had, newest first.
pub fn versions() -> &'static [Version] {
    static VERSIONS: LazyLock<Vec<Version>> =
        LazyLock::new(|| rows(include_str!("../../data/eks-versions.tsv")).filter_map(|c| version_row(&c)).collect());
    &VERSIONS
}

fn version_row(cells: &[&'static str]) -> Option<Version> {
    let [name, released, end_standard, end_extended, platform, patch] = *cells else { return None };
    Some(Version {
        name,
        released: day(released)?,
        end_standard: day(end_standard)?,
        end_extended: day(end_extended),
        platform_version: if platform.is_empty() { FIRST_PLATFORM_VERSION } else { platform },
        patch,
    })
}

/// The version of that name, if a cluster can be made of it: Cove serves the API of 1.32 to 1.36 and does not let a
/// version lapse by its date, since its users test upgrades of what they have.
pub fn offered(name: &str) -> Option<&'static Version> {
    version(name).filter(|v| SERVED.contains(&v.minor()))
}

/// The version of that name.
pub fn version(name: &str) -> Option<&'static Version> {
    versions().iter().find(|v| v.name == name)
}

/// An AMI type of managed node groups.
#[derive(Debug)]
pub struct AmiType {
    /// Such as `AL2023_x86_64_STANDARD`.
    pub name: &'static str,
    /// `x86_64`, `arm64`, empty for `CUSTOM`.
    pub architecture: &'static str,
    /// `AL2023`, `AL2`, `Bottlerocket`, `Windows`, `custom`.
    pub family: &'static str,
    /// The newest Kubernetes minor that has it; 0 if it goes on.
    pub max_minor: u32,
}

/// The AMI type of that name.
pub fn ami_type(name: &str) -> Option<&'static AmiType> {
    static TYPES: LazyLock<Vec<AmiType>> =
        LazyLock::new(|| rows(include_str!("../../data/eks-ami-types.tsv")).filter_map(|c| ami_type_row(&c)).collect());
    TYPES.iter().find(|t| t.name == name)
}

fn ami_type_row(cells: &[&'static str]) -> Option<AmiType> {
    let [name, architecture, family, max] = *cells else { return None };
    Some(AmiType { name, architecture, family, max_minor: minor(max) })
}

/// The access policies, sorted by name.
pub const ACCESS_POLICIES: &[&str] = &[
    "AmazonAIOpsAssistantPolicy",
    "AmazonARCRegionSwitchScalingPolicy",
    "AmazonEKSAdminPolicy",
    "AmazonEKSAdminViewPolicy",
    "AmazonEKSAutoNodePolicy",
    "AmazonEKSBlockStorageClusterPolicy",
    "AmazonEKSBlockStoragePolicy",
    "AmazonEKSClusterAdminPolicy",
    "AmazonEKSClusterInsightsPolicy",
    "AmazonEKSComputeClusterPolicy",
    "AmazonEKSComputePolicy",
    "AmazonEKSEditPolicy",
    "AmazonEKSHybridPolicy",
    "AmazonEKSLoadBalancingClusterPolicy",
    "AmazonEKSLoadBalancingPolicy",
    "AmazonEKSNetworkingClusterPolicy",
    "AmazonEKSNetworkingPolicy",
    "AmazonEKSSecretReaderPolicy",
    "AmazonEKSViewPolicy",
];

/// How the ARN of an access policy begins.
pub const ACCESS_POLICY_PREFIX: &str = "arn:aws:eks::aws:cluster-access-policy/";

fn rows(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    table.lines().filter(|l| !l.starts_with('#')).map(|l| l.split('\t').collect())
}

fn day(text: &str) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read_completely() {
        assert_eq!(versions().len(), 19);
        let default = offered(DEFAULT_VERSION).expect("the default version");
        assert_eq!((default.platform_version, default.minor()), ("eks.9", 35));
        let at = |text| Timestamp::parse_rfc3339(text).expect("a time");
        assert_eq!(default.support(at("2026-11-25T00:00:00Z")), Support::Standard);
        assert_eq!(default.support(at("2027-11-25T00:00:00Z")), Support::Extended);
        assert!(offered("1.31").is_none() && offered("9.99").is_none() && offered("").is_none());
        assert!(ami_type("AL2023_x86_64_STANDARD").is_some_and(|t| t.architecture == "x86_64" && t.max_minor == 0));
        assert!(ami_type("AL2_x86_64").is_some_and(|t| t.max_minor == 32));
        assert!(ACCESS_POLICIES.is_sorted());
    }
}
