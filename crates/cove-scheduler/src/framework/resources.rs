//! Amounts of resources, and what a pod asks for (k8s.io/component-helpers resource: containers, init containers,
//! sidecars, pod-level requests, overhead).

use std::sync::Arc;

use cove_kube_api::quantity::Quantity;
use serde_json::Value;

/// What counts as asked for when a container says nothing, for scores only: 100m and 200Mi.
const DEFAULT_CPU_MILLI: i64 = 100;
const DEFAULT_MEMORY: i64 = 200 * 1024 * 1024;

/// Amounts: processor in thousandths, the rest in units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// `cpu`, in thousandths.
    pub cpu_milli: i64,
    /// `memory`, in bytes.
    pub memory: i64,
    /// `ephemeral-storage`, in bytes.
    pub ephemeral_storage: i64,
    /// Everything else by name, in order (`hugepages-2Mi`, `nvidia.com/gpu`).
    pub scalars: Vec<(Arc<str>, i64)>,
}

impl Resources {
    /// From a map of quantities. `pods` is not a resource in this sense.
    pub fn of(map: &Value) -> Self {
        let mut made = Self::default();
        for (name, quantity) in map.as_object().into_iter().flatten() {
            let Ok(quantity) = Quantity::from_value(quantity) else { continue };
            match name.as_str() {
                "pods" => {}
                "cpu" => made.cpu_milli = quantity.milli(),
                name => *made.entry(name) = quantity.value(),
            }
        }
        made
    }

    fn entry(&mut self, name: &str) -> &mut i64 {
        match name {
            "cpu" => return &mut self.cpu_milli,
            "memory" => return &mut self.memory,
            "ephemeral-storage" => return &mut self.ephemeral_storage,
            _ => {}
        }
        let at = match self.scalars.binary_search_by(|(known, _)| known.as_ref().cmp(name)) {
            Ok(at) => at,
            Err(at) => {
                self.scalars.insert(at, (name.into(), 0));
                at
            }
        };
        &mut self.scalars[at].1
    }

    /// The amount of a scalar resource.
    pub fn scalar(&self, name: &str) -> i64 {
        let found = self.scalars.binary_search_by(|(known, _)| known.as_ref().cmp(name));
        found.map_or(0, |at| self.scalars[at].1)
    }

    /// Changes every amount of `self` by that of `other`.
    fn combine(&mut self, other: &Self, with: impl Fn(i64, i64) -> i64) {
        self.cpu_milli = with(self.cpu_milli, other.cpu_milli);
        self.memory = with(self.memory, other.memory);
        self.ephemeral_storage = with(self.ephemeral_storage, other.ephemeral_storage);
        for (name, amount) in &other.scalars {
            let known = match self.scalars.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) => known,
                None => self.entry(name),
            };
            *known = with(*known, *amount);
        }
    }

    /// Adds amounts.
    pub fn add(&mut self, other: &Self) {
        self.combine(other, i64::saturating_add);
    }

    /// Takes amounts away.
    pub fn subtract(&mut self, other: &Self) {
        self.combine(other, i64::saturating_sub);
    }

    /// Raises amounts to those of another.
    pub fn raise(&mut self, other: &Self) {
        self.combine(other, i64::max);
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.cpu_milli == 0 && self.memory == 0 && self.ephemeral_storage == 0 && self.scalars.is_empty()
    }
}

/// What a pod asks for: exactly, and with defaults for scores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodRequests {
    /// Exactly.
    pub exact: Resources,
    /// Processor and memory as scores see them.
    pub scored_cpu_milli: i64,
    /// See [`Self::scored_cpu_milli`].
    pub scored_memory: i64,
}

impl PodRequests {
    /// From a pod.
    pub fn of(pod: &Value) -> Self {
        let (spec, status) = (&pod["spec"], &pod["status"]);
        let pod_level = &spec["resources"]["requests"];
        let exact = total(spec, status, &|_, requests| requests);
        let scored = total(spec, status, &|container, mut requests| {
            let asked = &container["resources"]["requests"];
            if asked.get("cpu").is_none() && pod_level.get("cpu").is_none() {
                requests.cpu_milli = DEFAULT_CPU_MILLI;
            }
            if asked.get("memory").is_none() && pod_level.get("memory").is_none() {
                requests.memory = DEFAULT_MEMORY;
            }
            requests
        });
        Self { exact, scored_cpu_milli: scored.cpu_milli, scored_memory: scored.memory }
    }
}

/// Sums up a pod: containers and sidecars run together; an init container runs with the sidecars before it.
fn total(spec: &Value, status: &Value, with: &dyn Fn(&Value, Resources) -> Resources) -> Resources {
    let mut sum = Resources::default();
    for container in items(&spec["containers"]) {
        sum.add(&with(container, requests_of(container, &status["containerStatuses"])));
    }
    let (mut sidecars, mut peak) = (Resources::default(), Resources::default());
    for container in items(&spec["initContainers"]) {
        let requests = with(container, requests_of(container, &status["initContainerStatuses"]));
        let mut now = requests.clone();
        if is_sidecar(container) {
            sum.add(&requests);
            sidecars.add(&requests);
            now = sidecars.clone();
        } else {
            now.add(&sidecars);
        }
        peak.raise(&now);
    }
    sum.raise(&peak);
    override_by_pod_level(&mut sum, &spec["resources"]["requests"]);
    sum.add(&Resources::of(&spec["overhead"]));
    sum
}

/// What the pod as a whole asks for stands in place of what its containers ask for.
fn override_by_pod_level(sum: &mut Resources, pod_level: &Value) {
    for name in pod_level.as_object().into_iter().flatten().map(|(name, _)| name) {
        if name == "cpu" || name == "memory" || name.starts_with("hugepages-") {
            let amount = Resources::of(pod_level);
            *sum.entry(name) = match name.as_str() {
                "cpu" => amount.cpu_milli,
                "memory" => amount.memory,
                name => amount.scalar(name),
            };
        }
    }
}

/// A container's requests; while it is being resized, the larger of old and new.
fn requests_of(container: &Value, statuses: &Value) -> Resources {
    let mut requests = Resources::of(&container["resources"]["requests"]);
    if let Some(status) = items(statuses).find(|s| s["name"] == container["name"]) {
        requests.raise(&Resources::of(&status["resources"]["requests"]));
        requests.raise(&Resources::of(&status["allocatedResources"]));
    }
    requests
}

fn items(array: &Value) -> impl Iterator<Item = &Value> {
    array.as_array().into_iter().flatten()
}

/// Whether an init container keeps running beside the others.
pub fn is_sidecar(container: &Value) -> bool {
    container["restartPolicy"] == "Always"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn container(cpu: &str, memory: &str) -> Value {
        json!({"name": "c", "resources": {"requests": {"cpu": cpu, "memory": memory}}})
    }

    fn sidecar(cpu: &str, memory: &str) -> Value {
        let mut made = container(cpu, memory);
        made["restartPolicy"] = "Always".into();
        made
    }

    #[test]
    fn what_pods_ask_for() {
        let cases = [
            (json!({"containers": [container("100m", "1"), container("0.2", "2")]}), (300, 3)),
            (json!({"containers": [container("100m", "1")], "initContainers": [container("1", "5")]}), (1000, 5)),
            // The sidecar runs with the second init container, not with the first.
            (
                json!({"containers": [container("100m", "1")], "initContainers": [
                    container("1", "5"), sidecar("200m", "3"), container("900m", "1")]}),
                (1100, 5),
            ),
            (json!({"containers": [container("100m", "1")], "overhead": {"cpu": "50m"}}), (150, 1)),
            (json!({"containers": [container("100m", "1")], "resources": {"requests": {"cpu": "2"}}}), (2000, 1)),
        ];
        for (spec, expected) in cases {
            let requests = PodRequests::of(&json!({ "spec": spec })).exact;
            assert_eq!((requests.cpu_milli, requests.memory), expected, "{spec}");
        }
    }

    #[test]
    fn scores_see_defaults() {
        let bare = PodRequests::of(&json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}]}}));
        assert!(bare.exact.is_empty());
        assert_eq!((bare.scored_cpu_milli, bare.scored_memory), (200, 400 * 1024 * 1024));
    }

    #[test]
    fn a_resize_under_way_counts_with_the_larger() {
        let pod = json!({
            "spec": {"containers": [container("100m", "1")]},
            "status": {"containerStatuses": [{"name": "c", "resources": {"requests": {"cpu": "300m"}}}]},
        });
        assert_eq!(PodRequests::of(&pod).exact.cpu_milli, 300);
    }
}
