//! Records of security groups. A group holds its rules one by one; the older shape that lists permissions is made
//! from them.

use cove_aws_wire::fault::Fault;
use cove_base::arn::{ACCOUNT, Arn};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::describe::{Described, Filter, Noun};
use super::state::{Tag, with_tags};
use crate::operation::Cx;
use crate::records::Resource;

/// Whom a rule lets through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Peer {
    /// A block of IPv4 addresses.
    Ipv4(String),
    /// A block of IPv6 addresses.
    Ipv6(String),
    /// A prefix list.
    PrefixList(String),
    /// The members of a security group.
    Group(String),
}

/// What a rule lets through. Two rules of a group are the same if this is equal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Out of the group's members, or into them.
    pub egress: bool,
    /// `tcp`, `udp`, `icmp`, `icmpv6`, a number, or `-1` for all.
    pub protocol: String,
    /// The first port (or ICMP type); none for all protocols.
    pub from_port: Option<i64>,
    /// The last port (or ICMP code).
    pub to_port: Option<i64>,
    /// Whom.
    pub peer: Peer,
}

/// A rule.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rule {
    /// `sgr-...`.
    pub id: String,
    /// What it lets through.
    pub traffic: Traffic,
    /// The description.
    pub description: Option<String>,
    /// Tags.
    pub tags: Vec<Tag>,
}

/// A security group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// `sg-...`.
    pub group_id: String,
    /// Its name, unique in its VPC.
    pub name: String,
    /// The description.
    pub description: String,
    /// Its VPC.
    pub vpc_id: String,
    /// The rules in the order in which they were made.
    pub rules: Vec<Rule>,
    /// Tags.
    pub tags: Vec<Tag>,
}

impl Resource for SecurityGroup {
    const KIND: &'static str = "ec2/security-group";
    fn id(&self) -> String {
        self.group_id.clone()
    }
}

impl Rule {
    /// The `SecurityGroupRule` shape.
    pub fn view(&self, region: &str, group_id: &str) -> Value {
        let traffic = &self.traffic;
        let mut view = json!({
            "SecurityGroupRuleId": self.id,
            "GroupId": group_id,
            "GroupOwnerId": ACCOUNT,
            "IsEgress": traffic.egress,
            "IpProtocol": traffic.protocol,
            "FromPort": traffic.from_port.unwrap_or(-1),
            "ToPort": traffic.to_port.unwrap_or(-1),
            "Tags": self.tags,
            "SecurityGroupRuleArn": Arn::new("ec2", region, format!("security-group-rule/{}", self.id)).to_string(),
        });
        match &traffic.peer {
            Peer::Ipv4(block) => view["CidrIpv4"] = json!(block),
            Peer::Ipv6(block) => view["CidrIpv6"] = json!(block),
            Peer::PrefixList(id) => view["PrefixListId"] = json!(id),
            Peer::Group(id) => view["ReferencedGroupInfo"] = json!({ "GroupId": id, "UserId": ACCOUNT }),
        }
        if let Some(description) = &self.description {
            view["Description"] = json!(description);
        }
        view
    }
}

impl SecurityGroup {
    /// The model's shape.
    pub fn view(&self, region: &str) -> Value {
        with_tags(
            json!({
                "GroupId": self.group_id,
                "IpPermissionsEgress": self.permissions(true),
                "VpcId": self.vpc_id,
                "SecurityGroupArn": self.arn(region),
                "OwnerId": ACCOUNT,
                "GroupName": self.name,
                "Description": self.description,
                "IpPermissions": self.permissions(false),
            }),
            &self.tags,
        )
    }

    /// Its ARN.
    pub fn arn(&self, region: &str) -> String {
        Arn::new("ec2", region, format!("security-group/{}", self.group_id)).to_string()
    }

    /// The rules of one direction as EC2 has always listed them: one permission per protocol and ports.
    fn permissions(&self, egress: bool) -> Vec<Value> {
        let mut out: Vec<(Traffic, Value)> = Vec::new();
        for rule in self.rules.iter().filter(|rule| rule.traffic.egress == egress) {
            let traffic = &rule.traffic;
            let same = |other: &Traffic| {
                (&other.protocol, other.from_port, other.to_port)
                    == (&traffic.protocol, traffic.from_port, traffic.to_port)
            };
            let index = out.iter().position(|(other, _)| same(other)).unwrap_or_else(|| {
                out.push((traffic.clone(), empty_permission(traffic)));
                out.len() - 1
            });
            add_peer(&mut out[index].1, rule);
        }
        out.into_iter().map(|(_, permission)| permission).collect()
    }
}

fn empty_permission(traffic: &Traffic) -> Value {
    let mut permission = json!({
        "IpProtocol": traffic.protocol,
        "UserIdGroupPairs": [],
        "IpRanges": [],
        "Ipv6Ranges": [],
        "PrefixListIds": [],
    });
    if let Some(port) = traffic.from_port {
        permission["FromPort"] = json!(port);
    }
    if let Some(port) = traffic.to_port {
        permission["ToPort"] = json!(port);
    }
    permission
}

fn add_peer(permission: &mut Value, rule: &Rule) {
    let (list, mut peer) = match &rule.traffic.peer {
        Peer::Ipv4(block) => ("IpRanges", json!({ "CidrIp": block })),
        Peer::Ipv6(block) => ("Ipv6Ranges", json!({ "CidrIpv6": block })),
        Peer::PrefixList(id) => ("PrefixListIds", json!({ "PrefixListId": id })),
        Peer::Group(id) => ("UserIdGroupPairs", json!({ "UserId": ACCOUNT, "GroupId": id })),
    };
    if let Some(description) = &rule.description {
        peer["Description"] = json!(description);
    }
    if let Some(peers) = permission[list].as_array_mut() {
        peers.push(peer);
    }
}

impl Described for SecurityGroup {
    const MEMBER: &'static str = "SecurityGroups";
    const IDS: &'static str = "GroupIds";
    const NOUN: Noun = Noun { prefix: "sg", code: "InvalidGroup", text: "The security group" };
    const FILTERS: &'static [Filter] = &[
        ("description", "Description"),
        ("egress.ip-permission.cidr", "IpPermissionsEgress.IpRanges.CidrIp"),
        ("egress.ip-permission.from-port", "IpPermissionsEgress.FromPort"),
        ("egress.ip-permission.group-id", "IpPermissionsEgress.UserIdGroupPairs.GroupId"),
        ("egress.ip-permission.ipv6-cidr", "IpPermissionsEgress.Ipv6Ranges.CidrIpv6"),
        ("egress.ip-permission.protocol", "IpPermissionsEgress.IpProtocol"),
        ("egress.ip-permission.to-port", "IpPermissionsEgress.ToPort"),
        ("group-id", "GroupId"),
        ("group-name", "GroupName"),
        ("ip-permission.cidr", "IpPermissions.IpRanges.CidrIp"),
        ("ip-permission.from-port", "IpPermissions.FromPort"),
        ("ip-permission.group-id", "IpPermissions.UserIdGroupPairs.GroupId"),
        ("ip-permission.ipv6-cidr", "IpPermissions.Ipv6Ranges.CidrIpv6"),
        ("ip-permission.protocol", "IpPermissions.IpProtocol"),
        ("ip-permission.to-port", "IpPermissions.ToPort"),
        ("ip-permission.user-id", "IpPermissions.UserIdGroupPairs.UserId"),
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
        Ok(items.iter().map(|group| group.view(&cx.region)).collect())
    }
}
