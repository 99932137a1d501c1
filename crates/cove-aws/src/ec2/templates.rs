//! Records of launch templates: a template with all its versions is one record, so that numbers never collide.

use cove_aws_wire::fault::Fault;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::describe::{Described, Filter, Noun};
use super::state::{Tag, with_tags};
use crate::operation::Cx;
use crate::records::Resource;

/// A launch template.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LaunchTemplate {
    /// `lt-...`.
    pub id: String,
    /// Its name, unique in the region.
    pub name: String,
    /// Seconds since the epoch.
    pub created: i64,
    /// Who made it.
    pub created_by: String,
    /// Which version counts when none is named.
    pub default_version: u64,
    /// The newest version's number.
    pub latest_version: u64,
    /// The versions, oldest first.
    pub versions: Vec<TemplateVersion>,
    /// Tags.
    pub tags: Vec<Tag>,
}

/// A version of a launch template.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TemplateVersion {
    /// Counted from 1.
    pub number: u64,
    /// The description.
    pub description: Option<String>,
    /// Seconds since the epoch.
    pub created: i64,
    /// Who made it.
    pub created_by: String,
    /// The `LaunchTemplateData`, as it was given.
    pub data: Value,
}

impl Resource for LaunchTemplate {
    const KIND: &'static str = "ec2/launch-template";
    fn id(&self) -> String {
        self.id.clone()
    }
}

impl LaunchTemplate {
    /// The model's shape.
    pub fn view(&self) -> Value {
        with_tags(
            json!({
                "LaunchTemplateId": self.id,
                "LaunchTemplateName": self.name,
                "CreateTime": self.created,
                "CreatedBy": self.created_by,
                "DefaultVersionNumber": self.default_version,
                "LatestVersionNumber": self.latest_version,
                "Operator": { "Managed": false },
            }),
            &self.tags,
        )
    }

    /// The `LaunchTemplateVersion` shape.
    pub fn version_view(&self, version: &TemplateVersion) -> Value {
        let mut view = json!({
            "LaunchTemplateId": self.id,
            "LaunchTemplateName": self.name,
            "VersionNumber": version.number,
            "CreateTime": version.created,
            "CreatedBy": version.created_by,
            "DefaultVersion": version.number == self.default_version,
            "LaunchTemplateData": version.data,
            "Operator": { "Managed": false },
        });
        if let Some(description) = &version.description {
            view["VersionDescription"] = json!(description);
        }
        view
    }

    /// A version by number, `$Latest` or `$Default`.
    pub fn version(&self, wanted: &str) -> Option<&TemplateVersion> {
        let number = match wanted {
            "$Latest" => self.latest_version,
            "$Default" | "" => self.default_version,
            other => other.parse().ok()?,
        };
        self.versions.iter().find(|version| version.number == number)
    }

    /// A version that must exist.
    pub fn need_version(&self, wanted: &str) -> Result<&TemplateVersion, Fault> {
        self.version(wanted).ok_or_else(|| {
            Fault::client(
                "InvalidLaunchTemplateId.VersionNotFound",
                format!("Could not find the specified version {wanted} for the launch template with ID {}.", self.id),
            )
        })
    }
}

impl Described for LaunchTemplate {
    const MEMBER: &'static str = "LaunchTemplates";
    const IDS: &'static str = "LaunchTemplateIds";
    const NOUN: Noun = Noun { prefix: "lt", code: "InvalidLaunchTemplateId", text: "The launch template" };
    const FILTERS: &'static [Filter] = &[
        ("create-time", "CreateTime"),
        ("launch-template-id", "LaunchTemplateId"),
        ("launch-template-name", "LaunchTemplateName"),
    ];
    fn tags(&self) -> &[Tag] {
        &self.tags
    }
    fn tags_mut(&mut self) -> &mut Vec<Tag> {
        &mut self.tags
    }
    async fn views(_: &Cx, items: Vec<Self>) -> Result<Vec<Value>, Fault> {
        Ok(items.iter().map(LaunchTemplate::view).collect())
    }
}

/// A name in use, for what has names that must be unique: launch templates, security groups of a VPC.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NameInUse {
    /// The kind and scope, such as `launch-template`.
    pub scope: String,
    /// The name.
    pub name: String,
    /// Who has it.
    pub id: String,
}

impl Resource for NameInUse {
    const KIND: &'static str = "ec2/name";
    fn id(&self) -> String {
        format!("{}/{}", self.scope, self.name)
    }
}
