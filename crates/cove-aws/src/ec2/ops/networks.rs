//! VPCs and subnets.

use cove_aws_wire::fault::Fault;
use cove_store::{Txn, TxnResult};
use ipnet::Ipv4Net;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::ec2::addresses::{block, usable};
use crate::ec2::catalog::{Zone, zones};
use crate::ec2::default_vpc::{default_acl, default_group, ensure, main_route_table};
use crate::ec2::describe::{Described, find};
use crate::ec2::faults::{dependency, invalid_parameter, missing_parameter};
use crate::ec2::groups::SecurityGroup;
use crate::ec2::instances::Interface;
use crate::ec2::state::{CidrAssociation, InternetGateway, NetworkAcl, RouteTable, Subnet, Vpc};
use crate::ec2::tags::{TagSpecification, tags_for};
use crate::ids::Ids;
use crate::limits;
use crate::operation::Cx;
use crate::records::{Records, encode, store_fault};

/// The input of the operations on VPCs.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct VpcInput {
    vpc_id: String,
    cidr_block: Option<String>,
    instance_tenancy: Option<String>,
    amazon_provided_ipv6_cidr_block: bool,
    tag_specifications: Vec<TagSpecification>,
    attribute: Option<String>,
    enable_dns_support: Option<Flag>,
    enable_dns_hostnames: Option<Flag>,
}

/// An `AttributeBooleanValue`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Flag {
    value: bool,
}

/// `CreateVpc`, with the route table, group and ACL that a VPC always has.
pub async fn create_vpc(cx: Cx, input: VpcInput) -> Result<Value, Fault> {
    let Some(text) = &input.cidr_block else { return Err(missing_parameter("cidrBlock")) };
    if input.amazon_provided_ipv6_cidr_block {
        return Err(Fault::client("UnsupportedOperation", "Cove has no IPv6 in VPCs yet"));
    }
    let tenancy = input.instance_tenancy.unwrap_or_else(|| "default".into());
    if tenancy != "default" {
        return Err(Fault::client("UnsupportedOperation", format!("Cove has no {tenancy} tenancy yet")));
    }
    let range = parse_block(text, "InvalidVpc.Range")?;
    let records = cx.records::<Vpc>().await?;
    if records.list().await?.len() >= limits::VPCS_PER_REGION {
        return Err(Fault::client("VpcLimitExceeded", "The maximum number of VPCs has been reached."));
    }
    let mut ids = Ids::regional(&cx, 8).await?;
    let vpc = Vpc {
        vpc_id: ids.ec2("vpc"),
        cidr_block: range.to_string(),
        cidr_block_association_set: vec![CidrAssociation {
            association_id: ids.ec2("vpc-cidr-assoc"),
            cidr_block: range.to_string(),
        }],
        dhcp_options_id: ensure(&cx).await?.dhcp_options_id,
        instance_tenancy: tenancy,
        is_default: false,
        enable_dns_support: true,
        enable_dns_hostnames: false,
        tags: tags_for(&cx, &input.tag_specifications, "vpc", &["vpc"])?,
    };
    let table = main_route_table(&mut ids, &vpc);
    let acl = default_acl(&mut ids, &vpc);
    let group = default_group(&mut ids, &vpc);
    let txn = Txn::new()
        .put(Records::<Vpc>::key(&vpc.vpc_id), encode(&vpc)?)
        .put(Records::<RouteTable>::key(&table.route_table_id), encode(&table)?)
        .put(Records::<NetworkAcl>::key(&acl.network_acl_id), encode(&acl)?)
        .put(Records::<SecurityGroup>::key(&group.group_id), encode(&group)?);
    records.space().txn(txn).await.map_err(store_fault)?;
    Ok(json!({ "Vpc": vpc.view() }))
}

/// A block between /16 and /28; bits behind the prefix are dropped, as EC2 drops them.
fn parse_block(text: &str, code: &str) -> Result<Ipv4Net, Fault> {
    let block: Ipv4Net = text.parse().map_err(|_| {
        let message = format!("Value ({text}) for parameter cidrBlock is invalid. This is not a valid CIDR block.");
        invalid_parameter(message)
    })?;
    match (16..=28).contains(&block.prefix_len()) {
        true => Ok(block.trunc()),
        false => Err(Fault::client(code, format!("The CIDR '{text}' is invalid."))),
    }
}

/// `DeleteVpc`, unless something but its own furniture is in it.
pub async fn delete_vpc(cx: Cx, input: VpcInput) -> Result<Value, Fault> {
    let vpc = find::<Vpc>(&cx, &input.vpc_id).await?;
    let of = |vpc_id: &str| vpc_id == vpc.vpc_id;
    let subnets = cx.records::<Subnet>().await?.list().await?;
    let gateways = cx.records::<InternetGateway>().await?.list().await?;
    let groups = cx.records::<SecurityGroup>().await?.list().await?;
    let tables = cx.records::<RouteTable>().await?.list().await?;
    let acls = cx.records::<NetworkAcl>().await?.list().await?;
    let occupied = subnets.iter().any(|s| of(&s.vpc_id))
        || gateways.iter().any(|g| g.attachments.iter().any(|a| of(&a.vpc_id)))
        || groups.iter().any(|g| of(&g.vpc_id) && g.name != "default")
        || tables.iter().any(|t| of(&t.vpc_id) && !t.associations.iter().any(|a| a.main));
    if occupied {
        return Err(dependency("vpc", &vpc.vpc_id));
    }
    let mut txn = Txn::new().delete(Records::<Vpc>::key(&vpc.vpc_id));
    for table in tables.iter().filter(|t| of(&t.vpc_id)) {
        txn = txn.delete(Records::<RouteTable>::key(&table.route_table_id));
    }
    for group in groups.iter().filter(|g| of(&g.vpc_id)) {
        txn = txn.delete(Records::<SecurityGroup>::key(&group.group_id));
    }
    for acl in acls.iter().filter(|acl| of(&acl.vpc_id)) {
        txn = txn.delete(Records::<NetworkAcl>::key(&acl.network_acl_id));
    }
    cx.records::<Vpc>().await?.space().txn(txn).await.map_err(store_fault)?;
    Ok(json!({}))
}

/// `DescribeVpcAttribute`.
pub async fn describe_vpc_attribute(cx: Cx, input: VpcInput) -> Result<Value, Fault> {
    let vpc = find::<Vpc>(&cx, &input.vpc_id).await?;
    let (member, value) = match input.attribute.as_deref() {
        Some("enableDnsSupport") => ("EnableDnsSupport", vpc.enable_dns_support),
        Some("enableDnsHostnames") => ("EnableDnsHostnames", vpc.enable_dns_hostnames),
        Some("enableNetworkAddressUsageMetrics") => ("EnableNetworkAddressUsageMetrics", false),
        other => {
            let message =
                format!("Value ({}) for parameter attribute is invalid. Unknown attribute.", other.unwrap_or_default());
            return Err(invalid_parameter(message));
        }
    };
    Ok(json!({ "VpcId": vpc.vpc_id, member: { "Value": value } }))
}

/// `ModifyVpcAttribute`: one attribute per call.
pub async fn modify_vpc_attribute(cx: Cx, input: VpcInput) -> Result<Value, Fault> {
    find::<Vpc>(&cx, &input.vpc_id).await?;
    if input.enable_dns_support.is_some() == input.enable_dns_hostnames.is_some() {
        let message = "Fields for multiple attribute types specified: enableDnsHostnames, enableDnsSupport";
        return Err(Fault::client("InvalidParameterCombination", message));
    }
    let records = cx.records::<Vpc>().await?;
    let updated = records.update(&input.vpc_id, |vpc| {
        vpc.enable_dns_support = input.enable_dns_support.map_or(vpc.enable_dns_support, |flag| flag.value);
        vpc.enable_dns_hostnames = input.enable_dns_hostnames.map_or(vpc.enable_dns_hostnames, |flag| flag.value);
        Ok(())
    });
    updated.await?.map(|_| json!({})).ok_or_else(|| Vpc::NOUN.not_found(&input.vpc_id))
}

/// The input of the operations on subnets.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct SubnetInput {
    subnet_id: String,
    vpc_id: String,
    cidr_block: Option<String>,
    availability_zone: Option<String>,
    availability_zone_id: Option<String>,
    tag_specifications: Vec<TagSpecification>,
    map_public_ip_on_launch: Option<Flag>,
}

/// `CreateSubnet`.
pub async fn create_subnet(cx: Cx, input: SubnetInput) -> Result<Value, Fault> {
    let vpc = find::<Vpc>(&cx, &input.vpc_id).await?;
    let Some(text) = &input.cidr_block else { return Err(missing_parameter("cidrBlock")) };
    let range = parse_block(text, "InvalidSubnet.Range")?;
    let zone = zone(&cx, &input)?;
    let tags = tags_for(&cx, &input.tag_specifications, "subnet", &["subnet"])?;
    let records = cx.records::<Subnet>().await?;
    let subnet = Subnet {
        subnet_id: Ids::regional(&cx, 1).await?.ec2("subnet"),
        vpc_id: vpc.vpc_id.clone(),
        cidr_block: range.to_string(),
        availability_zone: zone.name.clone(),
        availability_zone_id: zone.id.clone(),
        default_for_az: false,
        map_public_ip_on_launch: false,
        tags,
    };
    loop {
        // The VPC's record is put back as it was, so that of two overlapping subnets one meets a conflict.
        let key = Records::<Vpc>::key(&vpc.vpc_id);
        let current = cx.records::<Vpc>().await?.get(&vpc.vpc_id).await?;
        let current = current.ok_or_else(|| Vpc::NOUN.not_found(&vpc.vpc_id))?;
        check_room(&current.value, range, &records.list().await?, text)?;
        let txn = Txn::new()
            .expect(&key, current.revision)
            .put(&key, encode(&current.value)?)
            .put(Records::<Subnet>::key(&subnet.subnet_id), encode(&subnet)?);
        if let TxnResult::Committed { .. } = records.space().txn(txn).await.map_err(store_fault)? {
            return Ok(json!({ "Subnet": subnet.view(&cx.region, usable(range)) }));
        }
    }
}

fn check_room(vpc: &Vpc, range: Ipv4Net, subnets: &[Subnet], text: &str) -> Result<(), Fault> {
    let mut inside = false;
    for association in &vpc.cidr_block_association_set {
        inside |= block(&association.cidr_block)?.contains(&range);
    }
    if !inside {
        return Err(Fault::client("InvalidSubnet.Range", format!("The CIDR '{text}' is invalid.")));
    }
    let siblings = subnets.iter().filter(|subnet| subnet.vpc_id == vpc.vpc_id);
    for sibling in siblings.clone() {
        let other = block(&sibling.cidr_block)?;
        if other.contains(&range) || range.contains(&other) {
            let message = format!("The CIDR '{text}' conflicts with another subnet");
            return Err(Fault::client("InvalidSubnet.Conflict", message));
        }
    }
    match siblings.count() >= limits::SUBNETS_PER_VPC {
        true => Err(Fault::client("SubnetLimitExceeded", "The maximum number of subnets has been reached.")),
        false => Ok(()),
    }
}

/// The zone that is named, or the first.
fn zone(cx: &Cx, input: &SubnetInput) -> Result<&'static Zone, Fault> {
    let all = zones(&cx.region);
    let found = match (&input.availability_zone, &input.availability_zone_id) {
        (Some(name), _) => all.iter().find(|zone| zone.name == *name),
        (None, Some(id)) => all.iter().find(|zone| zone.id == *id),
        (None, None) => all.first(),
    };
    found.ok_or_else(|| {
        let wanted = input.availability_zone.as_ref().or(input.availability_zone_id.as_ref());
        let names: Vec<&str> = all.iter().map(|zone| zone.name.as_str()).collect();
        invalid_parameter(format!(
            "Value ({}) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: {}.",
            wanted.map_or("", String::as_str),
            names.join(", ")
        ))
    })
}

/// `DeleteSubnet`, unless an interface is in it.
pub async fn delete_subnet(cx: Cx, input: SubnetInput) -> Result<Value, Fault> {
    let subnet = find::<Subnet>(&cx, &input.subnet_id).await?;
    let interfaces = cx.records::<Interface>().await?.list().await?;
    if interfaces.iter().any(|interface| interface.subnet_id == subnet.subnet_id) {
        return Err(dependency("subnet", &subnet.subnet_id));
    }
    cx.records::<Subnet>().await?.delete(&subnet.subnet_id).await?;
    Ok(json!({}))
}

/// `ModifySubnetAttribute`.
pub async fn modify_subnet_attribute(cx: Cx, input: SubnetInput) -> Result<Value, Fault> {
    find::<Subnet>(&cx, &input.subnet_id).await?;
    let Some(flag) = input.map_public_ip_on_launch else { return Err(missing_parameter("MapPublicIpOnLaunch")) };
    let records = cx.records::<Subnet>().await?;
    let updated = records.update(&input.subnet_id, |subnet| {
        subnet.map_public_ip_on_launch = flag.value;
        Ok(())
    });
    updated.await?.map(|_| json!({})).ok_or_else(|| Subnet::NOUN.not_found(&input.subnet_id))
}
