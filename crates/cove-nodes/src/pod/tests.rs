//! The machine against a runtime that answers at once: what the API would be told.

use std::time::Duration;

use cove_base::Timestamp;
use serde_json::{Value, json};

use super::*;

/// A pod with a machine, a clock, and answers to its effects.
struct Rig {
    machine: PodMachine,
    now: Timestamp,
    wakes: Vec<Timestamp>,
    /// Containers that end as soon as they have started, with their code.
    ends: Vec<Option<i32>>,
    waits: Vec<(usize, u32)>,
    removed: bool,
}

impl Rig {
    fn new(spec: Value, ends: &[Option<i32>]) -> Self {
        let pod = json!({"metadata": {"namespace": "default", "name": "p", "uid": "u", "generation": 1}, "spec": spec});
        let now = Timestamp::from_secs(1_000);
        let machine = PodMachine::new(PodSpec::read(&pod), true, now);
        let mut rig = Self { machine, now, wakes: vec![], ends: ends.to_vec(), waits: vec![], removed: false };
        rig.step(Event::Tick);
        rig
    }

    fn step(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for effect in self.machine.step(event, self.now) {
                events.extend(self.answer(effect));
            }
        }
    }

    fn answer(&mut self, effect: Effect) -> Option<Event> {
        match effect {
            Effect::CreateSandbox => Some(Event::SandboxReady { ip: "172.31.9.9".into() }),
            Effect::Pull { container, run } => Some(Event::Pulled { container, run }),
            Effect::Start { container, run } => Some(Event::Started { container, run }),
            Effect::Wait { container, run } => {
                self.waits.push((container, run));
                self.ends[container].map(|code| Event::Exited { container, run, code })
            }
            Effect::Stop { container, run, .. } => Some(Event::Exited { container, run, code: 0 }),
            Effect::Probe { .. } => None,
            Effect::Wake(at) => {
                self.wakes.push(at);
                None
            }
            Effect::RemoveSandbox => {
                self.removed = true;
                None
            }
        }
    }

    /// Lets the time pass until the next wake.
    fn sleep(&mut self) {
        self.now = self.wakes.pop().expect("a wake was asked for");
        self.step(Event::Tick);
    }

    fn status(&self) -> Value {
        self.machine.status("172.31.0.5")
    }

    fn condition(&self, kind: &str) -> Value {
        let status = self.status();
        status["conditions"].as_array().into_iter().flatten().find(|c| c["type"] == kind).cloned().unwrap_or_default()
    }
}

fn main_only(policy: &str) -> Value {
    json!({"restartPolicy": policy, "containers": [{"name": "web", "image": "nginx"}]})
}

#[test]
fn a_plain_pod_comes_up_and_goes() {
    let mut rig = Rig::new(main_only("Always"), &[None]);
    assert_eq!(rig.status()["phase"], "Running");
    assert_eq!(rig.condition("Ready")["status"], "True");
    assert_eq!(rig.status()["podIP"], "172.31.9.9");
    assert_eq!(rig.machine.verdict(), Verdict::Active);
    rig.step(Event::DeletionRequested { deadline: rig.now + Duration::from_secs(30) });
    assert!(rig.removed);
    assert_eq!(rig.machine.verdict(), Verdict::Gone);
    assert_eq!(rig.status()["containerStatuses"][0]["state"]["terminated"]["reason"], "Completed");
}

#[test]
fn a_crashing_container_backs_off_twice_as_long_each_time() {
    let mut rig = Rig::new(main_only("Always"), &[Some(1)]);
    let waiting = |rig: &Rig| rig.status()["containerStatuses"][0]["state"]["waiting"].clone();
    assert_eq!(waiting(&rig)["reason"], "CrashLoopBackOff");
    assert_eq!(waiting(&rig)["message"], "back-off 10s restarting failed container=web pod=p_default(u)");
    assert_eq!(rig.status()["phase"], "Running");
    rig.sleep();
    assert_eq!(rig.status()["containerStatuses"][0]["restartCount"], 1);
    assert_eq!(waiting(&rig)["message"], "back-off 20s restarting failed container=web pod=p_default(u)");
    for _ in 0..6 {
        rig.sleep();
    }
    assert_eq!(waiting(&rig)["message"], "back-off 5m0s restarting failed container=web pod=p_default(u)");
    assert_eq!(rig.status()["containerStatuses"][0]["lastState"]["terminated"]["exitCode"], 1);
}

#[test]
fn a_pod_that_never_restarts_fails_or_succeeds() {
    for (code, phase, reason) in [(0, "Succeeded", "PodCompleted"), (3, "Failed", "PodFailed")] {
        let rig = Rig::new(main_only("Never"), &[Some(code)]);
        assert_eq!(rig.status()["phase"], phase);
        assert_eq!(rig.condition("Ready")["reason"], reason);
        assert_eq!(rig.machine.verdict(), Verdict::Finished);
        assert!(rig.removed);
    }
}

#[test]
fn init_containers_run_in_order_and_sidecars_stay() {
    let spec = json!({
        "restartPolicy": "Always",
        "initContainers": [
            {"name": "first", "image": "a"}, {"name": "side", "image": "b", "restartPolicy": "Always"},
            {"name": "second", "image": "c"},
        ],
        "containers": [{"name": "web", "image": "nginx"}],
    });
    let rig = Rig::new(spec, &[Some(0), None, Some(0), None]);
    let order: Vec<usize> = rig.waits.iter().map(|(container, _)| *container).collect();
    assert_eq!(order, [0, 1, 2, 3]);
    assert_eq!(rig.status()["phase"], "Running");
    assert_eq!(rig.status()["initContainerStatuses"][1]["started"], true);
}

#[test]
fn a_failed_init_container_holds_the_rest_back() {
    let spec = json!({
        "restartPolicy": "Never",
        "initContainers": [{"name": "first", "image": "a"}],
        "containers": [{"name": "web", "image": "nginx"}],
    });
    let rig = Rig::new(spec, &[Some(2), None]);
    assert_eq!(rig.status()["phase"], "Failed");
    assert_eq!(rig.condition("Initialized")["message"], "containers with incomplete status: [first]");
    assert_eq!(rig.waits.len(), 1);
}

#[test]
fn without_network_only_pods_of_the_host_begin() {
    let pod = |host: bool| {
        let mut spec = main_only("Always");
        spec["hostNetwork"] = host.into();
        PodSpec::read(&json!({"metadata": {"uid": "u"}, "spec": spec}))
    };
    let now = Timestamp::from_secs(1);
    assert!(PodMachine::new(pod(false), false, now).step(Event::Tick, now).is_empty());
    assert_eq!(PodMachine::new(pod(true), false, now).step(Event::Tick, now), [Effect::CreateSandbox]);
}

#[test]
fn a_restored_pod_goes_on_as_it_was() {
    let rig = Rig::new(main_only("Always"), &[None]);
    let status = rig.status();
    let (mut machine, effects) = PodMachine::restore(rig.machine.spec().clone(), &status, true, rig.now);
    assert_eq!(effects, [Effect::Wait { container: 0, run: 0 }]);
    assert!(machine.step(Event::Tick, rig.now).is_empty());
    assert_eq!(machine.status("172.31.0.5")["containerStatuses"], status["containerStatuses"]);
}

#[test]
fn answers_to_an_earlier_run_are_ignored() {
    let mut rig = Rig::new(main_only("Always"), &[None]);
    rig.step(Event::Exited { container: 0, run: 7, code: 1 });
    assert_eq!(rig.condition("Ready")["status"], "True");
}
