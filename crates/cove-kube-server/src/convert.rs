//! The two built-in kinds that are served in more versions than they are stored in: Event and
//! HorizontalPodAutoscaler. Everything else passes unchanged.

use std::sync::Arc;

use bytes::Bytes;
use cove_kube_api::object::Object;
use serde_json::{Map, Value, json};

use crate::api::kinds::Kind;
use crate::kind_rules::api_version;
use crate::storage;

/// Members of an Event: (core/v1, events.k8s.io/v1).
const EVENT_MEMBERS: &[(&str, &str)] = &[
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// A decoded object in the version in which it is stored.
pub fn to_storage(from: &Kind, to: &Kind, value: Value) -> Value {
    convert(from, to, value)
}

/// A stored object in the version in which it was asked for.
pub fn from_storage(stored: &Kind, wanted: &Kind, object: &Arc<Object>) -> Arc<Object> {
    if (stored.group, stored.version) == (wanted.group, wanted.version) {
        return object.clone();
    }
    let value = convert(stored, wanted, object.value().as_ref().clone());
    if object.revision() == 0 {
        return Arc::new(Object::transient(value));
    }
    let bytes: Bytes = storage::encode(&value);
    Arc::new(Object::new(bytes, object.revision()))
}

fn convert(from: &Kind, to: &Kind, mut value: Value) -> Value {
    if (from.group, from.version) == (to.group, to.version) {
        return value;
    }
    if let Value::Object(map) = &mut value {
        match from.kind {
            "Event" => event(map, to.group == "events.k8s.io"),
            "HorizontalPodAutoscaler" if to.version == "v2" => autoscaler_to_v2(map),
            "HorizontalPodAutoscaler" => autoscaler_to_v1(map),
            _ => {}
        }
        map.insert("apiVersion".into(), api_version(to.group, to.version).into());
    }
    value
}

fn event(map: &mut Map<String, Value>, to_new: bool) {
    for (old, new) in EVENT_MEMBERS {
        let (from, to) = if to_new { (old, new) } else { (new, old) };
        if let Some(value) = map.remove(*from) {
            map.insert((*to).to_string(), value);
        }
    }
}

fn autoscaler_to_v2(map: &mut Map<String, Value>) {
    if let Some(Value::Object(spec)) = map.get_mut("spec")
        && let Some(percent) = spec.remove("targetCPUUtilizationPercentage")
    {
        let target = json!({"type": "Utilization", "averageUtilization": percent});
        spec.insert("metrics".into(), json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]));
    }
    if let Some(Value::Object(status)) = map.get_mut("status")
        && let Some(percent) = status.remove("currentCPUUtilizationPercentage")
    {
        let current = json!({"averageUtilization": percent});
        status.insert(
            "currentMetrics".into(),
            json!([{"type": "Resource", "resource": {"name": "cpu", "current": current}}]),
        );
    }
}

fn autoscaler_to_v1(map: &mut Map<String, Value>) {
    let cpu = |list: Option<Value>, member: &str, value: &str| -> Option<Value> {
        let list = list?;
        let metric = list.as_array()?.iter().find(|m| m["resource"]["name"] == "cpu")?;
        metric["resource"][member].get(value).cloned()
    };
    if let Some(Value::Object(spec)) = map.get_mut("spec") {
        spec.remove("behavior");
        if let Some(percent) = cpu(spec.remove("metrics"), "target", "averageUtilization") {
            spec.insert("targetCPUUtilizationPercentage".into(), percent);
        }
    }
    if let Some(Value::Object(status)) = map.get_mut("status") {
        status.remove("conditions");
        if let Some(percent) = cpu(status.remove("currentMetrics"), "current", "averageUtilization") {
            status.insert("currentCPUUtilizationPercentage".into(), percent);
        }
    }
}
