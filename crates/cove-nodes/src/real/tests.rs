//! What the real runtime makes of a pod, over machines that only take notes.

use std::sync::Mutex;

use cove_base::virtual_runtime::VirtualDriver;
use cove_base::{Seed, Timestamp};
use serde_json::json;

use super::*;

#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Notes {
    fn note(&self, line: String) {
        self.0.lock().expect("lock").push(line);
    }
}

#[async_trait]
impl Containers for Notes {
    async fn start(&self, node: &str, start: ContainerStart) -> Result<(), String> {
        self.note(format!("start {} on {node}: {}", start.id, start.argv.join(" ")));
        Ok(())
    }
    async fn wait(&self, _node: &str, id: &str) -> Option<End> {
        Some(if id.ends_with("_0") { End::Exited(3) } else { End::Lost })
    }
    async fn stop(&self, _node: &str, id: &str, grace: Duration) {
        self.note(format!("stop {id} {grace:?}"));
    }
    async fn kill(&self, _node: &str, prefix: &str) {
        self.note(format!("kill {prefix}"));
    }
    async fn log(&self, _node: &str, id: &str) -> Result<Option<Vec<LogLine>>, String> {
        Ok(id.ends_with("_1").then(|| vec![LogLine { time: Timestamp::EPOCH, text: id.into() }]))
    }
    async fn remove_log(&self, _node: &str, id: &str) {
        self.note(format!("remove log {id}"));
    }
    async fn forget(&self, _node: &str, prefix: &str) {
        self.note(format!("forget {prefix}"));
    }
}

impl PodNetwork for Notes {
    fn allocate(&self, _node: &str, _pod_uid: &str) -> Option<String> {
        Some("10.0.0.9".into())
    }
    fn adopt(&self, _node: &str, _pod_uid: &str, _ip: &str) {}
    fn release(&self, pod_uid: &str) {
        self.note(format!("release {pod_uid}"));
    }
}

fn pod(spec: Value) -> Arc<PodSpec> {
    let mut object = json!({"metadata": {"name": "p", "namespace": "d", "uid": "u"}, "spec": spec});
    object["spec"]["nodeName"] = "n".into();
    Arc::new(PodSpec::read(&object))
}

fn container(mut more: Value) -> Value {
    more["name"] = "c".into();
    if more.get("image").is_none() {
        more["image"] = "cove.dev/builtin:1".into();
    }
    json!({"containers": [more]})
}

/// The answer to the last of some effects, and what the machines were asked to do.
fn perform_all(pod: &Arc<PodSpec>, effects: &[Effect]) -> (Option<Event>, Vec<String>) {
    let driver = VirtualDriver::new(Timestamp::from_secs(0));
    let notes = Arc::new(Notes::default());
    let image = BuiltinImage {
        name: "cove.dev/builtin:1".into(),
        entrypoint: vec!["cove".into()],
        command: vec!["pause".into()],
    };
    let runtime = RealRuntime::new(driver.runtime(Seed::new(1)), notes.clone(), notes.clone(), image);
    let answers: Vec<_> = effects.iter().map(|effect| runtime.perform(pod.clone(), effect.clone())).collect();
    let answered = Arc::new(Mutex::new(None));
    let slot = answered.clone();
    driver.block_on(async move {
        for answer in answers {
            *slot.lock().expect("lock") = answer.await;
        }
    });
    driver.run_for(Duration::from_secs(2));
    let noted = std::mem::take(&mut *notes.0.lock().expect("lock"));
    (answered.lock().expect("lock").take(), noted)
}

fn perform(pod: &Arc<PodSpec>, effect: Effect) -> (Option<Event>, Vec<String>) {
    perform_all(pod, &[effect])
}

/// A start, as the machine asks for it: after the image.
fn start(pod: &Arc<PodSpec>, run: u32) -> (Option<Event>, Vec<String>) {
    perform_all(pod, &[Effect::Pull { container: 0, run }, Effect::Start { container: 0, run }])
}

#[test]
fn command_and_args_replace_what_the_image_has() {
    let env = json!([{"name": "WHO", "value": "you"}, {"name": "ALL", "value": "$(WHO)s"}]);
    for (more, wanted) in [
        (json!({}), "cove pause"),
        (
            json!({"args": ["print", "hello $(WHO), $(ALL), $(NOBODY), $$(WHO)", "exit", "3"], "env": env}),
            "cove print hello you, yous, $(NOBODY), $(WHO) exit 3",
        ),
        (json!({"command": ["/usr/bin/cove", "version"]}), "/usr/bin/cove version"),
    ] {
        let (answer, noted) = start(&pod(container(more)), 2);
        assert_eq!(answer, Some(Event::Started { container: 0, run: 2 }));
        assert_eq!(noted, ["remove log u_c_0".to_string(), format!("start u_c_2 on n: {wanted}")]);
    }
}

#[test]
fn add_ons_are_stood_in_for_and_say_so() {
    let image = "602401143452.dkr.ecr.us-west-2.amazonaws.com/eks/coredns:v1";
    // What a user's pod would be refused for, an add-on may ask for: nothing of it is done.
    let add_on = pod(container(json!({"image": image, "readinessProbe": {"httpGet": {"path": "/", "port": 80}}})));
    let (sandbox, _) = perform(&add_on, Effect::CreateSandbox);
    assert_eq!(sandbox, Some(Event::SandboxReady { ip: "10.0.0.9".into() }));
    let (_, noted) = start(&add_on, 0);
    let said =
        format!("start u_c_0 on n: cove print cove: stands in for {image}, which real nodes cannot run yet pause");
    assert_eq!(noted, [said]);
}

#[test]
fn other_images_are_refused_with_the_one_there_is() {
    let (answer, _) = perform(&pod(container(json!({"image": "nginx"}))), Effect::Pull { container: 0, run: 0 });
    let Some(Event::PullFailed { message, .. }) = answer else { panic!("{answer:?}") };
    assert!(message.contains("\"nginx\"") && message.contains("cove.dev/builtin:1"), "{message}");
}

#[test]
fn what_is_not_there_yet_is_refused_by_name() {
    let mut volumes = container(json!({}));
    volumes["volumes"] = json!([{"name": "kube-api-access-x"}, {"name": "data", "emptyDir": {}}]);
    for (spec, named) in [
        (volumes, "spec.volumes: data"),
        (container(json!({"livenessProbe": {"exec": {"command": ["x"]}}})), "livenessProbe (container c)"),
        (container(json!({"securityContext": {"runAsUser": 1}})), "securityContext (container c)"),
        (container(json!({"env": [{"name": "A", "valueFrom": {}}]})), "env.valueFrom of A (container c)"),
    ] {
        let (answer, _) = perform(&pod(spec), Effect::CreateSandbox);
        let Some(Event::SandboxFailed { message }) = answer else { panic!("{named}: {answer:?}") };
        assert!(message.contains(named), "{message}");
    }
    let mut token = container(json!({}));
    token["volumes"] = json!([{"name": "kube-api-access-x"}]);
    token["securityContext"] = json!({});
    assert!(matches!(perform(&pod(token), Effect::CreateSandbox).0, Some(Event::SandboxReady { .. })));
}

#[test]
fn ends_stops_and_removals_reach_the_machine() {
    let pod = pod(container(json!({})));
    let exited = |run, code| Some(Event::Exited { container: 0, run, code });
    assert_eq!(perform(&pod, Effect::Wait { container: 0, run: 0 }).0, exited(0, 3));
    assert_eq!(perform(&pod, Effect::Wait { container: 0, run: 1 }).0, exited(1, 255));
    let stop = Effect::Stop { container: 0, run: 0, grace: Duration::from_secs(5) };
    assert_eq!(perform(&pod, stop), (None, vec!["stop u_c_0 5s".into()]));
    assert_eq!(perform(&pod, Effect::RemoveSandbox), (None, vec!["release u".into(), "kill u_".into()]));
}

#[test]
fn the_log_is_that_of_the_newest_run_there_is() {
    let of = |state: Value, restarts: u32, previous: bool| {
        let mut spec = PodSpec::clone(&pod(container(json!({}))));
        spec.raw["status"]["containerStatuses"] = json!([{"name": "c", "restartCount": restarts, "state": state}]);
        runs(&spec, "c", previous).collect::<Vec<_>>()
    };
    let running = || json!({"running": {}});
    let waiting = || json!({"waiting": {"reason": "CrashLoopBackOff"}});
    assert_eq!(of(running(), 2, false), [2, 1]);
    assert_eq!(of(running(), 2, true), [1, 0]);
    assert_eq!(of(running(), 0, true), Vec::<u32>::new());
    assert_eq!(of(waiting(), 1, false), [1, 0]);
    assert_eq!(of(waiting(), 1, true), [1, 0]);
}

#[test]
fn a_start_that_is_on_its_way_when_its_pod_goes_does_not_happen() {
    let pull = Effect::Pull { container: 0, run: 0 };
    let late = [pull, Effect::RemoveSandbox, Effect::Start { container: 0, run: 0 }];
    let (answer, noted) = perform_all(&pod(container(json!({}))), &late);
    assert_eq!((answer, noted), (None, vec!["release u".to_string(), "kill u_".to_string()]));
}
