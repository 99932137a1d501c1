//! Control planes behind EKS: `cove-aws`'s port over the region's clusters.
//!
//! What EKS does in a cluster it does as `eks:node-manager`, under RBAC.

use std::sync::Arc;

use async_trait::async_trait;
use cove_aws::ports::{self, ClusterAddress, ClusterSpec, DrainProgress, NodeChange, NodeView};
use cove_cloud::authenticator;
use cove_kube_api::door::{Options, PatchKind, UserInfo};
use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use cove_kube_client::{Client, Resource};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::clusters::Clusters as Running;

const NODES: Resource = Resource::core("nodes");
const PODS: Resource = Resource::core("pods");
const CONFIG_MAPS: Resource = Resource::core("configmaps");

/// The adapter.
pub(crate) struct Clusters(pub Arc<Running>);

impl Clusters {
    fn find(&self, region: &str, name: &str) -> Result<Arc<Cluster>, String> {
        self.0.get(region, name).ok_or_else(|| format!("cluster {name} does not run"))
    }

    fn node_manager(&self, region: &str, name: &str) -> Result<Client, String> {
        Ok(self.find(region, name)?.client(UserInfo::new("eks:node-manager", &[])))
    }

    /// Changes `mapRoles` of `aws-auth`, making the ConfigMap if it is not there.
    async fn change_roles(
        &self,
        region: &str,
        name: &str,
        change: impl Fn(&str) -> Option<String> + Send + Sync,
    ) -> Result<(), String> {
        let client = self.node_manager(region, name)?;
        loop {
            let found = client.find(CONFIG_MAPS, "kube-system", "aws-auth").await.map_err(text)?;
            let now = found.as_ref().and_then(|c| c.value()["data"]["mapRoles"].as_str().map(str::to_string));
            let Some(roles) = change(&now.unwrap_or_default()) else { return Ok(()) };
            let written = match &found {
                Some(config_map) => {
                    let mut object = config_map.value().as_ref().clone();
                    object["data"]["mapRoles"] = roles.into();
                    client.update(CONFIG_MAPS, object).await
                }
                None => {
                    let object = json!({
                        "apiVersion": "v1", "kind": "ConfigMap",
                        "metadata": {"name": "aws-auth", "namespace": "kube-system"}, "data": {"mapRoles": roles},
                    });
                    client.create(CONFIG_MAPS, "kube-system", object).await
                }
            };
            match written {
                Err(status) if status.is_conflict() || status.is_already_exists() => {}
                other => return other.map(drop).map_err(text),
            }
        }
    }
}

fn text(status: Status) -> String {
    status.to_string()
}

#[async_trait]
impl ports::Clusters for Clusters {
    async fn start(&self, spec: ClusterSpec) -> Result<ClusterAddress, String> {
        self.0.start(spec).await
    }

    async fn delete(&self, region: &str, name: &str) -> Result<(), String> {
        self.0.delete(region, name).await
    }

    async fn nodes(&self, region: &str, name: &str) -> Result<Vec<NodeView>, String> {
        let client = self.node_manager(region, name)?;
        let list = client.list(NODES, "", Options::default()).await.map_err(text)?;
        Ok(list.items.iter().map(|node| view(node)).collect())
    }

    async fn drain(&self, region: &str, name: &str, node: &str) -> Result<DrainProgress, String> {
        let client = self.node_manager(region, name)?;
        if client.find(NODES, "", node).await.map_err(text)?.is_none() {
            return Ok(DrainProgress::Empty);
        }
        let cordon = json!({"spec": {"unschedulable": true}});
        client.patch(NODES, "", node, "", PatchKind::Strategic, cordon).await.map_err(text)?;
        let options = Options { field_selector: format!("spec.nodeName={node}"), ..Options::default() };
        let pods = client.list(PODS, "", options).await.map_err(text)?;
        let mut left = 0;
        for pod in pods.items.iter().filter(|p| must_go(p.value())) {
            left += 1;
            if pod.meta("deletionTimestamp").is_empty() {
                evict(&client, pod).await?;
            }
        }
        Ok(if left == 0 { DrainProgress::Empty } else { DrainProgress::Left(left) })
    }

    async fn forget_node(&self, region: &str, name: &str, node: &str) -> Result<(), String> {
        // Deleting nodes is the cloud node controller's right, not the node manager's.
        let client = self.find(region, name)?.client(UserInfo::service_account("kube-system", "node-controller"));
        match client.delete(NODES, "", node, Value::Null).await {
            Err(status) if !status.is_not_found() => Err(text(status)),
            _ => Ok(()),
        }
    }

    async fn change_node(&self, region: &str, name: &str, node: &str, change: NodeChange) -> Result<(), String> {
        let client = self.node_manager(region, name)?;
        loop {
            let Some(found) = client.find(NODES, "", node).await.map_err(text)? else { return Ok(()) };
            let patch = node_patch(found.value(), &change);
            match client.patch(NODES, "", node, "", PatchKind::Merge, patch).await {
                Err(status) if status.is_conflict() => {}
                other => return other.map(drop).map_err(text),
            }
        }
    }

    async fn map_node_role(&self, region: &str, name: &str, role_arn: &str) -> Result<(), String> {
        self.change_roles(region, name, |roles| authenticator::add_role(roles, role_arn)).await
    }

    async fn unmap_node_role(&self, region: &str, name: &str, role_arn: &str) -> Result<(), String> {
        self.change_roles(region, name, |roles| authenticator::remove_role(roles, role_arn)).await
    }
}

/// The merge patch of a change, against this version of the node: taints are a list that is replaced as a whole.
fn node_patch(node: &Value, change: &NodeChange) -> Value {
    let mut labels: serde_json::Map<String, Value> =
        change.labels.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    labels.extend(change.removed_labels.iter().map(|key| (key.clone(), Value::Null)));
    let mut taints = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
    taints.retain(|taint| {
        let mut changed = change.taints.iter().chain(&change.removed_taints);
        !changed.any(|other| taint["key"] == other.key && taint["effect"] == other.effect)
    });
    taints.extend(change.taints.iter().map(|t| json!({"key": t.key, "value": t.value, "effect": t.effect})));
    json!({
        "metadata": {"resourceVersion": node["metadata"]["resourceVersion"], "labels": labels},
        "spec": {"taints": taints},
    })
}

fn view(node: &Object) -> NodeView {
    let value = node.value();
    let conditions = value["status"]["conditions"].as_array();
    let labels = value["metadata"]["labels"].as_object();
    let provider = value["spec"]["providerID"].as_str().unwrap_or_default();
    NodeView {
        name: node.name().into(),
        instance_id: provider.rsplit('/').next().unwrap_or_default().into(),
        ready: conditions.is_some_and(|all| all.iter().any(|c| c["type"] == "Ready" && c["status"] == "True")),
        labels: labels
            .into_iter()
            .flatten()
            .map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_string()))
            .collect(),
    }
}

/// A drain leaves the pods of DaemonSets, mirror pods and what has ended.
fn must_go(pod: &Value) -> bool {
    let owners = pod["metadata"]["ownerReferences"].as_array();
    let daemon = owners.is_some_and(|all| all.iter().any(|o| o["kind"] == "DaemonSet"));
    let mirror = pod["metadata"]["annotations"].get("kubernetes.io/config.mirror").is_some();
    !daemon && !mirror && !matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}

/// Asks for one eviction. A refusal by a disruption budget is not an error: the next round asks again.
async fn evict(client: &Client, pod: &Object) -> Result<(), String> {
    let (namespace, name) = (pod.namespace(), pod.name());
    let eviction = json!({
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace},
        "deleteOptions": {"preconditions": {"uid": pod.uid()}},
    });
    match client.create_sub(PODS, namespace, name, "eviction", eviction).await {
        Err(status) if !matches!(status.code, 404 | 409 | 429) => Err(text(status)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use cove_aws::ports::NodeTaint;

    use super::*;

    #[test]
    fn a_change_of_a_node_keeps_what_it_does_not_name() {
        let taint = |key: &str| NodeTaint { key: key.into(), value: "x".into(), effect: "NoSchedule".into() };
        let node = json!({
            "metadata": {"resourceVersion": "7"},
            "spec": {"taints": [
                {"key": "kept", "effect": "NoExecute"}, {"key": "gone", "effect": "NoSchedule"},
                {"key": "new", "effect": "NoSchedule"},
            ]},
        });
        let change = NodeChange {
            labels: [("role".to_string(), "web".to_string())].into(),
            removed_labels: vec!["old".into()],
            taints: vec![taint("new")],
            removed_taints: vec![taint("gone")],
        };
        let expected = json!({
            "metadata": {"resourceVersion": "7", "labels": {"role": "web", "old": null}},
            "spec": {"taints": [
                {"key": "kept", "effect": "NoExecute"}, {"key": "new", "value": "x", "effect": "NoSchedule"},
            ]},
        });
        assert_eq!(node_patch(&node, &change), expected);
    }
}
