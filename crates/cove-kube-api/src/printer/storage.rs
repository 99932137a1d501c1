//! The cells of volumes, claims, classes and quotas.

use cove_base::time::Timestamp;
use serde_json::Value;

use super::cell::{at, items_at, text_at};

/// The status, or that it is leaving.
pub(super) fn phase(object: &Value, _now: Timestamp) -> Value {
    let leaving = !at(object, "metadata.deletionTimestamp").is_null();
    if leaving { "Terminating".into() } else { text_at(object, "status.phase").into() }
}

fn modes(object: &Value, path: &str) -> String {
    const SHORT: [(&str, &str); 4] =
        [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];
    let has = |mode: &str| items_at(object, path).any(|m| m.as_str() == Some(mode));
    SHORT.iter().filter(|(long, _)| has(long)).map(|(_, short)| *short).collect::<Vec<_>>().join(",")
}

/// `RWO,ROX` of a volume.
pub(super) fn volume_modes(volume: &Value, _now: Timestamp) -> Value {
    modes(volume, "spec.accessModes").into()
}

/// `namespace/name` of the claim of a volume.
pub(super) fn claim(volume: &Value, _now: Timestamp) -> Value {
    let claim = at(volume, "spec.claimRef");
    if claim.is_object() {
        format!("{}/{}", text_at(claim, "namespace"), text_at(claim, "name")).into()
    } else {
        "".into()
    }
}

/// The storage class, by annotation or member.
pub(super) fn class(object: &Value, _now: Timestamp) -> Value {
    let old = at(object, "metadata.annotations").get("volume.beta.kubernetes.io/storage-class").and_then(Value::as_str);
    old.unwrap_or_else(|| text_at(object, "spec.storageClassName")).into()
}

fn is_bound(claim: &Value) -> bool {
    !text_at(claim, "spec.volumeName").is_empty()
}

/// The size of a bound claim.
pub(super) fn capacity(claim: &Value, _now: Timestamp) -> Value {
    if is_bound(claim) { text_at(claim, "status.capacity.storage").into() } else { "".into() }
}

/// `RWO` of a bound claim.
pub(super) fn claim_modes(claim: &Value, _now: Timestamp) -> Value {
    if is_bound(claim) { modes(claim, "status.accessModes").into() } else { "".into() }
}

/// The name of a class, and whether it is the default.
pub(super) fn class_name(class: &Value, _now: Timestamp) -> Value {
    let annotations = at(class, "metadata.annotations");
    let keys = ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
    let default = keys.iter().any(|k| annotations.get(*k).and_then(Value::as_str) == Some("true"));
    let name = text_at(class, "metadata.name");
    if default { format!("{name} (default)").into() } else { name.into() }
}

/// The audiences of the tokens of a CSI driver.
pub(super) fn token_requests(driver: &Value, _now: Timestamp) -> Value {
    let requests = at(driver, "spec.tokenRequests");
    if requests.is_null() {
        return "<unset>".into();
    }
    let audiences = items_at(driver, "spec.tokenRequests").map(|r| text_at(r, "audience"));
    audiences.collect::<Vec<_>>().join(",").into()
}

fn quota(object: &Value, limits: bool) -> Value {
    let hard = at(object, "status.hard").as_object().into_iter().flatten();
    let mut all: Vec<String> = hard
        .filter(|(name, _)| name.starts_with("limits.") == limits)
        .map(|(name, most)| {
            let used = at(object, "status.used").get(name).and_then(Value::as_str).unwrap_or("0");
            format!("{name}: {used}/{}", most.as_str().unwrap_or_default())
        })
        .collect();
    all.sort();
    all.join(", ").into()
}

/// What a quota says of requests and counts.
pub(super) fn quota_requests(object: &Value, _now: Timestamp) -> Value {
    quota(object, false)
}

/// What a quota says of limits.
pub(super) fn quota_limits(object: &Value, _now: Timestamp) -> Value {
    quota(object, true)
}
