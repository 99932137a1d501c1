//! Random clusters: the filters agree with a plain, slow reading of the rules for every pod and node, whatever has
//! come and gone before, and what is picked is allowed.

use std::collections::BTreeMap;
use std::sync::Arc;

use cove_kube_client::Key;
use cove_scheduler::cycle::place;
use cove_scheduler::diagnosis::Diagnosis;
use cove_scheduler::preemption::plan;
use cove_scheduler::{ClusterState, NodeView, PodView, would_fit};
use proptest::prelude::*;
use serde_json::{Value, json};

const ZONE: &str = "topology.kubernetes.io/zone";
const HOST: &str = "kubernetes.io/hostname";

#[derive(Clone, Debug)]
struct Node {
    name: String,
    cpu: i64,
    pods: usize,
    zone: Option<u8>,
    tainted: bool,
    cordoned: bool,
}

#[derive(Clone, Debug)]
struct Pod {
    app: u8,
    cpu: i64,
    priority: i32,
    port: Option<u16>,
    zone: Option<u8>,
    tolerant: bool,
    spread: Option<(&'static str, i64)>,
    /// An app that must be near, and how near.
    near: Option<(u8, &'static str)>,
    /// An app that must not be near.
    far: Option<(u8, &'static str)>,
}

#[derive(Clone, Debug)]
enum Step {
    Place(Pod),
    /// The n-th placed pod goes.
    Remove(usize),
    /// The n-th node goes and comes back.
    Flap(usize),
}

fn nodes() -> impl Strategy<Value = Vec<Node>> {
    let node = (
        1..5i64,
        1..5usize,
        proptest::option::of(0..3u8),
        proptest::bool::weighted(0.2),
        proptest::bool::weighted(0.1),
    );
    proptest::collection::vec(node, 1..6).prop_map(|nodes| {
        let named = nodes.into_iter().enumerate();
        let named = named.map(|(i, (cpu, pods, zone, tainted, cordoned))| Node {
            name: format!("n{i}"),
            cpu,
            pods,
            zone,
            tainted,
            cordoned,
        });
        named.collect()
    })
}

fn pods() -> impl Strategy<Value = Pod> {
    let key = || prop_oneof![Just(ZONE), Just(HOST)];
    let rarely = |strategy: BoxedStrategy<(u8, &'static str)>| proptest::option::weighted(0.25, strategy);
    (
        0..3u8,
        0..4i64,
        0..3i32,
        proptest::option::weighted(0.2, 80..82u16),
        proptest::option::weighted(0.2, 0..3u8),
        any::<bool>(),
        proptest::option::weighted(0.3, (key(), 1..3i64)),
        rarely((0..3u8, key()).boxed()),
        rarely((0..3u8, key()).boxed()),
    )
        .prop_map(|(app, cpu, priority, port, zone, tolerant, spread, near, far)| Pod {
            app,
            cpu,
            priority,
            port,
            zone,
            tolerant,
            spread,
            near,
            far,
        })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => pods().prop_map(Step::Place),
        1 => (0..20usize).prop_map(Step::Remove),
        1 => (0..6usize).prop_map(Step::Flap),
    ];
    proptest::collection::vec(step, 1..25)
}

impl Node {
    fn label(&self, key: &str) -> Option<String> {
        if key == HOST { Some(self.name.clone()) } else { self.zone.map(|zone| format!("z{zone}")) }
    }

    fn view(&self) -> NodeView {
        let mut labels = json!({ HOST: self.name });
        if let Some(zone) = self.label(ZONE) {
            labels[ZONE] = zone.into();
        }
        let taints: &[Value] = if self.tainted { &[json!({"key": "k", "effect": "NoSchedule"})] } else { &[] };
        NodeView::of_value(&json!({
            "metadata": {"name": self.name, "labels": labels},
            "spec": {"taints": taints, "unschedulable": self.cordoned},
            "status": {"allocatable": {"cpu": self.cpu.to_string(), "memory": "1Gi", "pods": self.pods.to_string()}},
        }))
    }
}

impl Pod {
    fn view(&self, name: &str) -> Arc<PodView> {
        let app = |app: u8| json!({"matchLabels": {"app": app.to_string()}});
        let term = |(other, key): (u8, &str)| json!({"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": key, "labelSelector": app(other)}]});
        let mut container =
            json!({"name": "c", "image": "i", "resources": {"requests": {"cpu": self.cpu.to_string()}}});
        let mut spec = json!({ "priority": self.priority });
        if let Some(port) = self.port {
            container["ports"] = json!([{"hostPort": port}]);
        }
        spec["containers"] = json!([container]);
        if let Some(zone) = self.zone {
            spec["nodeSelector"] = json!({ ZONE: format!("z{zone}") });
        }
        if self.tolerant {
            spec["tolerations"] = json!([{"key": "k", "operator": "Exists"}]);
        }
        if let Some((key, skew)) = self.spread {
            spec["topologySpreadConstraints"] =
                json!([{"maxSkew": skew, "topologyKey": key, "labelSelector": app(self.app)}]);
        }
        if let Some(near) = self.near {
            spec["affinity"]["podAffinity"] = term(near);
        }
        if let Some(far) = self.far {
            spec["affinity"]["podAntiAffinity"] = term(far);
        }
        let labels = json!({"app": self.app.to_string()});
        let metadata = json!({"name": name, "namespace": "default", "uid": name, "labels": labels});
        Arc::new(PodView::of_value(&json!({"metadata": metadata, "spec": spec})))
    }
}

/// The slow reading of the rules.
struct Model<'a> {
    nodes: &'a [Node],
    /// Pods and the index of their node.
    placed: Vec<(String, Pod, usize)>,
}

impl Model<'_> {
    fn on(&self, node: &Node) -> impl Iterator<Item = &Pod> {
        self.placed.iter().filter(|(_, _, at)| self.nodes[*at].name == node.name).map(|(_, pod, _)| pod)
    }

    /// The pods in the domain of a node.
    fn around(&self, node: &Node, key: &str) -> Vec<&Pod> {
        let Some(domain) = node.label(key) else { return Vec::new() };
        let near = |at: usize| self.nodes[at].label(key).as_ref() == Some(&domain);
        self.placed.iter().filter(|(_, _, at)| near(*at)).map(|(_, pod, _)| pod).collect()
    }

    fn allows(&self, pod: &Pod, node: &Node) -> bool {
        let used: i64 = self.on(node).map(|p| p.cpu).sum();
        self.on(node).count() < node.pods
            && (pod.cpu == 0 || used + pod.cpu <= node.cpu)
            && !node.cordoned
            && (!node.tainted || pod.tolerant)
            && pod.zone.is_none_or(|zone| node.zone == Some(zone))
            && pod.port.is_none_or(|port| self.on(node).all(|p| p.port != Some(port)))
            && self.is_even(pod, node)
            && self.is_near(pod, node)
            && pod.far.is_none_or(|(app, key)| self.around(node, key).iter().all(|p| p.app != app))
            && self.nobody_minds(pod, node)
    }

    fn is_even(&self, pod: &Pod, node: &Node) -> bool {
        let Some((key, skew)) = pod.spread else { return true };
        let Some(mine) = node.label(key) else { return false };
        let mut counts: BTreeMap<String, i64> = BTreeMap::new();
        for node in self.nodes.iter().filter(|node| pod.zone.is_none_or(|zone| node.zone == Some(zone))) {
            if let Some(domain) = node.label(key) {
                *counts.entry(domain).or_default() += self.on(node).filter(|p| p.app == pod.app).count() as i64;
            }
        }
        counts.get(&mine).is_some_and(|here| here + 1 - counts.values().min().unwrap() <= skew)
    }

    fn is_near(&self, pod: &Pod, node: &Node) -> bool {
        let Some((app, key)) = pod.near else { return true };
        if node.label(key).is_none() {
            return false;
        }
        let labelled = |at: usize| self.nodes[at].label(key).is_some();
        let nobody = !self.placed.iter().any(|(_, p, at)| p.app == app && labelled(*at));
        self.around(node, key).iter().any(|p| p.app == app) || (nobody && pod.app == app)
    }

    fn nobody_minds(&self, pod: &Pod, node: &Node) -> bool {
        self.placed.iter().all(|(_, p, at)| {
            let Some((app, key)) = p.far else { return true };
            let domain = self.nodes[*at].label(key);
            app != pod.app || domain.is_none() || domain != node.label(key)
        })
    }
}

fn check(nodes: &[Node], steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut state = ClusterState::default();
    for node in nodes {
        state.set_node(&node.name, Some(node.view()));
    }
    let mut model = Model { nodes, placed: Vec::new() };
    for (number, step) in steps.into_iter().enumerate() {
        match step {
            Step::Place(pod) => {
                let name = format!("p{number}");
                let view = pod.view(&name);
                for node in nodes {
                    let fits = would_fit(&state, &view, state.node(&node.name).unwrap());
                    prop_assert_eq!(fits.is_ok(), model.allows(&pod, node), "{:?} on {:?}: {:?}", &pod, node, &fits);
                }
                let picked = place(&state, &view, |count| number % count).map(|node| node.name().to_string());
                prop_assert_eq!(picked.is_ok(), nodes.iter().any(|node| model.allows(&pod, node)));
                if let Err(diagnosis) = &picked {
                    check_preemption(&state, &view, diagnosis)?;
                }
                if let Ok(picked) = picked {
                    let at = nodes.iter().position(|node| node.name == picked).unwrap();
                    prop_assert!(model.allows(&pod, &nodes[at]));
                    state.assume(view, &picked);
                    model.placed.push((name, pod, at));
                }
            }
            Step::Remove(index) if index < model.placed.len() => {
                let (name, ..) = model.placed.remove(index);
                state.forget(&Key::new("default", name));
            }
            Step::Flap(index) if index < nodes.len() => {
                state.set_node(&nodes[index].name, None);
                state.set_node(&nodes[index].name, Some(nodes[index].view()));
            }
            Step::Remove(_) | Step::Flap(_) => {}
        }
    }
    Ok(())
}

/// Whoever has to leave is less important, makes room by leaving, and would be in the way by staying.
fn check_preemption(state: &ClusterState, pod: &PodView, diagnosis: &Diagnosis) -> Result<(), TestCaseError> {
    let Ok(plan) = plan(state, pod, diagnosis, None) else { return Ok(()) };
    prop_assert!(!plan.victims.is_empty());
    let mut after = state.clone();
    for victim in &plan.victims {
        prop_assert!(victim.priority < pod.priority);
        prop_assert_eq!(state.placement(&victim.key), Some(&*plan.node));
        after.forget(&victim.key);
    }
    let fits = |state: &ClusterState| would_fit(state, pod, state.node(&plan.node).unwrap());
    prop_assert_eq!(fits(&after), Ok(()));
    if let [only] = plan.victims.as_slice() {
        after.assume(only.clone(), &plan.node);
        prop_assert!(fits(&after).is_err());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn filters_agree_with_a_plain_reading_of_the_rules(nodes in nodes(), steps in steps()) {
        check(&nodes, steps)?;
    }
}
