//! Which nodes a DaemonSet's pods belong on, and how a pod is tied to its node.

use std::sync::Arc;

use cove_kube_api::object::Object;
use serde_json::{Value, json};

use crate::node_affinity;
use crate::tolerations;
use crate::view::{flag, items, object_mut, text};

/// Tolerations of every daemon pod: key, effect.
const TOLERATIONS: [(&str, &str); 6] = [
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
];

/// Adds the tolerations that a template does not have yet.
pub fn add_tolerations(template: &mut Value) {
    let host_network = flag(template, "/spec/hostNetwork");
    let network = ("node.kubernetes.io/network-unavailable", "NoSchedule");
    let mut list = items(template, "/spec/tolerations").to_vec();
    for (key, effect) in TOLERATIONS.into_iter().chain(host_network.then_some(network)) {
        let toleration = json!({ "key": key, "operator": "Exists", "effect": effect });
        let same = |known: &Value| text(known, "/key") == key && text(known, "/effect") == effect;
        match list.iter_mut().find(|known| same(known)) {
            Some(known) => *known = toleration,
            None => list.push(toleration),
        }
    }
    object_mut(template, &["spec"]).insert("tolerations".into(), Value::Array(list));
}

/// For every node whether a pod should be started there, and whether one that runs there may stay.
pub fn of_all(set: &Object, nodes: Vec<Arc<Object>>) -> Vec<(Arc<Object>, bool, bool)> {
    let mut template = set.value()["spec"]["template"].clone();
    add_tolerations(&mut template);
    let of = |node: Arc<Object>| {
        let (run, keep) = should_run(&template["spec"], &node);
        (node, run, keep)
    };
    nodes.into_iter().map(of).collect()
}

fn should_run(spec: &Value, node: &Object) -> (bool, bool) {
    let named = text(spec, "/nodeName");
    if (!named.is_empty() && named != node.name()) || !node_affinity::matches(spec, node) {
        return (false, false);
    }
    let taints = items(node.value(), "/spec/taints");
    let list = items(spec, "/tolerations");
    let bears = |effects: &[&str]| {
        taints
            .iter()
            .filter(|taint| effects.contains(&text(taint, "/effect")))
            .all(|taint| list.iter().any(|toleration| tolerations::tolerates(toleration, taint)))
    };
    if bears(&["NoSchedule", "NoExecute"]) { (true, true) } else { (false, bears(&["NoExecute"])) }
}

/// Ties a pod to a node by a node affinity, in place of the required terms of the template.
pub fn pin(pod: &mut Value, node: &str) {
    let field = json!({ "key": "metadata.name", "operator": "In", "values": [node] });
    let terms = json!({ "nodeSelectorTerms": [{ "matchFields": [field] }] });
    object_mut(pod, &["spec", "affinity", "nodeAffinity"])
        .insert("requiredDuringSchedulingIgnoredDuringExecution".into(), terms);
}

/// The node that a pod is bound to, or else pinned to.
pub fn target_node(pod: &Value) -> Option<&str> {
    let bound = text(pod, "/spec/nodeName");
    if !bound.is_empty() {
        return Some(bound);
    }
    let terms = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";
    let fields = items(pod, terms).iter().flat_map(|term| items(term, "/matchFields"));
    let mut pinned = fields.filter(|f| text(f, "/key") == "metadata.name" && text(f, "/operator") == "In");
    items(pinned.next()?, "/values").first()?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taints_keep_new_pods_off_and_no_execute_drives_old_ones_away() {
        let template = json!({ "spec": { "nodeSelector": { "disk": "ssd" } } });
        let set = Object::transient(json!({ "spec": { "template": template } }));
        let on = |node: Object| {
            let (_, run, keep) = of_all(&set, vec![Arc::new(node)]).remove(0);
            (run, keep)
        };
        let node = |labels: Value, taint: &str, effect: &str| {
            Object::transient(json!({
                "metadata": { "name": "n", "labels": labels },
                "spec": { "taints": [{ "key": taint, "effect": effect }] },
            }))
        };
        let ssd = || json!({ "disk": "ssd" });
        assert_eq!(on(node(json!({}), "x", "PreferNoSchedule")), (false, false));
        assert_eq!(on(node(ssd(), "x", "PreferNoSchedule")), (true, true));
        assert_eq!(on(node(ssd(), "x", "NoSchedule")), (false, true));
        assert_eq!(on(node(ssd(), "x", "NoExecute")), (false, false));
        assert_eq!(on(node(ssd(), "node.kubernetes.io/unreachable", "NoExecute")), (true, true));
        assert!(!on(node(ssd(), "node.kubernetes.io/network-unavailable", "NoSchedule")).0);
    }

    #[test]
    fn a_pinned_pod_names_its_node() {
        let mut pod = json!({ "spec": {} });
        assert_eq!(target_node(&pod), None);
        pin(&mut pod, "node-1");
        assert_eq!(target_node(&pod), Some("node-1"));
    }
}
