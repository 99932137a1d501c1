//! Milestone M3: one real pod. Needs Linux and root; elsewhere the tests say by name that they
//! were skipped.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;

use crate::clients;
use crate::region::{COVE, Region};

/// How long a condition may take: several restarts' back-off.
const PATIENCE: Duration = Duration::from_secs(90);

/// Whether real nodes can be had; says by name if they cannot.
#[allow(clippy::print_stderr)] // A skipped test says so.
fn possible(test: &str) -> bool {
    let possible = cove_region::config::real_nodes(Path::new(COVE));
    if let Err(why) = &possible {
        eprintln!("SKIPPED {test}: real nodes: {why}");
    }
    possible.is_ok()
}

/// A region with clients.
struct Bench {
    region: Region,
    environment: Vec<(String, String)>,
    kubectl: PathBuf,
    aws: PathBuf,
}

impl Bench {
    /// A region on such nodes, with a cluster and a node.
    fn start(found: &[PathBuf], nodes: &str) -> Self {
        let region = Region::up(&["--nodes", nodes, "--drain-timeout", "1s"]);
        let made = region.cove(&["create", "cluster", "--name", "c", "--nodes", "1"]);
        assert!(made.status.success(), "{}", text(&made.stderr));
        let environment = region.environment();
        Self { region, environment, kubectl: found[0].clone(), aws: found[1].clone() }
    }

    fn try_kubectl(&self, arguments: &[&str]) -> Output {
        Command::new(&self.kubectl).args(arguments).envs(self.environment.clone()).output().expect("kubectl runs")
    }

    fn kubectl(&self, arguments: &[&str]) -> String {
        let output = self.try_kubectl(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    fn aws(&self, arguments: &[&str]) -> String {
        let output = Command::new(&self.aws).args(arguments).envs(self.environment.clone()).output();
        let output = output.expect("aws runs");
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout).trim().to_string()
    }

    /// A pod of the built-in image.
    fn run(&self, name: &str, restart: &str, args: &[&str]) {
        let image = "--image=cove.dev/builtin:1";
        let restart = format!("--restart={restart}");
        self.kubectl(&[&["run", name, image, &restart, "--"], args].concat());
    }

    fn wait(&self, pod: &str, condition: &str) {
        let timeout = format!("--timeout={}s", PATIENCE.as_secs());
        self.kubectl(&["wait", &format!("pod/{pod}"), &format!("--for={condition}"), &timeout]);
    }

    fn status(&self, pod: &str) -> Value {
        let object: Value = serde_json::from_str(&self.kubectl(&["get", "pod", pod, "-o", "json"])).expect("JSON");
        object["status"]["containerStatuses"][0].clone()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Processes of this machine with a word among their arguments.
fn processes_with(word: &str) -> Vec<String> {
    let all = std::fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    let with = |entry: std::fs::DirEntry| {
        let command = std::fs::read(entry.path().join("cmdline")).ok()?;
        let pid = entry.file_name().to_str()?.parse::<u32>().ok()?;
        command.split(|b| *b == 0).any(|argument| argument == word.as_bytes()).then(|| pid.to_string())
    };
    all.filter_map(with).collect()
}

#[test]
fn a_real_pod_reports_its_end_and_dies_with_its_instance() {
    let test = "a_real_pod_reports_its_end_and_dies_with_its_instance";
    if !possible(test) {
        return;
    }
    let Some(found) = clients::require(test, &["kubectl-1.33", "aws"]) else { return };
    let bench = Bench::start(&found, "real");
    a_pod_that_fails(&bench);
    a_pod_that_is_asked_to_end(&bench);
    what_real_nodes_refuse(&bench);
    terminating_the_instance(&bench);
}

/// Exit code and restart count reach the API, and `kubectl logs` prints its lines.
fn a_pod_that_fails(bench: &Bench) {
    bench.run("fails", "OnFailure", &["print", "a line of it", "complain", "another", "exit", "3"]);
    bench.wait("fails", "jsonpath={.status.containerStatuses[0].restartCount}=1");
    bench.wait("fails", "jsonpath={.status.containerStatuses[0].state.waiting.reason}=CrashLoopBackOff");
    let status = bench.status("fails");
    let last = &status["lastState"]["terminated"];
    assert_eq!((&last["exitCode"], &last["reason"]), (&3.into(), &"Error".into()), "{status}");
    let logs = bench.kubectl(&["logs", "fails"]);
    let mut lines: Vec<&str> = logs.lines().collect();
    lines.sort_unstable(); // The two streams are two pipes.
    assert_eq!(lines, ["a line of it", "another"]);
    assert_eq!(bench.kubectl(&["logs", "fails", "--previous"]).lines().count(), 2);
    let with_time = bench.kubectl(&["logs", "fails", "--timestamps", "--tail=1"]);
    assert!(with_time.starts_with("20") && with_time.lines().count() == 1, "{with_time}");
    bench.run("ends", "Never", &["print", "done", "exit", "0"]);
    bench.wait("ends", "jsonpath={.status.phase}=Succeeded");
}

/// Deleting a pod asks its process to end; what was followed of its log ends with it.
fn a_pod_that_is_asked_to_end(bench: &Bench) {
    let marker = format!("asked-{}", std::process::id());
    bench.run("asked", "Always", &["print", &marker, "env", "HOSTNAME", "pause"]);
    bench.wait("asked", "condition=Ready");
    assert_eq!(processes_with(&marker).len(), 1);
    let mut follow = Command::new(&bench.kubectl);
    let follow = follow.args(["logs", "-f", "asked"]).envs(bench.environment.clone());
    let follow = follow.stdout(std::process::Stdio::piped()).spawn().expect("kubectl runs");
    bench.kubectl(&["delete", "pod", "asked"]);
    assert_eq!(processes_with(&marker), [""; 0]);
    let said = text(&follow.wait_with_output().expect("it ends").stdout);
    assert!(said.is_empty() || said == format!("{marker}\nasked\n"), "{said}");
}

fn what_real_nodes_refuse(bench: &Bench) {
    bench.kubectl(&["run", "pulled", "--image=nginx"]);
    bench.wait("pulled", "jsonpath={.status.containerStatuses[0].state.waiting.reason}=ImagePullBackOff");
    let waiting = bench.status("pulled")["state"]["waiting"]["message"].clone();
    assert!(waiting.as_str().is_some_and(|m| m.contains("cove.dev/builtin:1")), "{waiting}");
    let add_on = bench.kubectl(&["logs", "-n", "kube-system", "daemonset/kube-proxy"]);
    assert!(add_on.starts_with("cove: stands in for 602401143452.dkr.ecr."), "{add_on}");
}

/// Terminating the instance kills the process.
fn terminating_the_instance(bench: &Bench) {
    let marker = format!("sleeps-{}", std::process::id());
    bench.run("sleeps", "Always", &["print", &marker, "sleep", "100000"]);
    bench.wait("sleeps", "condition=Ready");
    let [pid] = &processes_with(&marker)[..] else { panic!("one process has {marker}") };
    let own = |kind: &str| std::fs::read_link(format!("/proc/self/ns/{kind}")).expect("a namespace");
    for kind in ["pid", "mnt", "net", "uts", "ipc"] {
        let its = std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).expect("a namespace");
        assert_ne!(its, own(kind), "{kind}");
    }
    let instance = bench.kubectl(&["get", "nodes", "-o", "jsonpath={.items[0].spec.providerID}"]);
    let instance = instance.rsplit('/').next().expect("an instance").to_string();
    let console = bench.aws(&["ec2", "get-console-output", "--instance-id", &instance, "--output", "text"]);
    assert!(console.contains("init: up"), "{console}");
    bench.aws(&["ec2", "terminate-instances", "--instance-ids", &instance]);
    bench.aws(&["ec2", "wait", "instance-terminated", "--instance-ids", &instance]);
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "process {pid} outlived its instance");
    assert_eq!(processes_with(&marker), [""; 0]);
    assert!(!bench.region.path().join("instances").join(&instance).exists());
}

#[test]
fn a_killed_region_takes_its_instances_along_and_starts_them_anew() {
    let test = "a_killed_region_takes_its_instances_along_and_starts_them_anew";
    if !possible(test) {
        return;
    }
    let Some(found) = clients::require(test, &["kubectl-1.33", "aws"]) else { return };
    let mut bench = Bench::start(&found, "real");
    let marker = format!("again-{}", std::process::id());
    bench.run("again", "Always", &["print", &marker, "pause"]);
    bench.wait("again", "condition=Ready");
    let before = processes_with(&marker);
    bench.region.kill_and_restart(&["--nodes", "real", "--drain-timeout", "1s"]);
    bench.environment = bench.region.environment();
    bench.wait("again", "jsonpath={.status.containerStatuses[0].restartCount}=1");
    bench.wait("again", "condition=Ready");
    let after = processes_with(&marker);
    assert_eq!((before.len(), after.len()), (1, 1));
    assert_ne!(before, after);
    // As after a reboot: the run that was lost has no exit code of its own.
    assert_eq!(bench.status("again")["lastState"]["terminated"]["exitCode"], 255);
}

#[test]
fn logs_of_simulated_pods_say_that_they_are() {
    let test = "logs_of_simulated_pods_say_that_they_are";
    let Some(found) = clients::require(test, &["kubectl-1.33", "aws"]) else { return };
    let bench = Bench::start(&found, "simulated");
    bench.kubectl(&["run", "web", "--image=nginx"]);
    bench.wait("web", "condition=Ready");
    let said = bench.kubectl(&["logs", "web"]);
    assert!(said.starts_with("simulated container web of image nginx on node ip-"), "{said}");
    assert_eq!(bench.kubectl(&["logs", "web", "-c", "web", "--tail=0"]), "");
    let previous = bench.try_kubectl(&["logs", "web", "-p"]);
    let complaint = "previous terminated container \"web\" in pod \"web\" not found";
    assert!(text(&previous.stderr).contains(complaint), "{}", text(&previous.stderr));
}

#[test]
fn without_root_the_region_says_so_and_simulates() {
    use std::os::unix::fs::{PermissionsExt, chown};
    use std::os::unix::process::CommandExt;
    const NOBODY: u32 = 65_534;

    let dir = tempfile::tempdir().expect("a directory");
    // A copy, since another user may not reach the folder that the binary was built in.
    let (binary, data) = (dir.path().join("cove"), dir.path().join("data"));
    std::fs::copy(COVE, &binary).expect("copied");
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("opened");
    std::fs::create_dir(&data).expect("made");
    let mut command = Command::new(&binary);
    command.args(["up", "--port", "0", "--nodes", "real"]).env("COVE_DATA_DIR", &data);
    if chown(&data, Some(NOBODY), Some(NOBODY)).is_ok() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().expect("cove starts");
    let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let said = lines.map_while(Result::ok).find(|line| line.contains("nodes  "));
    child.kill().expect("killed");
    child.wait().expect("ended");
    let said = said.expect("a line about nodes");
    assert!(said.contains("simulated: ") && said.contains("real ones were asked for, but they need"), "{said}");
}
