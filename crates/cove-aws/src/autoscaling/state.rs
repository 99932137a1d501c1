//! The records of Auto Scaling: groups, their instances, their activities.
//!
//! An instance's record exists from the decision to launch it until it is gone. It is made before EC2 is asked (with
//! the client token of the request), so that a crash in between neither loses an instance nor starts two.

use std::collections::BTreeMap;

use cove_base::Timestamp;
use serde::{Deserialize, Serialize};

use crate::records::Resource;

/// `LaunchTemplateSpecification`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct TemplateSpec {
    /// `lt-...`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launch_template_id: Option<String>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launch_template_name: Option<String>,
    /// A number, `$Latest` or `$Default`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// One of the overrides of a mixed instances policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Override {
    /// The instance type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_type: Option<String>,
    /// Its weight; only 1 is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weighted_capacity: Option<String>,
}

/// The template of a mixed instances policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct MixedTemplate {
    /// The launch template.
    pub launch_template_specification: TemplateSpec,
    /// The instance types, by priority.
    #[serde(default)]
    pub overrides: Vec<Override>,
}

/// How a mixed instances policy buys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Distribution {
    /// `prioritized` or `lowest-price`.
    pub on_demand_allocation_strategy: String,
    /// The first so many are on demand.
    pub on_demand_base_capacity: u32,
    /// The share of the others that is on demand.
    pub on_demand_percentage_above_base_capacity: u32,
    /// The strategy for spot.
    pub spot_allocation_strategy: String,
    /// With `lowest-price` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spot_instance_pools: Option<u32>,
    /// The highest spot price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spot_max_price: Option<String>,
}

impl Default for Distribution {
    fn default() -> Self {
        Self {
            on_demand_allocation_strategy: "prioritized".into(),
            on_demand_base_capacity: 0,
            on_demand_percentage_above_base_capacity: 100,
            spot_allocation_strategy: "lowest-price".into(),
            spot_instance_pools: None,
            spot_max_price: None,
        }
    }
}

/// A mixed instances policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct MixedPolicy {
    /// What to launch.
    pub launch_template: MixedTemplate,
    /// How to buy.
    #[serde(default)]
    pub instances_distribution: Distribution,
}

/// A tag of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupTag {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Whether instances get it.
    pub propagate: bool,
}

/// When a lifecycle hook holds an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transition {
    /// Before it serves.
    #[serde(rename = "autoscaling:EC2_INSTANCE_LAUNCHING")]
    Launching,
    /// Before it ends.
    #[serde(rename = "autoscaling:EC2_INSTANCE_TERMINATING")]
    Terminating,
}

/// A lifecycle hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// Its name.
    pub name: String,
    /// When it holds.
    pub transition: Transition,
    /// How long.
    pub heartbeat_timeout_s: u64,
    /// `CONTINUE` or `ABANDON`, when the time is up.
    pub default_result: String,
    /// For the receiver.
    pub notification_metadata: Option<String>,
}

/// An Auto Scaling group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// A UUID, that client tokens derive from.
    pub uuid: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// The launch template, unless there is a policy.
    pub launch_template: Option<TemplateSpec>,
    /// The mixed instances policy.
    pub mixed: Option<MixedPolicy>,
    /// The template version that new instances get: that of the template or policy when the group was last changed.
    pub resolved_template: TemplateSpec,
    /// The least size.
    pub min: u32,
    /// The greatest size.
    pub max: u32,
    /// The wanted size.
    pub desired: u32,
    /// Seconds.
    pub default_cooldown_s: u32,
    /// The subnets with their zones, in the order given.
    pub subnets: Vec<Placement>,
    /// `EC2`.
    pub health_check_type: String,
    /// Seconds.
    pub health_check_grace_s: u32,
    /// Whom to end first.
    pub termination_policies: Vec<String>,
    /// Whether new instances are protected from scale-in.
    pub protect_new: bool,
    /// Whether spot instances at risk are replaced.
    pub capacity_rebalance: Option<bool>,
    /// The service-linked role.
    pub role_arn: String,
    /// Its tags, by key.
    pub tags: Vec<GroupTag>,
    /// Its lifecycle hooks, by name.
    pub hooks: Vec<Hook>,
    /// Suspended processes and why.
    pub suspended: BTreeMap<String, String>,
    /// The next ordinal of instances and activities.
    pub next_ordinal: u64,
    /// Why the wanted size is what it is, in AWS's words, for the causes of activities.
    pub capacity_cause: String,
    /// Whether the group has had its wanted size since that was last changed: what is launched then is a replacement.
    pub reached: bool,
    /// Launches that failed in a row.
    pub launch_failures: u32,
    /// Subnets in which a launch failed, and until when they are passed over.
    pub blocked: BTreeMap<String, Timestamp>,
    /// Whether it is being deleted with all its instances.
    pub deleting: bool,
}

/// A subnet of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// `subnet-...`.
    pub subnet_id: String,
    /// Its zone.
    pub zone: String,
    /// The zone's id.
    pub zone_id: String,
}

impl Resource for Group {
    const KIND: &'static str = "autoscaling/group";
    fn id(&self) -> String {
        self.name.clone()
    }
}

impl Group {
    /// The launch template in force.
    pub fn template(&self) -> TemplateSpec {
        let mixed = self.mixed.as_ref().map(|m| m.launch_template.launch_template_specification.clone());
        self.launch_template.clone().or(mixed).unwrap_or_default()
    }

    /// The instance types of the policy, by priority.
    pub fn types(&self) -> Vec<String> {
        let overrides = self.mixed.iter().flat_map(|m| &m.launch_template.overrides);
        overrides.filter_map(|o| o.instance_type.clone()).collect()
    }

    /// The hook of a transition.
    pub fn hook(&self, transition: Transition) -> Option<&Hook> {
        self.hooks.iter().find(|h| h.transition == transition)
    }

    /// Whether a process may run.
    pub fn runs(&self, process: &str) -> bool {
        !self.suspended.contains_key(process)
    }
}

/// Where an instance stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lifecycle {
    /// EC2 has not been heard of yet, or it boots.
    Pending,
    /// A launch hook holds it.
    #[serde(rename = "Pending:Wait")]
    PendingWait,
    /// It counts.
    InService,
    /// It is to end.
    Terminating,
    /// A terminate hook holds it.
    #[serde(rename = "Terminating:Wait")]
    TerminatingWait,
    /// EC2 is ending it.
    #[serde(rename = "Terminating:Proceed")]
    TerminatingProceed,
}

impl Lifecycle {
    /// The wire's word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::PendingWait => "Pending:Wait",
            Self::InService => "InService",
            Self::Terminating => "Terminating",
            Self::TerminatingWait => "Terminating:Wait",
            Self::TerminatingProceed => "Terminating:Proceed",
        }
    }

    /// Whether it counts against the wanted size.
    pub fn counts(self) -> bool {
        matches!(self, Self::Pending | Self::PendingWait | Self::InService)
    }
}

/// An instance of a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Its group.
    pub group: String,
    /// Its ordinal within the group, which its activity shares.
    pub ordinal: u64,
    /// The client token of the RunInstances call that makes it; several members may share one call.
    pub token: String,
    /// `i-...`, once EC2 has answered.
    pub instance_id: Option<String>,
    /// The subnet.
    pub subnet_id: String,
    /// The zone.
    pub zone: String,
    /// The zone's id.
    pub zone_id: String,
    /// The type asked for; of the template if empty.
    pub instance_type: String,
    /// The template and the version asked for, resolved once EC2 has answered.
    pub template: TemplateSpec,
    /// Where it stands.
    pub lifecycle: Lifecycle,
    /// Whether it is healthy.
    pub healthy: bool,
    /// Whether scale-in passes it over.
    pub protected: bool,
    /// When it was decided on.
    pub created_at: Timestamp,
    /// When its lifecycle last changed.
    pub changed_at: Timestamp,
    /// Until when a hook holds it.
    pub hook_deadline: Option<Timestamp>,
    /// What CompleteLifecycleAction said.
    pub hook_result: Option<String>,
    /// The token of the action that a hook waits for.
    pub action_token: Option<String>,
    /// The activity of its end.
    pub ending: Option<u64>,
    /// The tags that it was given.
    pub tags: BTreeMap<String, String>,
}

impl Member {
    /// The prefix of a group's members.
    pub fn prefix(group: &str) -> String {
        format!("{group}/")
    }
}

impl Resource for Member {
    const KIND: &'static str = "autoscaling/instance";
    fn id(&self) -> String {
        format!("{}{:016}", Self::prefix(&self.group), self.ordinal)
    }
}

/// A scaling activity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Activity {
    /// Its group.
    pub group: String,
    /// Its ordinal within the group.
    pub ordinal: u64,
    /// A UUID.
    pub activity_id: String,
    /// What is done.
    pub description: String,
    /// Why.
    pub cause: String,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// `InProgress`, `Successful`, `Failed`, `WaitingForInstanceId`, `MidLifecycleAction` and so on.
    pub status: String,
    /// Why it failed.
    pub message: Option<String>,
    /// Percent.
    pub progress: u32,
    /// JSON text.
    pub details: String,
}

impl Resource for Activity {
    const KIND: &'static str = "autoscaling/activity";
    fn id(&self) -> String {
        format!("{}/{:016}", self.group, self.ordinal)
    }
}
