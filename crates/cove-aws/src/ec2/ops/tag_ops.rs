//! Tags of what exists: setting, deleting, listing. One line per kind of resource.

use cove_aws_wire::fault::Fault;
use serde::Deserialize;
use serde_json::{Value, json};

use super::run_instances::members;
use crate::ec2::describe::{Described, Filter, Request, refuse_rest};
use crate::ec2::groups::SecurityGroup;
use crate::ec2::instances::{Instance, Interface};
use crate::ec2::state::{DhcpOptions, InternetGateway, NetworkAcl, RouteTable, Subnet, Tag, Vpc};
use crate::ec2::tags::{may_reserve, merge};
use crate::ec2::templates::LaunchTemplate;
use crate::operation::Cx;

/// Calls an async function of every kind of resource that has tags: `each_kind!(f(arguments))` is
/// `f::<Vpc>("vpc", arguments)`, and so on, each with `?`.
macro_rules! each_kind {
    ($function:ident($($argument:expr),*)) => {
        $function::<DhcpOptions>("dhcp-options", $($argument),*).await?;
        $function::<Instance>("instance", $($argument),*).await?;
        $function::<InternetGateway>("internet-gateway", $($argument),*).await?;
        $function::<LaunchTemplate>("launch-template", $($argument),*).await?;
        $function::<NetworkAcl>("network-acl", $($argument),*).await?;
        $function::<Interface>("network-interface", $($argument),*).await?;
        $function::<RouteTable>("route-table", $($argument),*).await?;
        $function::<SecurityGroup>("security-group", $($argument),*).await?;
        $function::<Subnet>("subnet", $($argument),*).await?;
        $function::<Vpc>("vpc", $($argument),*).await?;
    };
}

/// The input of CreateTags and DeleteTags.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct TagsInput {
    resources: Vec<String>,
    tags: Vec<TagInput>,
}

/// A tag; without a value, DeleteTags deletes it whatever its value is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
struct TagInput {
    key: String,
    value: Option<String>,
}

/// One change of tags.
struct Change<'a> {
    cx: &'a Cx,
    input: &'a TagsInput,
    delete: bool,
    /// Whether resources are changed, or only looked for.
    write: bool,
    /// The ids that were found so far.
    found: Vec<String>,
}

/// `CreateTags`.
pub async fn create(cx: Cx, input: TagsInput) -> Result<Value, Fault> {
    change(&cx, &input, false).await
}

/// `DeleteTags`.
pub async fn delete(cx: Cx, input: TagsInput) -> Result<Value, Fault> {
    change(&cx, &input, true).await
}

async fn change(cx: &Cx, input: &TagsInput, delete: bool) -> Result<Value, Fault> {
    for write in [false, true] {
        let change = &mut Change { cx, input, delete, write, found: Vec::new() };
        each_kind!(apply(change));
        apply_to_rules(change).await?;
        if let Some(id) = input.resources.iter().find(|id| !change.found.contains(id)) {
            return Err(Fault::client("InvalidID", format!("The ID '{id}' is not valid")));
        }
    }
    Ok(json!({}))
}

async fn apply<T: Described>(_: &str, change: &mut Change<'_>) -> Result<(), Fault> {
    let prefix = format!("{}-", T::NOUN.prefix);
    let records = change.cx.records::<T>().await?;
    for id in change.input.resources.iter().filter(|id| id.starts_with(&prefix)) {
        let updated = match change.write {
            true => records.update(id, |item| change.tags(item.tags_mut())).await?.is_some(),
            false => records.get(id).await?.is_some(),
        };
        if !updated {
            return Err(T::NOUN.not_found(id));
        }
        change.found.push(id.clone());
    }
    Ok(())
}

async fn apply_to_rules(change: &mut Change<'_>) -> Result<(), Fault> {
    let wanted: Vec<&String> = change.input.resources.iter().filter(|id| id.starts_with("sgr-")).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let records = change.cx.records::<SecurityGroup>().await?;
    for group in records.list().await? {
        for id in wanted.iter().filter(|id| group.rules.iter().any(|rule| rule.id == ***id)) {
            if change.write {
                let update = records.update(&group.group_id, |group| {
                    let rule = group.rules.iter_mut().find(|rule| rule.id == **id);
                    rule.map_or(Ok(()), |rule| change.tags(&mut rule.tags))
                });
                update.await?;
            }
            change.found.push((*id).clone());
        }
    }
    Ok(())
}

impl Change<'_> {
    fn tags(&self, tags: &mut Vec<Tag>) -> Result<(), Fault> {
        if !self.delete {
            let set = |tag: &TagInput| Tag { key: tag.key.clone(), value: tag.value.clone().unwrap_or_default() };
            let wanted: Vec<Tag> = self.input.tags.iter().map(set).collect();
            return merge(tags, &wanted, may_reserve(self.cx));
        }
        let named = |tag: &Tag| {
            let wanted = &self.input.tags;
            let all = wanted.is_empty() && !tag.key.starts_with("aws:");
            all || wanted.iter().any(|w| w.key == tag.key && w.value.as_ref().is_none_or(|v| *v == tag.value))
        };
        if !may_reserve(self.cx) && self.input.tags.iter().any(|tag| tag.key.starts_with("aws:")) {
            let message = "Tag keys starting with 'aws:' are reserved for internal use";
            return Err(Fault::client("InvalidParameterValue", message));
        }
        tags.retain(|tag| !named(tag));
        Ok(())
    }
}

const FILTERS: &[Filter] =
    &[("key", "Key"), ("resource-id", "ResourceId"), ("resource-type", "ResourceType"), ("value", "Value")];

/// `DescribeTags`.
pub async fn describe_tags(cx: Cx, input: Value) -> Result<Value, Fault> {
    let mut input = members(input)?;
    let request = Request::take(&mut input, "")?;
    refuse_rest(&input)?;
    let mut items = Vec::new();
    each_kind!(collect(&cx, &mut items));
    for group in cx.records::<SecurityGroup>().await?.list().await? {
        for rule in &group.rules {
            push(&mut items, "security-group-rule", &rule.id, &rule.tags);
        }
    }
    // `tag:KEY` reads the one tag that the item is.
    let shape = |view: &Value| {
        let mut shape = view.clone();
        shape["Tags"] = json!([{ "Key": view["Key"], "Value": view["Value"] }]);
        shape
    };
    request.check_filters(FILTERS, true)?;
    items.retain(|(_, view)| request.matches(&shape(view), FILTERS));
    Ok(request.reply("Tags", items))
}

async fn collect<T: Described>(kind: &str, cx: &Cx, items: &mut Vec<(String, Value)>) -> Result<(), Fault> {
    for item in cx.records::<T>().await?.list().await? {
        push(items, kind, &item.id(), item.tags());
    }
    Ok(())
}

fn push(items: &mut Vec<(String, Value)>, kind: &str, id: &str, tags: &[Tag]) {
    for tag in tags {
        let view = json!({ "Key": tag.key, "ResourceId": id, "ResourceType": kind, "Value": tag.value });
        items.push((format!("{id}/{}", tag.key), view));
    }
}
