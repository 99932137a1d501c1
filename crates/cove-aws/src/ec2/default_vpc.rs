//! What a region has before anyone asked for it: the default VPC with a subnet per zone, an internet gateway, the
//! main route table, the default security group, network ACL and DHCP options. Made on first use, in one transaction.

use cove_aws_wire::fault::Fault;
use cove_base::arn::ACCOUNT;
use cove_store::{Txn, TxnResult};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::catalog::{Zone, zones};
use super::groups::{Peer, Rule, SecurityGroup, Traffic};
use super::state::{
    CidrAssociation, DhcpOptions, GatewayAttachment, InternetGateway, NetworkAcl, Route, RouteTable,
    RouteTableAssociation, Subnet, Vpc,
};
use crate::ids::Ids;
use crate::operation::Cx;
use crate::records::{Records, Resource, encode, store_fault};

/// The mark that a region's default VPC was made; it stays when somebody deletes the VPC.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Founded {
    /// The VPC.
    pub vpc_id: String,
    /// The DHCP options of all VPCs.
    pub dhcp_options_id: String,
}

impl Resource for Founded {
    const KIND: &'static str = "ec2/founded";
    fn id(&self) -> String {
        "default-vpc".into()
    }
}

const BLOCK: &str = "172.31.0.0/16";

/// Makes the region's default VPC unless it was made before.
pub async fn ensure(cx: &Cx) -> Result<Founded, Fault> {
    let marks = cx.records::<Founded>().await?;
    loop {
        if let Some(mark) = marks.get("default-vpc").await? {
            return Ok(mark.value);
        }
        let txn = Txn::new().expect(Records::<Founded>::key("default-vpc"), 0);
        let txn = found(cx, txn)?;
        match marks.space().txn(txn).await.map_err(store_fault)? {
            TxnResult::Committed { .. } | TxnResult::Conflict { .. } => {}
        }
    }
}

fn put<T: Resource>(txn: Txn, value: &T) -> Result<Txn, Fault> {
    Ok(txn.put(Records::<T>::key(&value.id()), encode(value)?))
}

fn found(cx: &Cx, txn: Txn) -> Result<Txn, Fault> {
    let ids = &mut Ids::fixed(cx, "default-vpc");
    let dhcp = dhcp_options(&cx.region, ids);
    let vpc = vpc(ids, &dhcp.dhcp_options_id);
    let gateway = InternetGateway {
        internet_gateway_id: ids.ec2("igw"),
        attachments: vec![GatewayAttachment { state: "available".into(), vpc_id: vpc.vpc_id.clone() }],
        owner_id: ACCOUNT.into(),
        tags: Vec::new(),
    };
    let mut table = main_route_table(ids, &vpc);
    table.routes.push(Route {
        destination_cidr_block: "0.0.0.0/0".into(),
        gateway_id: gateway.internet_gateway_id.clone(),
        origin: "CreateRoute".into(),
        state: "active".into(),
    });
    let mut txn = put(txn, &Founded { vpc_id: vpc.vpc_id.clone(), dhcp_options_id: dhcp.dhcp_options_id.clone() })?;
    txn = put(txn, &dhcp)?;
    txn = put(txn, &vpc)?;
    txn = put(txn, &gateway)?;
    txn = put(txn, &table)?;
    txn = put(txn, &default_acl(ids, &vpc))?;
    txn = put(txn, &default_group(ids, &vpc))?;
    for (index, zone) in zones(&cx.region).iter().enumerate() {
        txn = put(txn, &default_subnet(ids, &vpc, index, zone))?;
    }
    Ok(txn)
}

fn vpc(ids: &mut Ids, dhcp_options_id: &str) -> Vpc {
    Vpc {
        vpc_id: ids.ec2("vpc"),
        cidr_block: BLOCK.into(),
        cidr_block_association_set: vec![CidrAssociation {
            association_id: ids.ec2("vpc-cidr-assoc"),
            cidr_block: BLOCK.into(),
        }],
        dhcp_options_id: dhcp_options_id.into(),
        instance_tenancy: "default".into(),
        is_default: true,
        enable_dns_support: true,
        enable_dns_hostnames: true,
        tags: Vec::new(),
    }
}

/// The DHCP options that all VPCs of a region share.
fn dhcp_options(region: &str, ids: &mut Ids) -> DhcpOptions {
    let key = |key: &str, value: &str| json!({ "Key": key, "Values": [{ "Value": value }] });
    DhcpOptions {
        dhcp_options_id: ids.ec2("dopt"),
        owner_id: ACCOUNT.into(),
        dhcp_configurations: json!([
            key("domain-name", &internal_domain(region)),
            key("domain-name-servers", "AmazonProvidedDNS"),
        ]),
        tags: Vec::new(),
    }
}

/// The domain of private names in a region.
pub fn internal_domain(region: &str) -> String {
    match region {
        "us-east-1" => "ec2.internal".into(),
        other => format!("{other}.compute.internal"),
    }
}

/// A VPC's main route table with its local route.
pub fn main_route_table(ids: &mut Ids, vpc: &Vpc) -> RouteTable {
    let id = ids.ec2("rtb");
    RouteTable {
        vpc_id: vpc.vpc_id.clone(),
        owner_id: ACCOUNT.into(),
        associations: vec![RouteTableAssociation {
            main: true,
            route_table_association_id: ids.ec2("rtbassoc"),
            route_table_id: id.clone(),
            subnet_id: None,
            association_state: json!({ "State": "associated" }),
        }],
        routes: vec![Route {
            destination_cidr_block: vpc.cidr_block.clone(),
            gateway_id: "local".into(),
            origin: "CreateRouteTable".into(),
            state: "active".into(),
        }],
        propagating_vgws: Vec::new(),
        tags: Vec::new(),
        route_table_id: id,
    }
}

/// A VPC's default network ACL.
pub fn default_acl(ids: &mut Ids, vpc: &Vpc) -> NetworkAcl {
    NetworkAcl { network_acl_id: ids.ec2("acl"), vpc_id: vpc.vpc_id.clone(), is_default: true, tags: Vec::new() }
}

/// A VPC's default security group: all from its members, all to anywhere.
pub fn default_group(ids: &mut Ids, vpc: &Vpc) -> SecurityGroup {
    let group_id = ids.ec2("sg");
    let inward = rule_for_all(ids, false, Peer::Group(group_id.clone()));
    SecurityGroup {
        name: "default".into(),
        description: "default VPC security group".into(),
        vpc_id: vpc.vpc_id.clone(),
        rules: vec![inward, rule_for_all(ids, true, Peer::Ipv4("0.0.0.0/0".into()))],
        tags: Vec::new(),
        group_id,
    }
}

/// A rule that lets everything through.
pub fn rule_for_all(ids: &mut Ids, egress: bool, peer: Peer) -> Rule {
    Rule {
        id: ids.ec2("sgr"),
        traffic: Traffic { egress, protocol: "-1".into(), from_port: None, to_port: None, peer },
        description: None,
        tags: Vec::new(),
    }
}

fn default_subnet(ids: &mut Ids, vpc: &Vpc, index: usize, zone: &Zone) -> Subnet {
    Subnet {
        subnet_id: ids.ec2("subnet"),
        vpc_id: vpc.vpc_id.clone(),
        cidr_block: format!("172.31.{}.0/20", index * 16),
        availability_zone: zone.name.clone(),
        availability_zone_id: zone.id.clone(),
        default_for_az: true,
        map_public_ip_on_launch: true,
        tags: Vec::new(),
    }
}
