//! The simulated runtime: answers the effects of a pod's machine from its behaviour, on the clock that was handed in.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use cove_base::runtime::BoxFuture;
use cove_base::{Runtime, Timestamp};
use tokio::sync::oneshot;

use crate::behaviour::Behaviour;
use crate::pod::{ContainerRole, Effect, Event, PodSpec};
use crate::runtime::{LogLine, PodNetwork, PodRuntime};

/// How a simulated container is asked to stop: the exit code to end with, and after how long.
type StopOrder = (i32, Duration);

/// Running containers by (pod uid, container index).
type Running = BTreeMap<(String, usize), oneshot::Sender<StopOrder>>;

/// Simulated containers.
pub struct SimulatedRuntime {
    rt: Runtime,
    network: Arc<dyn PodNetwork>,
    /// Locked for map operations only; a lock rather than messages because `perform` is not async.
    running: Mutex<Running>,
}

impl SimulatedRuntime {
    /// A runtime on this clock and network.
    pub fn new(rt: Runtime, network: Arc<dyn PodNetwork>) -> Self {
        Self { rt, network, running: Mutex::default() }
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn create_sandbox(&self, pod: &PodSpec) -> BoxFuture<Option<Event>> {
        let ip = if pod.host_network { Some(String::new()) } else { self.network.allocate(&pod.node, &pod.uid) };
        let rt = self.rt.clone();
        Box::pin(async move {
            let Some(ip) = ip else {
                // The kubelet tries a failed sandbox again with the next sync.
                rt.sleep(Duration::from_secs(1)).await;
                return Some(Event::SandboxFailed { message: Event::NO_ADDRESS.into() });
            };
            rt.sleep(Duration::from_millis(5)).await;
            Some(Event::SandboxReady { ip })
        })
    }

    fn wait(&self, pod: &PodSpec, container: usize, run: u32, behaviour: &Behaviour) -> BoxFuture<Option<Event>> {
        let (tx, stop) = oneshot::channel();
        self.running().insert((pod.uid.clone(), container), tx);
        let (rt, own_end, own_code) = (self.rt.clone(), behaviour.exit_after(), behaviour.exit_code);
        Box::pin(async move {
            let stopped = async {
                match stop.await {
                    Ok(order) => order,
                    Err(_) => std::future::pending().await,
                }
            };
            let ended = match own_end {
                Some(after) => rt.timeout(after, stopped).await,
                None => Some(stopped.await),
            };
            let code = match ended {
                Some((code, after)) => {
                    rt.sleep(after).await;
                    code
                }
                None => own_code,
            };
            Some(Event::Exited { container, run, code })
        })
    }

    fn stop(&self, pod: &PodSpec, container: usize, grace: Duration, behaviour: &Behaviour) {
        let wanted = Duration::from_millis(behaviour.stop_ms);
        // Out of grace means SIGKILL: 137.
        let order = if wanted <= grace { (0, wanted) } else { (137, grace) };
        if let Some(tx) = self.running().remove(&(pod.uid.clone(), container)) {
            let _ = tx.send(order);
        }
    }
}

#[async_trait]
impl PodRuntime for SimulatedRuntime {
    fn perform(&self, pod: Arc<PodSpec>, effect: Effect) -> BoxFuture<Option<Event>> {
        let rt = self.rt.clone();
        let behaviour = |container: usize| {
            let spec = &pod.containers[container];
            Behaviour::of(&pod.raw, &spec.name, spec.role == ContainerRole::Init)
        };
        let after = |ms: u64, event: Event| -> BoxFuture<Option<Event>> {
            let rt = rt.clone();
            Box::pin(async move {
                rt.sleep(Duration::from_millis(ms)).await;
                Some(event)
            })
        };
        match effect {
            Effect::CreateSandbox => self.create_sandbox(&pod),
            Effect::Pull { container, run } => match behaviour(container) {
                Ok(b) if !b.pull_fails => after(b.pull_ms, Event::Pulled { container, run }),
                Ok(b) => {
                    let image = &pod.containers[container].image;
                    let message =
                        format!("rpc error: code = NotFound desc = failed to pull and unpack image {image:?}");
                    after(b.pull_ms, Event::PullFailed { container, run, message })
                }
                Err(message) => after(0, Event::PullFailed { container, run, message }),
            },
            Effect::Start { container, run } => {
                after(behaviour(container).unwrap_or_default().start_ms, Event::Started { container, run })
            }
            Effect::Wait { container, run } => {
                self.wait(&pod, container, run, &behaviour(container).unwrap_or_default())
            }
            Effect::Probe { container, run, kind, known } => {
                let success = behaviour(container).unwrap_or_default().probes_succeed;
                if known == Some(success) {
                    return Box::pin(std::future::pending());
                }
                let probe = pod.containers[container].probe(kind).cloned().unwrap_or_default();
                let seconds = probe.get("initialDelaySeconds").and_then(serde_json::Value::as_u64).unwrap_or(0);
                after(seconds * 1_000 + 1, Event::Probed { container, run, kind, success })
            }
            Effect::Stop { container, grace, .. } => {
                self.stop(&pod, container, grace, &behaviour(container).unwrap_or_default());
                Box::pin(std::future::ready(None))
            }
            Effect::Wake(at) => Box::pin(async move {
                rt.sleep_until(at).await;
                Some(Event::Tick)
            }),
            Effect::RemoveSandbox => {
                self.network.release(&pod.uid);
                Box::pin(std::future::ready(None))
            }
        }
    }

    fn is_simulated(&self) -> bool {
        true
    }

    /// One line, of the time at which that run began: it says that nothing runs here.
    async fn log(&self, pod: Arc<PodSpec>, container: &str, previous: bool) -> Result<Vec<LogLine>, String> {
        let Some(spec) = pod.containers.iter().find(|c| c.name == container) else {
            return Err(format!("container {container} is not valid for pod {}", pod.name));
        };
        let time = began(&pod, container, previous).unwrap_or_else(|| self.rt.now());
        let text =
            format!("simulated container {container} of image {} on node {}: nothing runs here", spec.image, pod.node);
        Ok(vec![LogLine { time, text }])
    }
}

/// When a container's newest run, or the one before it, began, as its status says.
fn began(pod: &PodSpec, container: &str, previous: bool) -> Option<Timestamp> {
    let lists = ["initContainerStatuses", "containerStatuses"];
    let mut all = lists.iter().filter_map(|list| pod.raw["status"][*list].as_array()).flatten();
    let status = all.find(|s| s["name"] == container)?;
    let (state, last) = (&status["state"], &status["lastState"]["terminated"]);
    let newest = state.get("running").or(state.get("terminated")).filter(|_| !previous);
    Timestamp::parse_rfc3339(newest.unwrap_or(last)["startedAt"].as_str()?)
}
