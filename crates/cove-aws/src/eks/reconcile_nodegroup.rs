//! What makes node groups as their records want them. The status says which step is taken; every step may be cut
//! short anywhere and is safe to run again.

use std::time::Duration;

use cove_aws_wire::fault::Fault;
use cove_store::{Event, Txn};
use serde_json::{Value, json};

use super::network::as_eks;
use super::nodegroup_nodes::{Fleet, patience};
use super::nodegroup_resources as resources;
use super::nodegroup_state::{Leaving, Nodegroup, NodegroupStatus, Scaling};
use super::state::{Cluster, ClusterStatus, Issue, Update, UpdateError};
use crate::operation::Cx;
use crate::reconcile::{Again, Reconciler};
use crate::records::{Records, Resource, store_fault};

/// How long nodes may take to join.
const JOIN_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// How long launches may fail before a new node group is given up.
const LAUNCH_PATIENCE: Duration = Duration::from_secs(60);

/// The node groups of a region.
pub const NODEGROUPS: Reconciler = Reconciler {
    name: "eks/nodegroup",
    prefixes: &["eks/nodegroup/", "autoscaling/instance/"],
    concerns,
    keys: |cx| {
        Box::pin(async move { Ok(cx.records::<Nodegroup>().await?.list().await?.iter().map(Resource::id).collect()) })
    },
    step: |cx, id| Box::pin(step(cx, id)),
    period: Duration::from_secs(30),
};

/// An instance of an Auto Scaling group names its node group in its tags.
fn concerns(event: &Event) -> Vec<String> {
    if let Some(id) = event.entry.key.strip_prefix("eks/nodegroup/") {
        return vec![id.into()];
    }
    let Ok(record) = serde_json::from_slice::<Value>(&event.entry.value) else { return Vec::new() };
    let tags = &record["tags"];
    match (tags["eks:cluster-name"].as_str(), tags["eks:nodegroup-name"].as_str()) {
        (Some(cluster), Some(name)) => vec![Nodegroup::id_of(cluster, name)],
        _ => Vec::new(),
    }
}

async fn step(cx: Cx, id: String) -> Result<Again, Fault> {
    let Some(nodegroup) = cx.records::<Nodegroup>().await?.get(&id).await?.map(|r| r.value) else {
        return Ok(Again::OnChange);
    };
    let cluster = cx.records::<Cluster>().await?.get(&nodegroup.cluster).await?.map(|r| r.value);
    let Some(cluster) = cluster.filter(|c| c.endpoint.is_some() && c.status != ClusterStatus::Deleting) else {
        return Err(Fault::internal(format!("the cluster of node group {id} is not there")));
    };
    match nodegroup.status {
        NodegroupStatus::Creating => {
            if !nodegroup.made_group {
                make(&cx, &cluster, &nodegroup).await?;
            }
            watch_over(&cx, nodegroup).await
        }
        NodegroupStatus::Updating => update(&cx, &cluster, nodegroup).await,
        NodegroupStatus::Deleting | NodegroupStatus::DeleteFailed => delete(&cx, nodegroup).await,
        NodegroupStatus::Active | NodegroupStatus::Degraded | NodegroupStatus::CreateFailed => {
            watch_over(&cx, nodegroup).await
        }
    }
}

async fn change(cx: &Cx, id: &str, mut change: impl FnMut(&mut Nodegroup)) -> Result<(), Fault> {
    let records = cx.records::<Nodegroup>().await?;
    let changed = records.update(id, |nodegroup| {
        change(nodegroup);
        Ok(())
    });
    changed.await.map(|_| ())
}

async fn make(cx: &Cx, cluster: &Cluster, nodegroup: &Nodegroup) -> Result<(), Fault> {
    resources::ensure_profile(cx, nodegroup).await?;
    resources::ensure_mapping(cx, cluster, nodegroup).await?;
    resources::ensure_template(cx, cluster, nodegroup).await?;
    resources::ensure_group(cx, nodegroup).await?;
    change(cx, &nodegroup.id(), |n| n.made_group = true).await
}

/// Lets joined instances serve, drains those that leave, forgets nodes that are gone, and judges the health.
async fn watch_over(cx: &Cx, nodegroup: Nodegroup) -> Result<Again, Fault> {
    let now = cx.rt.now();
    let Some(group) = resources::describe_group(cx, &nodegroup).await? else {
        let issue = issue(
            "AutoScalingGroupNotFound",
            "We couldn't find the Auto Scaling group associated with the managed node group.",
            vec![nodegroup.group_name()],
        );
        change(cx, &nodegroup.id(), |n| degrade(n, vec![issue.clone()])).await?;
        return Ok(Again::OnChange);
    };
    let fleet = Fleet::read(cx, &nodegroup, &group).await?;
    fleet.release_launched(cx, &nodegroup).await?;
    let draining = fleet.drain(cx, &nodegroup).await?;
    fleet.forget_gone(cx, &nodegroup).await?;
    let scaling = scaling_of(&group).unwrap_or(nodegroup.scaling);
    let verdict = judge(cx, &nodegroup, &fleet, scaling).await?;
    let ended = settled(&nodegroup, &verdict);
    change(cx, &nodegroup.id(), |n| {
        n.draining = draining.clone();
        if matches!(n.status, NodegroupStatus::Active | NodegroupStatus::Degraded) && n.scaling != scaling {
            // The cluster autoscaler, or whoever sets the group's size, also starts a wait for nodes.
            n.scaling = scaling;
            n.awaiting_since = now;
        }
        apply(n, &verdict);
    })
    .await?;
    if ended {
        end_update(cx, &nodegroup, &verdict).await?;
    }
    Ok(next_look(cx, &nodegroup, &verdict, draining.values().min().copied()))
}

/// What is thought of a node group.
struct Verdict {
    /// As many nodes are Ready as are wanted.
    complete: bool,
    /// It will not become complete by itself.
    hopeless: bool,
    issues: Vec<Issue>,
}

async fn judge(cx: &Cx, nodegroup: &Nodegroup, fleet: &Fleet, scaling: Scaling) -> Result<Verdict, Fault> {
    let desired = scaling.desired_size as usize;
    let complete = fleet.ready() >= desired && fleet.wanted() == desired;
    let waited = cx.rt.now().since(nodegroup.awaiting_since);
    let mut issues = Vec::new();
    let mut hopeless = false;
    if fleet.wanted() < desired {
        let failures = launch_failures(cx, nodegroup).await?;
        hopeless = !failures.is_empty() && waited >= LAUNCH_PATIENCE;
        issues.extend(failures);
    }
    let missing = fleet.not_ready();
    if waited >= JOIN_TIMEOUT && !missing.is_empty() && late(cx, &missing).await? {
        issues.push(issue("NodeCreationFailure", "Instances failed to join the kubernetes cluster", missing));
        hopeless = true;
    }
    Ok(Verdict { complete, hopeless, issues })
}

/// Whether one of these instances was started so long ago that its node should have joined.
async fn late(cx: &Cx, ids: &[String]) -> Result<bool, Fault> {
    let found =
        as_eks(cx, "ec2", "DescribeInstances", json!({ "Filters": [{ "Name": "instance-id", "Values": ids }] }))
            .await?;
    let launched = found["Reservations"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|r| r["Instances"].as_array().into_iter().flatten())
        .filter_map(|i| i["LaunchTime"].as_f64());
    let now = cx.rt.now().as_secs_f64();
    Ok(launched.into_iter().any(|at| now - at >= JOIN_TIMEOUT.as_secs_f64() - 1.0))
}

/// The health issues that the newest activities of the group tell of, if these are failed launches.
async fn launch_failures(cx: &Cx, nodegroup: &Nodegroup) -> Result<Vec<Issue>, Fault> {
    let input = json!({ "AutoScalingGroupName": nodegroup.group_name(), "MaxRecords": 10 });
    let found = as_eks(cx, "autoscaling", "DescribeScalingActivities", input).await?;
    let launches = found["Activities"].as_array().into_iter().flatten();
    let newest = launches
        .filter(|a| a["Description"].as_str().is_some_and(|d| d.starts_with("Launching")))
        .find(|a| a["StatusCode"] == "Failed" || a["StatusCode"] == "Successful");
    let message = newest.filter(|a| a["StatusCode"] == "Failed").and_then(|a| a["StatusMessage"].as_str());
    Ok(message.map(|m| launch_issue(nodegroup, m)).into_iter().collect())
}

fn launch_issue(nodegroup: &Nodegroup, message: &str) -> Issue {
    let group = vec![nodegroup.group_name()];
    if message.contains("InsufficientFreeAddressesInSubnet") {
        let text = "Amazon Autoscaling was unable to launch instances because there are not enough free addresses in the \
                    subnet associated with your AutoScaling group(s).";
        return issue("InsufficientFreeAddresses", text, group);
    }
    if message.contains("VcpuLimitExceeded") || message.contains("InstanceLimitExceeded") {
        return issue("InstanceLimitExceeded", message, group);
    }
    issue("AsgInstanceLaunchFailures", message, group)
}

fn issue(code: &str, message: &str, resource_ids: Vec<String>) -> Issue {
    Issue { code: code.into(), message: message.into(), resource_ids }
}

fn degrade(nodegroup: &mut Nodegroup, issues: Vec<Issue>) {
    nodegroup.issues = issues;
    if nodegroup.status == NodegroupStatus::Active {
        nodegroup.status = NodegroupStatus::Degraded;
    }
}

/// The verdict's effect on the status.
fn apply(nodegroup: &mut Nodegroup, verdict: &Verdict) {
    use NodegroupStatus::{Active, CreateFailed, Creating, Degraded, Updating};
    let status = match nodegroup.status {
        Creating if verdict.complete => Active,
        Creating if verdict.hopeless => CreateFailed,
        Updating if verdict.complete => Active,
        Updating if verdict.hopeless => Degraded,
        Active if verdict.hopeless => Degraded,
        Degraded if verdict.issues.is_empty() => Active,
        other => other,
    };
    if status != CreateFailed || nodegroup.status != CreateFailed {
        nodegroup.issues = verdict.issues.clone();
    }
    nodegroup.status = status;
    if status != Updating {
        nodegroup.update_id = None;
    }
}

/// Whether the verdict ends an update in progress.
fn settled(nodegroup: &Nodegroup, verdict: &Verdict) -> bool {
    nodegroup.status == NodegroupStatus::Updating && (verdict.complete || verdict.hopeless)
}

fn scaling_of(group: &Value) -> Option<Scaling> {
    let number = |member: &str| group[member].as_u64().and_then(|n| u32::try_from(n).ok());
    Some(Scaling {
        min_size: number("MinSize")?,
        max_size: number("MaxSize")?,
        desired_size: number("DesiredCapacity")?,
    })
}

/// Often while something is awaited, else when an instance changes or at the loop's period.
fn next_look(cx: &Cx, nodegroup: &Nodegroup, verdict: &Verdict, draining: Option<cove_base::Timestamp>) -> Again {
    let now = cx.rt.now();
    let nodes = (!verdict.complete)
        .then(|| patience(now, nodegroup.awaiting_since, Duration::from_millis(50), Duration::from_secs(10)));
    let drains = draining.map(|since| {
        let left = (since + cx.ports.drain_timeout).since(now).max(Duration::from_millis(1));
        patience(now, since, Duration::from_millis(200), Duration::from_secs(5)).min(left)
    });
    nodes.into_iter().chain(drains).min().map_or(Again::OnChange, Again::After)
}

/// Brings an update's wishes to the group, the template and the nodes, then waits as for a new node group.
async fn update(cx: &Cx, cluster: &Cluster, nodegroup: Nodegroup) -> Result<Again, Fault> {
    resources::resize_group(cx, &nodegroup).await?;
    if nodegroup.leaving.pending {
        resources::renew_template(cx, cluster, &nodegroup).await?;
        let group = resources::describe_group(cx, &nodegroup).await?.unwrap_or_default();
        let changed = Fleet::read(cx, &nodegroup, &group).await?.change_nodes(cx, &nodegroup).await;
        if let Err(error) = changed {
            let verdict = Verdict {
                complete: false,
                hopeless: true,
                issues: vec![issue("ClusterUnreachable", &error, vec![nodegroup.cluster.clone()])],
            };
            end_update(cx, &nodegroup, &verdict).await?;
            change(cx, &nodegroup.id(), |n| {
                n.leaving = Leaving::default();
                n.update_id = None;
                n.status = NodegroupStatus::Active;
            })
            .await?;
            return Ok(Again::OnChange);
        }
        change(cx, &nodegroup.id(), |n| n.leaving = Leaving::default()).await?;
    }
    watch_over(cx, nodegroup).await
}

/// Ends the update of a node group as the verdict says.
async fn end_update(cx: &Cx, nodegroup: &Nodegroup, verdict: &Verdict) -> Result<(), Fault> {
    let Some(update_id) = &nodegroup.update_id else { return Ok(()) };
    let id = format!("{}{update_id}", Update::prefix(&nodegroup.cluster, Some(&nodegroup.name)));
    let error = |issue: &Issue| UpdateError {
        error_code: issue.code.clone(),
        error_message: issue.message.clone(),
        resource_ids: issue.resource_ids.clone(),
    };
    let updates = cx.records::<Update>().await?;
    let ended = updates.update(&id, |update| {
        if verdict.complete {
            update.status = Update::SUCCESSFUL.into();
        } else {
            update.status = Update::FAILED.into();
            update.errors = verdict.issues.iter().map(error).collect();
        }
        Ok(())
    });
    ended.await.map(|_| ())
}

/// Empties the group, draining each node, then deletes everything that the node group was made of.
async fn delete(cx: &Cx, mut nodegroup: Nodegroup) -> Result<Again, Fault> {
    if let Some(group) = resources::describe_group(cx, &nodegroup).await? {
        nodegroup.scaling = Scaling { min_size: 0, max_size: 0, desired_size: 0 };
        if scaling_of(&group) != Some(nodegroup.scaling) {
            resources::resize_group(cx, &nodegroup).await?;
        }
        let fleet = Fleet::read(cx, &nodegroup, &group).await?;
        let draining = fleet.drain(cx, &nodegroup).await?;
        change(cx, &nodegroup.id(), |n| n.draining = draining.clone()).await?;
        let deleted = async {
            match fleet.instances.is_empty() {
                true => resources::delete_group_and_template(cx, &nodegroup).await.map(|()| true),
                false => Ok(false),
            }
        };
        match deleted.await {
            // An instance is about to appear in the group.
            Err(fault) if fault.code == "ResourceInUse" || fault.code == "ScalingActivityInProgress" => {
                return Ok(Again::After(Duration::from_millis(200)));
            }
            Err(fault) => return Err(fault),
            Ok(true) => {}
            Ok(false) => {
                let since = draining.values().min().copied().unwrap_or(cx.rt.now());
                let left = (since + cx.ports.drain_timeout).since(cx.rt.now()).max(Duration::from_millis(1));
                let wait = patience(cx.rt.now(), since, Duration::from_millis(200), Duration::from_secs(5)).min(left);
                return Ok(Again::After(wait));
            }
        }
    } else {
        resources::delete_group_and_template(cx, &nodegroup).await?;
    }
    resources::delete_profile(cx, &nodegroup).await?;
    resources::delete_mapping(cx, &nodegroup).await?;
    Fleet::read(cx, &nodegroup, &Value::Null).await?.forget_gone(cx, &nodegroup).await?;
    delete_records(cx, &nodegroup).await?;
    Ok(Again::OnChange)
}

async fn delete_records(cx: &Cx, nodegroup: &Nodegroup) -> Result<(), Fault> {
    let updates = cx.records::<Update>().await?;
    let mut txn = Txn::new().delete(Records::<Nodegroup>::key(&nodegroup.id()));
    for update in updates.list_under(&Update::prefix(&nodegroup.cluster, Some(&nodegroup.name))).await? {
        txn = txn.delete(Records::<Update>::key(&update.id()));
    }
    updates.space().txn(txn).await.map_err(store_fault).map(|_| ())
}
