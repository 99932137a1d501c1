//! The record of a managed node group.

use std::collections::BTreeMap;

use cove_base::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::state::{Issue, StringMap};
use crate::records::Resource;

/// A node group's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum NodegroupStatus {
    /// Its nodes are awaited.
    Creating,
    /// All is well.
    Active,
    /// An update is in progress.
    Updating,
    /// Its nodes are drained and ended.
    Deleting,
    /// Its nodes did not come.
    CreateFailed,
    /// Something of it could not be deleted.
    DeleteFailed,
    /// Nodes that should be there are not.
    Degraded,
}

/// `scalingConfig`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scaling {
    /// The least size.
    pub min_size: u32,
    /// The greatest size.
    pub max_size: u32,
    /// The wanted size.
    pub desired_size: u32,
}

/// A taint in the API's form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taint {
    /// Its key.
    #[serde(default)]
    pub key: String,
    /// Its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// `NO_SCHEDULE`, `NO_EXECUTE`, `PREFER_NO_SCHEDULE`.
    #[serde(default)]
    pub effect: String,
}

impl Taint {
    /// Kubernetes' word for the effect.
    pub fn kubernetes_effect(&self) -> &'static str {
        match self.effect.as_str() {
            "NO_EXECUTE" => "NoExecute",
            "PREFER_NO_SCHEDULE" => "PreferNoSchedule",
            _ => "NoSchedule",
        }
    }
}

/// `updateConfig`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateConfig {
    /// So many nodes at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<u32>,
    /// Or such a share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unavailable_percentage: Option<u32>,
    /// `DEFAULT` or `MINIMAL`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update_strategy: Option<String>,
}

/// `launchTemplate`: the caller's own template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnTemplate {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// `lt-...`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// A managed node group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Nodegroup {
    /// Its cluster.
    pub cluster: String,
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// The UUID in the ARN and in the names of what it is made of.
    pub uuid: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed.
    pub modified_at: Timestamp,
    /// The Kubernetes version of its nodes.
    pub version: String,
    /// The release of its image, if EKS chose the image.
    pub release_version: Option<String>,
    /// The image, if EKS chose it.
    pub image_id: Option<String>,
    /// The status.
    pub status: NodegroupStatus,
    /// `ON_DEMAND` or `SPOT`.
    pub capacity_type: String,
    /// Its size.
    pub scaling: Scaling,
    /// The instance types, by priority; empty if the caller's template names one.
    pub instance_types: Vec<String>,
    /// The subnets.
    pub subnets: Vec<String>,
    /// The AMI type.
    pub ami_type: String,
    /// The role of its nodes.
    pub node_role: String,
    /// Labels of its nodes.
    pub labels: StringMap,
    /// Taints of its nodes.
    pub taints: Vec<Taint>,
    /// GiB, unless the caller's template says.
    pub disk_size: Option<u32>,
    /// How updates go.
    pub update_config: UpdateConfig,
    /// `nodeRepairConfig`, as given.
    pub node_repair_config: Option<Value>,
    /// The caller's template.
    pub own_template: Option<OwnTemplate>,
    /// The pods that its nodes can hold, if EKS says so.
    pub max_pods: Option<u32>,
    /// Its tags.
    pub tags: StringMap,
    /// The idempotency token of its making.
    pub client_request_token: Option<String>,
    /// Its issues.
    pub issues: Vec<Issue>,
    /// Whether its Auto Scaling group has been made.
    pub made_group: bool,
    /// Since when nodes are awaited: the making or the last change of its size.
    pub awaiting_since: Timestamp,
    /// Since when instances are drained, by instance id.
    pub draining: BTreeMap<String, Timestamp>,
    /// The update in progress.
    pub update_id: Option<String>,
    /// Labels that the update in progress takes from nodes, and the taints.
    pub leaving: Leaving,
}

/// What an update takes from nodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Leaving {
    /// Keys of labels.
    pub labels: Vec<String>,
    /// Taints.
    pub taints: Vec<Taint>,
    /// Whether labels or taints have to be brought to the nodes and into the template.
    pub pending: bool,
}

impl Nodegroup {
    /// The id of a node group of a cluster.
    pub fn id_of(cluster: &str, name: &str) -> String {
        format!("{cluster}/{name}")
    }

    /// The name of its Auto Scaling group.
    pub fn group_name(&self) -> String {
        format!("eks-{}-{}", self.name, self.uuid)
    }

    /// The name of its launch template and its instance profile.
    pub fn resource_name(&self) -> String {
        format!("eks-{}", self.uuid)
    }
}

impl Resource for Nodegroup {
    const KIND: &'static str = "eks/nodegroup";
    fn id(&self) -> String {
        Self::id_of(&self.cluster, &self.name)
    }
}
