//! Tolerations, taints, topology spread and scheduling gates.

use crate::kinds::rules::{At, Errors, Seen};
use crate::names;

use super::affinity::label_selector;

/// The effect of a taint or toleration.
pub(in crate::kinds) fn taint_effect(at: &At<'_>, may_be_empty: bool, errors: &mut Errors) {
    const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
    if !may_be_empty && at.text().is_empty() {
        errors.required(at, "");
    }
    errors.one_of(at, &EFFECTS);
}

/// The `tolerations` of a pod.
pub(super) fn tolerations(spec: &At<'_>, errors: &mut Errors) {
    for toleration in spec.list("tolerations") {
        let (key, operator, effect) = (toleration.get("key"), toleration.get("operator"), toleration.get("effect"));
        let value = toleration.text_of("value");
        errors.if_set(&key, names::qualified_name);
        if key.text().is_empty() && operator.text() != "Exists" {
            let why = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            errors.invalid(&At::new(&operator.text().into(), operator.path.clone()), why);
        }
        if toleration.has("tolerationSeconds") && effect.text() != "NoExecute" {
            let why = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            errors.invalid(&At::new(&effect.text().into(), effect.path.clone()), why);
        }
        match operator.text() {
            "Equal" | "" => {
                let wrong = names::label_value(value);
                if !wrong.is_empty() {
                    errors.invalid(&At::new(&value.into(), operator.path.clone()), wrong.join("; "));
                }
            }
            "Exists" if !value.is_empty() => {
                errors.invalid(
                    &At::new(toleration.value, operator.path),
                    "value must be empty when `operator` is 'Exists'",
                );
            }
            "Exists" => {}
            _ => errors.not_supported(&operator, &["Equal", "Exists"]),
        }
        taint_effect(&effect, true, errors);
    }
}

/// The `topologySpreadConstraints` of a pod.
pub(super) fn topology_spread(spec: &At<'_>, errors: &mut Errors) {
    let mut seen = std::collections::BTreeSet::new();
    for one in spec.list("topologySpreadConstraints") {
        errors.positive(&one.get("maxSkew"));
        let key = one.get("topologyKey");
        if key.text().is_empty() {
            errors.required(&key, "can not be empty");
        } else {
            errors.messages(&key, names::qualified_name(key.text()));
        }
        let when = one.get("whenUnsatisfiable");
        if !matches!(when.text(), "DoNotSchedule" | "ScheduleAnyway") {
            errors.not_supported(&when, &["DoNotSchedule", "ScheduleAnyway"]);
        }
        if !seen.insert((key.text(), when.text())) {
            let pair = format!("{{{}, {}}}", key.text(), when.text()).into();
            errors.duplicate(&At::new(&pair, one.child("{topologyKey, whenUnsatisfiable}")));
        }
        let domains = one.get("minDomains");
        if domains.is_set() {
            errors.positive(&domains);
            if when.text() != "DoNotSchedule" {
                let why = format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {}", when.text());
                errors.invalid(&domains, why);
            }
        }
        for policy in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            errors.one_of(&one.get(policy), &["Honor", "Ignore"]);
        }
        let keys = one.get("matchLabelKeys");
        if !keys.is_empty() && !one.has("labelSelector") {
            errors.forbidden(&keys, "must not be specified when labelSelector is not set");
        }
        for key in keys.items() {
            errors.messages(&key, names::qualified_name(key.text()));
        }
        label_selector(&one.get("labelSelector"), errors);
    }
}

/// The `schedulingGates` of a pod.
pub(super) fn gates(spec: &At<'_>, errors: &mut Errors) {
    let mut seen = Seen::default();
    for gate in spec.list("schedulingGates") {
        let name = gate.get("name");
        errors.messages(&name, names::qualified_name(name.text()));
        seen.unique(&At::new(name.value, gate.path), errors);
    }
}
