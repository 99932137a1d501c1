//! What the machine needs to know of a pod's spec: a narrow view, read once per generation.

use serde_json::Value;

/// `spec.restartPolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartPolicy {
    /// Restart whatever ends.
    Always,
    /// Restart what ends with a code other than 0.
    OnFailure,
    /// Restart nothing.
    Never,
}

/// Which part a container has in the pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerRole {
    /// An init container: must end with 0 before the next starts.
    Init,
    /// An init container with `restartPolicy: Always`: must have started before the next starts, then keeps running.
    Sidecar,
    /// A container of `spec.containers`.
    Main,
}

/// A kind of probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProbeKind {
    /// Holds the others back until it succeeds.
    Startup,
    /// Decides readiness.
    Readiness,
    /// Restarts the container when it fails.
    Liveness,
}

impl ProbeKind {
    /// The member of a container that holds the probe.
    pub fn member(self) -> &'static str {
        match self {
            Self::Startup => "startupProbe",
            Self::Readiness => "readinessProbe",
            Self::Liveness => "livenessProbe",
        }
    }
}

/// One container.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerSpec {
    /// Its name.
    pub name: String,
    /// Its image, as written.
    pub image: String,
    /// Its part.
    pub role: ContainerRole,
    /// The container as the API has it, for the runtime.
    pub raw: Value,
}

impl ContainerSpec {
    /// The probe of a kind, if there is one.
    pub fn probe(&self, kind: ProbeKind) -> Option<&Value> {
        self.raw.get(kind.member()).filter(|p| p.is_object())
    }
}

/// One pod, as bound to a node.
#[derive(Clone, Debug, PartialEq)]
pub struct PodSpec {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// The node it is bound to.
    pub node: String,
    /// Whether it uses the node's network.
    pub host_network: bool,
    /// Its restart policy.
    pub restart_policy: RestartPolicy,
    /// Init containers in order, then the main ones.
    pub containers: Vec<ContainerSpec>,
    /// `metadata.generation`.
    pub generation: i64,
    /// `spec.readinessGates`' condition types.
    pub readiness_gates: Vec<String>,
    /// The whole object, for the runtime.
    pub raw: Value,
}

fn text(value: &Value, member: &str) -> String {
    value.get(member).and_then(Value::as_str).unwrap_or_default().to_string()
}

fn containers(spec: &Value, member: &str) -> impl Iterator<Item = ContainerSpec> {
    let list = spec.get(member).and_then(Value::as_array).cloned().unwrap_or_default();
    let main = member == "containers";
    list.into_iter().map(move |raw| {
        let role = match (main, raw.get("restartPolicy").and_then(Value::as_str)) {
            (true, _) => ContainerRole::Main,
            (false, Some("Always")) => ContainerRole::Sidecar,
            (false, _) => ContainerRole::Init,
        };
        ContainerSpec { name: text(&raw, "name"), image: text(&raw, "image"), role, raw }
    })
}

impl PodSpec {
    /// Reads a pod object.
    pub fn read(pod: &Value) -> Self {
        let (metadata, spec) = (&pod["metadata"], &pod["spec"]);
        let gates = spec.get("readinessGates").and_then(Value::as_array);
        Self {
            namespace: text(metadata, "namespace"),
            name: text(metadata, "name"),
            uid: text(metadata, "uid"),
            node: text(spec, "nodeName"),
            host_network: spec.get("hostNetwork").and_then(Value::as_bool).unwrap_or(false),
            restart_policy: match spec.get("restartPolicy").and_then(Value::as_str) {
                Some("Never") => RestartPolicy::Never,
                Some("OnFailure") => RestartPolicy::OnFailure,
                _ => RestartPolicy::Always,
            },
            containers: containers(spec, "initContainers").chain(containers(spec, "containers")).collect(),
            generation: metadata.get("generation").and_then(Value::as_i64).unwrap_or(0),
            readiness_gates: gates.into_iter().flatten().map(|g| text(g, "conditionType")).collect(),
            raw: pod.clone(),
        }
    }

    /// `name_namespace(uid)`, as the kubelet names a pod in its messages.
    pub fn full_name(&self) -> String {
        format!("{}_{}({})", self.name, self.namespace, self.uid)
    }
}
