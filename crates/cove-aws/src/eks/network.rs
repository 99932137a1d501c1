//! What EKS asks EC2 about a cluster's network, and the rules it has for the answers.

use std::collections::BTreeSet;

use cove_aws_wire::door::Caller;
use cove_aws_wire::fault::Fault;
use ipnet::Ipv4Net;
use serde::Deserialize;
use serde_json::{Value, json};

use super::faults;
use crate::operation::Cx;

/// Zones that cannot hold a control plane.
const REFUSED_ZONE_IDS: &[&str] = &["use1-az3", "usw1-az2", "cac1-az3"];
/// The service network of clusters in VPCs outside 10.0.0.0/8.
const SERVICE_CIDR: &str = "10.100.0.0/16";
/// The service network of clusters in VPCs inside 10.0.0.0/8.
const SERVICE_CIDR_OF_TEN: &str = "172.20.0.0/16";

/// Calls another service as EKS itself.
pub async fn as_eks(cx: &Cx, service: &str, operation: &str, input: Value) -> Result<Value, Fault> {
    cx.call(Caller::service("eks.amazonaws.com"), service, operation, input).await
}

/// A subnet, as far as EKS looks at it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Subnet {
    /// `subnet-...`.
    pub subnet_id: String,
    /// `vpc-...`.
    pub vpc_id: String,
    /// Such as `us-west-2a`.
    pub availability_zone: String,
    /// Such as `usw2-az1`.
    #[serde(default)]
    pub availability_zone_id: String,
}

/// The subnets of these ids, in their order. One that does not exist is an InvalidParameterException in EC2's words.
pub async fn subnets(cx: &Cx, cluster: &str, ids: &[String]) -> Result<Vec<Subnet>, Fault> {
    let answer = as_eks(cx, "ec2", "DescribeSubnets", json!({ "SubnetIds": ids })).await;
    let mut answer = answer.map_err(|fault| of_caller(cluster, fault))?;
    let found: Vec<Subnet> = serde_json::from_value(answer["Subnets"].take()).map_err(Fault::internal)?;
    let by_id = |id: &String| found.iter().find(|s| s.subnet_id == *id).cloned();
    Ok(ids.iter().filter_map(by_id).collect())
}

/// Another service's complaint about what the caller gave, as EKS passes it on.
pub fn of_caller(cluster: &str, fault: Fault) -> Fault {
    if fault.status >= 500 { fault } else { faults::parameter(cluster, fault.message) }
}

/// The rules of a cluster's subnets: one VPC, at least two zones, none that EKS does not use. Gives the VPC.
pub async fn check_cluster_subnets(cx: &Cx, cluster: &str, subnets: &[Subnet]) -> Result<String, Fault> {
    let vpcs: BTreeSet<&String> = subnets.iter().map(|s| &s.vpc_id).collect();
    let zones: BTreeSet<&String> = subnets.iter().map(|s| &s.availability_zone).collect();
    let Some(vpc) = vpcs.first() else {
        return Err(faults::parameter(cluster, "Subnets specified must be in at least two different AZs"));
    };
    if vpcs.len() > 1 {
        return Err(faults::parameter(cluster, "Subnets specified must belong to the same VPC"));
    }
    if let Some(subnet) = subnets.iter().find(|s| REFUSED_ZONE_IDS.contains(&s.availability_zone_id.as_str())) {
        return Err(unsupported_zone(cx, cluster, &subnet.availability_zone).await?);
    }
    if zones.len() < 2 {
        return Err(faults::parameter(cluster, "Subnets specified must be in at least two different AZs"));
    }
    Ok((*vpc).clone())
}

async fn unsupported_zone(cx: &Cx, cluster: &str, zone: &str) -> Result<Fault, Fault> {
    let answer = as_eks(cx, "ec2", "DescribeAvailabilityZones", json!({})).await?;
    let zones = answer["AvailabilityZones"].as_array().into_iter().flatten();
    let usable = zones.filter(|z| z["ZoneId"].as_str().is_some_and(|id| !REFUSED_ZONE_IDS.contains(&id)));
    let valid: Vec<&str> = usable.filter_map(|z| z["ZoneName"].as_str()).collect();
    let message = format!(
        "Cannot create cluster '{cluster}' because {zone}, the targeted Availability Zone, does not currently have \
         sufficient capacity to support the cluster. Retry and choose from these Availability Zones: {}",
        valid.join(", ")
    );
    let fault = Fault::client("UnsupportedAvailabilityZoneException", message);
    Ok(fault.with("clusterName", cluster).with("validZones", valid))
}

/// Refuses security groups that do not exist.
pub async fn check_security_groups(cx: &Cx, cluster: &str, ids: &[String]) -> Result<(), Fault> {
    if ids.is_empty() {
        return Ok(());
    }
    let answer = as_eks(cx, "ec2", "DescribeSecurityGroups", json!({ "GroupIds": ids })).await;
    answer.map(|_| ()).map_err(|fault| of_caller(cluster, fault))
}

/// The IPv4 networks of a VPC.
async fn vpc_cidrs(cx: &Cx, vpc_id: &str) -> Result<Vec<Ipv4Net>, Fault> {
    let answer = as_eks(cx, "ec2", "DescribeVpcs", json!({ "VpcIds": [vpc_id] })).await?;
    let vpc = &answer["Vpcs"][0];
    let associated = vpc["CidrBlockAssociationSet"].as_array().into_iter().flatten().map(|a| &a["CidrBlock"]);
    let texts = associated.chain([&vpc["CidrBlock"]]).filter_map(Value::as_str);
    Ok(texts.filter_map(|t| t.parse().ok()).collect())
}

/// The cluster's service network: what was asked for, if it is allowed, or EKS's choice for the VPC.
pub async fn service_cidr(cx: &Cx, cluster: &str, vpc_id: &str, asked: Option<&str>) -> Result<String, Fault> {
    let vpc = vpc_cidrs(cx, vpc_id).await?;
    match asked {
        Some(asked) => check_service_cidr(asked, &vpc).map_err(|message| faults::parameter(cluster, message)),
        None => Ok(default_service_cidr(&vpc).into()),
    }
}

fn default_service_cidr(vpc: &[Ipv4Net]) -> &'static str {
    let ten = vpc.iter().any(|net| net.addr().octets()[0] == 10);
    if ten { SERVICE_CIDR_OF_TEN } else { SERVICE_CIDR }
}

fn check_service_cidr(asked: &str, vpc: &[Ipv4Net]) -> Result<String, String> {
    let net: Ipv4Net = asked.parse().map_err(|_| format!("The CIDR block {asked} is not a valid IPv4 CIDR block."))?;
    if !(12..=24).contains(&net.prefix_len()) || net.trunc() != net {
        return Err(format!("The serviceIpv4Cidr {asked} must be a network between /24 and /12."));
    }
    let private = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];
    if !private.iter().filter_map(|p| p.parse::<Ipv4Net>().ok()).any(|p| p.contains(&net)) {
        return Err(format!("The serviceIpv4Cidr {asked} must be within 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16."));
    }
    match vpc.iter().find(|v| v.contains(&net) || net.contains(*v)) {
        Some(block) => Err(format!("The serviceIpv4Cidr {asked} overlaps with the VPC CIDR block {block}.")),
        None => Ok(net.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nets(texts: &[&str]) -> Vec<Ipv4Net> {
        texts.iter().map(|t| t.parse().expect("a network")).collect()
    }

    #[test]
    fn the_service_network_keeps_clear_of_the_vpc() {
        assert_eq!(default_service_cidr(&nets(&["172.31.0.0/16"])), "10.100.0.0/16");
        assert_eq!(default_service_cidr(&nets(&["10.0.0.0/16"])), "172.20.0.0/16");
        let vpc = nets(&["172.31.0.0/16"]);
        assert_eq!(check_service_cidr("10.96.0.0/12", &vpc).as_deref(), Ok("10.96.0.0/12"));
        for bad in ["8.8.0.0/16", "10.0.0.0/25", "10.0.0.0/8", "172.31.4.0/24", "172.16.0.0/12", "10.0.0.1/16", "x"] {
            assert!(check_service_cidr(bad, &vpc).is_err(), "{bad}");
        }
    }
}
