//! The real runtime: performs the effects of pods' machines with processes inside instances.
//!
//! It decides what a pod asks for and whether this node can do it; who makes the processes is a port ([`Containers`]),
//! filled by the region with the instances' inits. There is no pull, no pod network, no exec and no volume yet: a pod
//! that needs one is refused by name, before anything of it runs. The images of EKS's own add-ons are stood in for by
//! the built-in program, which says so in its log.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use cove_base::Runtime;
use cove_base::runtime::BoxFuture;
use serde_json::Value;

use crate::pod::{ContainerRole, ContainerSpec, Effect, Event, PodSpec, ProbeKind};
use crate::runtime::{LogLine, PodNetwork, PodRuntime};

/// Where add-on images come from: EKS's own registry account.
const ADD_ON_REGISTRY: &str = "602401143452.dkr.ecr.";
/// The kubelet tries a failed sandbox again with the next sync.
const SANDBOX_RETRY: Duration = Duration::from_secs(1);
/// The exit code of a container that ran on a machine which has been started anew since.
const LOST: i32 = 255;

/// A container to start, as its process sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerStart {
    /// Unique on the node: the pod's uid, the container's name, the run.
    pub id: String,
    /// The host name.
    pub hostname: String,
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// The environment.
    pub env: Vec<(String, String)>,
    /// The working directory.
    pub working_dir: String,
}

/// How a container came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With this exit code.
    Exited(i32),
    /// Its machine was started anew and knows nothing of it.
    Lost,
}

/// The image that is there without a pull.
#[derive(Clone, Debug)]
pub struct BuiltinImage {
    /// Its name.
    pub name: String,
    /// Its entry point.
    pub entrypoint: Vec<String>,
    /// Its default arguments.
    pub command: Vec<String>,
}

/// The port to the machines behind nodes.
#[async_trait]
pub trait Containers: Send + Sync {
    /// Starts a container. The error means that the machine is gone.
    async fn start(&self, node: &str, start: ContainerStart) -> Result<(), String>;
    /// Waits for its end. `None`: the machine has lost its power, and a dead node says nothing.
    async fn wait(&self, node: &str, id: &str) -> Option<End>;
    /// Asks it to end, and kills it after the grace.
    async fn stop(&self, node: &str, id: &str, grace: Duration);
    /// Kills all containers whose id begins so.
    async fn kill(&self, node: &str, prefix: &str);
    /// What it wrote; `None` if it never ran here.
    async fn log(&self, node: &str, id: &str) -> Result<Option<Vec<LogLine>>, String>;
    /// Forgets what it wrote.
    async fn remove_log(&self, node: &str, id: &str);
    /// Kills all containers whose id begins so, and forgets what they wrote.
    async fn forget(&self, node: &str, prefix: &str);
}

/// Containers as processes.
pub struct RealRuntime {
    rt: Runtime,
    network: Arc<dyn PodNetwork>,
    containers: Arc<dyn Containers>,
    image: BuiltinImage,
    /// The uids of pods that may have containers. A start that is still on its way when its pod goes must not happen.
    /// Locked for set operations only; a lock because `perform` is not async.
    alive: Arc<Mutex<BTreeSet<String>>>,
}

/// What an image name means here.
enum Image {
    Builtin,
    AddOn,
    Unknown,
}

impl RealRuntime {
    /// A runtime over machines. Addresses of pods are handed out, though no packet reaches them yet.
    pub fn new(
        rt: Runtime,
        network: Arc<dyn PodNetwork>,
        containers: Arc<dyn Containers>,
        image: BuiltinImage,
    ) -> Self {
        Self { rt, network, containers, image, alive: Arc::default() }
    }

    fn alive(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.alive.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn image(&self, name: &str) -> Image {
        if name == self.image.name {
            Image::Builtin
        } else if name.starts_with(ADD_ON_REGISTRY) {
            Image::AddOn
        } else {
            Image::Unknown
        }
    }

    fn create_sandbox(&self, pod: &PodSpec) -> BoxFuture<Option<Event>> {
        let add_on = pod.containers.iter().all(|c| matches!(self.image(&c.image), Image::AddOn));
        let refused = if add_on { None } else { unsupported(pod) };
        let address = || {
            if pod.host_network { Some(String::new()) } else { self.network.allocate(&pod.node, &pod.uid) }
        };
        let answer = match refused {
            Some(what) => Err(format!("Failed to create pod sandbox: real nodes of Cove cannot do {what} yet")),
            None => address().ok_or_else(|| Event::NO_ADDRESS.to_string()),
        };
        let rt = self.rt.clone();
        Box::pin(async move {
            match answer {
                Ok(ip) => Some(Event::SandboxReady { ip }),
                Err(message) => {
                    rt.sleep(SANDBOX_RETRY).await;
                    Some(Event::SandboxFailed { message })
                }
            }
        })
    }

    /// Comes before every start, also of a pod that was taken up after a restart.
    fn pull(&self, pod: &PodSpec, container: usize, run: u32) -> Event {
        self.alive().insert(pod.uid.clone());
        let image = &pod.containers[container].image;
        match self.image(image) {
            Image::Builtin | Image::AddOn => Event::Pulled { container, run },
            Image::Unknown => Event::PullFailed {
                container,
                run,
                message: format!(
                    "failed to pull and unpack image {image:?}: real nodes of Cove pull no images yet; the one they have \
                     is {}",
                    self.image.name
                ),
            },
        }
    }

    fn start_of(&self, pod: &PodSpec, container: usize, run: u32) -> ContainerStart {
        let spec = &pod.containers[container];
        let hostname = if pod.host_network { &pod.node } else { &pod.name };
        let mut env: BTreeMap<String, String> = BTreeMap::new();
        env.insert("PATH".into(), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into());
        env.insert("HOSTNAME".into(), hostname.clone());
        let argv = match self.image(&spec.image) {
            Image::AddOn => self.stand_in(spec),
            _ => {
                for entry in spec.raw["env"].as_array().into_iter().flatten() {
                    let text = |member: &str| entry[member].as_str().unwrap_or_default().to_string();
                    let value = expand(&text("value"), &env);
                    env.insert(text("name"), value);
                }
                self.argv(spec, &env)
            }
        };
        let working_dir = spec.raw["workingDir"].as_str().filter(|d| !d.is_empty()).unwrap_or("/").to_string();
        let env = env.into_iter().collect();
        ContainerStart { id: id_of(pod, &spec.name, run), hostname: hostname.clone(), argv, env, working_dir }
    }

    /// `command` replaces the entry point and the image's arguments, `args` the arguments.
    fn argv(&self, spec: &ContainerSpec, env: &BTreeMap<String, String>) -> Vec<String> {
        let list = |member: &str| -> Vec<String> {
            let words = spec.raw[member].as_array().into_iter().flatten().filter_map(Value::as_str);
            words.map(|word| expand(word, env)).collect()
        };
        let (command, args) = (list("command"), list("args"));
        match (command.is_empty(), args.is_empty()) {
            (true, true) => [self.image.entrypoint.clone(), self.image.command.clone()].concat(),
            (true, false) => [self.image.entrypoint.clone(), args].concat(),
            (false, _) => [command, args].concat(),
        }
    }

    fn stand_in(&self, spec: &ContainerSpec) -> Vec<String> {
        let line = format!("cove: stands in for {}, which real nodes cannot run yet", spec.image);
        let then: &[&str] = if spec.role == ContainerRole::Init { &["exit", "0"] } else { &["pause"] };
        let words = ["print", line.as_str()].into_iter().chain(then.iter().copied());
        self.image.entrypoint.iter().cloned().chain(words.map(String::from)).collect()
    }

    fn start(&self, pod: &PodSpec, container: usize, run: u32) -> BoxFuture<Option<Event>> {
        let start = self.start_of(pod, container, run);
        // Logs are kept of the newest run and the one before it.
        let old = run.checked_sub(2).map(|old| id_of(pod, &pod.containers[container].name, old));
        let (containers, node, uid, alive) =
            (self.containers.clone(), pod.node.clone(), pod.uid.clone(), self.alive.clone());
        Box::pin(async move {
            if !alive.lock().unwrap_or_else(PoisonError::into_inner).contains(&uid) {
                return None;
            }
            if let Some(old) = old {
                containers.remove_log(&node, &old).await;
            }
            // A dead machine answers nothing; its node is powered off in a moment.
            containers.start(&node, start).await.ok()?;
            Some(Event::Started { container, run })
        })
    }

    /// Probes are answered for stand-ins only: they are healthy while they run.
    fn probe(&self, container: usize, run: u32, kind: ProbeKind, known: Option<bool>) -> BoxFuture<Option<Event>> {
        if known == Some(true) {
            return Box::pin(std::future::pending());
        }
        Box::pin(std::future::ready(Some(Event::Probed { container, run, kind, success: true })))
    }

    fn remove_sandbox(&self, pod: &PodSpec) {
        self.alive().remove(&pod.uid);
        self.network.release(&pod.uid);
        let (containers, node, prefix) = (self.containers.clone(), pod.node.clone(), prefix_of(pod));
        // Of its own, since nobody waits for the answer to this effect.
        self.rt.spawn(format!("sandbox of {}", pod.name), async move { containers.kill(&node, &prefix).await });
    }
}

#[async_trait]
impl PodRuntime for RealRuntime {
    fn perform(&self, pod: Arc<PodSpec>, effect: Effect) -> BoxFuture<Option<Event>> {
        match effect {
            Effect::CreateSandbox => self.create_sandbox(&pod),
            Effect::Pull { container, run } => Box::pin(std::future::ready(Some(self.pull(&pod, container, run)))),
            Effect::Start { container, run } => self.start(&pod, container, run),
            Effect::Wait { container, run } => {
                let (containers, id) = (self.containers.clone(), id_of(&pod, &pod.containers[container].name, run));
                Box::pin(async move {
                    let code = match containers.wait(&pod.node, &id).await? {
                        End::Exited(code) => code,
                        End::Lost => LOST,
                    };
                    Some(Event::Exited { container, run, code })
                })
            }
            Effect::Probe { container, run, kind, known } => self.probe(container, run, kind, known),
            Effect::Stop { container, run, grace } => {
                let (containers, id) = (self.containers.clone(), id_of(&pod, &pod.containers[container].name, run));
                Box::pin(async move {
                    containers.stop(&pod.node, &id, grace).await;
                    None
                })
            }
            Effect::Wake(at) => {
                let rt = self.rt.clone();
                Box::pin(async move {
                    rt.sleep_until(at).await;
                    Some(Event::Tick)
                })
            }
            Effect::RemoveSandbox => {
                self.remove_sandbox(&pod);
                Box::pin(std::future::ready(None))
            }
        }
    }

    fn forget(&self, pod: &PodSpec) {
        self.alive().remove(&pod.uid);
        let (containers, node, prefix) = (self.containers.clone(), pod.node.clone(), prefix_of(pod));
        self.rt.spawn(format!("end of {}", pod.name), async move { containers.forget(&node, &prefix).await });
    }

    async fn log(&self, pod: Arc<PodSpec>, container: &str, previous: bool) -> Result<Vec<LogLine>, String> {
        for run in runs(&pod, container, previous) {
            if let Some(lines) = self.containers.log(&pod.node, &id_of(&pod, container, run)).await? {
                return Ok(lines);
            }
        }
        Err(format!("the log of container {container} in pod {} is not on its node any more", pod.name))
    }
}

/// What the ids of all of a pod's containers begin with.
fn prefix_of(pod: &PodSpec) -> String {
    format!("{}_", pod.uid)
}

fn id_of(pod: &PodSpec, container: &str, run: u32) -> String {
    format!("{}_{container}_{run}", pod.uid)
}

/// The runs whose log is wanted, the likeliest first: a run that is only about to begin has none.
fn runs(pod: &PodSpec, container: &str, previous: bool) -> impl Iterator<Item = u32> + use<> {
    let lists = ["initContainerStatuses", "containerStatuses"];
    let mut all = lists.iter().filter_map(|list| pod.raw["status"][*list].as_array()).flatten();
    let status = all.find(|s| s["name"] == container).cloned().unwrap_or_default();
    let restarts = status["restartCount"].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    let newest_is_over = status["state"].get("waiting").is_some();
    let first = if previous && !newest_is_over { restarts.checked_sub(1) } else { Some(restarts) };
    first.into_iter().flat_map(|first| [Some(first), first.checked_sub(1)]).flatten()
}

/// `$(NAME)` becomes the variable, if there is one; `$$(NAME)` stays as `$(NAME)`.
fn expand(text: &str, env: &BTreeMap<String, String>) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(tail) = rest.strip_prefix('$') {
            out.push('$');
            rest = tail;
        } else if let Some((name, tail)) = rest.strip_prefix('(').and_then(|r| r.split_once(')')) {
            match env.get(name) {
                Some(value) => out.push_str(value),
                None => out.push_str(&format!("$({name})")),
            }
            rest = tail;
        } else {
            out.push('$');
        }
    }
    out + rest
}

/// The first thing that a pod asks for and that is not there yet. Limits of CPU and memory are not among them: they
/// decide where a pod is scheduled, but nothing enforces them yet (SCOPE.md).
fn unsupported(pod: &PodSpec) -> Option<String> {
    let spec = &pod.raw["spec"];
    let present = |value: &Value| !(value.is_null() || value.as_object().is_some_and(|o| o.is_empty()));
    let volumes = spec["volumes"].as_array().into_iter().flatten();
    // The service account's token is given to every pod unasked; without a pod network nothing could use it.
    let asked = |name: &str| !name.starts_with("kube-api-access-");
    if let Some(volume) = volumes.filter_map(|v| v["name"].as_str()).find(|name| asked(name)) {
        return Some(format!("volumes (spec.volumes: {volume})"));
    }
    let of_pod = ["securityContext", "hostAliases", "dnsConfig", "runtimeClassName"];
    if let Some(member) = of_pod.into_iter().find(|m| present(&spec[*m])) {
        return Some(format!("spec.{member}"));
    }
    let flags = ["hostPID", "hostIPC", "shareProcessNamespace"];
    if let Some(member) = flags.into_iter().find(|m| spec[*m] == true) {
        return Some(format!("spec.{member}"));
    }
    pod.containers.iter().find_map(|container| {
        unsupported_of_container(&container.raw).map(|what| format!("{what} (container {})", container.name))
    })
}

fn unsupported_of_container(container: &Value) -> Option<String> {
    let members = ["livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "securityContext", "envFrom"];
    let present = |value: &Value| {
        !(value.is_null()
            || value.as_object().is_some_and(|o| o.is_empty())
            || value.as_array().is_some_and(Vec::is_empty))
    };
    if let Some(member) = members.into_iter().find(|m| present(&container[*m])) {
        return Some(member.into());
    }
    if let Some(member) = ["stdin", "tty"].into_iter().find(|m| container[*m] == true) {
        return Some(member.into());
    }
    let from = container["env"].as_array().into_iter().flatten().find(|e| e.get("valueFrom").is_some())?;
    Some(format!("env.valueFrom of {}", from["name"].as_str().unwrap_or_default()))
}

#[cfg(test)]
mod tests;
