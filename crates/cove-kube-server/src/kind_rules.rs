//! Small questions about kinds that the generic verbs ask often.

use cove_kube_api::status::group_resource;

use crate::api::kinds::Kind;

/// Whether this is a given kind.
pub fn is(kind: &Kind, group: &str, plural: &str) -> bool {
    kind.group == group && kind.plural == plural
}

/// Whether propagation finalizers apply: events are the one kind without garbage collection.
pub fn is_collected(kind: &Kind) -> bool {
    kind.kind != "Event"
}

/// `pods` or `deployments.apps`.
pub fn resource_name(kind: &Kind) -> String {
    group_resource(kind.group, kind.plural)
}

/// `v1` or `apps/v1`.
pub fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.into() } else { format!("{group}/{version}") }
}
