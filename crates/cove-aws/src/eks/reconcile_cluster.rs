//! What makes clusters as their records want them: the cluster security group, the control plane, the end of updates,
//! deletion. Every step may be cut short anywhere and is safe to run again.

use std::time::Duration;

use cove_aws_wire::fault::Fault;
use cove_store::{Event, Txn, TxnResult};
use serde_json::json;

use super::network::as_eks;
use super::state::{AccessEntry, Cluster, ClusterStatus, Issue, Update};
use crate::operation::Cx;
use crate::ports::ClusterSpec;
use crate::reconcile::{Again, Reconciler};
use crate::records::{Record, Records, encode, store_fault};

/// How often a control plane is tried to be started before the cluster is FAILED.
const START_ATTEMPTS: u32 = 5;
/// The wait between two attempts.
const START_RETRY: Duration = Duration::from_secs(2);
/// How long DeleteCluster waits for interfaces to leave the cluster security group before it leaves it behind.
const SECURITY_GROUP_PATIENCE: Duration = Duration::from_secs(60);

/// The clusters of a region.
pub const CLUSTERS: Reconciler = Reconciler {
    name: "eks/cluster",
    prefixes: &["eks/cluster/"],
    concerns: |event: &Event| event.entry.key.strip_prefix("eks/cluster/").map(Into::into).into_iter().collect(),
    keys: |cx| {
        Box::pin(async move { Ok(cx.records::<Cluster>().await?.list().await?.into_iter().map(|c| c.name).collect()) })
    },
    step: |cx, name| Box::pin(step(cx, name)),
    period: Duration::from_secs(60),
};

async fn step(cx: Cx, name: String) -> Result<Again, Fault> {
    let Some(Record { value: cluster, revision }) = cx.records::<Cluster>().await?.get(&name).await? else {
        return Ok(Again::OnChange);
    };
    match cluster.status {
        ClusterStatus::Creating => create(&cx, cluster).await,
        ClusterStatus::Active => serve(&cx, cluster).await,
        ClusterStatus::Updating => finish_updates(&cx, cluster, revision).await,
        ClusterStatus::Deleting => delete(&cx, cluster).await,
        ClusterStatus::Failed => Ok(Again::OnChange),
    }
}

fn spec(cx: &Cx, cluster: &Cluster) -> ClusterSpec {
    ClusterSpec {
        name: cluster.name.clone(),
        region: cx.region.clone(),
        arn: cluster.arn.clone(),
        version: cluster.version.clone(),
        service_cidr: cluster.service_cidr.clone(),
        unique_id: cluster.unique_id.clone(),
        vpc_id: cluster.vpc.vpc_id.clone(),
        role_arn: cluster.role_arn.clone(),
        self_managed_addons: cluster.self_managed_addons,
    }
}

async fn create(cx: &Cx, cluster: Cluster) -> Result<Again, Fault> {
    let group = ensure_security_group(cx, &cluster).await?;
    let started = cx.ports.clusters.start(spec(cx, &cluster)).await;
    let again = if started.is_ok() { Again::OnChange } else { Again::After(START_RETRY) };
    let records = cx.records::<Cluster>().await?;
    let update = records.update(&cluster.name, |c| {
        if c.status != ClusterStatus::Creating {
            return Ok(());
        }
        c.vpc.cluster_security_group_id = Some(group.clone());
        match &started {
            Ok(address) => {
                c.endpoint = Some(address.endpoint.clone());
                c.ca_pem = Some(address.ca_pem.clone());
                c.status = ClusterStatus::Active;
            }
            Err(error) => start_failed(c, error),
        }
        Ok(())
    });
    update.await?;
    Ok(again)
}

fn start_failed(cluster: &mut Cluster, error: &str) {
    cluster.start_failures += 1;
    if cluster.start_failures < START_ATTEMPTS {
        return;
    }
    cluster.status = ClusterStatus::Failed;
    cluster.issues = vec![Issue {
        code: "InternalFailure".into(),
        message: format!("The control plane could not be started: {error}"),
        resource_ids: vec![cluster.name.clone()],
    }];
}

/// Starts a control plane that should run: after a restart of the region, or when it died.
async fn serve(cx: &Cx, cluster: Cluster) -> Result<Again, Fault> {
    let address = cx.ports.clusters.start(spec(cx, &cluster)).await.map_err(Fault::internal)?;
    let records = cx.records::<Cluster>().await?;
    let update = records.update(&cluster.name, |c| {
        if c.status == ClusterStatus::Active {
            c.endpoint = Some(address.endpoint.clone());
            c.ca_pem = Some(address.ca_pem.clone());
        }
        Ok(())
    });
    update.await?;
    Ok(Again::OnChange)
}

/// The name of EKS's own security group of a cluster: its digits come from the cluster's unique id.
fn security_group_name(cluster: &Cluster) -> String {
    let digits = u64::from_str_radix(&cluster.unique_id[..8], 16).unwrap_or(0) % 1_000_000_000;
    format!("eks-cluster-sg-{}-{digits:09}", cluster.name)
}

async fn find_security_group(cx: &Cx, cluster: &Cluster) -> Result<Option<String>, Fault> {
    let filters = json!([
        { "Name": "vpc-id", "Values": [cluster.vpc.vpc_id] },
        { "Name": "group-name", "Values": [security_group_name(cluster)] },
    ]);
    let found = as_eks(cx, "ec2", "DescribeSecurityGroups", json!({ "Filters": filters })).await?;
    Ok(found["SecurityGroups"][0]["GroupId"].as_str().map(Into::into))
}

async fn ensure_security_group(cx: &Cx, cluster: &Cluster) -> Result<String, Fault> {
    let group = match find_security_group(cx, cluster).await? {
        Some(group) => group,
        None => create_security_group(cx, cluster).await?,
    };
    let permissions = json!([{ "IpProtocol": "-1", "UserIdGroupPairs": [{ "GroupId": group }] }]);
    let input = json!({ "GroupId": group, "IpPermissions": permissions });
    match as_eks(cx, "ec2", "AuthorizeSecurityGroupIngress", input).await {
        Err(fault) if fault.code != "InvalidPermission.Duplicate" => Err(fault),
        _ => Ok(group),
    }
}

async fn create_security_group(cx: &Cx, cluster: &Cluster) -> Result<String, Fault> {
    let name = security_group_name(cluster);
    let tags = json!([
        { "Key": "Name", "Value": name },
        { "Key": "aws:eks:cluster-name", "Value": cluster.name },
        { "Key": format!("kubernetes.io/cluster/{}", cluster.name), "Value": "owned" },
    ]);
    let description = "EKS created security group applied to ENI that is attached to EKS Control Plane master nodes, as \
                       well as any managed workloads.";
    let input = json!({
        "GroupName": name,
        "Description": description,
        "VpcId": cluster.vpc.vpc_id,
        "TagSpecifications": [{ "ResourceType": "security-group", "Tags": tags }],
    });
    let made = as_eks(cx, "ec2", "CreateSecurityGroup", input).await?;
    made["GroupId"].as_str().map(Into::into).ok_or_else(|| Fault::internal("CreateSecurityGroup gave no GroupId"))
}

/// Ends the updates in progress: their effect is in the record since they were asked for.
async fn finish_updates(cx: &Cx, mut cluster: Cluster, revision: u64) -> Result<Again, Fault> {
    let updates = cx.records::<Update>().await?;
    cluster.status = ClusterStatus::Active;
    let key = Records::<Cluster>::key(&cluster.name);
    let mut txn = Txn::new().expect(&key, revision).put(&key, encode(&cluster)?);
    for mut update in updates.list_under(&Update::prefix(&cluster.name, None)).await? {
        if update.status == Update::IN_PROGRESS {
            update.status = Update::SUCCESSFUL.into();
            txn = txn.put(Records::<Update>::key(&crate::records::Resource::id(&update)), encode(&update)?);
        }
    }
    match updates.space().txn(txn).await.map_err(store_fault)? {
        TxnResult::Committed { .. } => Ok(Again::OnChange),
        TxnResult::Conflict { .. } => Ok(Again::After(Duration::ZERO)),
    }
}

/// Stops the control plane, deletes the security group, then the records in one transaction.
async fn delete(cx: &Cx, cluster: Cluster) -> Result<Again, Fault> {
    cx.ports.clusters.delete(&cx.region, &cluster.name).await.map_err(Fault::internal)?;
    if let Some(again) = delete_security_group(cx, &cluster).await? {
        return Ok(again);
    }
    let space = cx.records::<Cluster>().await?;
    let mut txn = Txn::new().delete(Records::<Cluster>::key(&cluster.name));
    let prefix = format!("{}/", cluster.name);
    for entry in cx.records::<AccessEntry>().await?.list_under(&prefix).await? {
        txn = txn.delete(Records::<AccessEntry>::key(&crate::records::Resource::id(&entry)));
    }
    for update in cx.records::<Update>().await?.list_under(&prefix).await? {
        txn = txn.delete(Records::<Update>::key(&crate::records::Resource::id(&update)));
    }
    space.space().txn(txn).await.map_err(store_fault)?;
    Ok(Again::OnChange)
}

/// `Some` while something still uses the group. After a while it is left behind, as EKS leaves it.
async fn delete_security_group(cx: &Cx, cluster: &Cluster) -> Result<Option<Again>, Fault> {
    let Some(group) = find_security_group(cx, cluster).await? else { return Ok(None) };
    match as_eks(cx, "ec2", "DeleteSecurityGroup", json!({ "GroupId": group })).await {
        Err(fault) if fault.code == "DependencyViolation" => {
            let waited = cluster.deleting_since.map_or(SECURITY_GROUP_PATIENCE, |since| cx.rt.now().since(since));
            Ok((waited < SECURITY_GROUP_PATIENCE).then_some(Again::After(Duration::from_secs(1))))
        }
        Err(fault) if fault.code != "InvalidGroup.NotFound" => Err(fault),
        _ => Ok(None),
    }
}
