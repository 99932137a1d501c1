//! The state machine of one pod.
//!
//! [`PodMachine::step`] takes what happened and returns what to do next. Effects carry the container's *run* (how
//! often it was started), and so do the events that answer them: an answer to an earlier run is ignored. The machine
//! is level-based inside: each step changes a fact, then [`PodMachine::advance`] derives what is missing.

use std::time::Duration;

use cove_base::Timestamp;

use super::spec::{ContainerRole, PodSpec, ProbeKind, RestartPolicy};
use crate::limits::{RESTART_BACKOFF_FIRST, RESTART_BACKOFF_LONGEST, RESTART_BACKOFF_RESET};

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The node's network can (or cannot) take pods.
    Network(bool),
    /// The sandbox exists, with this address.
    SandboxReady {
        /// The pod's IPv4 address.
        ip: String,
    },
    /// The sandbox could not be made.
    SandboxFailed {
        /// The text of the event that says why.
        message: String,
    },
    /// The image is there.
    Pulled {
        /// Which container.
        container: usize,
        /// Which run.
        run: u32,
    },
    /// The image could not be pulled.
    PullFailed {
        /// Which container.
        container: usize,
        /// Which run.
        run: u32,
        /// The runtime's text.
        message: String,
    },
    /// The container runs.
    Started {
        /// Which container.
        container: usize,
        /// Which run.
        run: u32,
    },
    /// The container ended.
    Exited {
        /// Which container.
        container: usize,
        /// Which run.
        run: u32,
        /// Its exit code (128 + signal if a signal ended it).
        code: i32,
    },
    /// A probe's verdict has changed.
    Probed {
        /// Which container.
        container: usize,
        /// Which run.
        run: u32,
        /// Which probe.
        kind: ProbeKind,
        /// Whether it succeeds.
        success: bool,
    },
    /// The API object asks for deletion, at this time at the latest.
    DeletionRequested {
        /// `metadata.deletionTimestamp`: when the grace ends.
        deadline: Timestamp,
    },
    /// A time that the machine asked to be woken at has come.
    Tick,
}

impl Event {
    /// Why a sandbox fails on a node whose subnet is used up.
    pub const NO_ADDRESS: &str = "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup \
        network for sandbox: plugin type=\"aws-cni\" name=\"aws-cni\" failed (add): add cmd: failed to assign an IP \
        address to container";
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Make the sandbox: answered by `SandboxReady` or `SandboxFailed`.
    CreateSandbox,
    /// Bring the image: answered by `Pulled` or `PullFailed`.
    Pull {
        /// Which container.
        container: usize,
        /// Which run.
        run: u32,
    },
    /// Start the container: answered by `Started` (and, later, `Exited`).
    Start {
        /// Which container.
        container: usize,
        /// Which run.
        run: u32,
    },
    /// Wait for the container's end: answered by `Exited`.
    Wait {
        /// Which container.
        container: usize,
        /// Which run.
        run: u32,
    },
    /// Wait until a probe's verdict differs from `known`: answered by `Probed`.
    Probe {
        /// Which container.
        container: usize,
        /// Which run.
        run: u32,
        /// Which probe.
        kind: ProbeKind,
        /// The verdict known so far.
        known: Option<bool>,
    },
    /// End the container within the grace (then its `Wait` answers).
    Stop {
        /// Which container.
        container: usize,
        /// Which run.
        run: u32,
        /// How long it may take.
        grace: Duration,
    },
    /// Wake the machine at this time.
    Wake(Timestamp),
    /// Everything has ended: free the sandbox and its address.
    RemoveSandbox,
}

/// What the pod has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has work to do.
    Active,
    /// All containers ended and none will be restarted. The API object stays.
    Finished,
    /// It was asked to go and everything has ended: delete the API object.
    Gone,
}

/// The end of one run.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Termination {
    pub code: i32,
    pub started: Timestamp,
    pub finished: Timestamp,
    pub run: u32,
}

/// Where a container stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Phase {
    /// Not begun in this run.
    Waiting,
    /// Its image is being brought.
    Pulling,
    /// Its image could not be brought; the next try is at `retry`.
    PullBackOff { message: String, retry: Timestamp },
    /// It is being started.
    Starting,
    /// It runs.
    Running { started: Timestamp },
    /// It ended.
    Terminated(Termination),
    /// It ended and will be started again at `retry`.
    CrashBackOff { retry: Timestamp, delay: Duration },
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Container {
    pub phase: Phase,
    pub last: Option<Termination>,
    pub restarts: u32,
    pub backoff: Duration,
    pub ready: bool,
    pub started: bool,
    /// The start of this run has been asked for.
    pub asked: bool,
    /// The end of this run has been asked for.
    pub stopping: bool,
}

impl Container {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Waiting,
            last: None,
            restarts: 0,
            backoff: Duration::ZERO,
            ready: false,
            started: false,
            asked: false,
            stopping: false,
        }
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running { .. })
    }

    pub(super) fn termination(&self) -> Option<&Termination> {
        match &self.phase {
            Phase::Terminated(t) => Some(t),
            _ => None,
        }
    }

    fn exit_code(&self) -> Option<i32> {
        self.termination().map(|t| t.code)
    }
}

/// Where the sandbox stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Sandbox {
    None,
    Creating,
    Ready { ip: String },
    Removed { ip: String },
}

/// The state of one pod.
#[derive(Clone, Debug)]
pub struct PodMachine {
    pub(super) spec: PodSpec,
    pub(super) containers: Vec<Container>,
    pub(super) sandbox: Sandbox,
    pub(super) start_time: Timestamp,
    pub(super) conditions: Vec<super::conditions::Condition>,
    network: bool,
    deadline: Option<Timestamp>,
}

impl PodMachine {
    /// A pod that was just bound to this node.
    pub fn new(spec: PodSpec, network: bool, now: Timestamp) -> Self {
        let containers = spec.containers.iter().map(|_| Container::new()).collect();
        Self {
            spec,
            containers,
            sandbox: Sandbox::None,
            start_time: now,
            conditions: Vec::new(),
            network,
            deadline: None,
        }
    }

    /// The pod.
    pub fn spec(&self) -> &PodSpec {
        &self.spec
    }

    /// The API object has changed: takes over what may change on a running pod (labels, images, generation).
    pub fn observe(&mut self, spec: PodSpec) {
        if spec.containers.len() == self.containers.len() {
            self.spec = spec;
        }
    }

    /// The pod's address, while it has one.
    pub fn ip(&self) -> Option<&str> {
        match &self.sandbox {
            Sandbox::Ready { ip } | Sandbox::Removed { ip } => Some(ip),
            _ => None,
        }
    }

    /// What the pod has come to.
    pub fn verdict(&self) -> Verdict {
        let idle = self.containers.iter().all(|c| !matches!(c.phase, Phase::Running { .. } | Phase::Starting));
        let no_sandbox = matches!(self.sandbox, Sandbox::None | Sandbox::Removed { .. });
        match (self.deadline, idle && no_sandbox) {
            (Some(_), true) => Verdict::Gone,
            (None, true) if self.is_finished() => Verdict::Finished,
            _ => Verdict::Active,
        }
    }

    /// Takes one event and returns what to do next, in order.
    pub fn step(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        let mut effects = self.take(event, now);
        self.advance(now, &mut effects);
        self.update_conditions(now);
        effects
    }

    /// Changes the facts that an event tells of.
    fn take(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        match event {
            Event::Network(up) => self.network = up,
            Event::SandboxReady { ip } => self.sandbox = Sandbox::Ready { ip },
            Event::SandboxFailed { .. } => self.sandbox = Sandbox::None,
            Event::Pulled { container, run } => self.set(container, run, Phase::Starting),
            Event::PullFailed { container, run, message } => {
                let delay = self.containers.get(container).map_or(Duration::ZERO, |c| next_backoff(c.backoff));
                self.set(container, run, Phase::PullBackOff { message, retry: now + delay });
                if let Some(c) = self.containers.get_mut(container) {
                    c.backoff = delay;
                }
                return vec![Effect::Wake(now + delay)];
            }
            Event::Started { container, run } => return self.started(container, run, now),
            Event::Exited { container, run, code } => self.exited(container, run, code, now),
            Event::Probed { container, run, kind, success } => return self.probed(container, run, kind, success),
            Event::DeletionRequested { deadline } => {
                self.deadline = Some(self.deadline.map_or(deadline, |d| d.min(deadline)));
            }
            Event::Tick => {}
        }
        Vec::new()
    }

    /// A container of this run, `None` for an answer that comes too late.
    fn current(&mut self, container: usize, run: u32) -> Option<&mut Container> {
        self.containers.get_mut(container).filter(|c| c.restarts == run)
    }

    fn set(&mut self, container: usize, run: u32, phase: Phase) {
        if let Some(c) = self.current(container, run) {
            c.phase = phase;
        }
    }

    fn started(&mut self, container: usize, run: u32, now: Timestamp) -> Vec<Effect> {
        let Some(spec) = self.spec.containers.get(container).cloned() else { return Vec::new() };
        let Some(c) = self.current(container, run) else { return Vec::new() };
        c.phase = Phase::Running { started: now };
        c.started = spec.probe(ProbeKind::Startup).is_none();
        c.ready = c.started && spec.probe(ProbeKind::Readiness).is_none();
        let mut effects = vec![Effect::Wait { container, run }];
        let first: &[ProbeKind] =
            if c.started { &[ProbeKind::Readiness, ProbeKind::Liveness] } else { &[ProbeKind::Startup] };
        for &kind in first.iter().filter(|k| spec.probe(**k).is_some()) {
            effects.push(Effect::Probe { container, run, kind, known: None });
        }
        effects
    }

    fn probed(&mut self, container: usize, run: u32, kind: ProbeKind, success: bool) -> Vec<Effect> {
        let leaving = self.deadline.is_some();
        let Some(spec) = self.spec.containers.get(container).cloned() else { return Vec::new() };
        let Some(c) = self.current(container, run) else { return Vec::new() };
        if !c.is_running() {
            return Vec::new();
        }
        let again = Effect::Probe { container, run, kind, known: Some(success) };
        let kill = |c: &mut Container| {
            c.stopping = true;
            vec![Effect::Stop { container, run, grace: grace_of(&spec.raw) }]
        };
        match (kind, success) {
            (ProbeKind::Readiness, _) => {
                c.ready = c.started && success;
                vec![again]
            }
            (ProbeKind::Liveness, true) => vec![again],
            (ProbeKind::Startup, true) => {
                c.started = true;
                c.ready = spec.probe(ProbeKind::Readiness).is_none();
                let rest = [ProbeKind::Readiness, ProbeKind::Liveness];
                let wanted = rest.into_iter().filter(|k| spec.probe(*k).is_some());
                wanted.map(|kind| Effect::Probe { container, run, kind, known: None }).collect()
            }
            (ProbeKind::Liveness | ProbeKind::Startup, false) if !leaving => kill(c),
            _ => Vec::new(),
        }
    }

    fn exited(&mut self, container: usize, run: u32, code: i32, now: Timestamp) {
        let Some(c) = self.current(container, run) else { return };
        let started = match c.phase {
            Phase::Running { started } => started,
            _ => now,
        };
        if now.since(started) >= RESTART_BACKOFF_RESET {
            c.backoff = Duration::ZERO;
        }
        c.phase = Phase::Terminated(Termination { code, started, finished: now, run });
        (c.ready, c.started, c.asked, c.stopping) = (false, false, false, false);
    }

    /// Derives what is missing from the facts.
    fn advance(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.deadline.is_some() || self.is_finished() {
            self.wind_down(now, effects);
            return;
        }
        match self.sandbox {
            Sandbox::None if self.network || self.spec.host_network => {
                self.sandbox = Sandbox::Creating;
                effects.push(Effect::CreateSandbox);
            }
            Sandbox::Ready { .. } => self.advance_containers(now, effects),
            _ => {}
        }
    }

    fn advance_containers(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        for index in 0..self.containers.len() {
            let role = self.spec.containers[index].role;
            self.advance_container(index, now, effects);
            let c = &self.containers[index];
            let passed = match role {
                ContainerRole::Init => c.exit_code() == Some(0),
                ContainerRole::Sidecar => c.started,
                ContainerRole::Main => true,
            };
            if !passed {
                break;
            }
        }
    }

    fn advance_container(&mut self, index: usize, now: Timestamp, effects: &mut Vec<Effect>) {
        let restart = self.restarts(index);
        let c = &mut self.containers[index];
        match &c.phase {
            Phase::Terminated(end) if restart => {
                let end = end.clone();
                let delay = next_backoff(c.backoff);
                c.last = Some(end.clone());
                c.backoff = delay;
                c.phase = Phase::CrashBackOff { retry: end.finished + delay, delay };
                effects.push(Effect::Wake(end.finished + delay));
            }
            _ => {}
        }
        match &c.phase {
            Phase::Waiting => {
                c.phase = Phase::Pulling;
                effects.push(Effect::Pull { container: index, run: c.restarts });
            }
            Phase::CrashBackOff { retry, .. } if *retry <= now => {
                c.restarts += 1;
                c.phase = Phase::Pulling;
                effects.push(Effect::Pull { container: index, run: c.restarts });
            }
            Phase::PullBackOff { retry, .. } if *retry <= now => {
                c.phase = Phase::Pulling;
                effects.push(Effect::Pull { container: index, run: c.restarts });
            }
            Phase::Starting if !c.asked => {
                c.asked = true;
                effects.push(Effect::Start { container: index, run: c.restarts });
            }
            _ => {}
        }
    }

    /// Whether a container that ended is started again.
    fn restarts(&self, index: usize) -> bool {
        let code = self.containers[index].exit_code();
        match (self.spec.containers[index].role, self.spec.restart_policy) {
            (ContainerRole::Sidecar, _) | (ContainerRole::Main, RestartPolicy::Always) => true,
            (ContainerRole::Init, RestartPolicy::Always) | (_, RestartPolicy::OnFailure) => code != Some(0),
            (_, RestartPolicy::Never) => false,
        }
    }

    /// Whether nothing is left to run: all main containers ended for good, or an init container failed for good.
    pub(super) fn is_finished(&self) -> bool {
        let ended = |index: usize| self.containers[index].exit_code().is_some() && !self.restarts(index);
        let mut mains = (0..self.containers.len()).filter(|i| self.spec.containers[*i].role == ContainerRole::Main);
        let init_failed = (0..self.containers.len()).any(|i| {
            self.spec.containers[i].role == ContainerRole::Init && ended(i) && self.containers[i].exit_code() != Some(0)
        });
        init_failed || mains.all(ended)
    }

    /// Ends what runs, then frees the sandbox.
    fn wind_down(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let left = self.deadline.map_or_else(|| grace_of(&self.spec.raw["spec"]), |deadline| deadline.since(now));
        let mut busy = false;
        for (container, c) in self.containers.iter_mut().enumerate() {
            match c.phase {
                Phase::Running { .. } if !c.stopping => {
                    c.stopping = true;
                    busy = true;
                    effects.push(Effect::Stop { container, run: c.restarts, grace: left });
                }
                Phase::Running { .. } => busy = true,
                // Started or not yet: a start that was asked for answers, and is stopped then.
                Phase::Starting if c.asked => busy = true,
                _ => {}
            }
        }
        if !busy && let Sandbox::Ready { ip } = &self.sandbox {
            self.sandbox = Sandbox::Removed { ip: ip.clone() };
            effects.push(Effect::RemoveSandbox);
        }
    }
}

fn next_backoff(current: Duration) -> Duration {
    if current.is_zero() { RESTART_BACKOFF_FIRST } else { (current * 2).min(RESTART_BACKOFF_LONGEST) }
}

/// `terminationGracePeriodSeconds` of a pod spec (30 s if unset) or of a container's probe.
fn grace_of(value: &serde_json::Value) -> Duration {
    let seconds = value.get("terminationGracePeriodSeconds").and_then(serde_json::Value::as_u64).unwrap_or(30);
    Duration::from_secs(seconds)
}
