//! What RunInstances is asked for: its own parameters over those of a launch template, and what becomes of them once
//! names are resolved and rules are checked.

use std::net::Ipv4Addr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cove_aws_wire::fault::Fault;
use ipnet::Ipv4Net;
use serde::Deserialize;
use serde_json::Value;

use crate::ec2::addresses::{assignable, block};
use crate::ec2::catalog::{InstanceType, instance_type, offered_in};
use crate::ec2::describe::find;
use crate::ec2::faults::{invalid_combination, invalid_parameter, missing_parameter};
use crate::ec2::groups::SecurityGroup;
use crate::ec2::images::{Image, image_by_id};
use crate::ec2::instances::{GroupIdentifier, MetadataOptions, ProfileOfInstance};
use crate::ec2::state::{Subnet, Vpc};
use crate::ec2::tags::TagSpecification;
use crate::iam::authorize::pass_role;
use crate::iam::state::{InstanceProfile, Role, key_of};
use crate::ids::Ids;
use crate::limits;
use crate::operation::Cx;

/// The input of RunInstances, with a launch template's data already beneath it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct RunInput {
    /// At most so many.
    pub max_count: usize,
    /// At least so many.
    pub min_count: usize,
    /// The image.
    pub image_id: Option<String>,
    /// The type.
    pub instance_type: Option<String>,
    /// The subnet.
    pub subnet_id: Option<String>,
    /// Security groups.
    pub security_group_ids: Vec<String>,
    /// Security groups of the default VPC by name.
    pub security_groups: Vec<String>,
    /// Zone and tenancy.
    pub placement: Placement,
    /// User data, base64.
    pub user_data: Option<String>,
    /// Tags of what is made.
    pub tag_specifications: Vec<TagSpecification>,
    /// The instance profile.
    pub iam_instance_profile: Option<ProfileInput>,
    /// Makes the call idempotent.
    pub client_token: String,
    /// The primary interface.
    pub network_interfaces: Vec<InterfaceInput>,
    /// A wanted address.
    pub private_ip_address: Option<Ipv4Addr>,
    /// Disks that differ from the image's.
    pub block_device_mappings: Vec<DiskInput>,
    /// Detailed monitoring.
    pub monitoring: Monitoring,
    /// The metadata service.
    pub metadata_options: MetadataInput,
    /// EBS optimization.
    pub ebs_optimized: bool,
    /// Spot or on-demand.
    pub instance_market_options: Option<MarketInput>,
    /// Whether TerminateInstances is refused.
    pub disable_api_termination: bool,
    /// A key pair.
    pub key_name: Option<String>,
    /// What `shutdown` inside does; instances cannot be stopped yet, so only `terminate` and the default are told
    /// apart by nobody.
    pub instance_initiated_shutdown_behavior: Option<String>,
    /// CPU credits; simulated CPUs do not burst.
    pub credit_specification: Option<Value>,
}

/// Where to.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct Placement {
    /// The zone.
    pub availability_zone: Option<String>,
    /// The zone by id.
    pub availability_zone_id: Option<String>,
    /// Only `default`.
    pub tenancy: Option<String>,
    /// Only empty.
    pub group_name: Option<String>,
}

/// An instance profile by name or ARN.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct ProfileInput {
    /// By name.
    pub name: Option<String>,
    /// By ARN.
    pub arn: Option<String>,
}

/// The primary interface.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct InterfaceInput {
    /// Only 0.
    pub device_index: i64,
    /// Only 0.
    pub network_card_index: i64,
    /// Whether it gets a public address.
    pub associate_public_ip_address: Option<bool>,
    /// Whether it goes with the instance.
    pub delete_on_termination: Option<bool>,
    /// The description.
    pub description: Option<String>,
    /// Security groups.
    pub groups: Vec<String>,
    /// The subnet.
    pub subnet_id: Option<String>,
    /// A wanted address.
    pub private_ip_address: Option<Ipv4Addr>,
    /// Only `interface`.
    pub interface_type: Option<String>,
}

/// A disk.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct DiskInput {
    /// `/dev/xvda`.
    pub device_name: Option<String>,
    /// The volume.
    pub ebs: DiskVolume,
}

/// A disk's volume.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct DiskVolume {
    /// Whether it goes with the instance.
    pub delete_on_termination: Option<bool>,
    /// GiB.
    pub volume_size: Option<u64>,
    /// `gp3`.
    pub volume_type: Option<String>,
    /// Provisioned operations; nothing is throttled.
    pub iops: Option<u64>,
    /// Provisioned throughput; nothing is throttled.
    pub throughput: Option<u64>,
    /// Encryption; nothing is stored.
    pub encrypted: Option<bool>,
    /// The key of the encryption.
    pub kms_key_id: Option<String>,
}

/// Detailed monitoring.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct Monitoring {
    /// Whether it is on.
    pub enabled: bool,
}

/// Spot or on-demand.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct MarketInput {
    /// Only `spot`.
    pub market_type: Option<String>,
    /// Price and persistence; Cove's spot instances are never outbid.
    pub spot_options: Option<Value>,
}

/// The metadata service.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct MetadataInput {
    http_tokens: Option<String>,
    http_put_response_hop_limit: Option<u32>,
    http_endpoint: Option<String>,
    http_protocol_ipv6: Option<String>,
    instance_metadata_tags: Option<String>,
}

impl MetadataInput {
    /// With the defaults of the images that Cove has (AL2023's: tokens are required).
    pub fn resolve(self) -> MetadataOptions {
        let default = MetadataOptions::default();
        MetadataOptions {
            http_tokens: self.http_tokens.unwrap_or(default.http_tokens),
            http_put_response_hop_limit: self
                .http_put_response_hop_limit
                .unwrap_or(default.http_put_response_hop_limit),
            http_endpoint: self.http_endpoint.unwrap_or(default.http_endpoint),
            http_protocol_ipv6: self.http_protocol_ipv6.unwrap_or(default.http_protocol_ipv6),
            instance_metadata_tags: self.instance_metadata_tags.unwrap_or(default.instance_metadata_tags),
        }
    }
}

/// What will be launched, resolved and checked.
pub struct LaunchSpec {
    /// The image.
    pub image: Image,
    /// The type.
    pub instance_type: &'static InstanceType,
    /// The subnet.
    pub subnet: Subnet,
    /// Its block.
    pub block: Ipv4Net,
    /// Its VPC.
    pub vpc: Vpc,
    /// Security groups.
    pub groups: Vec<GroupIdentifier>,
    /// The instance profile.
    pub profile: Option<ProfileOfInstance>,
    /// The primary interface's options.
    pub interface: InterfaceInput,
    /// A wanted address.
    pub wanted_ip: Option<Ipv4Addr>,
}

/// Resolves and checks an input.
pub async fn resolve(cx: &Cx, input: &RunInput) -> Result<LaunchSpec, Fault> {
    check_simple(input)?;
    let image = image(cx, input)?;
    let instance_type = machine(cx, input, &image)?;
    let interface = primary_interface(input)?;
    let subnet = subnet(cx, input, &interface, instance_type).await?;
    check_offered(cx, instance_type, &subnet)?;
    let vpc = find::<Vpc>(cx, &subnet.vpc_id).await?;
    let groups = groups(cx, input, &interface, &vpc).await?;
    let block = block(&subnet.cidr_block)?;
    let wanted_ip = interface.private_ip_address.or(input.private_ip_address);
    check_wanted(input, block, wanted_ip)?;
    let profile = profile(cx, input).await?;
    Ok(LaunchSpec { image, instance_type, subnet, block, vpc, groups, profile, interface, wanted_ip })
}

fn check_simple(input: &RunInput) -> Result<(), Fault> {
    if input.min_count < 1 || input.max_count < 1 {
        return Err(invalid_parameter("Value (0) for parameter minCount is invalid. Expected a positive number."));
    }
    if input.min_count > input.max_count {
        let message = format!(
            "Value ({}) for parameter maxCount is invalid. Expecting a value greater than or equal to minCount ({}).",
            input.max_count, input.min_count
        );
        return Err(invalid_parameter(message));
    }
    if input.max_count > limits::INSTANCES_PER_CALL {
        let message = format!(
            "You have requested more instances ({}) than your current instance limit of {} allows for the specified instance type.",
            input.max_count,
            limits::INSTANCES_PER_CALL
        );
        return Err(Fault::client("InstanceLimitExceeded", message));
    }
    if let Some(key) = &input.key_name {
        return Err(Fault::client("InvalidKeyPair.NotFound", format!("The key pair '{key}' does not exist")));
    }
    if let Some(tenancy) = input.placement.tenancy.as_deref().filter(|tenancy| *tenancy != "default") {
        return Err(Fault::client("UnsupportedOperation", format!("Cove has no {tenancy} tenancy yet")));
    }
    if let Some(group) = input.placement.group_name.as_deref().filter(|group| !group.is_empty()) {
        return Err(Fault::client(
            "InvalidPlacementGroup.Unknown",
            format!("The Placement Group '{group}' is unknown."),
        ));
    }
    check_user_data(input.user_data.as_deref())
}

/// User data must be base64 and not too long.
pub fn check_user_data(user_data: Option<&str>) -> Result<(), Fault> {
    let Some(text) = user_data else { return Ok(()) };
    let decoded = decode_user_data(text)
        .ok_or_else(|| Fault::client("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data."))?;
    match decoded.len() > limits::USER_DATA_BYTES {
        true => Err(invalid_parameter("User data is limited to 16384 bytes")),
        false => Ok(()),
    }
}

/// User data as the instance gets it.
pub fn decode_user_data(text: &str) -> Option<Vec<u8>> {
    let packed: String = text.split_whitespace().collect();
    STANDARD.decode(packed).ok()
}

fn image(cx: &Cx, input: &RunInput) -> Result<Image, Fault> {
    let Some(id) = &input.image_id else { return Err(missing_parameter("ImageId")) };
    if !id.starts_with("ami-") {
        return Err(Fault::client("InvalidAMIID.Malformed", format!("Invalid id: \"{id}\" (expecting \"ami-...\")")));
    }
    image_by_id(&cx.region, id)
        .ok_or_else(|| Fault::client("InvalidAMIID.NotFound", format!("The image id '[{id}]' does not exist")))
}

fn machine(cx: &Cx, input: &RunInput, image: &Image) -> Result<&'static InstanceType, Fault> {
    let name = input.instance_type.as_deref().unwrap_or("m1.small");
    let found =
        instance_type(name).ok_or_else(|| invalid_parameter(format!("Invalid value '{name}' for InstanceType.")))?;
    if offered_in(name, &cx.region).is_empty() {
        return Err(Fault::client(
            "Unsupported",
            "The requested configuration is currently not supported. Please check the documentation for supported configurations.",
        ));
    }
    if found.arch() != image.arch {
        return Err(invalid_parameter(format!(
            "The architecture '{}' of the specified instance type does not match the architecture '{}' of the specified AMI. Specify an instance type and an AMI that have matching architectures, and try again. You can use 'describe-instance-types' or 'describe-images' to discover the architecture of the instance type or AMI.",
            found.arch(),
            image.arch
        )));
    }
    Ok(found)
}

fn primary_interface(input: &RunInput) -> Result<InterfaceInput, Fault> {
    let interface = match &input.network_interfaces[..] {
        [] => return Ok(InterfaceInput::default()),
        [one] if one.device_index == 0 && one.network_card_index == 0 => one.clone(),
        [_] => return Err(invalid_parameter("Each network interface requires a device index; the first must be 0.")),
        _ => {
            return Err(Fault::client(
                "UnsupportedOperation",
                "Cove launches instances with one network interface so far",
            ));
        }
    };
    if input.subnet_id.is_some() || !input.security_group_ids.is_empty() || !input.security_groups.is_empty() {
        return Err(invalid_combination(
            "Network interfaces and an instance-level security groups may not be specified on the same request",
        ));
    }
    match interface.interface_type.as_deref().filter(|kind| *kind != "interface") {
        Some(kind) => {
            Err(Fault::client("UnsupportedOperation", format!("Cove has no network interfaces of type {kind} yet")))
        }
        None => Ok(interface),
    }
}

async fn subnet(
    cx: &Cx,
    input: &RunInput,
    interface: &InterfaceInput,
    instance_type: &InstanceType,
) -> Result<Subnet, Fault> {
    let zone = |subnet: &Subnet| {
        let place = &input.placement;
        place.availability_zone.as_ref().is_none_or(|name| *name == subnet.availability_zone)
            && place.availability_zone_id.as_ref().is_none_or(|id| *id == subnet.availability_zone_id)
    };
    if let Some(id) = interface.subnet_id.as_ref().or(input.subnet_id.as_ref()) {
        let subnet = find::<Subnet>(cx, id).await?;
        return match zone(&subnet) {
            true => Ok(subnet),
            false => Err(invalid_parameter("The availability zone of the subnet and the placement do not match.")),
        };
    }
    let vpcs = cx.records::<Vpc>().await?.list().await?;
    let Some(vpc) = vpcs.into_iter().find(|vpc| vpc.is_default) else {
        return Err(Fault::client(
            "VPCIdNotSpecified",
            "No default VPC for this user. GroupName is only supported for EC2-Classic and default VPC.",
        ));
    };
    let mut subnets = cx.records::<Subnet>().await?.list().await?;
    subnets.retain(|subnet| subnet.vpc_id == vpc.vpc_id && subnet.default_for_az && zone(subnet));
    if subnets.is_empty() {
        let message = format!("No subnets found for the default VPC '{}'. Please specify a subnet.", vpc.vpc_id);
        return Err(Fault::client("MissingInput", message));
    }
    let offered = offered_in(&instance_type.name, &cx.region);
    let fitting: Vec<&Subnet> =
        subnets.iter().filter(|s| offered.iter().any(|zone| zone.name == s.availability_zone)).collect();
    let choice = if fitting.is_empty() { subnets.iter().collect() } else { fitting };
    let index = Ids::regional(cx, 1).await?.below("zone", choice.len() as u64) as usize;
    Ok(choice[index].clone())
}

fn check_offered(cx: &Cx, instance_type: &InstanceType, subnet: &Subnet) -> Result<(), Fault> {
    let zones: Vec<&str> = offered_in(&instance_type.name, &cx.region).iter().map(|zone| zone.name.as_str()).collect();
    if zones.contains(&subnet.availability_zone.as_str()) {
        return Ok(());
    }
    Err(Fault::client(
        "Unsupported",
        format!(
            "Your requested instance type ({}) is not supported in your requested Availability Zone ({}). Please retry your request by not specifying an Availability Zone or choosing {}.",
            instance_type.name,
            subnet.availability_zone,
            zones.join(", ")
        ),
    ))
}

async fn groups(
    cx: &Cx,
    input: &RunInput,
    interface: &InterfaceInput,
    vpc: &Vpc,
) -> Result<Vec<GroupIdentifier>, Fault> {
    let all = cx.records::<SecurityGroup>().await?.list().await?;
    let mut chosen: Vec<&SecurityGroup> = Vec::new();
    for id in interface.groups.iter().chain(&input.security_group_ids) {
        let group = all.iter().find(|group| group.group_id == *id);
        let group = group.ok_or_else(|| {
            Fault::client("InvalidGroup.NotFound", format!("The security group '{id}' does not exist"))
        })?;
        if group.vpc_id != vpc.vpc_id {
            let message = format!("Security group {id} and subnet belong to different networks.");
            return Err(Fault::client("InvalidParameter", message));
        }
        chosen.push(group);
    }
    for name in &input.security_groups {
        let group = all.iter().find(|group| group.name == *name && group.vpc_id == vpc.vpc_id);
        let message = || format!("The security group '{name}' does not exist in VPC '{}'", vpc.vpc_id);
        chosen.push(group.ok_or_else(|| Fault::client("InvalidGroup.NotFound", message()))?);
    }
    if chosen.is_empty() {
        chosen.extend(all.iter().find(|group| group.name == "default" && group.vpc_id == vpc.vpc_id));
    }
    if chosen.len() > limits::GROUPS_PER_INTERFACE {
        return Err(Fault::client(
            "SecurityGroupsPerInterfaceLimitExceeded",
            "The maximum number of security groups per interface has been reached.",
        ));
    }
    let identify = |g: &&SecurityGroup| GroupIdentifier { group_id: g.group_id.clone(), group_name: g.name.clone() };
    Ok(chosen.iter().map(identify).collect())
}

fn check_wanted(input: &RunInput, block: Ipv4Net, wanted: Option<Ipv4Addr>) -> Result<(), Fault> {
    let Some(ip) = wanted else { return Ok(()) };
    if input.max_count > 1 {
        return Err(invalid_combination("The parameter privateIpAddress cannot be used with more than one instance."));
    }
    match assignable(block, ip) {
        true => Ok(()),
        false if block.contains(&ip) => {
            Err(invalid_parameter(format!("Address {ip} is in subnet's reserved address range")))
        }
        false => Err(invalid_parameter("Address does not fall within the subnet's address range")),
    }
}

async fn profile(cx: &Cx, input: &RunInput) -> Result<Option<ProfileOfInstance>, Fault> {
    let Some(wanted) = &input.iam_instance_profile else { return Ok(None) };
    let (member, word, value) = match (&wanted.name, &wanted.arn) {
        (Some(name), None) => ("name", "name", name),
        (None, Some(arn)) => ("arn", "ARN", arn),
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            let message =
                "The parameter 'iamInstanceProfile.name' may not be used in combination with 'iamInstanceProfile.arn'";
            return Err(invalid_combination(message));
        }
    };
    let name = value.rsplit('/').next().unwrap_or_default();
    let found = cx.global_records::<InstanceProfile>().await?.get(&key_of(name)).await?.map(|record| record.value);
    match found.filter(|p| if member == "arn" { p.arn == *value } else { p.name == *value }) {
        Some(p) => {
            may_pass(cx, &p).await?;
            Ok(Some(ProfileOfInstance { arn: p.arn, id: p.id, role_name: p.role }))
        }
        None => Err(invalid_parameter(format!(
            "Value ({value}) for parameter iamInstanceProfile.{member} is invalid. Invalid IAM Instance Profile {word}"
        ))),
    }
}

/// Whoever starts an instance with a profile gives its role away, and must be allowed to.
async fn may_pass(cx: &Cx, profile: &InstanceProfile) -> Result<(), Fault> {
    let Some(name) = &profile.role else { return Ok(()) };
    match cx.global_records::<Role>().await?.get(&key_of(name)).await? {
        Some(role) => pass_role(cx, "ec2", &role.value.arn).await,
        None => Ok(()),
    }
}
