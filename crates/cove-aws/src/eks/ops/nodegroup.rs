//! CreateNodegroup, DescribeNodegroup, ListNodegroups, DeleteNodegroup.

use cove_aws_wire::fault::Fault;
use cove_base::arn::Arn;
use cove_store::{Txn, TxnResult};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cluster::{cluster, must_be_active};
use super::nodegroup_checks as checks;
use crate::eks::catalog::{self, AmiType};
use crate::eks::faults;
use crate::eks::network;
use crate::eks::node_template;
use crate::eks::nodegroup_state::{Nodegroup, NodegroupStatus, OwnTemplate, Scaling, Taint, UpdateConfig};
use crate::eks::paging::page;
use crate::eks::principals;
use crate::eks::state::{Cluster, StringMap};
use crate::eks::view::NodegroupOutput;
use crate::ids::Ids;
use crate::operation::Cx;
use crate::records::{Record, Records, Resource, encode, store_fault};

/// Node groups of one cluster (quota L-6D54EA21).
const NODEGROUPS: usize = 30;
/// The size of a node group whose creator names none.
const DEFAULT_SCALING: Scaling = Scaling { min_size: 1, max_size: 2, desired_size: 2 };

/// `scalingConfig` as it is asked for.
#[derive(Clone, Copy, Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScalingInput {
    min_size: Option<u32>,
    max_size: Option<u32>,
    desired_size: Option<u32>,
}

impl ScalingInput {
    /// What was asked for over what was.
    pub(super) fn over(self, before: Scaling) -> Scaling {
        Scaling {
            min_size: self.min_size.unwrap_or(before.min_size),
            max_size: self.max_size.unwrap_or(before.max_size),
            desired_size: self.desired_size.unwrap_or(before.desired_size),
        }
    }

    /// A new group: what is not named follows what is.
    fn of_new(self) -> Scaling {
        let Scaling { min_size, max_size, desired_size } = DEFAULT_SCALING;
        let min_size = self.min_size.unwrap_or(self.desired_size.unwrap_or(min_size).min(min_size));
        let desired_size =
            self.desired_size.unwrap_or(desired_size.max(min_size).min(self.max_size.unwrap_or(u32::MAX)));
        let max_size = self.max_size.unwrap_or(max_size.max(desired_size));
        Scaling { min_size, max_size, desired_size }
    }
}

/// The input of CreateNodegroup.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateNodegroupInput {
    cluster_name: String,
    nodegroup_name: String,
    scaling_config: Option<ScalingInput>,
    disk_size: Option<u32>,
    subnets: Vec<String>,
    #[serde(default)]
    instance_types: Vec<String>,
    ami_type: Option<String>,
    remote_access: Option<Value>,
    node_role: String,
    #[serde(default)]
    labels: StringMap,
    #[serde(default)]
    taints: Vec<Taint>,
    #[serde(default)]
    tags: StringMap,
    client_request_token: Option<String>,
    launch_template: Option<OwnTemplate>,
    update_config: Option<UpdateConfig>,
    node_repair_config: Option<Value>,
    capacity_type: Option<String>,
    version: Option<String>,
    release_version: Option<String>,
    warm_pool_config: Option<Value>,
}

/// CreateNodegroup.
pub async fn create_nodegroup(cx: Cx, input: CreateNodegroupInput) -> Result<NodegroupOutput, Fault> {
    let Record { value: cluster, revision } = cluster(&cx, &input.cluster_name).await?;
    checks::name(&cluster.name, &input.nodegroup_name)?;
    let nodegroups = cx.records::<Nodegroup>().await?;
    if let Some(existing) = nodegroups.get(&Nodegroup::id_of(&cluster.name, &input.nodegroup_name)).await? {
        return created_before(&existing.value, input.client_request_token.as_deref());
    }
    must_be_active(&cluster)?;
    let nodegroup = checked(&cx, &cluster, input).await?;
    if nodegroups.list_under(&format!("{}/", cluster.name)).await?.len() >= NODEGROUPS {
        return Err(faults::limit(&cluster.name, format!("Nodegroup limit exceeded for cluster: {NODEGROUPS}.")));
    }
    record(&cx, &cluster, revision, nodegroup).await
}

/// Writes the node group, with the cluster's record touched: see `delete_cluster`.
async fn record(cx: &Cx, before: &Cluster, revision: u64, nodegroup: Nodegroup) -> Result<NodegroupOutput, Fault> {
    let nodegroups = cx.records::<Nodegroup>().await?;
    let (cluster_key, key) = (Records::<Cluster>::key(&before.name), Records::<Nodegroup>::key(&nodegroup.id()));
    let (mut current, mut revision) = (before.clone(), revision);
    loop {
        let txn = Txn::new()
            .expect(&cluster_key, revision)
            .expect(&key, 0)
            .put(&cluster_key, encode(&current)?)
            .put(&key, encode(&nodegroup)?);
        if let TxnResult::Committed { .. } = nodegroups.space().txn(txn).await.map_err(store_fault)? {
            return Ok(NodegroupOutput::new(&nodegroup));
        }
        if nodegroups.get(&nodegroup.id()).await?.is_some() {
            return Err(exists(&nodegroup));
        }
        let record = cluster(cx, &before.name).await?;
        must_be_active(&record.value)?;
        (current, revision) = (record.value, record.revision);
    }
}

fn created_before(existing: &Nodegroup, token: Option<&str>) -> Result<NodegroupOutput, Fault> {
    if token.is_some() && existing.client_request_token.as_deref() == token {
        return Ok(NodegroupOutput::new(existing));
    }
    Err(exists(existing))
}

fn exists(nodegroup: &Nodegroup) -> Fault {
    let (cluster, name) = (&nodegroup.cluster, &nodegroup.name);
    let message = format!("NodeGroup already exists with name {name} and cluster name {cluster}");
    faults::in_use(cluster, message).with("nodegroupName", name.as_str())
}

fn refuse_unsupported(input: &CreateNodegroupInput) -> Result<(), Fault> {
    let on = |value: &Option<Value>| value.as_ref().is_some_and(|v| v["enabled"] == true);
    let ami = input.ami_type.as_deref().unwrap_or_default();
    let ssh = |v: &Value| v.as_object().is_some_and(|members| !members.is_empty());
    let refused = [
        (input.remote_access.as_ref().is_some_and(ssh), "remoteAccess of CreateNodegroup"),
        (on(&input.warm_pool_config), "warmPoolConfig of CreateNodegroup"),
        (on(&input.node_repair_config), "nodeRepairConfig of CreateNodegroup"),
        (input.capacity_type.as_deref() == Some("CAPACITY_BLOCK"), "capacity type CAPACITY_BLOCK"),
        (ami.starts_with("WINDOWS"), "Windows node groups"),
    ];
    match refused.iter().find(|(asked, _)| *asked) {
        Some((_, what)) => Err(faults::unsupported(what)),
        None => Ok(()),
    }
}

/// All rules, then the record.
async fn checked(cx: &Cx, cluster: &Cluster, input: CreateNodegroupInput) -> Result<Nodegroup, Fault> {
    let name = &cluster.name;
    let own = input.launch_template.is_some();
    if own && input.remote_access.is_some() {
        return Err(faults::parameter(name, "Remote access configuration cannot be specified with a launch template."));
    }
    if own && input.disk_size.is_some() {
        return Err(faults::parameter(name, "Disk size must be specified within the launch template."));
    }
    refuse_unsupported(&input)?;
    let scaling = input.scaling_config.unwrap_or_default().of_new();
    checks::scaling(name, scaling)?;
    checks::labels(name, &input.labels)?;
    checks::taints(name, &input.taints)?;
    let update_config = checks::update_config(name, input.update_config.clone())?;
    check_subnets(cx, cluster, &input.subnets).await?;
    if input.node_role == cluster.role_arn {
        return Err(faults::parameter(name, "The node role cannot be the same as the cluster role"));
    }
    principals::check_node_role(cx, name, &input.node_role).await?;
    let image = choose_image(cx, cluster, &input).await?;
    let mut ids = Ids::regional(cx, 1).await?;
    let uuid = ids.uuid("eks nodegroup");
    let resource = format!("nodegroup/{name}/{}/{uuid}", input.nodegroup_name);
    Ok(Nodegroup {
        cluster: name.clone(),
        arn: Arn::new("eks", &cx.region, resource).to_string(),
        uuid,
        created_at: cx.rt.now(),
        modified_at: cx.rt.now(),
        version: cluster.version.clone(),
        release_version: image.release_version,
        image_id: image.image_id,
        status: NodegroupStatus::Creating,
        capacity_type: input.capacity_type.unwrap_or_else(|| "ON_DEMAND".into()),
        scaling,
        instance_types: image.instance_types,
        subnets: input.subnets,
        ami_type: image.ami_type,
        node_role: input.node_role,
        labels: input.labels,
        taints: input.taints,
        disk_size: if own { None } else { Some(input.disk_size.unwrap_or(20)) },
        update_config,
        node_repair_config: input.node_repair_config,
        own_template: image.own_template,
        max_pods: image.max_pods,
        tags: input.tags,
        client_request_token: input.client_request_token,
        issues: Vec::new(),
        made_group: false,
        awaiting_since: cx.rt.now(),
        draining: Default::default(),
        update_id: None,
        leaving: Default::default(),
        name: input.nodegroup_name,
    })
}

async fn check_subnets(cx: &Cx, cluster: &Cluster, ids: &[String]) -> Result<(), Fault> {
    if ids.is_empty() {
        return Err(faults::parameter(&cluster.name, "Subnets cannot be empty"));
    }
    let subnets = network::subnets(cx, &cluster.name, ids).await?;
    match subnets.iter().find(|s| s.vpc_id != cluster.vpc.vpc_id) {
        Some(subnet) => {
            let message =
                format!("Subnet {} does not belong to the VPC {} of the cluster", subnet.subnet_id, cluster.vpc.vpc_id);
            Err(faults::parameter(&cluster.name, message))
        }
        None => Ok(()),
    }
}

/// What nodes are started from.
struct Image {
    ami_type: String,
    image_id: Option<String>,
    release_version: Option<String>,
    instance_types: Vec<String>,
    max_pods: Option<u32>,
    own_template: Option<OwnTemplate>,
}

async fn choose_image(cx: &Cx, cluster: &Cluster, input: &CreateNodegroupInput) -> Result<Image, Fault> {
    let name = &cluster.name;
    let own = match &input.launch_template {
        Some(asked) => Some(node_template::own(cx, name, asked).await?),
        None => None,
    };
    let (own_template, data) = own.map_or((None, Value::Null), |(template, data)| (Some(template), data));
    let type_in_template = data["InstanceType"].as_str();
    if type_in_template.is_some() && !input.instance_types.is_empty() {
        return Err(faults::parameter(name, "Cannot specify instance types in launch template and API request"));
    }
    let instance_types = match (input.instance_types.is_empty(), type_in_template) {
        (true, None) => vec!["t3.medium".to_string()],
        _ => input.instance_types.clone(),
    };
    let types_in_force = type_in_template.map_or_else(|| instance_types.clone(), |t| vec![t.to_string()]);
    if data["ImageId"].is_string() {
        if input.version.is_some()
            || input.release_version.is_some()
            || input.ami_type.as_deref().is_some_and(|t| t != "CUSTOM")
        {
            let message = "You cannot specify an AMI Type, version or release version when specifying an image id within the launch template.";
            return Err(faults::parameter(name, message));
        }
        let ami = ami_type(name, "CUSTOM")?;
        checks::instance_types(cx, name, ami, &types_in_force).await?;
        return Ok(Image {
            ami_type: "CUSTOM".into(),
            image_id: None,
            release_version: None,
            instance_types,
            max_pods: None,
            own_template,
        });
    }
    let ami = ami_type(name, input.ami_type.as_deref().unwrap_or("AL2023_x86_64_STANDARD"))?;
    if ami.name == "CUSTOM" {
        return Err(faults::parameter(name, "AMI Type CUSTOM requires an image id within the launch template."));
    }
    check_version(cluster, ami, input.version.as_deref())?;
    let max_pods = checks::instance_types(cx, name, ami, &types_in_force).await?;
    let release = input.release_version.as_deref();
    let Some(image) = crate::ec2::images::eks_image(&cx.region, ami.name, &cluster.version, release) else {
        let asked = release.unwrap_or(ami.name);
        let message =
            format!("Requested release version {asked} is not valid for kubernetes version {}", cluster.version);
        return Err(faults::parameter(name, message));
    };
    Ok(Image {
        ami_type: ami.name.into(),
        image_id: Some(image.id),
        release_version: Some(image.release_version),
        instance_types,
        max_pods: Some(max_pods),
        own_template,
    })
}

fn ami_type(cluster: &str, name: &str) -> Result<&'static AmiType, Fault> {
    catalog::ami_type(name).ok_or_else(|| faults::parameter(cluster, format!("Unknown AMI type: {name}")))
}

fn check_version(cluster: &Cluster, ami: &AmiType, version: Option<&str>) -> Result<(), Fault> {
    if let Some(asked) = version.filter(|v| *v != cluster.version) {
        let message = format!(
            "Requested Nodegroup release version {asked} is invalid. Allowed release version is {}",
            cluster.version
        );
        return Err(faults::parameter(&cluster.name, message));
    }
    let minor = catalog::minor(&cluster.version);
    if ami.max_minor != 0 && minor > ami.max_minor {
        let message =
            format!("AMI Type {} is only supported for kubernetes versions 1.{} or earlier", ami.name, ami.max_minor);
        return Err(faults::parameter(&cluster.name, message));
    }
    Ok(())
}

/// The input of DescribeNodegroup and DeleteNodegroup.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodegroupName {
    cluster_name: String,
    nodegroup_name: String,
}

/// The node group of that name.
pub(super) async fn nodegroup(cx: &Cx, cluster_name: &str, name: &str) -> Result<Record<Nodegroup>, Fault> {
    cluster(cx, cluster_name).await?;
    let found = cx.records::<Nodegroup>().await?.get(&Nodegroup::id_of(cluster_name, name)).await?;
    found.ok_or_else(|| faults::no_nodegroup(cluster_name, name))
}

/// DescribeNodegroup.
pub async fn describe_nodegroup(cx: Cx, input: NodegroupName) -> Result<NodegroupOutput, Fault> {
    Ok(NodegroupOutput::new(&nodegroup(&cx, &input.cluster_name, &input.nodegroup_name).await?.value))
}

/// DeleteNodegroup: the status turns at once.
pub async fn delete_nodegroup(cx: Cx, input: NodegroupName) -> Result<NodegroupOutput, Fault> {
    let found = nodegroup(&cx, &input.cluster_name, &input.nodegroup_name).await?.value;
    let records = cx.records::<Nodegroup>().await?;
    let now = cx.rt.now();
    let id = found.id();
    let changed = records.update(&id, |nodegroup| {
        if nodegroup.status != NodegroupStatus::Deleting {
            nodegroup.status = NodegroupStatus::Deleting;
            nodegroup.modified_at = now;
        }
        Ok(())
    });
    let deleted = changed.await?.ok_or_else(|| faults::no_nodegroup(&input.cluster_name, &input.nodegroup_name))?;
    Ok(NodegroupOutput::new(&deleted))
}

/// The input of ListNodegroups.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListNodegroupsInput {
    cluster_name: String,
    max_results: Option<usize>,
    next_token: Option<String>,
}

/// The output of ListNodegroups.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListNodegroupsOutput {
    nodegroups: Vec<String>,
    next_token: Option<String>,
}

/// ListNodegroups.
pub async fn list_nodegroups(cx: Cx, input: ListNodegroupsInput) -> Result<ListNodegroupsOutput, Fault> {
    cluster(&cx, &input.cluster_name).await?;
    let found = cx.records::<Nodegroup>().await?.list_under(&format!("{}/", input.cluster_name)).await?;
    let names = found.into_iter().map(|n| n.name).collect();
    let (nodegroups, next_token) = page(names, String::clone, input.max_results, input.next_token.as_deref())?;
    Ok(ListNodegroupsOutput { nodegroups, next_token })
}
