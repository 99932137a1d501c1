//! What a node group is made of: instance profile, mapping of the node role, launch template, Auto Scaling group with
//! its hooks. Each is made if it is not there, and deleted if it is: steps may be cut short anywhere.

use cove_aws_wire::fault::Fault;
use serde_json::{Value, json};

use super::network::as_eks;
use super::node_template;
use super::nodegroup_state::Nodegroup;
use super::ops::access_entry;
use super::principals::role_name;
use super::state::{AccessEntry, Cluster};
use crate::operation::Cx;

/// The hooks of a node group's Auto Scaling group.
pub const LAUNCH_HOOK: &str = "Launch-LC-Hook";
/// See [`LAUNCH_HOOK`].
pub const TERMINATE_HOOK: &str = "Terminate-LC-Hook";
/// Their heartbeat, in seconds.
const HEARTBEAT_S: u32 = 1_800;

/// `Ok(None)` for a fault whose code says that there is nothing to do.
fn unless(result: Result<Value, Fault>, codes: &[&str]) -> Result<Option<Value>, Fault> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(fault) if codes.contains(&fault.code.as_str()) => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// The instance profile with the node role in it.
pub async fn ensure_profile(cx: &Cx, nodegroup: &Nodegroup) -> Result<(), Fault> {
    let name = nodegroup.resource_name();
    let made = as_eks(cx, "iam", "CreateInstanceProfile", json!({ "InstanceProfileName": name })).await;
    unless(made, &["EntityAlreadyExists"])?;
    let role = role_name(&nodegroup.node_role).unwrap_or_default();
    let input = json!({ "InstanceProfileName": name, "RoleName": role });
    // A profile holds one role, so `LimitExceeded` means that it is there.
    unless(as_eks(cx, "iam", "AddRoleToInstanceProfile", input).await, &["LimitExceeded", "EntityAlreadyExists"])?;
    Ok(())
}

/// Lets the nodes in: by `aws-auth` in CONFIG_MAP mode, by an access entry in the API modes. True if an entry was made.
pub async fn ensure_mapping(cx: &Cx, cluster: &Cluster, nodegroup: &Nodegroup) -> Result<bool, Fault> {
    if cluster.authentication_mode == "CONFIG_MAP" {
        let mapped = cx.ports.clusters.map_node_role(&cx.region, &cluster.name, &nodegroup.node_role).await;
        return mapped.map(|()| false).map_err(Fault::internal);
    }
    let entries = cx.records::<AccessEntry>().await?;
    if entries.get(&AccessEntry::id_of(&cluster.name, &nodegroup.node_role)).await?.is_some() {
        return Ok(false);
    }
    match access_entry::of_node_role(cx, &cluster.name, &nodegroup.node_role).await? {
        Some(entry) => entries.create(&entry).await,
        None => Ok(false),
    }
}

/// The launch template with at least one version. Gives its id and the number of the version to use.
pub async fn ensure_template(cx: &Cx, cluster: &Cluster, nodegroup: &Nodegroup) -> Result<(), Fault> {
    let input = json!({
        "LaunchTemplateName": nodegroup.resource_name(),
        "ClientToken": nodegroup.uuid,
        "LaunchTemplateData": node_template::data(cx, cluster, nodegroup).await?,
        "TagSpecifications": [{ "ResourceType": "launch-template", "Tags": own_tags(nodegroup) }],
    });
    let codes = ["InvalidLaunchTemplateName.AlreadyExistsException", "IdempotentParameterMismatch"];
    unless(as_eks(cx, "ec2", "CreateLaunchTemplate", input).await, &codes)?;
    Ok(())
}

/// A new version of the template, for labels and taints; the group launches from the newest.
pub async fn renew_template(cx: &Cx, cluster: &Cluster, nodegroup: &Nodegroup) -> Result<(), Fault> {
    let token = nodegroup.update_id.clone().unwrap_or_else(|| nodegroup.uuid.clone());
    let input = json!({
        "LaunchTemplateName": nodegroup.resource_name(),
        "ClientToken": token,
        "LaunchTemplateData": node_template::data(cx, cluster, nodegroup).await?,
    });
    let made = as_eks(cx, "ec2", "CreateLaunchTemplateVersion", input).await?;
    let version = made["LaunchTemplateVersion"]["VersionNumber"].to_string();
    let input = json!({
        "AutoScalingGroupName": nodegroup.group_name(),
        "MixedInstancesPolicy": policy(nodegroup, &version),
    });
    as_eks(cx, "autoscaling", "UpdateAutoScalingGroup", input).await.map(|_| ())
}

fn own_tags(nodegroup: &Nodegroup) -> Value {
    json!([
        { "Key": "eks:cluster-name", "Value": nodegroup.cluster },
        { "Key": "eks:nodegroup-name", "Value": nodegroup.name },
    ])
}

fn policy(nodegroup: &Nodegroup, version: &str) -> Value {
    let overrides: Vec<Value> = nodegroup.instance_types.iter().map(|t| json!({ "InstanceType": t })).collect();
    let on_demand = nodegroup.capacity_type != "SPOT";
    let mut distribution = json!({
        "OnDemandAllocationStrategy": "prioritized",
        "OnDemandBaseCapacity": 0,
        "OnDemandPercentageAboveBaseCapacity": if on_demand { 100 } else { 0 },
    });
    distribution["SpotAllocationStrategy"] = json!(if on_demand { "lowest-price" } else { "price-capacity-optimized" });
    if on_demand {
        distribution["SpotInstancePools"] = json!(2);
    }
    json!({
        "LaunchTemplate": {
            "LaunchTemplateSpecification": { "LaunchTemplateName": nodegroup.resource_name(), "Version": version },
            "Overrides": overrides,
        },
        "InstancesDistribution": distribution,
    })
}

/// The Auto Scaling group.
pub async fn ensure_group(cx: &Cx, nodegroup: &Nodegroup) -> Result<(), Fault> {
    let name = nodegroup.group_name();
    let (cluster, own) = (&nodegroup.cluster, &nodegroup.name);
    let tags = [
        ("eks:cluster-name".to_string(), cluster.as_str()),
        ("eks:nodegroup-name".into(), own.as_str()),
        ("k8s.io/cluster-autoscaler/enabled".into(), "true"),
        (format!("k8s.io/cluster-autoscaler/{cluster}"), "owned"),
        (format!("kubernetes.io/cluster/{cluster}"), "owned"),
    ];
    let tag = |(key, value): (String, &str)| {
        json!({
            "ResourceId": name, "ResourceType": "auto-scaling-group", "Key": key, "Value": value, "PropagateAtLaunch": true,
        })
    };
    let hook = |name: &str, transition: &str| {
        json!({
            "LifecycleHookName": name, "LifecycleTransition": format!("autoscaling:EC2_INSTANCE_{transition}"),
            "HeartbeatTimeout": HEARTBEAT_S, "DefaultResult": "CONTINUE",
        })
    };
    let mut input = json!({
        "AutoScalingGroupName": name,
        "MixedInstancesPolicy": policy(nodegroup, "1"),
        "MinSize": nodegroup.scaling.min_size,
        "MaxSize": nodegroup.scaling.max_size,
        "DesiredCapacity": nodegroup.scaling.desired_size,
        "DefaultCooldown": 300,
        "VPCZoneIdentifier": nodegroup.subnets.join(","),
        "HealthCheckType": "EC2",
        "HealthCheckGracePeriod": 15,
        "TerminationPolicies": ["AllocationStrategy", "OldestLaunchTemplate", "OldestInstance"],
        "Tags": tags.map(tag),
        "LifecycleHookSpecificationList": [hook(LAUNCH_HOOK, "LAUNCHING"), hook(TERMINATE_HOOK, "TERMINATING")],
    });
    if nodegroup.capacity_type == "SPOT" {
        input["CapacityRebalance"] = json!(true);
    }
    unless(as_eks(cx, "autoscaling", "CreateAutoScalingGroup", input).await, &["AlreadyExists"])?;
    Ok(())
}

/// Gives the group its size.
pub async fn resize_group(cx: &Cx, nodegroup: &Nodegroup) -> Result<(), Fault> {
    let scaling = nodegroup.scaling;
    let input = json!({
        "AutoScalingGroupName": nodegroup.group_name(),
        "MinSize": scaling.min_size, "MaxSize": scaling.max_size, "DesiredCapacity": scaling.desired_size,
    });
    as_eks(cx, "autoscaling", "UpdateAutoScalingGroup", input).await.map(|_| ())
}

/// The group as Auto Scaling describes it; `None` if there is none.
pub async fn describe_group(cx: &Cx, nodegroup: &Nodegroup) -> Result<Option<Value>, Fault> {
    let input = json!({ "AutoScalingGroupNames": [nodegroup.group_name()] });
    let mut found = as_eks(cx, "autoscaling", "DescribeAutoScalingGroups", input).await?;
    let group = found["AutoScalingGroups"].get_mut(0).map(Value::take);
    Ok(group.filter(|g| !g.is_null()))
}

/// Deletes the group, which must be empty, and the template.
pub async fn delete_group_and_template(cx: &Cx, nodegroup: &Nodegroup) -> Result<(), Fault> {
    let input = json!({ "AutoScalingGroupName": nodegroup.group_name() });
    unless(as_eks(cx, "autoscaling", "DeleteAutoScalingGroup", input).await, &["ValidationError"])?;
    let input = json!({ "LaunchTemplateName": nodegroup.resource_name() });
    let codes = ["InvalidLaunchTemplateName.NotFoundException", "InvalidLaunchTemplateId.NotFound"];
    unless(as_eks(cx, "ec2", "DeleteLaunchTemplate", input).await, &codes)?;
    Ok(())
}

/// Deletes the instance profile.
pub async fn delete_profile(cx: &Cx, nodegroup: &Nodegroup) -> Result<(), Fault> {
    let name = nodegroup.resource_name();
    let role = role_name(&nodegroup.node_role).unwrap_or_default();
    let input = json!({ "InstanceProfileName": name, "RoleName": role });
    unless(as_eks(cx, "iam", "RemoveRoleFromInstanceProfile", input).await, &["NoSuchEntity"])?;
    let input = json!({ "InstanceProfileName": name });
    unless(as_eks(cx, "iam", "DeleteInstanceProfile", input).await, &["NoSuchEntity"])?;
    Ok(())
}

/// Takes the node role's mapping away, unless another node group of the cluster has the same role.
pub async fn delete_mapping(cx: &Cx, nodegroup: &Nodegroup) -> Result<(), Fault> {
    let all = cx.records::<Nodegroup>().await?.list_under(&format!("{}/", nodegroup.cluster)).await?;
    if all.iter().any(|other| other.name != nodegroup.name && other.node_role == nodegroup.node_role) {
        return Ok(());
    }
    let entries = cx.records::<AccessEntry>().await?;
    let id = AccessEntry::id_of(&nodegroup.cluster, &nodegroup.node_role);
    if entries.get(&id).await?.is_some_and(|e| e.value.kind == "EC2_LINUX" && e.value.made_by_eks) {
        entries.delete(&id).await?;
    }
    let unmapped = cx.ports.clusters.unmap_node_role(&cx.region, &nodegroup.cluster, &nodegroup.node_role).await;
    unmapped.map_err(Fault::internal)
}
