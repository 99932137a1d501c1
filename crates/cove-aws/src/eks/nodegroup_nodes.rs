//! A node group's instances beside the cluster's nodes: who has joined, who is drained, whose node is left over.

use std::collections::BTreeMap;
use std::time::Duration;

use cove_aws_wire::fault::Fault;
use cove_base::Timestamp;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::network::as_eks;
use super::nodegroup_resources::{LAUNCH_HOOK, TERMINATE_HOOK};
use super::nodegroup_state::Nodegroup;
use crate::operation::Cx;
use crate::ports::{DrainProgress, NodeChange, NodeTaint, NodeView};

/// An instance of the group as Auto Scaling describes it.
pub struct Instance {
    /// `i-...`.
    pub id: String,
    /// Such as `Pending:Wait`.
    pub lifecycle: String,
}

/// The instances and nodes of a node group at one moment.
pub struct Fleet {
    /// The instances.
    pub instances: Vec<Instance>,
    /// The cluster's nodes by the instance they run on.
    nodes: BTreeMap<String, NodeView>,
}

impl Fleet {
    /// Reads the nodes of the cluster beside the described group.
    pub async fn read(cx: &Cx, nodegroup: &Nodegroup, group: &Value) -> Result<Self, Fault> {
        let listed = cx.ports.clusters.nodes(&cx.region, &nodegroup.cluster).await.map_err(Fault::internal)?;
        let instance = |i: &Value| {
            Some(Instance { id: i["InstanceId"].as_str()?.into(), lifecycle: i["LifecycleState"].as_str()?.into() })
        };
        let instances = group["Instances"].as_array().into_iter().flatten().filter_map(instance).collect();
        Ok(Self { instances, nodes: listed.into_iter().map(|n| (n.instance_id.clone(), n)).collect() })
    }

    /// Whether the node of an instance is Ready.
    fn is_ready(&self, instance: &Instance) -> bool {
        self.nodes.get(&instance.id).is_some_and(|n| n.ready)
    }

    /// The instances that shall serve.
    fn serving(&self) -> impl Iterator<Item = &Instance> {
        self.instances.iter().filter(|i| matches!(i.lifecycle.as_str(), "Pending" | "Pending:Wait" | "InService"))
    }

    /// How many nodes are there and Ready, of instances that shall serve.
    pub fn ready(&self) -> usize {
        self.serving().filter(|i| self.is_ready(i)).count()
    }

    /// How many instances shall serve.
    pub fn wanted(&self) -> usize {
        self.serving().count()
    }

    /// The instances whose nodes are missing or not Ready.
    pub fn not_ready(&self) -> Vec<String> {
        self.serving().filter(|i| !self.is_ready(i)).map(|i| i.id.clone()).collect()
    }

    /// The nodes of instances that shall serve.
    pub fn serving_nodes(&self) -> Vec<&NodeView> {
        self.serving().filter_map(|i| self.nodes.get(&i.id)).collect()
    }

    /// Lets instances whose node is Ready through the launch hook.
    pub async fn release_launched(&self, cx: &Cx, nodegroup: &Nodegroup) -> Result<(), Fault> {
        let waiting = self.instances.iter().filter(|i| i.lifecycle == "Pending:Wait" && self.is_ready(i));
        let done = join_all(waiting.map(|i| complete(cx, nodegroup, LAUNCH_HOOK, &i.id))).await;
        done.into_iter().collect()
    }

    /// Drains the instances that the terminate hook holds; those that are empty or whose time is up go on. Gives since
    /// when the others have been drained.
    pub async fn drain(&self, cx: &Cx, nodegroup: &Nodegroup) -> Result<BTreeMap<String, Timestamp>, Fault> {
        let held = self.instances.iter().filter(|i| i.lifecycle == "Terminating:Wait");
        let drained = join_all(held.map(|instance| async move {
            let since = nodegroup.draining.get(&instance.id).copied().unwrap_or(cx.rt.now());
            if self.drain_one(cx, nodegroup, instance, since).await {
                complete(cx, nodegroup, TERMINATE_HOOK, &instance.id).await.map(|()| None)
            } else {
                Ok(Some((instance.id.clone(), since)))
            }
        }))
        .await;
        drained.into_iter().filter_map(Result::transpose).collect()
    }

    /// Whether the instance may end: its node is empty or unknown, or the drain timeout is over. What a cluster that
    /// does not answer refuses is over by time.
    async fn drain_one(&self, cx: &Cx, nodegroup: &Nodegroup, instance: &Instance, since: Timestamp) -> bool {
        let Some(node) = self.nodes.get(&instance.id) else { return true };
        let progress = cx.ports.clusters.drain(&cx.region, &nodegroup.cluster, &node.name).await;
        progress == Ok(DrainProgress::Empty) || cx.rt.now().since(since) >= cx.ports.drain_timeout
    }

    /// Deletes the Node objects of this group whose instances are gone.
    pub async fn forget_gone(&self, cx: &Cx, nodegroup: &Nodegroup) -> Result<(), Fault> {
        let ours = |n: &&NodeView| n.labels.get("eks.amazonaws.com/nodegroup") == Some(&nodegroup.name);
        let known = |n: &NodeView| self.instances.iter().any(|i| i.id == n.instance_id);
        let strangers: Vec<&NodeView> = self.nodes.values().filter(ours).filter(|n| !known(n)).collect();
        let ids: Vec<&String> = strangers.iter().map(|n| &n.instance_id).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let filters = json!([
            { "Name": "instance-id", "Values": ids },
            { "Name": "instance-state-name", "Values": ["pending", "running", "shutting-down"] },
        ]);
        let found = as_eks(cx, "ec2", "DescribeInstances", json!({ "Filters": filters })).await?;
        let reservations = found["Reservations"].as_array().into_iter().flatten();
        let alive: Vec<&str> = reservations
            .flat_map(|r| r["Instances"].as_array().into_iter().flatten())
            .filter_map(|i| i["InstanceId"].as_str())
            .collect();
        for node in strangers.into_iter().filter(|n| !alive.contains(&n.instance_id.as_str())) {
            let forgotten = cx.ports.clusters.forget_node(&cx.region, &nodegroup.cluster, &node.name).await;
            forgotten.map_err(Fault::internal)?;
        }
        Ok(())
    }

    /// Brings the labels and taints of the record to the nodes.
    pub async fn change_nodes(&self, cx: &Cx, nodegroup: &Nodegroup) -> Result<(), String> {
        let taint = |t: &super::nodegroup_state::Taint| NodeTaint {
            key: t.key.clone(),
            value: t.value.clone().unwrap_or_default(),
            effect: t.kubernetes_effect().into(),
        };
        let change = NodeChange {
            labels: nodegroup.labels.clone(),
            removed_labels: nodegroup.leaving.labels.clone(),
            taints: nodegroup.taints.iter().map(taint).collect(),
            removed_taints: nodegroup.leaving.taints.iter().map(taint).collect(),
        };
        for node in self.serving_nodes() {
            cx.ports.clusters.change_node(&cx.region, &nodegroup.cluster, &node.name, change.clone()).await?;
        }
        Ok(())
    }
}

async fn complete(cx: &Cx, nodegroup: &Nodegroup, hook: &str, instance_id: &str) -> Result<(), Fault> {
    let input = json!({
        "AutoScalingGroupName": nodegroup.group_name(), "LifecycleHookName": hook, "InstanceId": instance_id,
        "LifecycleActionResult": "CONTINUE",
    });
    match as_eks(cx, "autoscaling", "CompleteLifecycleAction", input).await {
        // The action is over already.
        Err(fault) if fault.code == "ValidationError" => Ok(()),
        other => other.map(|_| ()),
    }
}

/// How soon to look again at something that has been awaited since `since`: often at first, then less.
pub fn patience(now: Timestamp, since: Timestamp, first: Duration, last: Duration) -> Duration {
    (now.since(since) / 8).clamp(first, last)
}
