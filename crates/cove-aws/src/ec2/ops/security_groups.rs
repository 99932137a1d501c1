//! Security groups and their rules.

use std::net::{Ipv4Addr, Ipv6Addr};

use cove_aws_wire::fault::Fault;
use cove_store::{Txn, TxnResult};
use ipnet::{Ipv4Net, Ipv6Net};
use serde::Deserialize;
use serde_json::{Value, json};

use super::run_instances::members;
use crate::ec2::default_vpc::rule_for_all;
use crate::ec2::describe::{Described, Filter, Request, describe_request, find, refuse_rest, take_as};
use crate::ec2::faults::{invalid_combination, invalid_parameter, missing_parameter};
use crate::ec2::groups::{Peer, Rule, SecurityGroup, Traffic};
use crate::ec2::instances::Interface;
use crate::ec2::state::{Tag, Vpc};
use crate::ec2::tags::{TagSpecification, tags_for};
use crate::ec2::templates::NameInUse;
use crate::ids::Ids;
use crate::limits;
use crate::operation::Cx;
use crate::records::{Records, Resource, encode, store_fault};

/// The input of CreateSecurityGroup and DeleteSecurityGroup.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct GroupInput {
    group_id: Option<String>,
    group_name: Option<String>,
    description: String,
    vpc_id: Option<String>,
    tag_specifications: Vec<TagSpecification>,
}

/// `CreateSecurityGroup`. A new group lets everything out and nothing in.
pub async fn create(cx: Cx, input: GroupInput) -> Result<Value, Fault> {
    let name = input.group_name.unwrap_or_default();
    check_group(&name, &input.description)?;
    let vpc = match &input.vpc_id {
        Some(id) => find::<Vpc>(&cx, id).await?,
        None => default_vpc(&cx).await?,
    };
    let tags = tags_for(&cx, &input.tag_specifications, "security-group", &["security-group"])?;
    let mut ids = Ids::regional(&cx, 2).await?;
    let group = SecurityGroup {
        group_id: ids.ec2("sg"),
        name: name.clone(),
        description: input.description,
        vpc_id: vpc.vpc_id.clone(),
        rules: vec![rule_for_all(&mut ids, true, Peer::Ipv4("0.0.0.0/0".into()))],
        tags,
    };
    let in_use = NameInUse { scope: scope(&vpc.vpc_id), name, id: group.group_id.clone() };
    let key = Records::<NameInUse>::key(&in_use.id());
    let txn = Txn::new()
        .expect(&key, 0)
        .put(&key, encode(&in_use)?)
        .put(Records::<SecurityGroup>::key(&group.group_id), encode(&group)?);
    let records = cx.records::<SecurityGroup>().await?;
    if let TxnResult::Conflict { .. } = records.space().txn(txn).await.map_err(store_fault)? {
        let message = format!("The security group '{}' already exists for VPC '{}'", group.name, group.vpc_id);
        return Err(Fault::client("InvalidGroup.Duplicate", message));
    }
    Ok(json!({ "GroupId": group.group_id, "Tags": group.tags, "SecurityGroupArn": group.arn(&cx.region) }))
}

fn scope(vpc_id: &str) -> String {
    format!("security-group/{vpc_id}")
}

async fn default_vpc(cx: &Cx) -> Result<Vpc, Fault> {
    let vpcs = cx.records::<Vpc>().await?.list().await?;
    vpcs.into_iter()
        .find(|vpc| vpc.is_default)
        .ok_or_else(|| Fault::client("VPCIdNotSpecified", "No default VPC for this user"))
}

fn check_group(name: &str, description: &str) -> Result<(), Fault> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c);
    let wrong = |what: &str, text: &str| {
        let message =
            format!("Value ({text}) for parameter {what} is invalid. Character sets beyond ASCII are not supported.");
        Err(invalid_parameter(message))
    };
    if name == "default" {
        return Err(Fault::client("InvalidGroup.Reserved", "Cannot use reserved security group name: default"));
    }
    if name.is_empty() {
        return Err(missing_parameter("GroupName"));
    }
    if name.starts_with("sg-") {
        let message =
            format!("Value ({name}) for parameter groupName is invalid. Group names may not be in the format sg-*");
        return Err(invalid_parameter(message));
    }
    if name.len() > 255 || !name.chars().all(allowed) {
        return wrong("GroupName", name);
    }
    if description.is_empty() {
        return Err(missing_parameter("GroupDescription"));
    }
    if description.len() > 255 || !description.chars().all(allowed) {
        return wrong("GroupDescription", description);
    }
    Ok(())
}

/// `DeleteSecurityGroup`.
pub async fn delete(cx: Cx, input: GroupInput) -> Result<Value, Fault> {
    let group = named(&cx, input.group_id.as_deref(), input.group_name.as_deref()).await?;
    if group.name == "default" {
        let message =
            format!("the specified group: \"{}\" name: \"default\" cannot be deleted by a user", group.group_id);
        return Err(Fault::client("CannotDelete", message));
    }
    let interfaces = cx.records::<Interface>().await?.list().await?;
    let groups = cx.records::<SecurityGroup>().await?.list().await?;
    let used = interfaces.iter().any(|i| i.groups.iter().any(|g| g.group_id == group.group_id));
    let referenced = groups
        .iter()
        .filter(|other| other.group_id != group.group_id)
        .any(|other| other.rules.iter().any(|rule| rule.traffic.peer == Peer::Group(group.group_id.clone())));
    if used || referenced {
        let message = format!("resource {} has a dependent object", group.group_id);
        return Err(Fault::client("DependencyViolation", message));
    }
    let txn = Txn::new()
        .delete(Records::<SecurityGroup>::key(&group.group_id))
        .delete(Records::<NameInUse>::key(&format!("{}/{}", scope(&group.vpc_id), group.name)));
    cx.records::<SecurityGroup>().await?.space().txn(txn).await.map_err(store_fault)?;
    Ok(json!({ "Return": true, "GroupId": group.group_id }))
}

async fn named(cx: &Cx, id: Option<&str>, name: Option<&str>) -> Result<SecurityGroup, Fault> {
    match (id, name) {
        (Some(id), _) => find::<SecurityGroup>(cx, id).await,
        (None, Some(name)) => {
            let vpc = default_vpc(cx).await?;
            let groups = cx.records::<SecurityGroup>().await?.list().await?;
            groups.into_iter().find(|g| g.name == name && g.vpc_id == vpc.vpc_id).ok_or_else(|| {
                let message = format!("The security group '{name}' does not exist in default VPC '{}'", vpc.vpc_id);
                Fault::client("InvalidGroup.NotFound", message)
            })
        }
        (None, None) => Err(missing_parameter("groupName or groupId")),
    }
}

/// `DescribeSecurityGroups`, by ids, names (of the default VPC) and filters.
pub async fn describe_groups(cx: Cx, input: Value) -> Result<Value, Fault> {
    let mut input = members(input)?;
    let names: Vec<String> = take_as(&mut input, "GroupNames")?.unwrap_or_default();
    let mut request = Request::take(&mut input, SecurityGroup::IDS)?;
    refuse_rest(&input)?;
    for name in &names {
        request.ids.push(named(&cx, None, Some(name)).await?.group_id);
    }
    describe_request::<SecurityGroup>(&cx, &request).await
}

/// The filters of DescribeSecurityGroupRules.
const RULE_FILTERS: &[Filter] = &[("group-id", "GroupId"), ("security-group-rule-id", "SecurityGroupRuleId")];

/// `DescribeSecurityGroupRules`.
pub async fn describe_rules(cx: Cx, input: Value) -> Result<Value, Fault> {
    let mut input = members(input)?;
    let request = Request::take(&mut input, "SecurityGroupRuleIds")?;
    refuse_rest(&input)?;
    request.check_filters(RULE_FILTERS, true)?;
    let groups = cx.records::<SecurityGroup>().await?.list().await?;
    let all = groups.iter().flat_map(|group| group.rules.iter().map(move |rule| (group, rule)));
    let mut items: Vec<(String, Value)> =
        all.map(|(group, rule)| (rule.id.clone(), rule.view(&cx.region, &group.group_id))).collect();
    if !request.ids.is_empty() {
        if let Some(missing) = request.ids.iter().find(|id| !items.iter().any(|(known, _)| known == *id)) {
            return Err(no_such_rule(missing));
        }
        items.retain(|(id, _)| request.ids.contains(id));
    }
    items.retain(|(_, view)| request.matches(view, RULE_FILTERS));
    Ok(request.reply("SecurityGroupRules", items))
}

fn no_such_rule(id: &str) -> Fault {
    let message = format!("The security group rule ID '{id}' does not exist");
    Fault::client("InvalidSecurityGroupRuleId.NotFound", message)
}

/// The input of the four operations on rules.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct RuleInput {
    group_id: Option<String>,
    group_name: Option<String>,
    ip_permissions: Vec<Permission>,
    security_group_rule_ids: Vec<String>,
    tag_specifications: Vec<TagSpecification>,
    ip_protocol: Option<String>,
    from_port: Option<i64>,
    to_port: Option<i64>,
    cidr_ip: Option<String>,
    source_security_group_name: Option<String>,
}

/// An `IpPermission`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
struct Permission {
    ip_protocol: String,
    from_port: Option<i64>,
    to_port: Option<i64>,
    user_id_group_pairs: Vec<GroupPair>,
    ip_ranges: Vec<IpRange>,
    ipv6_ranges: Vec<Ipv6Range>,
    prefix_list_ids: Vec<PrefixListId>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
struct GroupPair {
    group_id: Option<String>,
    group_name: Option<String>,
    description: Option<String>,
    /// The account; there is only one.
    #[serde(rename = "UserId")]
    _user_id: Option<String>,
    /// Follows from the group.
    #[serde(rename = "VpcId")]
    _vpc_id: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
struct IpRange {
    cidr_ip: String,
    description: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
struct Ipv6Range {
    cidr_ipv6: String,
    description: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
struct PrefixListId {
    prefix_list_id: String,
    /// There are no prefix lists to describe.
    #[serde(rename = "Description")]
    _description: Option<String>,
}

/// `AuthorizeSecurityGroupIngress`.
pub async fn authorize_ingress(cx: Cx, input: RuleInput) -> Result<Value, Fault> {
    authorize(cx, input, false).await
}

/// `AuthorizeSecurityGroupEgress`.
pub async fn authorize_egress(cx: Cx, input: RuleInput) -> Result<Value, Fault> {
    authorize(cx, input, true).await
}

async fn authorize(cx: Cx, input: RuleInput, egress: bool) -> Result<Value, Fault> {
    let group = named(&cx, input.group_id.as_deref(), input.group_name.as_deref()).await?;
    let wanted = traffic(&cx, &input, egress).await?;
    if wanted.is_empty() {
        return Err(missing_parameter("ipPermissions"));
    }
    let tags: Vec<Tag> = tags_for(&cx, &input.tag_specifications, "security-group-rule", &["security-group-rule"])?;
    let mut ids = Ids::regional(&cx, wanted.len() as u64).await?;
    let mut rules: Vec<Rule> = Vec::new();
    for (traffic, description) in wanted {
        if rules.iter().any(|rule| rule.traffic == traffic) {
            return Err(invalid_parameter("The same permission must not appear multiple times"));
        }
        rules.push(Rule { id: ids.ec2("sgr"), traffic, description, tags: tags.clone() });
    }
    let records = cx.records::<SecurityGroup>().await?;
    let updated = records.update(&group.group_id, |group| {
        if let Some(known) = rules.iter().find(|rule| group.rules.iter().any(|r| r.traffic == rule.traffic)) {
            let message = format!("the specified rule \"{}\" already exists", spoken(&known.traffic));
            return Err(Fault::client("InvalidPermission.Duplicate", message));
        }
        group.rules.extend(rules.clone());
        if group.rules.iter().filter(|rule| rule.traffic.egress == egress).count() > limits::RULES_PER_SECURITY_GROUP {
            let message = "The maximum number of rules per security group has been reached.";
            return Err(Fault::client("RulesPerSecurityGroupLimitExceeded", message));
        }
        Ok(())
    });
    updated.await?.ok_or_else(|| SecurityGroup::NOUN.not_found(&group.group_id))?;
    let views: Vec<Value> = rules.iter().map(|rule| rule.view(&cx.region, &group.group_id)).collect();
    Ok(json!({ "Return": true, "SecurityGroupRules": views }))
}

/// A rule as EC2's messages say it.
fn spoken(traffic: &Traffic) -> String {
    let peer = match &traffic.peer {
        Peer::Ipv4(text) | Peer::Ipv6(text) | Peer::PrefixList(text) | Peer::Group(text) => text,
    };
    match (traffic.protocol.as_str(), traffic.from_port, traffic.to_port) {
        ("-1", ..) => format!("peer: {peer}, ALL, ALLOW"),
        (protocol, Some(from), Some(to)) => {
            format!("peer: {peer}, {}, from port: {from}, to port: {to}, ALLOW", protocol.to_uppercase())
        }
        (protocol, ..) => format!("peer: {peer}, {}, ALLOW", protocol.to_uppercase()),
    }
}

/// `RevokeSecurityGroupIngress`.
pub async fn revoke_ingress(cx: Cx, input: RuleInput) -> Result<Value, Fault> {
    revoke(cx, input, false).await
}

/// `RevokeSecurityGroupEgress`.
pub async fn revoke_egress(cx: Cx, input: RuleInput) -> Result<Value, Fault> {
    revoke(cx, input, true).await
}

async fn revoke(cx: Cx, input: RuleInput, egress: bool) -> Result<Value, Fault> {
    let group = named(&cx, input.group_id.as_deref(), input.group_name.as_deref()).await?;
    let wanted = traffic(&cx, &input, egress).await?;
    if wanted.is_empty() && input.security_group_rule_ids.is_empty() {
        return Err(missing_parameter("ipPermissions"));
    }
    if !wanted.is_empty() && !input.security_group_rule_ids.is_empty() {
        return Err(invalid_combination("The request may not contain both securityGroupRuleIds and ipPermissions"));
    }
    let mut gone: Vec<Rule> = Vec::new();
    let records = cx.records::<SecurityGroup>().await?;
    let updated = records.update(&group.group_id, |group| {
        gone.clear();
        for id in &input.security_group_rule_ids {
            let at = group.rules.iter().position(|r| r.id == *id && r.traffic.egress == egress);
            gone.push(group.rules.remove(at.ok_or_else(|| no_such_rule(id))?));
        }
        for (traffic, _) in &wanted {
            let Some(at) = group.rules.iter().position(|rule| rule.traffic == *traffic) else {
                let message = "The specified rule does not exist in this security group.";
                return Err(Fault::client("InvalidPermission.NotFound", message));
            };
            gone.push(group.rules.remove(at));
        }
        Ok(())
    });
    updated.await?.ok_or_else(|| SecurityGroup::NOUN.not_found(&group.group_id))?;
    let views: Vec<Value> = gone.iter().map(|rule| revoked_view(rule, &group.group_id)).collect();
    Ok(json!({ "Return": true, "RevokedSecurityGroupRules": views }))
}

fn revoked_view(rule: &Rule, group_id: &str) -> Value {
    let mut view = rule.view("", group_id);
    if let Some(members) = view.as_object_mut() {
        for member in ["GroupOwnerId", "Tags", "SecurityGroupRuleArn"] {
            members.remove(member);
        }
        if let Some(info) = members.remove("ReferencedGroupInfo") {
            members.insert("ReferencedGroupId".into(), info["GroupId"].clone());
        }
    }
    view
}

/// Whatever the permissions of an input let through, one rule per peer, with its description.
async fn traffic(cx: &Cx, input: &RuleInput, egress: bool) -> Result<Vec<(Traffic, Option<String>)>, Fault> {
    let mut permissions = input.ip_permissions.clone();
    permissions.extend(flat_permission(input));
    let mut out = Vec::new();
    for permission in &permissions {
        let (protocol, from_port, to_port) = ports(permission)?;
        for (peer, description) in peers(cx, permission).await? {
            out.push((Traffic { egress, protocol: protocol.clone(), from_port, to_port, peer }, description));
        }
    }
    Ok(out)
}

/// The older way to say one permission.
fn flat_permission(input: &RuleInput) -> Option<Permission> {
    let group = input.source_security_group_name.clone();
    if input.ip_protocol.is_none() && group.is_none() {
        return None;
    }
    let range = input.cidr_ip.clone().map(|cidr_ip| IpRange { cidr_ip, description: None });
    let pair = group.map(|name| GroupPair { group_name: Some(name), ..GroupPair::default() });
    Some(Permission {
        ip_protocol: input.ip_protocol.clone().unwrap_or_else(|| "-1".into()),
        from_port: input.from_port,
        to_port: input.to_port,
        ip_ranges: range.into_iter().collect(),
        user_id_group_pairs: pair.into_iter().collect(),
        ..Permission::default()
    })
}

/// Protocol and ports in EC2's own spelling.
fn ports(permission: &Permission) -> Result<(String, Option<i64>, Option<i64>), Fault> {
    let protocol = match permission.ip_protocol.to_ascii_lowercase().as_str() {
        "" => return Err(missing_parameter("ipProtocol")),
        "all" | "-1" => return Ok(("-1".into(), None, None)),
        "6" => "tcp".to_string(),
        "17" => "udp".to_string(),
        "1" => "icmp".to_string(),
        "58" => "icmpv6".to_string(),
        other => other.to_string(),
    };
    let (from, to) = (permission.from_port, permission.to_port);
    match protocol.as_str() {
        "tcp" | "udp" => {
            let (Some(first), Some(last)) = (from, to) else {
                return Err(invalid_parameter(format!(
                    "Invalid value for portRange. Must specify both from and to ports with {}.",
                    protocol.to_uppercase()
                )));
            };
            let valid = (0..=65_535).contains(&first) && (0..=65_535).contains(&last) && first <= last;
            match valid {
                true => Ok((protocol, from, to)),
                false => {
                    Err(invalid_parameter(format!("Invalid {} port range ({first}, {last})", protocol.to_uppercase())))
                }
            }
        }
        "icmp" | "icmpv6" => Ok((protocol, Some(from.unwrap_or(-1)), Some(to.unwrap_or(-1)))),
        number if number.parse::<u8>().is_ok() => Ok((protocol, None, None)),
        other => Err(invalid_parameter(format!("Invalid value '{other}' for IP protocol. Unknown protocol."))),
    }
}

async fn peers(cx: &Cx, permission: &Permission) -> Result<Vec<(Peer, Option<String>)>, Fault> {
    let mut out = Vec::new();
    for range in &permission.ip_ranges {
        let block: Ipv4Net = range.cidr_ip.parse().map_err(|_| malformed_block(&range.cidr_ip))?;
        out.push((Peer::Ipv4(block.trunc().to_string()), range.description.clone()));
    }
    for range in &permission.ipv6_ranges {
        let block: Ipv6Net = range.cidr_ipv6.parse().map_err(|_| malformed_block(&range.cidr_ipv6))?;
        out.push((Peer::Ipv6(block.trunc().to_string()), range.description.clone()));
    }
    if let Some(list) = permission.prefix_list_ids.first() {
        let message = format!("The prefix list ID '{}' does not exist", list.prefix_list_id);
        return Err(Fault::client("InvalidPrefixListID.NotFound", message));
    }
    for pair in &permission.user_id_group_pairs {
        let group = named(cx, pair.group_id.as_deref(), pair.group_name.as_deref()).await?;
        out.push((Peer::Group(group.group_id), pair.description.clone()));
    }
    Ok(out)
}

fn malformed_block(text: &str) -> Fault {
    let bare = text.parse::<Ipv4Addr>().is_ok() || text.parse::<Ipv6Addr>().is_ok();
    let hint = if bare { " (a prefix length is missing)" } else { "" };
    invalid_parameter(format!("CIDR block {text} is malformed{hint}"))
}
