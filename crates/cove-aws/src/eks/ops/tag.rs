//! TagResource, UntagResource and ListTagsForResource, over every kind of EKS resource that Cove has.

use cove_aws_wire::fault::Fault;
use cove_base::arn::Arn;
use serde::{Deserialize, Serialize};

use super::access_entry::Nothing;
use crate::eks::nodegroup_state::Nodegroup;
use crate::eks::state::{AccessEntry, Cluster, StringMap};
use crate::limits::TAGS_PER_RESOURCE;
use crate::operation::Cx;
use crate::records::Resource;

/// The input of TagResource.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TagResourceInput {
    resource_arn: String,
    tags: StringMap,
}

/// TagResource.
pub async fn tag_resource(cx: Cx, input: TagResourceInput) -> Result<Nothing, Fault> {
    if let Some(reserved) = input.tags.keys().find(|k| k.to_ascii_lowercase().starts_with("aws:")) {
        return Err(bad(format!("Tag keys beginning with aws: are reserved for AWS: {reserved}")));
    }
    change(&cx, &input.resource_arn, |tags| {
        tags.extend(input.tags.clone());
        match tags.len() <= TAGS_PER_RESOURCE {
            true => Ok(()),
            false => Err(bad(format!("A resource can have at most {TAGS_PER_RESOURCE} tags"))),
        }
    })
    .await?;
    Ok(Nothing {})
}

/// The input of UntagResource.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UntagResourceInput {
    resource_arn: String,
    tag_keys: Vec<String>,
}

/// UntagResource.
pub async fn untag_resource(cx: Cx, input: UntagResourceInput) -> Result<Nothing, Fault> {
    change(&cx, &input.resource_arn, |tags| {
        tags.retain(|key, _| !input.tag_keys.contains(key));
        Ok(())
    })
    .await?;
    Ok(Nothing {})
}

/// The input of ListTagsForResource.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListTagsInput {
    resource_arn: String,
}

/// The output of ListTagsForResource.
#[derive(Serialize)]
pub struct ListTagsOutput {
    tags: StringMap,
}

/// ListTagsForResource.
pub async fn list_tags_for_resource(cx: Cx, input: ListTagsInput) -> Result<ListTagsOutput, Fault> {
    Ok(ListTagsOutput { tags: change(&cx, &input.resource_arn, |_| Ok(())).await? })
}

fn bad(message: impl Into<String>) -> Fault {
    Fault::client("BadRequestException", message)
}

/// Changes the tags of the resource of an ARN and gives them.
async fn change(
    cx: &Cx,
    arn: &str,
    change: impl FnMut(&mut StringMap) -> Result<(), Fault>,
) -> Result<StringMap, Fault> {
    let parsed: Arn = arn.parse().map_err(|_| bad(format!("Invalid ARN: {arn}")))?;
    let parts: Vec<&str> = parsed.resource.split('/').collect();
    let found = match parts.as_slice() {
        _ if parsed.service != "eks" || parsed.region != cx.region => None,
        ["cluster", name] => change_of::<Cluster>(cx, name, arn, change).await?,
        ["nodegroup", cluster, name, _] => {
            change_of::<Nodegroup>(cx, &format!("{cluster}/{name}"), arn, change).await?
        }
        ["access-entry", cluster, ..] => {
            let entries = cx.records::<AccessEntry>().await?.list_under(&format!("{cluster}/")).await?;
            match entries.iter().find(|e| e.arn == arn) {
                Some(entry) => change_of::<AccessEntry>(cx, &entry.id(), arn, change).await?,
                None => None,
            }
        }
        _ => None,
    };
    found.ok_or_else(|| Fault::new(404, "NotFoundException", format!("Resource {arn} not found")))
}

/// What has an ARN and tags.
trait Tagged: Resource {
    fn arn_and_tags(&mut self) -> (&str, &mut StringMap);
}

impl Tagged for Cluster {
    fn arn_and_tags(&mut self) -> (&str, &mut StringMap) {
        (&self.arn, &mut self.tags)
    }
}

impl Tagged for Nodegroup {
    fn arn_and_tags(&mut self) -> (&str, &mut StringMap) {
        (&self.arn, &mut self.tags)
    }
}

impl Tagged for AccessEntry {
    fn arn_and_tags(&mut self) -> (&str, &mut StringMap) {
        (&self.arn, &mut self.tags)
    }
}

async fn change_of<T: Tagged>(
    cx: &Cx,
    id: &str,
    arn: &str,
    mut change: impl FnMut(&mut StringMap) -> Result<(), Fault>,
) -> Result<Option<StringMap>, Fault> {
    let mut tags = None;
    let records = cx.records::<T>().await?;
    let updated = records.update(id, |value| {
        let (own, of_value) = value.arn_and_tags();
        tags = if own == arn {
            change(of_value)?;
            Some(of_value.clone())
        } else {
            None
        };
        Ok(())
    });
    updated.await?;
    Ok(tags)
}
