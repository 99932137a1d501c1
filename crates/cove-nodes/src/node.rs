//! The Node object as an EKS node's kubelet registers it (facts: `eks.md` 1.3, 1.4, 1.6; `node-facts.csv`).

use std::collections::BTreeMap;

use cove_base::{Seed, Timestamp};
use serde_json::{Value, json};

/// What a node is made of: the machine it runs on and what its user data said.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeSpec {
    /// The private DNS name.
    pub name: String,
    /// `aws:///ZONE/INSTANCE`.
    pub provider_id: String,
    /// The private IPv4 address.
    pub internal_ip: String,
    /// vCPUs of the instance type.
    pub cpus: u64,
    /// Memory of the instance type, in MiB.
    pub memory_mib: u64,
    /// Size of the root volume, in bytes.
    pub disk_bytes: u64,
    /// The most pods it takes.
    pub max_pods: u64,
    /// `amd64` or `arm64`.
    pub architecture: String,
    /// Such as `v1.35.4-eks-1234567`.
    pub kubelet_version: String,
    /// Such as `Amazon Linux 2023.9.20251110`.
    pub os_image: String,
    /// Such as `6.12.53-69.119.amzn2023.x86_64`.
    pub kernel_version: String,
    /// Such as `containerd://2.1.5`.
    pub container_runtime: String,
    /// Labels from the user data (`--node-labels`).
    pub labels: BTreeMap<String, String>,
    /// Taints from the user data: (key, value, effect).
    pub taints: Vec<(String, String, String)>,
}

/// Part of a machine's memory that its kernel keeps for itself, in bytes: 4 GiB of a t3.medium show as 4,037,943,296.
fn visible_memory(memory_mib: u64) -> u64 {
    let bytes = memory_mib * 1024 * 1024;
    bytes - bytes * 57 / 956
}

impl NodeSpec {
    /// kube-reserved CPU in millicores: 6 % of the first core, 1 % of the second, 0.5 % of the next two, 0.25 % of
    /// the rest.
    pub fn reserved_cpu_millis(&self) -> u64 {
        let share =
            |from: u64, to: u64, per_10_000: u64| self.cpus.clamp(from, to).saturating_sub(from) * 1_000 * per_10_000;
        (share(0, 1, 600) + share(1, 2, 100) + share(2, 4, 50) + share(4, u64::MAX, 25)) / 10_000
    }

    /// kube-reserved memory and the eviction threshold, in bytes.
    fn reserved_memory(&self) -> u64 {
        (11 * self.max_pods + 255 + 100) * 1024 * 1024
    }

    fn resources(&self) -> (Value, Value) {
        let memory = visible_memory(self.memory_mib);
        let ephemeral = self.disk_bytes;
        // The kubelet multiplies by a single-precision 0.1; live values show it.
        let evictable = (ephemeral as f64 * f64::from(0.1_f32)) as u64;
        let capacity = json!({
            "cpu": self.cpus.to_string(),
            "ephemeral-storage": format!("{}Ki", ephemeral / 1024),
            "hugepages-1Gi": "0",
            "hugepages-2Mi": "0",
            "memory": format!("{}Ki", memory / 1024),
            "pods": self.max_pods.to_string(),
        });
        let allocatable = json!({
            "cpu": format!("{}m", self.cpus * 1_000 - self.reserved_cpu_millis()),
            "ephemeral-storage": (ephemeral - evictable).saturating_sub(1 << 30).to_string(),
            "hugepages-1Gi": "0",
            "hugepages-2Mi": "0",
            "memory": format!("{}Ki", memory.saturating_sub(self.reserved_memory()) / 1024),
            "pods": self.max_pods.to_string(),
        });
        (capacity, allocatable)
    }

    /// The Node as the kubelet first creates it: tainted until the cloud node controller has seen it.
    pub fn registration(&self) -> Value {
        let mut labels = self.labels.clone();
        for (key, value) in [
            ("kubernetes.io/arch", self.architecture.as_str()),
            ("kubernetes.io/os", "linux"),
            ("kubernetes.io/hostname", self.name.as_str()),
            ("beta.kubernetes.io/arch", self.architecture.as_str()),
            ("beta.kubernetes.io/os", "linux"),
        ] {
            labels.insert(key.into(), value.into());
        }
        let mut taints = vec![json!({
            "key": "node.cloudprovider.kubernetes.io/uninitialized", "value": "true", "effect": "NoSchedule",
        })];
        for (key, value, effect) in &self.taints {
            let mut taint = json!({"key": key, "effect": effect});
            if !value.is_empty() {
                taint["value"] = value.clone().into();
            }
            taints.push(taint);
        }
        json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {
                "name": self.name,
                "labels": labels,
                "annotations": {
                    "alpha.kubernetes.io/provided-node-ip": self.internal_ip,
                    "volumes.kubernetes.io/controller-managed-attach-detach": "true",
                },
            },
            "spec": {"providerID": self.provider_id, "taints": taints},
        })
    }

    /// The node's status. `network` says whether pods can get addresses; `since` is when that last changed.
    pub fn status(&self, network: bool, since: Timestamp, now: Timestamp) -> Value {
        let (capacity, allocatable) = self.resources();
        json!({
            "capacity": capacity,
            "allocatable": allocatable,
            "conditions": self.conditions(network, since, now),
            "addresses": [
                {"type": "InternalIP", "address": self.internal_ip},
                {"type": "Hostname", "address": self.name},
                {"type": "InternalDNS", "address": self.name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": self.info(),
        })
    }

    fn conditions(&self, network: bool, since: Timestamp, now: Timestamp) -> Value {
        let condition = |kind: &str, status: &str, reason: &str, message: &str| {
            json!({
                "type": kind, "status": status, "reason": reason, "message": message,
                "lastHeartbeatTime": now.rfc3339(), "lastTransitionTime": since.rfc3339(),
            })
        };
        let ready = if network {
            condition("Ready", "True", "KubeletReady", "kubelet is posting ready status")
        } else {
            let message = "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady \
                           message:Network plugin returns error: cni plugin not initialized";
            condition("Ready", "False", "KubeletNotReady", message)
        };
        json!([
            condition(
                "MemoryPressure",
                "False",
                "KubeletHasSufficientMemory",
                "kubelet has sufficient memory available"
            ),
            condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            ready,
        ])
    }

    fn info(&self) -> Value {
        let seed = Seed::new(0).child(&self.provider_id);
        json!({
            "machineID": seed.hex("machine", 0, 32),
            "systemUUID": seed.uuid("system", 0),
            "bootID": seed.uuid("boot", 0),
            "kernelVersion": self.kernel_version,
            "osImage": self.os_image,
            "containerRuntimeVersion": self.container_runtime,
            "kubeletVersion": self.kubelet_version,
            "kubeProxyVersion": "",
            "operatingSystem": "linux",
            "architecture": self.architecture,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn t3_medium() -> NodeSpec {
        NodeSpec {
            name: "ip-172-31-0-5.us-west-2.compute.internal".into(),
            provider_id: "aws:///us-west-2a/i-0123456789abcdef0".into(),
            internal_ip: "172.31.0.5".into(),
            cpus: 2,
            memory_mib: 4_096,
            disk_bytes: 21_462_233_088,
            max_pods: 17,
            architecture: "amd64".into(),
            kubelet_version: "v1.35.4-eks-1234567".into(),
            os_image: "Amazon Linux 2023.9.20251110".into(),
            kernel_version: "6.12.53-69.119.amzn2023.x86_64".into(),
            container_runtime: "containerd://2.1.5".into(),
            labels: BTreeMap::new(),
            taints: Vec::new(),
        }
    }

    /// Field values of a live t3.medium (`eks.md` 1.4).
    #[test]
    fn allocatable_of_a_t3_medium() {
        let status = t3_medium().status(true, Timestamp::EPOCH, Timestamp::EPOCH);
        assert_eq!(status["allocatable"]["cpu"], "1930m");
        assert_eq!(status["allocatable"]["ephemeral-storage"], "18242267924");
        assert_eq!(status["allocatable"]["pods"], "17");
        let kib = |side: &str| -> u64 {
            status[side]["memory"].as_str().and_then(|m| m.strip_suffix("Ki")).and_then(|m| m.parse().ok()).expect("Ki")
        };
        assert_eq!(kib("capacity") - kib("allocatable"), (11 * 17 + 255 + 100) * 1_024);
        assert!((kib("capacity") * 1_024).abs_diff(4_037_943_296) < 1_000_000);
    }

    #[test]
    fn reserved_cpu_by_size() {
        for (cpus, millis) in [(1, 60), (2, 70), (4, 80), (8, 90), (16, 110)] {
            assert_eq!(NodeSpec { cpus, ..t3_medium() }.reserved_cpu_millis(), millis, "{cpus} vCPU");
        }
    }
}
