//! Deployment, ReplicaSet, DaemonSet, StatefulSet, ReplicationController, PodTemplate, ControllerRevision.

use serde_json::{Value, json};

use crate::names;
use crate::selector::LabelSelector;
use crate::strategy::{Plain, Strategy as _};

use super::fill::each;
use super::pod::{default_template, label_selector, template_warnings, validate_template};
use super::rules::{At, Errors, is_zero};
use super::table_rules::{BASE, Rules};

pub(super) const DEPLOYMENT: Rules = Rules {
    default: default_deployment,
    update: deployment_update,
    validate: deployment,
    status: |new, old, errors| replica_status(new, old, "updatedReplicas", errors),
    immutable: &["spec.selector"],
    non_negative: &[
        "spec.replicas",
        "spec.minReadySeconds",
        "spec.revisionHistoryLimit",
        "spec.progressDeadlineSeconds",
    ],
    bumps: deployment_bumps,
    warn: |at| workload_warnings(at, true),
    ..BASE
};

pub(super) const REPLICA_SET: Rules = Rules {
    default: |object| default_template(object, "spec.template"),
    validate: |at, errors| selected_template(at, "ReplicaSet", "deployment", errors),
    status: |new, old, errors| replica_status(new, old, "fullyLabeledReplicas", errors),
    immutable: &["spec.selector"],
    non_negative: &["spec.replicas", "spec.minReadySeconds"],
    warn: |at| workload_warnings(at, true),
    ..BASE
};

pub(super) const DAEMON_SET: Rules = Rules {
    default: default_daemon_set,
    create: |object| {
        (BASE.create)(object);
        set_template_generation(object, 1);
    },
    update: daemon_set_update,
    validate: daemon_set,
    immutable: &["spec.selector"],
    non_negative: &["spec.minReadySeconds", "spec.revisionHistoryLimit"],
    warn: |at| workload_warnings(at, false),
    ..BASE
};

pub(super) const STATEFUL_SET: Rules = Rules {
    default: default_stateful_set,
    validate: stateful_set,
    change: stateful_set_change,
    non_negative: &["spec.replicas", "spec.minReadySeconds", "spec.ordinals.start"],
    warn: |at| workload_warnings(at, false),
    ..BASE
};

pub(super) const REPLICATION_CONTROLLER: Rules = Rules {
    default: default_replication_controller,
    validate: replication_controller,
    status: |new, old, errors| replica_status(new, old, "fullyLabeledReplicas", errors),
    non_negative: &["spec.replicas", "spec.minReadySeconds"],
    warn: |at| workload_warnings(at, true),
    ..BASE
};

pub(super) const POD_TEMPLATE: Rules = Rules {
    default: |object| default_template(object, "template"),
    create: |_| {},
    validate: |at, errors| validate_template(&at.get("template"), errors),
    warn: |at| template_warnings(&at.get("template")),
    ..BASE
};

pub(super) const CONTROLLER_REVISION: Rules = Rules {
    create: |_| {},
    validate: |at, errors| {
        let data = at.get("data");
        match data.value {
            Value::Null => errors.required(&data, "data is mandatory"),
            Value::Object(_) => {}
            _ => errors.required(&data, "data must be a valid JSON object"),
        }
    },
    immutable: &["data"],
    non_negative: &["revision"],
    ..BASE
};

fn default_deployment(object: &mut Value) {
    default_template(object, "spec.template");
    each(object, "spec", &mut |spec| {
        let strategy = spec.entry("strategy").or_insert_with(|| json!({}));
        if strategy.is_null() {
            *strategy = json!({});
        }
        rolling(strategy, &[("maxUnavailable", json!("25%")), ("maxSurge", json!("25%"))]);
    });
}

/// The parameters of a rolling update, where the type is that (or not given).
fn rolling(strategy: &mut Value, defaults: &[(&str, Value)]) {
    let Value::Object(strategy) = strategy else { return };
    if strategy.get("type").is_none_or(is_zero) {
        strategy.insert("type".into(), "RollingUpdate".into());
    }
    if strategy.get("type").and_then(Value::as_str) != Some("RollingUpdate") {
        return;
    }
    let update = strategy.entry("rollingUpdate").or_insert_with(|| json!({}));
    if update.is_null() {
        *update = json!({});
    }
    if let Value::Object(update) = update {
        for (member, value) in defaults {
            if update.get(*member).is_none_or(Value::is_null) {
                update.insert((*member).into(), value.clone());
            }
        }
    }
}

/// Through `/status`, labels stay as well.
fn deployment_update(new: &mut Value, old: &Value, subresource: &str) {
    if subresource != "status" {
        return;
    }
    let labels = old.pointer("/metadata/labels").cloned();
    each(new, "metadata", &mut |metadata| match &labels {
        Some(labels) => {
            metadata.insert("labels".into(), labels.clone());
        }
        None => {
            metadata.shift_remove("labels");
        }
    });
}

fn deployment_bumps(new: &Value, old: &Value) -> bool {
    let annotations = |value: &Value| value.pointer("/metadata/annotations").filter(|a| !is_zero(a)).cloned();
    Plain.bumps_generation(new, old) || annotations(new) != annotations(old)
}

/// An integer that is not negative, or a percentage.
pub(super) fn int_or_percent(at: &At<'_>, errors: &mut Errors) {
    match at.value {
        Value::String(text) => errors.messages(at, names::percent(text)),
        _ => errors.non_negative(at),
    }
}

/// At most 100%.
pub(super) fn at_most_all(at: &At<'_>, errors: &mut Errors) {
    if at.text().strip_suffix('%').and_then(|p| p.parse::<i64>().ok()).is_some_and(|p| p > 100) {
        errors.invalid(at, "must not be greater than 100%");
    }
}

fn is_none(at: &At<'_>) -> bool {
    at.number() == Some(0) || at.text().strip_suffix('%').is_some_and(|p| p.parse() == Ok(0))
}

fn deployment(object: &At<'_>, errors: &mut Errors) {
    selected_template(object, "ReplicaSet", "deployment", errors);
    let spec = object.get("spec");
    let strategy = spec.get("strategy");
    let rolling = strategy.get("rollingUpdate");
    match strategy.text_of("type") {
        "Recreate" if rolling.is_set() => {
            errors.forbidden(&rolling, "may not be specified when strategy `type` is 'Recreate'");
        }
        "Recreate" => {}
        "RollingUpdate" if !rolling.is_set() => {
            errors.required(&rolling, "this should be defaulted and never be nil");
        }
        "RollingUpdate" => {
            let (unavailable, surge) = (rolling.get("maxUnavailable"), rolling.get("maxSurge"));
            int_or_percent(&unavailable, errors);
            int_or_percent(&surge, errors);
            if is_none(&unavailable) && is_none(&surge) {
                errors.invalid(&unavailable, "may not be 0 when `maxSurge` is 0");
            }
            at_most_all(&unavailable, errors);
        }
        other => errors.not_supported(&At::new(&other.into(), strategy.path.clone()), &["Recreate", "RollingUpdate"]),
    }
    let (deadline, ready) = (spec.number_of("progressDeadlineSeconds"), spec.number_of("minReadySeconds").unwrap_or(0));
    if deadline.is_some_and(|d| d <= ready) {
        errors.invalid(&spec.get("progressDeadlineSeconds"), "must be greater than minReadySeconds");
    }
}

/// The selector, the template, and that they fit.
fn selected_template(object: &At<'_>, owner: &str, words: &str, errors: &mut Errors) {
    let spec = object.get("spec");
    let (selector, template) = (spec.get("selector"), spec.get("template"));
    let before = errors.0.len();
    if !selector.is_set() {
        errors.required(&selector, "");
    } else {
        label_selector(&selector, errors);
        if selector.get("matchLabels").is_empty() && selector.get("matchExpressions").is_empty() {
            errors.invalid(&selector, format!("empty selector is invalid for {words}"));
        }
    }
    if errors.0.len() == before {
        let labels = template.get("metadata.labels");
        if !LabelSelector::from_json(selector.value).is_ok_and(|s| s.matches(labels.value)) {
            errors.invalid(&labels, "`selector` does not match template `labels`");
        }
    }
    always_running(&template, owner, errors);
}

fn always_running(template: &At<'_>, owner: &str, errors: &mut Errors) {
    if !template.is_set() {
        return errors.required(template, "");
    }
    validate_template(template, errors);
    let spec = template.get("spec");
    let restart = spec.get("restartPolicy");
    if restart.text() != "Always" {
        errors.not_supported(&restart, &["Always"]);
    }
    let deadline = spec.get("activeDeadlineSeconds");
    if deadline.is_set() {
        errors.forbidden(&deadline, format!("activeDeadlineSeconds in {owner} is not Supported"));
    }
}

fn replica_status(new: &At<'_>, old: &At<'_>, extra: &str, errors: &mut Errors) {
    let status = new.get("status");
    let number = |member: &str| status.number_of(member).unwrap_or_default();
    let shown = |member: &str, errors: &mut Errors, why: &str| {
        errors.invalid(&At::new(&number(member).into(), status.child(member)), why);
    };
    for member in ["replicas", "readyReplicas", "availableReplicas", "observedGeneration", extra] {
        errors.non_negative(&status.get(member));
    }
    for member in [extra, "readyReplicas", "availableReplicas"] {
        if number(member) > number("replicas") {
            shown(member, errors, "cannot be greater than status.replicas");
        }
    }
    if number("availableReplicas") > number("readyReplicas") {
        shown("availableReplicas", errors, "cannot be greater than readyReplicas");
    }
    let collisions = status.number_of("collisionCount");
    let before = old.get("status").number_of("collisionCount");
    if before.is_some_and(|b| collisions.unwrap_or(0) < b) {
        shown("collisionCount", errors, "cannot be decremented");
    }
}

const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

fn default_daemon_set(object: &mut Value) {
    default_template(object, "spec.template");
    each(object, "spec", &mut |spec| {
        let strategy = spec.entry("updateStrategy").or_insert_with(|| json!({}));
        rolling(strategy, &[("maxUnavailable", json!(1)), ("maxSurge", json!(0))]);
    });
}

/// The template's generation is an annotation in the one version that is served.
fn set_template_generation(object: &mut Value, generation: i64) {
    each(object, "metadata", &mut |metadata| {
        let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
        if !annotations.is_object() {
            *annotations = json!({});
        }
        annotations[TEMPLATE_GENERATION] = generation.to_string().into();
    });
}

fn daemon_set_update(new: &mut Value, old: &Value, subresource: &str) {
    let stored = old.pointer("/metadata/annotations").and_then(|a| a.get(TEMPLATE_GENERATION)).and_then(Value::as_str);
    let generation = stored.and_then(|g| g.parse().ok()).unwrap_or(1);
    let changed = new.pointer("/spec/template") != old.pointer("/spec/template");
    set_template_generation(new, generation + i64::from(changed && subresource.is_empty()));
}

fn daemon_set(object: &At<'_>, errors: &mut Errors) {
    selected_template(object, "DaemonSet", "daemonset", errors);
    let strategy = object.get("spec").get("updateStrategy");
    let rolling = strategy.get("rollingUpdate");
    match strategy.text_of("type") {
        "OnDelete" => {}
        "RollingUpdate" if !rolling.is_set() => errors.required(&rolling, ""),
        "RollingUpdate" => {
            let (unavailable, surge) = (rolling.get("maxUnavailable"), rolling.get("maxSurge"));
            for at in [&unavailable, &surge] {
                int_or_percent(at, errors);
                at_most_all(at, errors);
            }
            if !is_none(&unavailable) && !is_none(&surge) {
                errors.invalid(&surge, "may not be set when maxUnavailable is non-zero");
            } else if is_none(&unavailable) && is_none(&surge) {
                errors.required(&unavailable, "cannot be 0 when maxSurge is 0");
            }
        }
        other => errors.not_supported(&At::new(&other.into(), strategy.path.clone()), &["RollingUpdate", "OnDelete"]),
    }
}

fn default_stateful_set(object: &mut Value) {
    default_template(object, "spec.template");
    each(object, "spec", &mut |spec| {
        let strategy = spec.entry("updateStrategy").or_insert_with(|| json!({}));
        let Value::Object(strategy) = strategy else { return };
        if strategy.get("type").is_none_or(is_zero) {
            strategy.insert("type".into(), "RollingUpdate".into());
            if strategy.get("rollingUpdate").is_none_or(Value::is_null) {
                strategy.insert("rollingUpdate".into(), json!({}));
            }
        }
        if let Some(Value::Object(rolling)) = strategy.get_mut("rollingUpdate")
            && rolling.get("partition").is_none_or(Value::is_null)
        {
            rolling.insert("partition".into(), 0.into());
        }
        let policy = spec.entry("persistentVolumeClaimRetentionPolicy").or_insert_with(|| json!({}));
        if policy.is_null() {
            *policy = json!({});
        }
        for member in ["whenDeleted", "whenScaled"] {
            if policy.get(member).is_none_or(is_zero) && policy.is_object() {
                policy[member] = "Retain".into();
            }
        }
    });
    each(object, "spec.volumeClaimTemplates[]", &mut |claim| {
        claim.insert("apiVersion".into(), "v1".into());
        claim.insert("kind".into(), "PersistentVolumeClaim".into());
        let status = claim.entry("status").or_insert_with(|| json!({}));
        if status.is_object() && status.get("phase").is_none_or(is_zero) {
            status["phase"] = "Pending".into();
        }
    });
}

fn stateful_set(object: &At<'_>, errors: &mut Errors) {
    selected_template(object, "StatefulSet", "statefulset", errors);
    let spec = object.get("spec");
    let management = spec.get("podManagementPolicy");
    match management.text() {
        "" => errors.required(&management, ""),
        "OrderedReady" | "Parallel" => {}
        _ => errors.invalid(&management, "must be 'OrderedReady' or 'Parallel'"),
    }
    let strategy = spec.get("updateStrategy");
    let rolling = strategy.get("rollingUpdate");
    match strategy.text_of("type") {
        "" => errors.required(&strategy, ""),
        "RollingUpdate" => errors.non_negative(&rolling.get("partition")),
        "OnDelete" if rolling.is_set() => {
            errors.invalid(&rolling, "only allowed for updateStrategy 'RollingUpdate'");
        }
        "OnDelete" => {}
        _ => errors.invalid(&strategy, "must be 'RollingUpdate' or 'OnDelete'"),
    }
    let retention = spec.get("persistentVolumeClaimRetentionPolicy");
    for member in ["whenDeleted", "whenScaled"] {
        errors.one_of(&retention.get(member), &["Retain", "Delete"]);
    }
}

fn stateful_set_change(new: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    const MAY: [&str; 7] = [
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    ];
    let rest = |at: &At<'_>| -> std::collections::BTreeMap<String, Value> {
        let spec = at.get("spec");
        let members = spec.value.as_object().into_iter().flatten();
        members
            .filter(|(k, v)| !MAY.contains(&k.as_str()) && !is_zero(v))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect()
    };
    if rest(new) != rest(old) {
        let why = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
        errors.forbidden(&new.get("spec"), why);
    }
}

fn default_replication_controller(object: &mut Value) {
    default_template(object, "spec.template");
    let labels = object.pointer("/spec/template/metadata/labels").filter(|l| !is_zero(l)).cloned();
    let Some(labels) = labels else { return };
    for (path, member) in [("spec", "selector"), ("metadata", "labels")] {
        each(object, path, &mut |map| {
            if map.get(member).is_none_or(is_zero) {
                map.insert(member.into(), labels.clone());
            }
        });
    }
}

fn replication_controller(object: &At<'_>, errors: &mut Errors) {
    let spec = object.get("spec");
    let (selector, template) = (spec.get("selector"), spec.get("template"));
    if errors.need(&selector) {
        let labels = template.get("metadata.labels");
        if !LabelSelector::from_map(selector.value).matches(labels.value) {
            errors.invalid(&labels, "`selector` does not match template `labels`");
        }
    }
    always_running(&template, "ReplicationController", errors);
}

fn workload_warnings(object: &At<'_>, names_matter: bool) -> Vec<String> {
    let mut found = Vec::new();
    let wrong = names::dns1123_label(object.get("metadata").text_of("name"));
    if names_matter && !wrong.is_empty() {
        let text = "this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended";
        found.push(format!("metadata.name: {text}: [{}]", wrong.join(", ")));
    }
    found.extend(template_warnings(&object.get("spec.template")));
    found
}
