//! EC2's records of networks. Each serializes as the shape that the model has for it.

use cove_aws_wire::fault::Fault;
use cove_base::arn::{ACCOUNT, Arn};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::describe::{Described, Filter, Noun};
use crate::operation::Cx;
use crate::records::Resource;

pub use crate::iam::state::Tag;

/// A block of addresses of a VPC.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CidrAssociation {
    /// `vpc-cidr-assoc-...`.
    pub association_id: String,
    /// The block.
    pub cidr_block: String,
}

/// A VPC.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Vpc {
    /// `vpc-...`.
    pub vpc_id: String,
    /// The primary block.
    pub cidr_block: String,
    /// All blocks.
    pub cidr_block_association_set: Vec<CidrAssociation>,
    /// Its DHCP options.
    pub dhcp_options_id: String,
    /// `default` or `dedicated`.
    pub instance_tenancy: String,
    /// Whether it is the region's default.
    pub is_default: bool,
    /// An attribute.
    pub enable_dns_support: bool,
    /// An attribute.
    pub enable_dns_hostnames: bool,
    /// Tags.
    pub tags: Vec<Tag>,
}

impl Resource for Vpc {
    const KIND: &'static str = "ec2/vpc";
    fn id(&self) -> String {
        self.vpc_id.clone()
    }
}

impl Vpc {
    /// The model's shape.
    pub fn view(&self) -> Value {
        let blocks: Vec<Value> = self
            .cidr_block_association_set
            .iter()
            .map(|a| {
                json!({
                    "AssociationId": a.association_id,
                    "CidrBlock": a.cidr_block,
                    "CidrBlockState": { "State": "associated" },
                })
            })
            .collect();
        with_tags(
            json!({
                "OwnerId": ACCOUNT,
                "InstanceTenancy": self.instance_tenancy,
                "CidrBlockAssociationSet": blocks,
                "IsDefault": self.is_default,
                "BlockPublicAccessStates": { "InternetGatewayBlockMode": "off" },
                "VpcId": self.vpc_id,
                "State": "available",
                "CidrBlock": self.cidr_block,
                "DhcpOptionsId": self.dhcp_options_id,
            }),
            &self.tags,
        )
    }
}

impl Described for Vpc {
    const MEMBER: &'static str = "Vpcs";
    const IDS: &'static str = "VpcIds";
    const NOUN: Noun = Noun { prefix: "vpc", code: "InvalidVpcID", text: "The vpc ID" };
    const FILTERS: &'static [Filter] = &[
        ("cidr", "CidrBlock"),
        ("cidr-block-association.association-id", "CidrBlockAssociationSet.AssociationId"),
        ("cidr-block-association.cidr-block", "CidrBlockAssociationSet.CidrBlock"),
        ("cidr-block-association.state", "CidrBlockAssociationSet.CidrBlockState.State"),
        ("dhcp-options-id", "DhcpOptionsId"),
        ("is-default", "IsDefault"),
        ("isDefault", "IsDefault"),
        ("owner-id", "OwnerId"),
        ("state", "State"),
        ("vpc-id", "VpcId"),
    ];
    fn tags(&self) -> &[Tag] {
        &self.tags
    }
    fn tags_mut(&mut self) -> &mut Vec<Tag> {
        &mut self.tags
    }
    async fn views(_: &Cx, items: Vec<Self>) -> Result<Vec<Value>, Fault> {
        Ok(items.iter().map(Vpc::view).collect())
    }
}

/// A subnet.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Subnet {
    /// `subnet-...`.
    pub subnet_id: String,
    /// Its VPC.
    pub vpc_id: String,
    /// The block.
    pub cidr_block: String,
    /// The zone.
    pub availability_zone: String,
    /// `usw2-az1`.
    pub availability_zone_id: String,
    /// Whether it is the zone's default.
    pub default_for_az: bool,
    /// Whether instances get public addresses.
    pub map_public_ip_on_launch: bool,
    /// Tags.
    pub tags: Vec<Tag>,
}

impl Resource for Subnet {
    const KIND: &'static str = "ec2/subnet";
    fn id(&self) -> String {
        self.subnet_id.clone()
    }
}

impl Subnet {
    /// The model's shape; `free` is how many addresses are left.
    pub fn view(&self, region: &str, free: u64) -> Value {
        with_tags(
            json!({
                "AvailabilityZoneId": self.availability_zone_id,
                "MapCustomerOwnedIpOnLaunch": false,
                "OwnerId": ACCOUNT,
                "AssignIpv6AddressOnCreation": false,
                "Ipv6CidrBlockAssociationSet": [],
                "SubnetArn": Arn::new("ec2", region, format!("subnet/{}", self.subnet_id)).to_string(),
                "EnableDns64": false,
                "Ipv6Native": false,
                "PrivateDnsNameOptionsOnLaunch": {
                    "HostnameType": "ip-name",
                    "EnableResourceNameDnsARecord": false,
                    "EnableResourceNameDnsAAAARecord": false,
                },
                "BlockPublicAccessStates": { "InternetGatewayBlockMode": "off" },
                "SubnetId": self.subnet_id,
                "State": "available",
                "VpcId": self.vpc_id,
                "CidrBlock": self.cidr_block,
                "AvailableIpAddressCount": free,
                "AvailabilityZone": self.availability_zone,
                "DefaultForAz": self.default_for_az,
                "MapPublicIpOnLaunch": self.map_public_ip_on_launch,
            }),
            &self.tags,
        )
    }
}

impl Described for Subnet {
    const MEMBER: &'static str = "Subnets";
    const IDS: &'static str = "SubnetIds";
    const NOUN: Noun = Noun { prefix: "subnet", code: "InvalidSubnetID", text: "The subnet ID" };
    const FILTERS: &'static [Filter] = &[
        ("availability-zone", "AvailabilityZone"),
        ("availabilityZone", "AvailabilityZone"),
        ("availability-zone-id", "AvailabilityZoneId"),
        ("availabilityZoneId", "AvailabilityZoneId"),
        ("available-ip-address-count", "AvailableIpAddressCount"),
        ("cidr-block", "CidrBlock"),
        ("cidr", "CidrBlock"),
        ("cidrBlock", "CidrBlock"),
        ("default-for-az", "DefaultForAz"),
        ("defaultForAz", "DefaultForAz"),
        ("enable-dns64", "EnableDns64"),
        ("ipv6-native", "Ipv6Native"),
        ("ipv6-cidr-block-association.association-id", "Ipv6CidrBlockAssociationSet.AssociationId"),
        ("ipv6-cidr-block-association.ipv6-cidr-block", "Ipv6CidrBlockAssociationSet.Ipv6CidrBlock"),
        ("map-public-ip-on-launch", "MapPublicIpOnLaunch"),
        ("map-customer-owned-ip-on-launch", "MapCustomerOwnedIpOnLaunch"),
        ("outpost-arn", "OutpostArn"),
        ("owner-id", "OwnerId"),
        ("private-dns-name-options-on-launch.hostname-type", "PrivateDnsNameOptionsOnLaunch.HostnameType"),
        ("state", "State"),
        ("subnet-arn", "SubnetArn"),
        ("subnet-id", "SubnetId"),
        ("vpc-id", "VpcId"),
    ];
    fn tags(&self) -> &[Tag] {
        &self.tags
    }
    fn tags_mut(&mut self) -> &mut Vec<Tag> {
        &mut self.tags
    }
    async fn views(cx: &Cx, items: Vec<Self>) -> Result<Vec<Value>, Fault> {
        let free = super::addresses::free_counts(cx, &items).await?;
        Ok(items.iter().zip(free).map(|(subnet, free)| subnet.view(&cx.region, free)).collect())
    }
}

/// An internet gateway.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct InternetGateway {
    /// `igw-...`.
    pub internet_gateway_id: String,
    /// The VPC that it is attached to.
    pub attachments: Vec<GatewayAttachment>,
    /// The account.
    pub owner_id: String,
    /// Tags.
    pub tags: Vec<Tag>,
}

/// Where an internet gateway is attached.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GatewayAttachment {
    /// `available`: the wire's word for attached.
    pub state: String,
    /// The VPC.
    pub vpc_id: String,
}

impl Resource for InternetGateway {
    const KIND: &'static str = "ec2/internet-gateway";
    fn id(&self) -> String {
        self.internet_gateway_id.clone()
    }
}

impl Described for InternetGateway {
    const MEMBER: &'static str = "InternetGateways";
    const IDS: &'static str = "InternetGatewayIds";
    const NOUN: Noun = Noun { prefix: "igw", code: "InvalidInternetGatewayID", text: "The internetGateway ID" };
    const FILTERS: &'static [Filter] = &[
        ("attachment.state", "Attachments.State"),
        ("attachment.vpc-id", "Attachments.VpcId"),
        ("internet-gateway-id", "InternetGatewayId"),
        ("owner-id", "OwnerId"),
    ];
    fn tags(&self) -> &[Tag] {
        &self.tags
    }
    fn tags_mut(&mut self) -> &mut Vec<Tag> {
        &mut self.tags
    }
}

/// A route table.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RouteTable {
    /// `rtb-...`.
    pub route_table_id: String,
    /// Its VPC.
    pub vpc_id: String,
    /// The account.
    pub owner_id: String,
    /// Whom it serves.
    pub associations: Vec<RouteTableAssociation>,
    /// The routes.
    pub routes: Vec<Route>,
    /// Always empty: there are no virtual private gateways.
    pub propagating_vgws: Vec<Value>,
    /// Tags.
    pub tags: Vec<Tag>,
}

/// Whom a route table serves.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RouteTableAssociation {
    /// Whether it is the main table.
    pub main: bool,
    /// `rtbassoc-...`.
    pub route_table_association_id: String,
    /// The table.
    pub route_table_id: String,
    /// The subnet, unless main.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet_id: Option<String>,
    /// `{"State": "associated"}`.
    pub association_state: Value,
}

/// A route.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Route {
    /// Where to.
    pub destination_cidr_block: String,
    /// `local` or a gateway.
    pub gateway_id: String,
    /// `CreateRouteTable` or `CreateRoute`.
    pub origin: String,
    /// `active`.
    pub state: String,
}

impl Resource for RouteTable {
    const KIND: &'static str = "ec2/route-table";
    fn id(&self) -> String {
        self.route_table_id.clone()
    }
}

impl Described for RouteTable {
    const MEMBER: &'static str = "RouteTables";
    const IDS: &'static str = "RouteTableIds";
    const NOUN: Noun = Noun { prefix: "rtb", code: "InvalidRouteTableID", text: "The routeTable ID" };
    const FILTERS: &'static [Filter] = &[
        ("association.gateway-id", "Associations.GatewayId"),
        ("association.main", "Associations.Main"),
        ("association.route-table-association-id", "Associations.RouteTableAssociationId"),
        ("association.route-table-id", "Associations.RouteTableId"),
        ("association.subnet-id", "Associations.SubnetId"),
        ("owner-id", "OwnerId"),
        ("route-table-id", "RouteTableId"),
        ("route.destination-cidr-block", "Routes.DestinationCidrBlock"),
        ("route.gateway-id", "Routes.GatewayId"),
        ("route.nat-gateway-id", "Routes.NatGatewayId"),
        ("route.origin", "Routes.Origin"),
        ("route.state", "Routes.State"),
        ("vpc-id", "VpcId"),
    ];
    fn tags(&self) -> &[Tag] {
        &self.tags
    }
    fn tags_mut(&mut self) -> &mut Vec<Tag> {
        &mut self.tags
    }
}

/// A network ACL; only default ones exist.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct NetworkAcl {
    /// `acl-...`.
    pub network_acl_id: String,
    /// Its VPC.
    pub vpc_id: String,
    /// Whether it is the VPC's default.
    pub is_default: bool,
    /// Tags.
    pub tags: Vec<Tag>,
}

impl Resource for NetworkAcl {
    const KIND: &'static str = "ec2/network-acl";
    fn id(&self) -> String {
        self.network_acl_id.clone()
    }
}

impl NetworkAcl {
    fn view(&self, subnets: &[Subnet]) -> Value {
        let associations: Vec<Value> = subnets
            .iter()
            .filter(|subnet| subnet.vpc_id == self.vpc_id)
            .map(|subnet| {
                json!({
                    "NetworkAclAssociationId": subnet.subnet_id.replacen("subnet-", "aclassoc-", 1),
                    "NetworkAclId": self.network_acl_id,
                    "SubnetId": subnet.subnet_id,
                })
            })
            .collect();
        let entry = |number: u32, action: &str, egress: bool| {
            json!({
                "CidrBlock": "0.0.0.0/0",
                "Egress": egress,
                "Protocol": "-1",
                "RuleAction": action,
                "RuleNumber": number,
            })
        };
        json!({
            "Associations": associations,
            "Entries": [
                entry(100, "allow", true), entry(32767, "deny", true),
                entry(100, "allow", false), entry(32767, "deny", false),
            ],
            "IsDefault": self.is_default,
            "NetworkAclId": self.network_acl_id,
            "Tags": self.tags,
            "VpcId": self.vpc_id,
            "OwnerId": ACCOUNT,
        })
    }
}

impl Described for NetworkAcl {
    const MEMBER: &'static str = "NetworkAcls";
    const IDS: &'static str = "NetworkAclIds";
    const NOUN: Noun = Noun { prefix: "acl", code: "InvalidNetworkAclID", text: "The networkAcl ID" };
    const FILTERS: &'static [Filter] = &[
        ("association.association-id", "Associations.NetworkAclAssociationId"),
        ("association.network-acl-id", "Associations.NetworkAclId"),
        ("association.subnet-id", "Associations.SubnetId"),
        ("default", "IsDefault"),
        ("network-acl-id", "NetworkAclId"),
        ("owner-id", "OwnerId"),
        ("vpc-id", "VpcId"),
    ];
    fn tags(&self) -> &[Tag] {
        &self.tags
    }
    fn tags_mut(&mut self) -> &mut Vec<Tag> {
        &mut self.tags
    }
    async fn views(cx: &Cx, items: Vec<Self>) -> Result<Vec<Value>, Fault> {
        let subnets = cx.records::<Subnet>().await?.list().await?;
        Ok(items.iter().map(|acl| acl.view(&subnets)).collect())
    }
}

/// A set of DHCP options; only the region's default one exists.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DhcpOptions {
    /// `dopt-...`.
    pub dhcp_options_id: String,
    /// The account.
    pub owner_id: String,
    /// Keys and values.
    pub dhcp_configurations: Value,
    /// Tags.
    pub tags: Vec<Tag>,
}

impl Resource for DhcpOptions {
    const KIND: &'static str = "ec2/dhcp-options";
    fn id(&self) -> String {
        self.dhcp_options_id.clone()
    }
}

impl Described for DhcpOptions {
    const MEMBER: &'static str = "DhcpOptions";
    const IDS: &'static str = "DhcpOptionsIds";
    const NOUN: Noun = Noun { prefix: "dopt", code: "InvalidDhcpOptionID", text: "The dhcpOption ID" };
    const FILTERS: &'static [Filter] = &[
        ("dhcp-options-id", "DhcpOptionsId"),
        ("key", "DhcpConfigurations.Key"),
        ("value", "DhcpConfigurations.Values.Value"),
        ("owner-id", "OwnerId"),
    ];
    fn tags(&self) -> &[Tag] {
        &self.tags
    }
    fn tags_mut(&mut self) -> &mut Vec<Tag> {
        &mut self.tags
    }
}

/// Adds tags to a shape that leaves them out when there are none.
pub fn with_tags(mut view: Value, tags: &[Tag]) -> Value {
    if !tags.is_empty() {
        view["Tags"] = json!(tags);
    }
    view
}
