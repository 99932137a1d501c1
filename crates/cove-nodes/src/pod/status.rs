//! The `status` of a pod, made from the machine's state (facts: `kubelet-pod-status.csv`, Kubernetes 1.35).

use serde_json::{Value, json};

use super::machine::{Container, Phase, PodMachine, Sandbox, Termination};
use super::spec::{ContainerRole, ContainerSpec};

impl PodMachine {
    /// `status.phase`.
    pub fn phase(&self) -> &'static str {
        let of = |role: ContainerRole| {
            self.spec.containers.iter().zip(&self.containers).filter(move |(s, _)| s.role == role).map(|(_, c)| c)
        };
        let mains_idle = of(ContainerRole::Main).all(|c| !matches!(c.phase, Phase::Running { .. } | Phase::Starting));
        if self.is_finished() && mains_idle {
            let sidecars_run = of(ContainerRole::Sidecar).any(Container::is_running);
            let failed = self
                .containers
                .iter()
                .zip(&self.spec.containers)
                .any(|(c, s)| s.role != ContainerRole::Sidecar && c.termination().is_some_and(|t| t.code != 0));
            return match (failed, sidecars_run) {
                (_, true) => "Running",
                (true, _) => "Failed",
                (false, _) => "Succeeded",
            };
        }
        let init_open = of(ContainerRole::Init).any(|c| c.termination().is_none_or(|t| t.code != 0));
        let waiting = of(ContainerRole::Main)
            .any(|c| c.last.is_none() && !matches!(c.phase, Phase::Running { .. } | Phase::Terminated(_)));
        if init_open || waiting { "Pending" } else { "Running" }
    }

    /// The whole status, as it is sent to `pods/status` (a strategic merge patch: conditions merge by type).
    pub fn status(&self, host_ip: &str) -> Value {
        let generation = self.spec.generation;
        let conditions: Vec<Value> = self.conditions.iter().map(|c| c.to_value(generation)).collect();
        let statuses = |wanted: fn(ContainerRole) -> bool| -> Vec<Value> {
            let both = self.spec.containers.iter().zip(&self.containers);
            both.filter(|(s, _)| wanted(s.role)).map(|(s, c)| self.container_status(s, c)).collect()
        };
        let mut status = json!({
            "observedGeneration": generation,
            "phase": self.phase(),
            "conditions": conditions,
            "hostIP": host_ip,
            "hostIPs": [{"ip": host_ip}],
            "startTime": self.start_time.rfc3339(),
            "containerStatuses": statuses(|role| role == ContainerRole::Main),
        });
        if let Some(ip) = if self.spec.host_network { Some(host_ip) } else { self.ip() } {
            status["podIP"] = ip.into();
            status["podIPs"] = json!([{"ip": ip}]);
        }
        if self.spec.containers.iter().any(|s| s.role != ContainerRole::Main) {
            status["initContainerStatuses"] = statuses(|role| role != ContainerRole::Main).into();
        }
        status
    }

    fn container_status(&self, spec: &ContainerSpec, c: &Container) -> Value {
        let begun = c.last.as_ref().or(c.termination()).is_some() || c.is_running();
        let mut status = json!({
            "name": spec.name,
            "state": self.state(spec, c),
            "lastState": c.last.as_ref().map_or(json!({}), |t| json!({"terminated": self.terminated(spec, t)})),
            "ready": match spec.role {
                ContainerRole::Init => c.termination().is_some_and(|t| t.code == 0),
                _ => c.ready,
            },
            "restartCount": c.restarts,
            "image": spec.image,
            "imageID": if begun { image_id(&spec.image) } else { String::new() },
            "started": c.started && c.is_running(),
        });
        if begun {
            let run =
                if c.is_running() || c.termination().is_some() { c.restarts } else { c.restarts.saturating_sub(1) };
            status["containerID"] = self.container_id(&spec.name, run).into();
        }
        status
    }

    fn state(&self, spec: &ContainerSpec, c: &Container) -> Value {
        let waiting = |reason: &str, message: String| {
            if message.is_empty() {
                json!({"waiting": {"reason": reason}})
            } else {
                json!({"waiting": {"reason": reason, "message": message}})
            }
        };
        match &c.phase {
            Phase::Running { started } => json!({"running": {"startedAt": started.rfc3339()}}),
            Phase::Terminated(end) => json!({"terminated": self.terminated(spec, end)}),
            Phase::CrashBackOff { delay, .. } => {
                let secs = delay.as_secs();
                let delay = if secs >= 60 { format!("{}m{}s", secs / 60, secs % 60) } else { format!("{secs}s") };
                let (name, pod) = (&spec.name, self.spec.full_name());
                waiting("CrashLoopBackOff", format!("back-off {delay} restarting failed container={name} pod={pod}"))
            }
            Phase::PullBackOff { message, .. } => {
                let text = format!("Back-off pulling image {:?}: ErrImagePull: {message}", spec.image);
                waiting("ImagePullBackOff", text)
            }
            Phase::Waiting | Phase::Pulling | Phase::Starting => waiting(self.waiting_reason(), String::new()),
        }
    }

    /// What a container that has not begun waits for.
    fn waiting_reason(&self) -> &'static str {
        let mut inits =
            self.spec.containers.iter().zip(&self.containers).filter(|(s, _)| s.role != ContainerRole::Main);
        let open = inits.any(|(s, c)| match s.role {
            ContainerRole::Sidecar => !c.started,
            _ => c.termination().is_none_or(|t| t.code != 0),
        });
        if open { "PodInitializing" } else { "ContainerCreating" }
    }

    fn terminated(&self, spec: &ContainerSpec, end: &Termination) -> Value {
        json!({
            "exitCode": end.code,
            "reason": if end.code == 0 { "Completed" } else { "Error" },
            "startedAt": end.started.rfc3339(),
            "finishedAt": end.finished.rfc3339(),
            "containerID": self.container_id(&spec.name, end.run),
        })
    }

    /// The id of a container's run: a function of the pod, so that it is the same in every virtual run.
    fn container_id(&self, name: &str, run: u32) -> String {
        let seed = cove_base::Seed::new(0).child(&self.spec.uid);
        format!("containerd://{}", seed.hex(name, u64::from(run), 64))
    }

    /// Whether the sandbox is there.
    pub fn has_sandbox(&self) -> bool {
        matches!(self.sandbox, Sandbox::Ready { .. } | Sandbox::Creating)
    }
}

/// A digest that stands for the image: simulated nodes pull nothing, so it is derived from the reference.
fn image_id(image: &str) -> String {
    let repository = image.rsplit_once(':').map_or(image, |(repo, tag)| if tag.contains('/') { image } else { repo });
    format!("{repository}@sha256:{}", cove_base::Seed::new(0).child("image").hex(image, 0, 64))
}
