//! The rules of CreateNodegroup and UpdateNodegroupConfig, in EKS's words.

use std::collections::BTreeMap;

use cove_aws_wire::fault::Fault;
use serde_json::{Value, json};

use crate::eks::catalog::AmiType;
use crate::eks::faults;
use crate::eks::network::as_eks;
use crate::eks::nodegroup_state::{Scaling, Taint, UpdateConfig};
use crate::eks::state::StringMap;
use crate::operation::Cx;

/// Nodes of one group (quota L-BD136A63).
const NODES: u32 = 450;
/// Taints of one group.
const TAINTS: usize = 50;
/// Instance types of one group.
const INSTANCE_TYPES: usize = 20;
/// Label prefixes that EKS and Kubernetes keep for themselves.
const RESERVED_PREFIXES: &[&str] = &["eks.amazonaws.com/", "kubernetes.io/", "k8s.io/"];

/// The rule of node group names.
pub fn name(cluster: &str, name: &str) -> Result<(), Fault> {
    let mut characters = name.chars();
    let begins = characters.next().is_some_and(|c| c.is_ascii_alphanumeric());
    if begins && name.len() <= 63 && characters.all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
        return Ok(());
    }
    let message = "The nodegroup name can't be longer than 63 characters. It must start with letter or digit, but can also \
                   include hyphens and underscores for the remaining characters";
    Err(faults::parameter(cluster, message))
}

/// The rules of a size.
pub fn scaling(cluster: &str, scaling: Scaling) -> Result<(), Fault> {
    let Scaling { min_size, max_size, desired_size } = scaling;
    let message = if max_size < 1 {
        format!("Maximum capacity {max_size} must be at least 1")
    } else if min_size > max_size {
        format!("Minimum capacity {min_size} can't be greater than maximum size {max_size}")
    } else if min_size > desired_size {
        format!("Minimum capacity {min_size} can't be greater than desired size {desired_size}")
    } else if desired_size > max_size {
        format!("desired capacity {desired_size} can't be greater than max size {max_size}")
    } else if max_size > NODES {
        return Err(faults::limit(cluster, format!("Nodes per managed node group are limited to {NODES}.")));
    } else {
        return Ok(());
    };
    Err(faults::parameter(cluster, message))
}

/// The rules of labels.
pub fn labels(cluster: &str, labels: &StringMap) -> Result<(), Fault> {
    for (key, value) in labels {
        let prefix = key.rsplit_once('/').map_or("", |(prefix, _)| prefix);
        let domain = format!("{prefix}/");
        if RESERVED_PREFIXES.iter().any(|r| domain == *r || domain.ends_with(&format!(".{r}"))) && !allowed(key) {
            let message =
                format!("Label cannot contain reserved prefixes [kubernetes.io/, k8s.io/, eks.amazonaws.com/]: {key}");
            return Err(faults::parameter(cluster, message));
        }
        if !qualified_name(key) || !label_value(value) {
            return Err(faults::parameter(cluster, format!("Invalid label: {key}={value}")));
        }
    }
    Ok(())
}

/// Labels with reserved prefixes that a kubelet may set on itself.
fn allowed(key: &str) -> bool {
    key.starts_with("node.kubernetes.io/") || key.starts_with("kubelet.kubernetes.io/")
}

fn qualified_name(key: &str) -> bool {
    let (prefix, name) = key.rsplit_once('/').unwrap_or(("", key));
    let domain = prefix.is_empty()
        || prefix.len() <= 253
            && prefix.split('.').all(|label| {
                let inner = label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
                !label.is_empty() && inner && !label.starts_with('-') && !label.ends_with('-')
            });
    domain && !name.is_empty() && label_value(name) && !key.starts_with('/')
}

fn label_value(value: &str) -> bool {
    let edge = |b: Option<u8>| b.is_none_or(|b| b.is_ascii_alphanumeric());
    value.len() <= 63
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && edge(value.bytes().next())
        && edge(value.bytes().last())
}

/// The rules of taints.
pub fn taints(cluster: &str, taints: &[Taint]) -> Result<(), Fault> {
    if taints.len() > TAINTS {
        return Err(faults::parameter(cluster, format!("The number of taints cannot exceed {TAINTS}")));
    }
    for taint in taints {
        let known = ["NO_SCHEDULE", "NO_EXECUTE", "PREFER_NO_SCHEDULE"].contains(&taint.effect.as_str());
        if !known || !qualified_name(&taint.key) || !label_value(taint.value.as_deref().unwrap_or_default()) {
            return Err(faults::parameter(cluster, format!("Invalid taint: {}", taint.key)));
        }
    }
    let same = |a: &Taint, b: &Taint| a.key == b.key && a.effect == b.effect;
    let doubled = taints.iter().enumerate().find(|(at, t)| taints[at + 1..].iter().any(|other| same(t, other)));
    match doubled {
        Some((_, taint)) => Err(faults::parameter(cluster, format!("Duplicate taint key and effect: {}", taint.key))),
        None => Ok(()),
    }
}

/// The rules of `updateConfig`, completed with EKS's default.
pub fn update_config(cluster: &str, config: Option<UpdateConfig>) -> Result<UpdateConfig, Fault> {
    let mut config = config.unwrap_or(UpdateConfig {
        max_unavailable: None,
        max_unavailable_percentage: None,
        update_strategy: None,
    });
    if config.max_unavailable.is_some() && config.max_unavailable_percentage.is_some() {
        let message = "Only one of maxUnavailable and maxUnavailablePercentage can be specified.";
        return Err(faults::parameter(cluster, message));
    }
    if config.max_unavailable.is_some_and(|n| !(1..=100).contains(&n)) {
        return Err(faults::parameter(cluster, "maxUnavailable must be between 1 and 100."));
    }
    if config.max_unavailable.is_none() && config.max_unavailable_percentage.is_none() {
        config.max_unavailable = Some(1);
    }
    Ok(config)
}

/// What EC2 says of the instance types that matters here.
struct TypeFacts {
    architectures: Vec<String>,
    vcpus: u64,
    interfaces: u64,
    addresses: u64,
}

/// Checks that the types exist and fit the AMI type; gives the pods that a node of the smallest can hold, as EKS
/// computes it (max-pods-calculator: interfaces times secondary addresses, plus two; capped by the vCPUs).
pub async fn instance_types(cx: &Cx, cluster: &str, ami: &AmiType, types: &[String]) -> Result<u32, Fault> {
    if types.len() > INSTANCE_TYPES {
        return Err(faults::parameter(cluster, format!("The number of instance types cannot exceed {INSTANCE_TYPES}")));
    }
    let known = describe_types(cx, types).await?;
    let missing: Vec<&str> = types.iter().filter(|t| !known.contains_key(*t)).map(String::as_str).collect();
    if !missing.is_empty() {
        let message = format!("The following supplied instance types do not exist: [{}]", missing.join(", "));
        return Err(faults::parameter(cluster, message));
    }
    let fits =
        |facts: &TypeFacts| ami.architecture.is_empty() || facts.architectures.iter().any(|a| a == ami.architecture);
    let unfit: Vec<&str> = types.iter().filter(|t| !fits(&known[*t])).map(String::as_str).collect();
    if !unfit.is_empty() {
        let message = format!("[{}] is not a valid instance type for requested amiType {}", unfit.join(", "), ami.name);
        return Err(faults::parameter(cluster, message));
    }
    Ok(types.iter().map(|t| max_pods(&known[t])).min().unwrap_or(110))
}

fn max_pods(facts: &TypeFacts) -> u32 {
    let pods = facts.interfaces * facts.addresses.saturating_sub(1) + 2;
    let cap = if facts.vcpus <= 30 { 110 } else { 250 };
    u32::try_from(pods.min(cap)).unwrap_or(110)
}

async fn describe_types(cx: &Cx, types: &[String]) -> Result<BTreeMap<String, TypeFacts>, Fault> {
    let filters = json!([{ "Name": "instance-type", "Values": types }]);
    let found = as_eks(cx, "ec2", "DescribeInstanceTypes", json!({ "Filters": filters })).await?;
    let list = found["InstanceTypes"].as_array().into_iter().flatten();
    Ok(list.filter_map(|t| Some((t["InstanceType"].as_str()?.to_string(), facts(t)))).collect())
}

fn facts(of: &Value) -> TypeFacts {
    let network = &of["NetworkInfo"];
    let default_card = network["DefaultNetworkCardIndex"].as_u64().unwrap_or(0);
    let mut cards = network["NetworkCards"].as_array().into_iter().flatten();
    let card = cards.find(|c| c["NetworkCardIndex"].as_u64() == Some(default_card));
    let of_card = card.and_then(|c| c["MaximumNetworkInterfaces"].as_u64());
    let architectures = of["ProcessorInfo"]["SupportedArchitectures"].as_array().into_iter().flatten();
    TypeFacts {
        architectures: architectures.filter_map(Value::as_str).map(Into::into).collect(),
        vcpus: of["VCpuInfo"]["DefaultVCpus"].as_u64().unwrap_or(1),
        interfaces: of_card.or(network["MaximumNetworkInterfaces"].as_u64()).unwrap_or(1),
        addresses: network["Ipv4AddressesPerInterface"].as_u64().unwrap_or(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_in_eks_words() {
        let size = |min_size, max_size, desired_size| scaling("c", Scaling { min_size, max_size, desired_size });
        assert!(size(2, 5, 3).is_ok() && size(0, 1, 0).is_ok());
        let text = |r: Result<(), Fault>| r.expect_err("refused").message;
        assert_eq!(text(size(2, 5, 1)), "Minimum capacity 2 can't be greater than desired size 1");
        assert_eq!(text(size(2, 5, 6)), "desired capacity 6 can't be greater than max size 5");
        assert_eq!(size(0, 451, 0).expect_err("refused").code, "ResourceLimitExceededException");
        assert!(name("c", "my-ng_1").is_ok() && name("c", "-ng").is_err() && name("c", &"x".repeat(64)).is_err());
        let one = |k: &str, v: &str| labels("c", &StringMap::from([(k.to_string(), v.to_string())]));
        assert!(one("role", "web").is_ok() && one("example.com/role", "").is_ok());
        assert!(one("eks.amazonaws.com/nodegroup", "x").is_err() && one("foo.k8s.io/x", "x").is_err());
        assert!(one("a b", "x").is_err() && one("a", "-x").is_err() && one("/a", "x").is_err());
    }

    #[test]
    fn max_pods_as_eks_computes_them() {
        let pods =
            |vcpus, interfaces, addresses| max_pods(&TypeFacts { architectures: vec![], vcpus, interfaces, addresses });
        assert_eq!((pods(2, 3, 6), pods(2, 3, 4), pods(2, 3, 10)), (17, 11, 29));
        assert_eq!((pods(16, 8, 30), pods(64, 15, 50)), (110, 250));
    }
}
