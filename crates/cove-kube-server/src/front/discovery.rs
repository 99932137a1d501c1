//! Discovery: aggregated (v2 and v2beta1) and legacy, both made from the table of kinds.

use aws_lc_rs::digest::{SHA256, digest};
use cove_kube_api::status::Status;
use serde_json::{Value, json};

use crate::api::kinds::{self, Group, Kind, Subresource};
use crate::chain::call::unknown_path;

/// The kinds of a group's version, in alphabetical order.
fn kinds_of(minor: u32, group: &str, version: &str) -> Vec<&'static Kind> {
    let all = kinds::kinds(minor).iter().copied();
    let mut found: Vec<_> = all.filter(|kind| kind.group == group && kind.version == version).collect();
    found.sort_by_key(|kind| kind.plural);
    found
}

fn group_version(group: &str, version: &str) -> String {
    crate::kind_rules::api_version(group, version)
}

/// `APIGroupDiscoveryList` of `/api` (`core`) or `/apis`.
pub fn aggregated(minor: u32, core: bool, version: &str) -> Value {
    let groups = kinds::groups(minor).iter().filter(|group| group.name.is_empty() == core);
    let items: Vec<Value> = groups.map(|group| aggregated_group(minor, group)).collect();
    let api_version = format!("apidiscovery.k8s.io/{version}");
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": api_version, "metadata": {}, "items": items})
}

fn aggregated_group(minor: u32, group: &Group) -> Value {
    let version = |version: &str| {
        let resources: Vec<Value> = kinds_of(minor, group.name, version).into_iter().map(aggregated_kind).collect();
        json!({"version": version, "resources": resources, "freshness": "Current"})
    };
    let versions: Vec<Value> = group.versions.iter().map(|v| version(v.version)).collect();
    let metadata = if group.name.is_empty() { json!({}) } else { json!({"name": group.name}) };
    json!({"metadata": metadata, "versions": versions})
}

fn aggregated_kind(kind: &Kind) -> Value {
    let mut resource = json!({
        "resource": kind.plural,
        "responseKind": {"group": "", "version": "", "kind": kind.kind},
        "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": kind.singular,
        "verbs": kind.verbs,
    });
    add_names(&mut resource, kind);
    if !kind.subresources.is_empty() {
        let subresources = kind.subresources.iter().map(|sub| {
            let (group, version) = foreign(kind, sub);
            json!({
                "subresource": sub.name,
                "responseKind": {"group": group, "version": version, "kind": sub.kind},
                "verbs": sub.verbs,
            })
        });
        resource["subresources"] = subresources.collect();
    }
    resource
}

fn add_names(resource: &mut Value, kind: &Kind) {
    if !kind.short_names.is_empty() {
        resource["shortNames"] = kind.short_names.clone().into();
    }
    if !kind.categories.is_empty() {
        resource["categories"] = kind.categories.clone().into();
    }
}

/// Group and version of a subresource's kind, both empty if they are the parent's.
fn foreign(kind: &Kind, sub: &Subresource) -> (&'static str, &'static str) {
    if (sub.group, sub.version) == (kind.group, kind.version) { ("", "") } else { (sub.group, sub.version) }
}

/// `/api` in the legacy form.
pub fn versions(address: &str) -> Value {
    json!({
        "kind": "APIVersions", "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    })
}

/// `/apis` in the legacy form.
pub fn groups(minor: u32) -> Value {
    let groups = kinds::groups(minor).iter().filter(|group| !group.name.is_empty());
    let groups: Vec<Value> = groups.map(group_value).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/GROUP`.
pub fn group(minor: u32, name: &str) -> Result<Value, Status> {
    let found = kinds::groups(minor).iter().find(|group| !group.name.is_empty() && group.name == name);
    let mut value = found.map(group_value).ok_or_else(unknown_path)?;
    value["kind"] = "APIGroup".into();
    value["apiVersion"] = "v1".into();
    Ok(value)
}

fn group_value(group: &Group) -> Value {
    let version = |version: &str| json!({"groupVersion": group_version(group.name, version), "version": version});
    let versions: Vec<Value> = group.versions.iter().map(|v| version(v.version)).collect();
    json!({"name": group.name, "versions": versions, "preferredVersion": versions.first()})
}

/// `/api/v1`, `/apis/GROUP/VERSION`.
pub fn resources(minor: u32, group: &str, version: &str) -> Result<Value, Status> {
    let kinds = kinds_of(minor, group, version);
    if kinds.is_empty() {
        return Err(unknown_path());
    }
    let mut resources = Vec::new();
    for kind in kinds {
        let mut resource = json!({
            "name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced,
            "kind": kind.kind, "verbs": kind.verbs,
        });
        add_names(&mut resource, kind);
        if !kind.storage_version_hash.is_empty() {
            resource["storageVersionHash"] = kind.storage_version_hash.into();
        }
        resources.push(resource);
        resources.extend(kind.subresources.iter().map(|sub| subresource(kind, sub)));
    }
    let group_version = group_version(group, version);
    Ok(json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources,
    }))
}

fn subresource(kind: &Kind, sub: &Subresource) -> Value {
    let mut value = json!({
        "name": format!("{}/{}", kind.plural, sub.name), "singularName": "", "namespaced": kind.namespaced,
        "kind": sub.kind, "verbs": sub.verbs,
    });
    let (group, version) = foreign(kind, sub);
    if !version.is_empty() {
        value["group"] = group.into();
        value["version"] = version.into();
    }
    value
}

/// The entity tag of a document.
pub fn etag(document: &[u8]) -> String {
    let hash: String = digest(&SHA256, document).as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    format!("\"{hash}\"")
}
