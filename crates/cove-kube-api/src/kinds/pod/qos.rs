//! The quality-of-service class of a pod.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::quantity::Quantity;

/// `Guaranteed`, `Burstable` or `BestEffort`, from requests and limits of cpu and memory.
pub fn qos_class(pod: &Value) -> &'static str {
    let spec = pod.get("spec").unwrap_or(&Value::Null);
    let mut sum = Sum { requests: BTreeMap::new(), limits: BTreeMap::new(), all_limited: true };
    let has = |resources: &Value, member: &str| {
        resources.get(member).and_then(Value::as_object).is_some_and(|m| !m.is_empty())
    };
    match spec.get("resources").filter(|r| has(r, "requests") || has(r, "limits")) {
        Some(resources) => sum.add(resources),
        None => {
            for member in ["containers", "initContainers"] {
                for container in spec.get(member).and_then(Value::as_array).into_iter().flatten() {
                    sum.add(container.get("resources").unwrap_or(&Value::Null));
                }
            }
        }
    }
    sum.class()
}

struct Sum {
    requests: BTreeMap<&'static str, Quantity>,
    limits: BTreeMap<&'static str, Quantity>,
    all_limited: bool,
}

impl Sum {
    fn add(&mut self, resources: &Value) {
        let mut limited = 0;
        for name in ["cpu", "memory"] {
            let of = |member: &str| {
                let quantity = resources.get(member).and_then(|list| list.get(name)).map(Quantity::from_value);
                quantity.and_then(Result::ok).filter(|q| q.sign() > 0)
            };
            if let Some(request) = of("requests") {
                let sum = self.requests.entry(name).or_insert(Quantity::ZERO);
                *sum = *sum + request;
            }
            if let Some(limit) = of("limits") {
                limited += 1;
                let sum = self.limits.entry(name).or_insert(Quantity::ZERO);
                *sum = *sum + limit;
            }
        }
        self.all_limited &= limited == 2;
    }

    fn class(&self) -> &'static str {
        if self.requests.is_empty() && self.limits.is_empty() {
            "BestEffort"
        } else if self.all_limited && self.requests == self.limits {
            "Guaranteed"
        } else {
            "Burstable"
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn classes() {
        let pod = |resources: Value| json!({"spec": {"containers": [{"resources": resources}]}});
        let full = json!({"cpu": "1", "memory": "1Gi"});
        assert_eq!(qos_class(&pod(json!({}))), "BestEffort");
        assert_eq!(qos_class(&pod(json!({"requests": {"cpu": "1"}}))), "Burstable");
        assert_eq!(qos_class(&pod(json!({"requests": full, "limits": full}))), "Guaranteed");
        assert_eq!(
            qos_class(&pod(json!({"requests": {"cpu": "1000m", "memory": "1Gi"}, "limits": full}))),
            "Guaranteed"
        );
        assert_eq!(qos_class(&Value::Null), "BestEffort");
    }
}
