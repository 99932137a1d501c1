//! How clusters and node groups are made and deleted with all that belongs to them, as eksctl does it. Shared by the
//! eksctl verbs and the demo.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use cove_base::hint::Hinted;
use cove_base::tokio_runtime::TokioDriver;
use cove_base::{Runtime, Seed};
use serde_json::{Value, json};

use super::aws::Aws;

/// How long a cluster or a node group may take to come or go. Deleting waits for drains (EKS: 15 minutes).
const PATIENCE: Duration = Duration::from_secs(40 * 60);
const POLL: Duration = Duration::from_millis(50);
const CLUSTER_POLICIES: &[&str] = &["AmazonEKSClusterPolicy", "AmazonEKSVPCResourceController"];
const NODE_POLICIES: &[&str] = &[
    "AmazonEKSWorkerNodePolicy",
    "AmazonEKS_CNI_Policy",
    "AmazonEC2ContainerRegistryPullOnly",
    "AmazonSSMManagedInstanceCore",
];

/// The wishes for a node group.
#[derive(Clone, Debug)]
pub struct NodeGroup {
    /// Its name.
    pub name: String,
    /// The instance type.
    pub instance_type: String,
    /// How many nodes: fewest, wanted, most.
    pub sizes: (u32, u32, u32),
    /// Labels.
    pub labels: Value,
    /// Spot capacity.
    pub spot: bool,
    /// The AMI type, EKS's default if `None`.
    pub ami_type: Option<String>,
}

/// The name of the role made for a cluster.
fn cluster_role(cluster: &str) -> String {
    format!("eksctl-{cluster}-cluster-ServiceRole")
}

/// The name of the role made for a node group.
fn node_role(cluster: &str, group: &str) -> String {
    format!("eksctl-{cluster}-nodegroup-{group}-NodeInstanceRole")
}

/// A role with its policies; one that is there already is taken as it is.
pub async fn role(aws: &Aws<'_>, name: &str, service: &str, policies: &[&str]) -> Result<String> {
    let found = aws.find("iam", "GetRole", json!({"RoleName": name})).await?;
    let role = match found {
        Some(role) => role,
        None => {
            let trust = json!({"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Principal": {"Service": service}, "Action": ["sts:AssumeRole", "sts:TagSession"]},
            ]});
            let input = json!({"RoleName": name, "AssumeRolePolicyDocument": trust.to_string()});
            aws.call("iam", "CreateRole", input).await?
        }
    };
    for policy in policies {
        let arn = format!("arn:aws:iam::aws:policy/{policy}");
        aws.call("iam", "AttachRolePolicy", json!({"RoleName": name, "PolicyArn": arn})).await?;
    }
    role["Role"]["Arn"].as_str().map(str::to_string).context("a role without an ARN")
}

/// The default subnets, at most one per zone and three in all.
async fn subnets(aws: &Aws<'_>) -> Result<Vec<String>> {
    let filters = json!([{"Name": "default-for-az", "Values": ["true"]}]);
    let mut found = aws.call("ec2", "DescribeSubnets", json!({"Filters": filters})).await?;
    let mut subnets: Vec<Value> = found["Subnets"].as_array_mut().map(std::mem::take).unwrap_or_default();
    subnets.sort_by_key(|s| s["AvailabilityZone"].as_str().unwrap_or_default().to_string());
    let ids = subnets.iter().filter_map(|s| s["SubnetId"].as_str()).take(3).map(str::to_string).collect::<Vec<_>>();
    if ids.len() < 2 {
        let hint = "Make a default VPC again, or use `aws eks create-cluster` with subnets of your own.";
        return Err(Hinted::new("the default VPC has no default subnets in two zones", hint).into());
    }
    Ok(ids)
}

/// Makes a cluster with its role; the caller becomes its administrator.
pub async fn cluster(aws: &Aws<'_>, name: &str, version: Option<&str>) -> Result<()> {
    if aws.cluster(name).await?.is_some() {
        return Err(Hinted::new(format!("cluster {name} exists already"), "Take another --name.").into());
    }
    aws.call("eks", "CreateCluster", cluster_input(aws, name, version).await?).await?;
    wait(&format!("cluster {name}"), async || aws.cluster(name).await, "ACTIVE").await
}

/// The input of CreateCluster, with the cluster's role made.
pub async fn cluster_input(aws: &Aws<'_>, name: &str, version: Option<&str>) -> Result<Value> {
    let role = role(aws, &cluster_role(name), "eks.amazonaws.com", CLUSTER_POLICIES).await?;
    let mut input = json!({
        "name": name, "roleArn": role,
        "resourcesVpcConfig": {"subnetIds": subnets(aws).await?},
        "accessConfig": {"authenticationMode": "API_AND_CONFIG_MAP", "bootstrapClusterCreatorAdminPermissions": true},
        "tags": {"alpha.eksctl.io/cluster-name": name},
    });
    if let Some(version) = version {
        input["version"] = version.into();
    }
    Ok(input)
}

/// Makes a managed node group with its role.
pub async fn node_group(aws: &Aws<'_>, cluster: &str, group: &NodeGroup) -> Result<()> {
    aws.call("eks", "CreateNodegroup", node_group_input(aws, cluster, group).await?).await?;
    let found = async || aws.node_group(cluster, &group.name).await;
    wait(&format!("node group {}", group.name), found, "ACTIVE").await
}

/// The input of CreateNodegroup, with the nodes' role made.
pub async fn node_group_input(aws: &Aws<'_>, cluster: &str, group: &NodeGroup) -> Result<Value> {
    let described = aws.cluster(cluster).await?.ok_or_else(|| no_cluster(cluster))?;
    let role = role(aws, &node_role(cluster, &group.name), "ec2.amazonaws.com", NODE_POLICIES).await?;
    let mut labels = group.labels.clone();
    labels["alpha.eksctl.io/cluster-name"] = cluster.into();
    labels["alpha.eksctl.io/nodegroup-name"] = group.name.clone().into();
    let (min, desired, max) = group.sizes;
    let mut input = json!({
        "clusterName": cluster, "nodegroupName": group.name, "nodeRole": role,
        "subnets": described["resourcesVpcConfig"]["subnetIds"],
        "instanceTypes": [group.instance_type],
        "scalingConfig": {"minSize": min, "maxSize": max, "desiredSize": desired},
        "capacityType": if group.spot { "SPOT" } else { "ON_DEMAND" },
        "labels": labels,
    });
    if let Some(ami_type) = &group.ami_type {
        input["amiType"] = ami_type.clone().into();
    }
    Ok(input)
}

/// Deletes a node group and the role made for it.
pub async fn delete_node_group(aws: &Aws<'_>, cluster: &str, name: &str) -> Result<()> {
    let input = json!({"clusterName": cluster, "nodegroupName": name});
    aws.call("eks", "DeleteNodegroup", input).await?;
    let found = async || aws.node_group(cluster, name).await;
    wait_gone(&format!("node group {name}"), found).await?;
    delete_role(aws, &node_role(cluster, name)).await
}

/// Deletes a cluster with its node groups and the roles made for it.
pub async fn delete_cluster(aws: &Aws<'_>, name: &str) -> Result<()> {
    let groups =
        aws.find("eks", "ListNodegroups", json!({"clusterName": name})).await?.ok_or_else(|| no_cluster(name))?;
    for group in groups["nodegroups"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        delete_node_group(aws, name, group).await?;
    }
    aws.call("eks", "DeleteCluster", json!({"name": name})).await?;
    wait_gone(&format!("cluster {name}"), async || aws.cluster(name).await).await?;
    delete_role(aws, &cluster_role(name)).await
}

/// Deletes a role with its attachments; one that is not there is as good. Roles are named in full: the names of one
/// cluster's may begin as another's do.
async fn delete_role(aws: &Aws<'_>, name: &str) -> Result<()> {
    let Some(attached) = aws.find("iam", "ListAttachedRolePolicies", json!({"RoleName": name})).await? else {
        return Ok(());
    };
    for policy in attached["AttachedPolicies"].as_array().into_iter().flatten() {
        let input = json!({"RoleName": name, "PolicyArn": policy["PolicyArn"]});
        aws.call("iam", "DetachRolePolicy", input).await?;
    }
    aws.call("iam", "DeleteRole", json!({"RoleName": name})).await.map(drop)
}

/// The error for a cluster that does not exist.
pub fn no_cluster(name: &str) -> anyhow::Error {
    Hinted::new(format!("there is no cluster {name}"), "`cove get cluster` lists them.").into()
}

fn clock() -> Runtime {
    TokioDriver::runtime(Seed::new(0))
}

/// Waits until something has a status; a failed one is an error with what EKS says of it.
async fn wait(what: &str, find: impl AsyncFn() -> Result<Option<Value>>, wanted: &str) -> Result<()> {
    let rt = clock();
    let deadline = rt.now() + PATIENCE;
    while rt.now() < deadline {
        let found = find().await?.ok_or_else(|| anyhow!("{what} has been deleted meanwhile"))?;
        match found["status"].as_str() {
            Some(status) if status == wanted => return Ok(()),
            Some(status) if status.ends_with("FAILED") || status == "DEGRADED" => {
                let issues = found["health"]["issues"].as_array().cloned().unwrap_or_default();
                let texts: Vec<&str> = issues.iter().filter_map(|i| i["message"].as_str()).collect();
                return Err(anyhow!("{what} is {status}: {}", texts.join("; ")));
            }
            _ => rt.sleep(POLL).await,
        }
    }
    Err(anyhow!("{what} did not become {wanted}"))
}

async fn wait_gone(what: &str, find: impl AsyncFn() -> Result<Option<Value>>) -> Result<()> {
    let rt = clock();
    let deadline = rt.now() + PATIENCE;
    while rt.now() < deadline {
        match find().await? {
            None => return Ok(()),
            Some(found) if found["status"] == "DELETE_FAILED" => return Err(anyhow!("{what} could not be deleted")),
            Some(_) => rt.sleep(POLL).await,
        }
    }
    Err(anyhow!("{what} was not deleted in time"))
}
