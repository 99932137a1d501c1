//! Kinds whose rules are the schema table's, a few immutable members and a few defaults.

use serde_json::{Value, json};

use crate::quantity::Quantity;

use super::rules::{At, Errors, Seen, is_zero};
use super::service_validate::is_cidr;
use super::table_rules::{BASE, Rules};

/// Structure and enumerations from the table.
pub(super) const STRUCTURAL: Rules = Rules { structure: true, ..BASE };

/// As [`STRUCTURAL`], for kinds without status.
pub(super) const STRUCTURAL_WHOLE: Rules = Rules { create: |_| {}, ..STRUCTURAL };

pub(super) const STORAGE_CLASS: Rules = Rules {
    change: |new, old, errors| {
        for member in ["parameters", "provisioner", "reclaimPolicy"] {
            if new.get(member).value != old.get(member).value {
                errors.forbidden(&new.get(member), format!("updates to {member} are forbidden."));
            }
        }
    },
    immutable: &["volumeBindingMode"],
    ..STRUCTURAL_WHOLE
};

pub(super) const VOLUME_ATTRIBUTES_CLASS: Rules = Rules {
    change: |new, old, errors| {
        for member in ["parameters", "driverName"] {
            if new.get(member).value != old.get(member).value {
                errors.forbidden(&new.get(member), format!("updates to {member} are forbidden."));
            }
        }
    },
    ..STRUCTURAL_WHOLE
};

pub(super) const RUNTIME_CLASS: Rules = Rules { immutable: &["handler"], ..STRUCTURAL_WHOLE };

pub(super) const IP_ADDRESS: Rules = Rules { immutable: &["spec.parentRef"], ..STRUCTURAL_WHOLE };

pub(super) const SERVICE_CIDR: Rules = Rules {
    validate: |at, errors| {
        let cidrs = at.get("spec.cidrs");
        if cidrs.is_empty() {
            errors.required(&cidrs, "at least one CIDR required");
        }
        if cidrs.len() > 2 {
            errors.invalid(&cidrs, "may only hold up to 2 values");
        }
        for cidr in cidrs.items().filter(|c| !is_cidr(c.text())) {
            errors.invalid(&cidr, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
        }
    },
    immutable: &["spec.cidrs"],
    ..BASE
};

pub(super) const CSI_DRIVER: Rules = Rules {
    change: |new, old, errors| {
        // Upstream misspells the path.
        let attach = At { path: "spec.attachedRequired".into(), ..new.get("spec.attachRequired") };
        errors.immutable(&attach, &old.get("spec.attachRequired"));
    },
    immutable: &["spec.volumeLifecycleModes"],
    ..STRUCTURAL_WHOLE
};

pub(super) const CSI_NODE: Rules = Rules {
    validate: |at, errors| {
        let mut seen = Seen::default();
        for driver in at.get("spec").list("drivers") {
            seen.unique(&driver.get("name"), errors);
        }
    },
    ..STRUCTURAL_WHOLE
};

pub(super) const CSI_STORAGE_CAPACITY: Rules =
    Rules { immutable: &["nodeTopology", "storageClassName"], ..STRUCTURAL_WHOLE };

pub(super) const VOLUME_ATTACHMENT: Rules = Rules {
    validate: |at, errors| {
        let source = at.get("spec.source");
        const ONE: &str = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
        match (source.has("inlineVolumeSpec"), source.has("persistentVolumeName")) {
            (false, false) => errors.required(&source, ONE),
            (true, true) => errors.forbidden(&source, ONE),
            _ => {}
        }
    },
    immutable: &["spec"],
    ..STRUCTURAL
};

pub(super) const RESOURCE_CLAIM: Rules = Rules {
    status: |new, old, errors| {
        let (allocation, before) = (new.get("status.allocation"), old.get("status.allocation"));
        if allocation.is_set() && before.is_set() {
            errors.immutable(&allocation, &before);
        }
    },
    immutable: &["spec"],
    ..STRUCTURAL
};

pub(super) const RESOURCE_CLAIM_TEMPLATE: Rules = Rules { immutable: &["spec"], ..STRUCTURAL_WHOLE };

pub(super) const PERSISTENT_VOLUME_CLAIM: Rules = Rules {
    create: |object| {
        if let Value::Object(map) = object {
            map.insert("status".into(), json!({ "phase": "Pending" }));
        }
    },
    validate: |at, errors| {
        let spec = at.get("spec");
        let modes = spec.get("accessModes");
        if modes.is_empty() {
            errors.required(&modes, "at least 1 access mode is required");
        }
        if modes.len() > 1 && modes.items().any(|m| m.text() == "ReadWriteOncePod") {
            errors.forbidden(&modes, "may not use ReadWriteOncePod with other access modes");
        }
        let requests = spec.get("resources.requests");
        if requests.value.get("storage").is_none() {
            errors.required(&At::new(&Value::Null, "spec.resources[storage]"), "");
        }
    },
    change: claim_change,
    ..STRUCTURAL
};

pub(super) const PERSISTENT_VOLUME: Rules = Rules {
    create: |object| {
        if let Value::Object(map) = object {
            map.insert("status".into(), json!({ "phase": "Pending" }));
        }
    },
    validate: |at, errors| {
        let spec = at.get("spec");
        errors.need(&spec.get("accessModes"));
        errors.need(&spec.get("capacity"));
    },
    immutable: &["spec.volumeMode"],
    ..STRUCTURAL
};

pub(super) const CERTIFICATE_SIGNING_REQUEST: Rules = Rules { update: request_update, ..STRUCTURAL };

/// The spec of a request never changes; `/approval` changes only the conditions.
fn request_update(new: &mut Value, old: &Value, subresource: &str) {
    let Value::Object(map) = new else { return };
    if let Some(spec) = old.get("spec") {
        map.insert("spec".into(), spec.clone());
    }
    if subresource == "approval" {
        let conditions = map.get("status").and_then(|s| s.get("conditions")).cloned();
        map.insert("metadata".into(), old.get("metadata").cloned().unwrap_or_default());
        map.insert("status".into(), old.get("status").filter(|s| s.is_object()).cloned().unwrap_or_else(|| json!({})));
        if let (Some(conditions), Some(Value::Object(status))) = (conditions, map.get_mut("status")) {
            status.insert("conditions".into(), conditions);
        }
    }
}

/// After binding only the size and the attributes class of a claim may change.
fn claim_change(new: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    const MAY: [&str; 4] = ["resources", "volumeAttributesClassName", "volumeName", "storageClassName"];
    let rest = |at: &At<'_>| -> Vec<(String, Value)> {
        let spec = at.get("spec");
        let members = spec.value.as_object().into_iter().flatten();
        members
            .filter(|(k, v)| !MAY.contains(&k.as_str()) && !is_zero(v))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect()
    };
    let bound = |member: &str| {
        let before = old.get("spec").get(member);
        !before.is_empty() && before.value != new.get("spec").get(member).value
    };
    if rest(new) != rest(old) || bound("volumeName") || bound("storageClassName") {
        let why =
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        errors.forbidden(&new.get("spec"), why);
    }
    let size = |at: &At<'_>| Quantity::from_value(at.get("spec.resources.requests.storage").value).ok();
    if let (Some(after), Some(before)) = (size(new), size(old))
        && after < before
    {
        let at = new.get("spec.resources.requests.storage");
        errors.forbidden(&at, "field can not be less than previous value");
    }
}
