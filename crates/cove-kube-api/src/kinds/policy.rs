//! PodDisruptionBudget, PriorityClass, Lease, Event.

use serde_json::Value;

use super::pod::label_selector;
use super::rules::{At, Errors};
use super::table_rules::{BASE, Rules};
use super::workloads::{at_most_all, int_or_percent};

pub(super) const POD_DISRUPTION_BUDGET: Rules = Rules {
    validate: budget,
    status: |new, _, errors| {
        for member in ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"] {
            errors.non_negative(&new.get("status").get(member));
        }
    },
    ..BASE
};

pub(super) const PRIORITY_CLASS: Rules = Rules {
    create: |_| {},
    validate: priority,
    change: |new, old, errors| {
        if new.number_of("value") != old.number_of("value") {
            errors.forbidden(&new.get("value"), "may not be changed in an update.");
        }
    },
    immutable: &["preemptionPolicy"],
    ..BASE
};

pub(super) const LEASE: Rules =
    Rules { create: drop_strategy, update: |new, _, _| drop_strategy(new), validate: lease, ..BASE };

pub(super) const EVENT: Rules = Rules { create: |_| {}, validate: event, ..BASE };

fn budget(object: &At<'_>, errors: &mut Errors) {
    let spec = object.get("spec");
    let (min, max) = (spec.get("minAvailable"), spec.get("maxUnavailable"));
    if min.is_set() && max.is_set() {
        errors.invalid(&spec, "minAvailable and maxUnavailable cannot be both set");
    }
    for at in [&min, &max].into_iter().filter(|at| at.is_set()) {
        int_or_percent(at, errors);
        at_most_all(at, errors);
    }
    label_selector(&spec.get("selector"), errors);
    errors.one_of(&spec.get("unhealthyPodEvictionPolicy"), &["AlwaysAllow", "IfHealthyBudget"]);
}

/// The classes that Kubernetes itself has.
const SYSTEM_CLASSES: [(&str, i64); 2] =
    [("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)];

fn priority(object: &At<'_>, errors: &mut Errors) {
    let name = object.get("metadata.name");
    let value = object.number_of("value").unwrap_or_default();
    if let Some(reserved) = name.text().strip_prefix("system-").map(|_| name.text()) {
        let known = SYSTEM_CLASSES.iter().find(|(system, _)| *system == reserved);
        let why = match known {
            None => Some(format!("{reserved} is not a known system priority class")),
            Some((_, fixed)) if *fixed != value => Some(format!("value of {reserved} PriorityClass must be {fixed}")),
            Some(_) if object.flag_of("globalDefault") => Some(format!("globalDefault of {reserved} must be false")),
            Some(_) => None,
        };
        if let Some(why) = why {
            let text = "priority class names with 'system-' prefix are reserved for system use only. error:";
            errors.forbidden(&name, format!("{text} {why}"));
        }
    } else if value > 1_000_000_000 {
        let why = "maximum allowed value of a user defined priority is 1000000000";
        errors.forbidden(&object.get("value"), why);
    }
    errors.need_one_of(&object.get("preemptionPolicy"), &["PreemptLowerPriority", "Never"]);
}

/// Coordinated leader election is off by default.
fn drop_strategy(lease: &mut Value) {
    if let Some(Value::Object(spec)) = lease.get_mut("spec") {
        spec.shift_remove("strategy");
        spec.shift_remove("preferredHolder");
    }
}

fn lease(object: &At<'_>, errors: &mut Errors) {
    let spec = object.get("spec");
    let duration = spec.get("leaseDurationSeconds");
    if duration.number().is_some_and(|n| n <= 0) {
        errors.invalid(&duration, "must be greater than 0");
    }
    errors.non_negative(&spec.get("leaseTransitions"));
}

fn event(object: &At<'_>, errors: &mut Errors) {
    let member = if object.has("regarding") { "regarding" } else { "involvedObject" };
    let about = object.get(member);
    let (own, about) = (object.get("metadata").text_of("namespace"), about.text_of("namespace"));
    let namespace = At::new(&Value::from(about), "involvedObject.namespace").value.clone();
    let fits = if about.is_empty() { matches!(own, "" | "default") } else { own == about };
    if !fits {
        errors.invalid(&At::new(&namespace, "involvedObject.namespace"), "does not match event.namespace");
    }
    if object.get("eventTime").is_set() {
        modern_event(object, errors);
    }
}

/// Events in the new style must say more.
fn modern_event(object: &At<'_>, errors: &mut Errors) {
    let first = |names: [&str; 2]| {
        names.into_iter().map(|n| object.get(n)).find(At::is_set).unwrap_or_else(|| object.get(names[0]))
    };
    let controller = first(["reportingComponent", "reportingController"]);
    if controller.text().is_empty() {
        errors.required(&controller, "");
    }
    let note = first(["message", "note"]);
    for (at, limit) in
        [(object.get("reportingInstance"), 128), (object.get("action"), 128), (object.get("reason"), 128)]
    {
        if at.text().is_empty() {
            errors.required(&at, "");
        } else if at.text().len() > limit {
            errors.invalid(&at, format!("can have at most {limit} characters"));
        }
    }
    if note.text().len() > 1024 {
        errors.invalid(&note, "can have at most 1024 characters");
    }
}
