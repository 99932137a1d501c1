//! CreateOrUpdateTags, DeleteTags, DescribeTags, and the filters that are about tags.

use cove_aws_wire::door::Principal;
use cove_aws_wire::fault::Fault;
use serde::{Deserialize, Serialize};

use super::group::{Nothing, group_name};
use crate::autoscaling::faults;
use crate::autoscaling::paging::page;
use crate::autoscaling::state::{Group, GroupTag};
use crate::autoscaling::view::{self, TagView};
use crate::operation::Cx;

/// Tags of one group.
const TAGS: usize = 50;

/// A tag as it is given.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct TagInput {
    #[serde(default)]
    resource_id: String,
    resource_type: Option<String>,
    key: String,
    value: Option<String>,
    propagate_at_launch: Option<bool>,
}

/// Whether the caller may set tags whose keys begin with `aws:`.
pub(super) fn may_reserve(cx: &Cx) -> bool {
    matches!(cx.caller.principal, Principal::Service(_))
}

/// Puts tags into a group, over those of the same keys.
pub(super) fn put(group: &mut Group, tags: &[TagInput], may_reserve: bool) -> Result<(), Fault> {
    for tag in tags {
        check_type(tag)?;
        if !may_reserve && tag.key.to_ascii_lowercase().starts_with("aws:") {
            return Err(faults::validation("aws: prefixed tag key names are not allowed for external use."));
        }
        group.tags.retain(|t| t.key != tag.key);
        group.tags.push(GroupTag {
            key: tag.key.clone(),
            value: tag.value.clone().unwrap_or_default(),
            propagate: tag.propagate_at_launch.unwrap_or(false),
        });
    }
    group.tags.sort_by(|a, b| a.key.cmp(&b.key));
    match group.tags.len() <= TAGS {
        true => Ok(()),
        false => {
            Err(Fault::client("LimitExceeded", format!("The number of tags exceeds the limit of {TAGS} per group.")))
        }
    }
}

fn check_type(tag: &TagInput) -> Result<(), Fault> {
    match tag.resource_type.as_deref() {
        None | Some("auto-scaling-group") => Ok(()),
        Some(other) => Err(faults::validation(format!("Resource type {other} is not supported"))),
    }
}

/// The input of CreateOrUpdateTags and DeleteTags.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct TagsInput {
    #[serde(default)]
    tags: Vec<TagInput>,
}

/// CreateOrUpdateTags.
pub async fn create_or_update_tags(cx: Cx, input: TagsInput) -> Result<Nothing, Fault> {
    let reserve = may_reserve(&cx);
    each(&cx, &input.tags, |group, tag| put(group, std::slice::from_ref(tag), reserve)).await
}

/// DeleteTags. A tag that is not there is no error.
pub async fn delete_tags(cx: Cx, input: TagsInput) -> Result<Nothing, Fault> {
    each(&cx, &input.tags, |group, tag| {
        check_type(tag)?;
        group.tags.retain(|t| t.key != tag.key);
        Ok(())
    })
    .await
}

async fn each(
    cx: &Cx,
    tags: &[TagInput],
    change: impl Fn(&mut Group, &TagInput) -> Result<(), Fault>,
) -> Result<Nothing, Fault> {
    let records = cx.records::<Group>().await?;
    for tag in tags {
        let changed = records.update(&group_name(&tag.resource_id), |group| change(group, tag)).await?;
        changed.ok_or_else(|| faults::no_group(&tag.resource_id))?;
    }
    Ok(Nothing {})
}

/// `Filter`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Filter {
    name: String,
    #[serde(default)]
    values: Vec<String>,
}

/// Refuses unknown filters of DescribeAutoScalingGroups.
pub(super) fn check_group_filters(filters: &[Filter]) -> Result<(), Fault> {
    let known = |name: &str| ["tag-key", "tag-value"].contains(&name) || name.starts_with("tag:");
    match filters.iter().find(|f| !known(&f.name)) {
        Some(unknown) => Err(faults::validation(format!("Filter type {} is not correct.", unknown.name))),
        None => Ok(()),
    }
}

/// Whether a group has the tags that all filters ask for.
pub(super) fn matches_group(group: &Group, filters: &[Filter]) -> bool {
    filters.iter().all(|filter| {
        group.tags.iter().any(|tag| match filter.name.as_str() {
            "tag-key" => filter.values.contains(&tag.key),
            "tag-value" => filter.values.contains(&tag.value),
            name => name.strip_prefix("tag:") == Some(&tag.key) && filter.values.contains(&tag.value),
        })
    })
}

/// The input of DescribeTags.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct DescribeTagsInput {
    filters: Vec<Filter>,
    max_records: Option<usize>,
    next_token: Option<String>,
}

/// The output of DescribeTags.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DescribeTagsOutput {
    tags: Vec<TagView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// DescribeTags.
pub async fn describe_tags(cx: Cx, input: DescribeTagsInput) -> Result<DescribeTagsOutput, Fault> {
    let known = ["auto-scaling-group", "key", "value", "propagate-at-launch"];
    if let Some(unknown) = input.filters.iter().find(|f| !known.contains(&f.name.as_str())) {
        return Err(faults::validation(format!("Filter type {} is not correct.", unknown.name)));
    }
    let mut tags = Vec::new();
    for group in cx.records::<Group>().await?.list().await? {
        let matches = |tag: &TagView| {
            input.filters.iter().all(|filter| {
                let value = match filter.name.as_str() {
                    "auto-scaling-group" => group.name.clone(),
                    "key" => tag.key.clone(),
                    "value" => tag.value.clone(),
                    _ => tag.propagate_at_launch.to_string(),
                };
                filter.values.contains(&value)
            })
        };
        tags.extend(view::tags(&group).into_iter().filter(matches));
    }
    let (tags, next_token) = page(tags, input.max_records, input.next_token.as_deref())?;
    Ok(DescribeTagsOutput { tags, next_token })
}
