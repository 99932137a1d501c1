//! Power cuts in the middle of a mixed load on both doors: what was acknowledged is there, watches go on without a gap,
//! instances and nodes agree, and what was under way ends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::doors::{Aws, Kube, elements};
use crate::region::Region;

const FLAGS: &[&str] = &["--drain-timeout", "1s"];
const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const GROUP: &str = "/clusters/c/node-groups/ng";
/// Acknowledged writes after which the lights go out, round by round.
const ROUNDS: &[usize] = &[10, 23, 37, 14, 50];
/// Longer than a write takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often something is looked at before it counts as stuck; four times a second.
const LOOKS: usize = 240;

/// A write that a door acknowledged.
#[derive(Debug)]
enum Done {
    ConfigMap(String),
    Role(String),
    SecurityGroup(String),
    Size(u64),
}

/// All acknowledged writes so far.
#[derive(Default)]
struct Acknowledged {
    maps: BTreeSet<String>,
    roles: BTreeSet<String>,
    security_groups: BTreeSet<String>,
    size: u64,
    /// Sizes that were asked for when the lights went out, since the last acknowledged one: they may hold or not.
    sizes_in_flight: Vec<u64>,
}

impl Acknowledged {
    fn note(&mut self, done: Done) {
        match done {
            Done::ConfigMap(name) => drop(self.maps.insert(name)),
            Done::Role(name) => drop(self.roles.insert(name)),
            Done::SecurityGroup(id) => drop(self.security_groups.insert(id)),
            Done::Size(size) => (self.size, self.sizes_in_flight) = (size, Vec::new()),
        }
    }

    fn check(&self, aws: &Aws, kube: &Kube) {
        let list = kube.get(MAPS);
        let found: BTreeMap<&str, &Value> = list["items"].as_array().expect("items").iter().map(by_name).collect();
        for name in &self.maps {
            let map = found.get(name.as_str()).unwrap_or_else(|| panic!("ConfigMap {name} is lost"));
            assert_eq!(map["data"]["of"], json!(name));
        }
        let roles = aws.query("iam", "ListRoles", &[("MaxItems", "1000")]);
        let roles: BTreeSet<String> = elements(&roles.body, "RoleName").into_iter().collect();
        assert_eq!(self.roles.difference(&roles).next(), None, "a role is lost");
        let groups = aws.query("ec2", "DescribeSecurityGroups", &[]);
        let groups: BTreeSet<String> = elements(&groups.body, "groupId").into_iter().collect();
        assert_eq!(self.security_groups.difference(&groups).next(), None, "a security group is lost");
    }
}

fn by_name(object: &Value) -> (&str, &Value) {
    (object["metadata"]["name"].as_str().unwrap_or_default(), object)
}

/// A watch that goes on after each power cut where it was.
#[derive(Default)]
struct Watcher {
    revision: String,
    seen: BTreeSet<String>,
    last: u64,
}

impl Watcher {
    /// Reads events until the connection ends, or for a second if `briefly`.
    fn follow(&mut self, kube: &Kube, briefly: bool) {
        let seconds = if briefly { 1 } else { 600 };
        let target = format!("{MAPS}?watch=1&timeoutSeconds={seconds}&resourceVersion={}", self.revision);
        let answer = kube.send("GET", &target, &[], b"");
        assert!([0, 200].contains(&answer.status), "{answer:?}");
        for line in answer.body.lines() {
            // The last line may be cut through.
            let Ok(event) = serde_json::from_str::<Value>(line) else { continue };
            assert_eq!(event["type"], "ADDED", "{event}");
            let (name, object) = by_name(&event["object"]);
            self.revision = object["metadata"]["resourceVersion"].as_str().expect("a revision").into();
            let number: u64 = self.revision.parse().expect("a number");
            assert!(number > self.last, "revisions go back: {number} after {}", self.last);
            self.last = number;
            assert!(self.seen.insert(name.into()), "{name} is told twice");
        }
    }
}

/// What became of one write.
enum Outcome {
    /// Acknowledged.
    Done(Done),
    /// Refused, as it may be.
    Refused,
    /// Nobody answered.
    Unanswered(Done),
}

/// One write of a load: the round and its number in it.
type Load = fn(&Aws, &Kube, usize, usize) -> Outcome;

const LOADS: &[Load] = &[
    |_, kube, round, n| {
        let name = format!("r{round}-{n}");
        let answer = kube.create(MAPS, &json!({"metadata": {"name": name}, "data": {"of": name}}));
        outcome(answer.status, 201, Done::ConfigMap(name))
    },
    |aws, _, round, n| {
        let name = format!("r{round}-{n}");
        let trust = r#"{"Version":"2012-10-17","Statement":[]}"#;
        let trust = trust.replace("[]", r#"[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]"#);
        let answer = aws.query("iam", "CreateRole", &[("RoleName", &name), ("AssumeRolePolicyDocument", &trust)]);
        outcome(answer.status, 200, Done::Role(name))
    },
    |aws, _, round, n| {
        let fields = [("GroupName", format!("r{round}-{n}")), ("GroupDescription", "of the test".into())];
        let answer = aws.query("ec2", "CreateSecurityGroup", &fields.each_ref().map(|(n, v)| (*n, v.as_str())));
        let id = elements(&answer.body, "groupId").pop().unwrap_or_default();
        outcome(answer.status, 200, Done::SecurityGroup(id))
    },
    |aws, _, round, n| {
        let size = [3, 1, 4, 2][(round + n) % 4];
        let input = json!({"scalingConfig": {"minSize": 1, "maxSize": 5, "desiredSize": size}});
        let answer = aws.eks("POST", &format!("{GROUP}/update-config"), &input);
        outcome(answer.status, 200, Done::Size(size))
    },
];

fn outcome(status: u16, wanted: u16, done: Done) -> Outcome {
    match status {
        0 => Outcome::Unanswered(done),
        status if status == wanted => Outcome::Done(done),
        // An update of a node group is still under way.
        409 if matches!(done, Done::Size(_)) => Outcome::Refused,
        other => panic!("{done:?}: {other}"),
    }
}

/// One round of load, ended by a power cut after so many acknowledged writes.
fn round(region: &mut Region, number: usize, writes: usize, known: &mut Acknowledged, watcher: &mut Watcher) {
    let (aws, kube) = (Arc::new(Aws::of(region)), Arc::new(Kube::of(region, "c")));
    let (done, finished) = channel();
    let cut = Arc::new(AtomicBool::new(false));
    let mut loads = Vec::new();
    for load in LOADS {
        let (aws, kube, done, cut) = (aws.clone(), kube.clone(), done.clone(), cut.clone());
        loads.push(thread::spawn(move || run(*load, number, &aws, &kube, &done, &cut)));
    }
    drop(done);
    thread::scope(|scope| {
        scope.spawn(|| watcher.follow(&kube, false));
        for _ in 0..writes {
            known.note(finished.recv_timeout(PATIENCE).expect("a write"));
        }
        if number == 1 {
            let of_d = cluster_like(&aws, "d");
            assert_eq!(aws.eks("POST", "/clusters", &of_d).status, 200);
        }
        if number == 3 {
            assert_eq!(aws.eks("DELETE", "/clusters/d", &Value::Null).status, 200);
        }
        cut.store(true, Ordering::SeqCst);
        region.kill();
    });
    let unanswered: Vec<Done> = loads.into_iter().map(|load| load.join().expect("a load")).collect();
    // What was acknowledged between the last look and the cut counts too.
    finished.try_iter().for_each(|done| known.note(done));
    known.sizes_in_flight.extend(unanswered.iter().filter_map(|done| match done {
        Done::Size(size) => Some(*size),
        _ => None,
    }));
    region.restart(FLAGS);
}

/// Writes until nobody answers; gives that last write.
fn run(load: Load, round: usize, aws: &Aws, kube: &Kube, done: &Sender<Done>, cut: &AtomicBool) -> Done {
    let mut numbers = 0..;
    loop {
        match load(aws, kube, round, numbers.next().unwrap_or(0)) {
            Outcome::Done(acknowledged) => done.send(acknowledged).expect("the test listens"),
            Outcome::Refused => {}
            Outcome::Unanswered(last) => {
                assert!(cut.load(Ordering::SeqCst), "the door closed before the power was cut");
                return last;
            }
        }
    }
}

fn cluster_like(aws: &Aws, name: &str) -> Value {
    let cluster = aws.eks("GET", "/clusters/c", &Value::Null).json()["cluster"].take();
    let subnets = &cluster["resourcesVpcConfig"]["subnetIds"];
    json!({"name": name, "roleArn": cluster["roleArn"], "resourcesVpcConfig": {"subnetIds": subnets}})
}

/// The cluster's door opens a moment after the AWS door: its reconciler starts it.
fn until_open(region: &Region, kube: &Kube) {
    let open = (0..LOOKS).any(|_| kube.send("GET", "/readyz", &[], b"").status == 200 || pause());
    assert!(open, "the cluster's door does not open again: {:#?}", warnings(region));
}

/// The time between two looks at something. Never true.
#[allow(clippy::disallowed_methods)] // Nothing outside the process tells when it is ready.
fn pause() -> bool {
    thread::sleep(Duration::from_millis(250));
    false
}

/// The instance ids of EC2, of the Auto Scaling group, and of the nodes.
fn three_views(aws: &Aws, kube: &Kube) -> [BTreeSet<String>; 3] {
    let states = [("Filter.1.Value.1", "pending"), ("Filter.1.Value.2", "running"), ("Filter.1.Value.3", "stopping")];
    let name = [("Filter.1.Name", "instance-state-name")];
    let instances = aws.query("ec2", "DescribeInstances", &[&name[..], &states].concat());
    let group = aws.query("autoscaling", "DescribeAutoScalingGroups", &[]);
    let nodes = kube.get("/api/v1/nodes");
    let id = |node: &Value| {
        let ready = node["status"]["conditions"]
            .as_array()
            .is_some_and(|conditions| conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"));
        let id = node["spec"]["providerID"].as_str().and_then(|id| id.rsplit('/').next()).unwrap_or("?");
        if ready { id.to_string() } else { format!("{id} is not ready") }
    };
    [
        elements(&instances.body, "instanceId").into_iter().collect(),
        elements(&group.body, "InstanceId").into_iter().collect(),
        nodes["items"].as_array().expect("items").iter().map(id).collect(),
    ]
}

/// Waits until the node group has the size that it was given last, in all three views.
fn settle(aws: &Aws, kube: &Kube, known: &Acknowledged) {
    let mut views = Default::default();
    for _ in 0..LOOKS {
        let group = aws.eks("GET", GROUP, &Value::Null).json()["nodegroup"].take();
        let size = group["scalingConfig"]["desiredSize"].as_u64().expect("a size");
        assert!(size == known.size || known.sizes_in_flight.contains(&size), "{size} is not the size {}", known.size);
        views = three_views(aws, kube);
        if group["status"] == "ACTIVE" && views.iter().all(|view| *view == views[0] && view.len() as u64 == size) {
            return;
        }
        pause();
    }
    panic!("EC2, the group and the nodes do not agree: {views:#?}");
}

/// Lines of warnings and errors in `logs/cove.log`.
fn warnings(region: &Region) -> Vec<String> {
    let log = std::fs::read_to_string(region.path().join("logs/cove.log")).expect("the log");
    let bad = |line: &&str| line.contains(" WARN ") || line.contains(" ERROR ");
    log.lines().filter(bad).map(String::from).collect()
}

#[test]
fn power_cuts_lose_nothing() {
    let mut region = Region::up(FLAGS);
    assert!(region.cove(&["create", "cluster", "--name", "c"]).status.success());
    let sizes = ["--nodes", "2", "--nodes-min", "1", "--nodes-max", "5"];
    let group = [&["create", "nodegroup", "--cluster", "c", "--name", "ng"], &sizes[..]].concat();
    assert!(region.cove(&group).status.success());
    let list = Kube::of(&region, "c").get(MAPS);
    let mut watcher =
        Watcher { revision: list["metadata"]["resourceVersion"].as_str().expect("one").into(), ..Watcher::default() };
    let mut known = Acknowledged::default();
    for (number, writes) in ROUNDS.iter().enumerate() {
        round(&mut region, number, *writes, &mut known, &mut watcher);
        let (aws, kube) = (Aws::of(&region), Kube::of(&region, "c"));
        until_open(&region, &kube);
        known.check(&aws, &kube);
    }
    let (aws, kube) = (Aws::of(&region), Kube::of(&region, "c"));
    watcher.follow(&kube, true);
    let list = kube.get(MAPS);
    let all: BTreeSet<String> = list["items"].as_array().expect("items").iter().map(|o| by_name(o).0.into()).collect();
    let told: BTreeSet<String> = watcher.seen.iter().cloned().chain(["kube-root-ca.crt".into()]).collect();
    assert_eq!(all, told, "the watch has a gap");
    settle(&aws, &kube, &known);
    let names = aws.eks("GET", "/clusters", &Value::Null).json();
    assert_eq!(names["clusters"], json!(["c"]), "a cluster was not deleted");
    // What goes on failing would say so again and again.
    let before = warnings(&region);
    (0..20).for_each(|_| assert!(!pause()));
    let after = warnings(&region);
    assert_eq!(before.len(), after.len(), "{:#?}", &after[before.len().min(after.len())..]);
}
