//! Tags of EC2 resources: at creation, and their rules.

use cove_aws_wire::door::Principal;
use cove_aws_wire::fault::Fault;
use serde::Deserialize;

use super::faults::invalid_parameter;
use super::state::Tag;
use crate::limits;
use crate::operation::Cx;

/// Tags of a kind of resource that an operation makes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct TagSpecification {
    /// Such as `instance`.
    pub resource_type: Option<String>,
    /// The tags.
    pub tags: Vec<Tag>,
}

/// Whether the caller may set `aws:` tags: AWS's own services may.
pub fn may_reserve(cx: &Cx) -> bool {
    matches!(cx.caller.principal, Principal::Service(_))
}

/// The tags for one kind of resource, checked. `kinds` are all kinds that the operation makes.
pub fn tags_for(cx: &Cx, specifications: &[TagSpecification], kind: &str, kinds: &[&str]) -> Result<Vec<Tag>, Fault> {
    let mut tags = Vec::new();
    for specification in specifications {
        let of = specification.resource_type.as_deref().unwrap_or_default();
        if !kinds.contains(&of) {
            return Err(invalid_parameter(format!("'{of}' is not a valid taggable resource type for this operation.")));
        }
        if of == kind {
            merge(&mut tags, &specification.tags, may_reserve(cx))?;
        }
    }
    Ok(tags)
}

/// Sets tags; a key that exists gets the new value. `reserved` lets AWS's own services set `aws:` tags.
pub fn merge(into: &mut Vec<Tag>, tags: &[Tag], reserved: bool) -> Result<(), Fault> {
    for tag in tags {
        check(tag, reserved)?;
        match into.iter_mut().find(|existing| existing.key == tag.key) {
            Some(existing) => existing.value.clone_from(&tag.value),
            None => into.push(tag.clone()),
        }
    }
    // Tags of AWS itself do not count.
    match into.iter().filter(|tag| !tag.key.starts_with("aws:")).count() > limits::TAGS_PER_RESOURCE {
        true => Err(Fault::client("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")),
        false => Ok(()),
    }
}

fn check(tag: &Tag, reserved: bool) -> Result<(), Fault> {
    if tag.key.is_empty() {
        return Err(invalid_parameter("Tag key cannot be empty."));
    }
    if tag.key.starts_with("aws:") && !reserved {
        return Err(invalid_parameter("Tag keys starting with 'aws:' are reserved for internal use"));
    }
    if tag.key.chars().count() > 127 {
        return Err(invalid_parameter("Tag key exceeds the maximum length of 127 characters"));
    }
    if tag.value.chars().count() > 255 {
        return Err(invalid_parameter("Tag value exceeds the maximum length of 255 characters"));
    }
    Ok(())
}
