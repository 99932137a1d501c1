//! Role, ClusterRole and their bindings.

use serde_json::{Map, Value, json};

use crate::names;

use super::fill::each;
use super::pod::label_selector;
use super::rules::{At, Errors};
use super::table_rules::{BASE, Rules};

const GROUP: &str = "rbac.authorization.k8s.io";

pub(super) const ROLE: Rules = Rules { validate: |at, errors| role_rules(at, true, errors), ..BASE };

pub(super) const CLUSTER_ROLE: Rules = Rules { validate: cluster_role, ..BASE };

pub(super) const ROLE_BINDING: Rules = Rules {
    default: default_binding,
    validate: |at, errors| binding(at, &["Role", "ClusterRole"], errors),
    change: role_ref_change,
    ..BASE
};

pub(super) const CLUSTER_ROLE_BINDING: Rules = Rules {
    default: default_binding,
    validate: |at, errors| binding(at, &["ClusterRole"], errors),
    change: role_ref_change,
    ..BASE
};

fn default_binding(binding: &mut Value) {
    let group = |map: &mut Map<String, Value>| {
        if map.get("apiGroup").and_then(Value::as_str).unwrap_or_default().is_empty() {
            map.insert("apiGroup".into(), GROUP.into());
        }
    };
    each(binding, "roleRef", &mut |map| group(map));
    each(binding, "subjects[]", &mut |map| {
        if matches!(map.get("kind").and_then(Value::as_str), Some("User" | "Group")) {
            group(map);
        }
    });
}

fn role_rules(role: &At<'_>, namespaced: bool, errors: &mut Errors) {
    for rule in role.list("rules") {
        let (verbs, urls) = (rule.get("verbs"), rule.get("nonResourceURLs"));
        if verbs.is_empty() {
            errors.required(&verbs, "verbs must contain at least one value");
        }
        let of = |member: &str| !rule.get(member).is_empty();
        if !urls.is_empty() {
            if namespaced {
                errors.invalid(&urls, "namespaced rules cannot apply to non-resource URLs");
            }
            if of("apiGroups") || of("resources") || of("resourceNames") {
                errors.invalid(&urls, "rules cannot apply to both regular resources and non-resource URLs");
            }
            continue;
        }
        if !of("apiGroups") {
            errors.required(&rule.get("apiGroups"), "resource rules must supply at least one api group");
        }
        if !of("resources") {
            errors.required(&rule.get("resources"), "resource rules must supply at least one resource");
        }
    }
}

fn cluster_role(role: &At<'_>, errors: &mut Errors) {
    role_rules(role, false, errors);
    let aggregation = role.get("aggregationRule");
    if !aggregation.is_set() {
        return;
    }
    let selectors = aggregation.get("clusterRoleSelectors");
    if selectors.is_empty() {
        errors.required(&selectors, "at least one clusterRoleSelector required if aggregationRule is non-nil");
    }
    for selector in selectors.items() {
        label_selector(&selector, errors);
    }
}

fn binding(binding: &At<'_>, kinds: &[&str], errors: &mut Errors) {
    let role = binding.get("roleRef");
    let group = role.get("apiGroup");
    if group.text() != GROUP {
        errors.not_supported(&group, &[GROUP]);
    }
    let kind = role.get("kind");
    if !kinds.contains(&kind.text()) {
        errors.not_supported(&kind, kinds);
    }
    errors.need_valid(&role.get("name"), names::path_segment);
    let namespaced = kinds.len() > 1;
    for subject in binding.list("subjects") {
        subject_errors(&subject, namespaced, errors);
    }
}

fn subject_errors(subject: &At<'_>, namespaced: bool, errors: &mut Errors) {
    let (name, group, kind) = (subject.get("name"), subject.get("apiGroup"), subject.get("kind"));
    errors.need(&name);
    match kind.text() {
        "ServiceAccount" => {
            errors.if_set(&name, names::dns1123_subdomain);
            if !group.text().is_empty() {
                errors.not_supported(&group, &[""]);
            }
            if !namespaced && subject.text_of("namespace").is_empty() {
                errors.required(&subject.get("namespace"), "");
            }
        }
        "User" | "Group" => {
            if group.text() != GROUP {
                errors.not_supported(&group, &[GROUP]);
            }
        }
        _ => errors.not_supported(&kind, &["ServiceAccount", "User", "Group"]),
    }
}

fn role_ref_change(new: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    let (role, old) = (new.get("roleRef"), old.get("roleRef"));
    let same = ["apiGroup", "kind", "name"].iter().all(|m| role.text_of(m) == old.text_of(m));
    if !same {
        let shown = json!({
            "APIGroup": role.text_of("apiGroup"), "Kind": role.text_of("kind"), "Name": role.text_of("name"),
        });
        errors.invalid(&At::new(&shown, role.path.clone()), "cannot change roleRef");
    }
}
