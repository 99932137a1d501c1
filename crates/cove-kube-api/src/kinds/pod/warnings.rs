//! Warnings about pods and templates that are valid and still questionable.

use std::collections::BTreeSet;

use crate::kinds::rules::At;
use crate::quantity::Quantity;

/// Old label keys and what to use instead, with the version that deprecated them.
const OLD_LABELS: [(&str, &str, &str); 5] = [
    ("beta.kubernetes.io/arch", "kubernetes.io/arch", "v1.14"),
    ("beta.kubernetes.io/os", "kubernetes.io/os", "v1.14"),
    ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region", "v1.17"),
    ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone", "v1.17"),
    ("beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type", "v1.17"),
];

const OLD_VOLUMES: [(&str, &str); 9] = [
    ("gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    ("scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("storageos", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "deprecated in v1.28, non-functional in v1.31+"),
    ("photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
];

/// The warnings of a pod spec.
pub(super) fn spec_warnings(spec: &At<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for (key, at) in spec.get("nodeSelector").entries() {
        if let Some((_, instead, since)) = OLD_LABELS.iter().find(|(old, _, _)| *old == key) {
            found.push(format!("{}: deprecated since {since}; use \"{instead}\" instead", at.path));
        }
    }
    for constraint in spec.list("topologySpreadConstraints") {
        let key = constraint.get("topologyKey");
        if let Some((old, instead, since)) = OLD_LABELS.iter().find(|(old, _, _)| *old == key.text()) {
            found.push(format!("{}: {old} is deprecated since {since}; use \"{instead}\" instead", key.path));
        }
        null_selector(&constraint, &mut found);
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let kind = spec.get("affinity").get(kind);
        for term in kind.list("requiredDuringSchedulingIgnoredDuringExecution") {
            null_selector(&term, &mut found);
        }
        for term in kind.list("preferredDuringSchedulingIgnoredDuringExecution") {
            null_selector(&term.get("podAffinityTerm"), &mut found);
        }
    }
    for volume in spec.list("volumes") {
        for (_, text) in OLD_VOLUMES.iter().filter(|(name, _)| volume.has(name)) {
            let name = OLD_VOLUMES.iter().find(|(_, t)| t == text).map_or("", |(name, _)| *name);
            found.push(format!("{}: {text}", volume.child(name)));
        }
    }
    repetitions(spec, &mut found);
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        spec.list(list).for_each(|container| container_warnings(&container, &mut found));
    }
    fractions(&spec.get("overhead"), &mut found);
    let grace = spec.get("terminationGracePeriodSeconds");
    if grace.number().is_some_and(|n| n < 0) {
        found.push(format!("{}: must be >= 0; negative values are invalid and will be treated as 1", grace.path));
    }
    found
}

fn null_selector(term: &At<'_>, found: &mut Vec<String>) {
    if !term.has("labelSelector") {
        let path = term.child("labelSelector");
        found.push(format!("{path}: a null labelSelector results in matching no pod"));
    }
}

fn repetitions(spec: &At<'_>, found: &mut Vec<String>) {
    let mut secrets = BTreeSet::new();
    for secret in spec.list("imagePullSecrets") {
        let name = secret.text_of("name");
        if name.is_empty() {
            found.push(format!("{}: invalid empty name {name:?}", secret.path));
        } else if !secrets.insert(name) {
            found.push(format!("{}: duplicate name {name:?}", secret.child("name")));
        }
    }
    let mut addresses = BTreeSet::new();
    for alias in spec.list("hostAliases") {
        let ip = alias.text_of("ip");
        if !addresses.insert(ip) {
            found.push(format!("{}: duplicate ip {ip:?}", alias.child("ip")));
        }
    }
}

fn container_warnings(container: &At<'_>, found: &mut Vec<String>) {
    for list in ["limits", "requests"] {
        fractions(&container.get("resources").get(list), found);
    }
    let mut variables: BTreeSet<&str> = BTreeSet::new();
    for variable in container.list("env") {
        let (name, value) = (variable.text_of("name"), variable.text_of("value"));
        if !variables.insert(name) && !value.contains(&format!("$({name})")) {
            let path = &variable.path;
            let text = "which may be dropped when using apply";
            found.push(format!("{path}: hides previous definition of {name:?}, {text}"));
        }
    }
    let mut ports: Vec<(At<'_>, (i64, &str, i64))> = Vec::new();
    for port in container.list("ports") {
        let number = |member: &str| port.number_of(member).unwrap_or_default();
        let key = (number("containerPort"), port.text_of("protocol"), number("hostPort"));
        for (other, seen) in &ports {
            if (seen.0, seen.1) == (key.0, key.1) && seen.2 == key.2 {
                found.push(format!("{}: duplicate port definition with {}", port.path, other.path));
            } else if (seen.0, seen.1) == (key.0, key.1) && (seen.2 == 0 || key.2 == 0) {
                found.push(format!("{}: overlapping port definition with {}", port.path, other.path));
            }
        }
        ports.push((port, key));
    }
}

fn fractions(list: &At<'_>, found: &mut Vec<String>) {
    for (name, at) in list.entries() {
        let whole = Quantity::from_value(at.value).is_ok_and(|q| q.is_whole());
        if matches!(name, "memory" | "ephemeral-storage") && !whole {
            let text = at.value.as_str().map_or_else(|| at.value.to_string(), str::to_string);
            found.push(format!("{}: fractional byte value {text:?} is invalid, must be an integer", at.path));
        }
    }
}
