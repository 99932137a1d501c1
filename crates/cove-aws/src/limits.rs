//! Every limit of the services in one place: AWS's quotas and sizes as they stand for a new account, unless a remark
//! says otherwise.

/// Tags of one resource.
pub const TAGS_PER_RESOURCE: usize = 50;
/// Access keys of one IAM user.
pub const ACCESS_KEYS_PER_USER: usize = 2;
/// Managed policies attached to one user or role.
pub const ATTACHED_POLICIES: usize = 10;
/// Inline policies of one user together, white space not counted.
pub const INLINE_BYTES_PER_USER: usize = 2_048;
/// Inline policies of one role together, white space not counted.
pub const INLINE_BYTES_PER_ROLE: usize = 10_240;
/// A managed policy's document, white space not counted.
pub const MANAGED_POLICY_BYTES: usize = 6_144;
/// A trust policy.
pub const TRUST_POLICY_BYTES: usize = 2_048;
/// Versions of one managed policy.
pub const POLICY_VERSIONS: usize = 5;
/// Rules of one security group in one direction.
pub const RULES_PER_SECURITY_GROUP: usize = 60;
/// Security groups of one network interface.
pub const GROUPS_PER_INTERFACE: usize = 5;
/// VPCs of one region.
pub const VPCS_PER_REGION: usize = 5;
/// Subnets of one VPC.
pub const SUBNETS_PER_VPC: usize = 200;
/// Security groups of one region.
pub const SECURITY_GROUPS_PER_REGION: usize = 2_500;
/// Launch templates of one region.
pub const LAUNCH_TEMPLATES_PER_REGION: usize = 5_000;
/// Versions of one launch template.
pub const LAUNCH_TEMPLATE_VERSIONS: usize = 10_000;
/// User data, decoded.
pub const USER_DATA_BYTES: usize = 16_384;
/// Instances that one RunInstances may ask for.
pub const INSTANCES_PER_CALL: usize = 1_000;
/// How long a terminated instance stays describable.
pub const TERMINATED_VISIBLE_S: u64 = 3_600;

/// vCPUs of running on-demand instances per family group: (first letters of the families, quota). AWS starts a new
/// account with 5 standard vCPUs and raises the number with use; Cove starts where an account in use stands.
pub const ON_DEMAND_VCPUS: &[(&[&str], usize)] = &[
    (&["inf"], 768),
    (&["trn"], 768),
    (&["dl"], 192),
    (&["hpc"], 768),
    (&["g", "vt"], 768),
    (&["p"], 768),
    (&["f"], 176),
    (&["x"], 2_048),
    (&["u"], 2_048),
    (STANDARD_FAMILIES, 32_768),
];

/// The families that the standard quota covers.
pub const STANDARD_FAMILIES: &[&str] = &["a", "c", "d", "h", "i", "m", "r", "t", "z"];
