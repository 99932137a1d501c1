//! The targets of an autoscaler.

use cove_base::time::Timestamp;
use serde_json::Value;

use super::cell::{at, items_at, text_at};

/// `Deployment/web`.
pub(super) fn reference(scaler: &Value, _now: Timestamp) -> Value {
    format!("{}/{}", text_at(scaler, "spec.scaleTargetRef.kind"), text_at(scaler, "spec.scaleTargetRef.name")).into()
}

/// `cpu: 30%/80%`.
pub(super) fn targets(scaler: &Value, _now: Timestamp) -> Value {
    let v1 = at(scaler, "spec.targetCPUUtilizationPercentage").as_i64();
    if let Some(target) = v1 {
        let current = at(scaler, "status.currentCPUUtilizationPercentage").as_i64();
        return format!("cpu: {}/{target}%", current.map_or_else(|| "<unknown>".into(), |c| format!("{c}%"))).into();
    }
    let current: Vec<&Value> = items_at(scaler, "status.currentMetrics").collect();
    let all: Vec<String> =
        items_at(scaler, "spec.metrics").enumerate().map(|(i, m)| metric(m, current.get(i).copied())).collect();
    match all.len() {
        0 => "<none>".into(),
        1 | 2 => all.join(", ").into(),
        more => format!("{} + {} more...", all[..2].join(", "), more - 2).into(),
    }
}

fn metric(metric: &Value, current: Option<&Value>) -> String {
    let member = match text_at(metric, "type") {
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        "Pods" => "pods",
        "Object" => "object",
        "External" => "external",
        _ => return "<unknown type>".into(),
    };
    let target = at(metric, member).get("target").unwrap_or(&Value::Null);
    let now = current.map_or(&Value::Null, |c| at(c, member)).get("current").unwrap_or(&Value::Null);
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_string);
    let unknown = || "<unknown>".to_string();
    match member {
        "resource" | "containerResource" => {
            let name = text_at(at(metric, member), "name");
            match text(target, "averageValue") {
                Some(wanted) => format!("{name}: {}/{wanted}", text(now, "averageValue").unwrap_or_else(unknown)),
                None => {
                    let percent = |value: &Value, none: &str| {
                        at(value, "averageUtilization").as_i64().map_or_else(|| none.to_string(), |n| format!("{n}%"))
                    };
                    format!("{name}: {}/{}", percent(now, "<unknown>"), percent(target, "<auto>"))
                }
            }
        }
        "pods" => {
            let (now, wanted) = (text(now, "averageValue"), text(target, "averageValue"));
            format!("{}/{}", now.unwrap_or_else(unknown), wanted.unwrap_or_else(unknown))
        }
        _ => match text(target, "averageValue") {
            Some(wanted) => format!("{}/{wanted} (avg)", text(now, "averageValue").unwrap_or_else(unknown)),
            None => {
                let wanted = text(target, "value").unwrap_or_else(unknown);
                format!("{}/{wanted}", text(now, "value").unwrap_or_else(unknown))
            }
        },
    }
}
