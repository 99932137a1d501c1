//! How fast nodes that are not ready get the taint that drives their pods away: zone by zone, the slower the more of a
//! zone is ill, and not at all when everything looks dead (then it is rather the control plane that is).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cove_base::Timestamp;
use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use cove_kube_client::{Context, Controller, Key, Requeue, Watch};
use serde_json::Value;

use crate::node_lifecycle::readiness;
use crate::node_taints::{NO_EXECUTE, NOT_READY, Taints, UNREACHABLE};
use crate::resources::NODES;
use crate::shared::Shared;
use crate::view::{deleting, items, label, text, time};
use crate::{conditions, limits};

/// The declaration. One key: a zone's rate depends on all zones.
pub const CONTROLLER: Controller<Shared> = Controller {
    name: "node-eviction",
    component: "node-controller",
    watches: |_| {
        vec![Watch::mapped(NODES, |_, change| match (&change.old, &change.new) {
            (Some(old), Some(new)) if view(old) == view(new) => Vec::new(),
            _ => vec![Key::default()],
        })]
    },
    singleton: false,
    workers: 1,
    reconcile: |cx, _| Box::pin(reconcile(cx)),
};

/// What the pace and its work depend on.
fn view(node: &Object) -> (&str, (String, String), &Value) {
    (readiness(node), zone(node), &node.value()["spec"]["taints"])
}

/// Region and zone, as upstream's `GetZoneKey` joins them.
fn zone(node: &Object) -> (String, String) {
    let of = |key: &str| label(node.value(), key).to_string();
    (of("topology.kubernetes.io/region"), of("topology.kubernetes.io/zone"))
}

/// How a zone is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    /// Most nodes are ready.
    Normal,
    /// Too many are not.
    Partial,
    /// None is ready.
    Full,
}

fn health(ready: usize, not_ready: usize) -> Health {
    let share = not_ready as f64 / (ready + not_ready).max(1) as f64;
    if not_ready > 0 && ready == 0 {
        Health::Full
    } else if not_ready > 2 && share >= limits::UNHEALTHY_ZONE_SHARE {
        Health::Partial
    } else {
        Health::Normal
    }
}

/// The pause between two nodes of a zone; `None` if none may be tainted.
fn pause(health: Health, size: usize) -> Option<Duration> {
    match health {
        Health::Normal | Health::Full => Some(limits::EVICTION_PAUSE),
        Health::Partial if size > limits::LARGE_ZONE => Some(limits::SECONDARY_EVICTION_PAUSE),
        Health::Partial => None,
    }
}

/// When each zone's last node was tainted.
#[derive(Default)]
pub struct ZonePace {
    /// A lock, not messages: it is held for one look-up.
    last: Mutex<BTreeMap<(String, String), Timestamp>>,
}

impl ZonePace {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, String), Timestamp>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn reconcile(cx: Arc<Context<Shared>>) -> Result<Requeue, Status> {
    let mut zones: BTreeMap<(String, String), Vec<Arc<Object>>> = BTreeMap::new();
    for node in cx.cache(NODES).list("") {
        zones.entry(zone(&node)).or_default().push(node);
    }
    let of = |nodes: &[Arc<Object>]| {
        let ready = nodes.iter().filter(|node| readiness(node) == "True").count();
        health(ready, nodes.len() - ready)
    };
    if !zones.is_empty() && zones.values().all(|nodes| of(nodes) == Health::Full) {
        for node in zones.values().flatten() {
            let mut taints = Taints::of(node);
            taints.remove(NOT_READY, NO_EXECUTE);
            taints.remove(UNREACHABLE, NO_EXECUTE);
            taints.write(&cx, node).await?;
        }
        return Ok(Requeue::Done);
    }
    let mut again: Option<Duration> = None;
    for (name, nodes) in zones {
        let Some(pause) = pause(of(&nodes), nodes.len()) else { continue };
        if let Some(wait) = taint_next(&cx, name, &nodes, pause).await? {
            again = Some(again.map_or(wait, |known| known.min(wait)));
        }
    }
    Ok(again.map_or(Requeue::Done, Requeue::After))
}

/// Taints as many waiting nodes of a zone as its pace allows, longest waiting first; says when the next one may follow.
async fn taint_next(
    cx: &Context<Shared>,
    zone: (String, String),
    nodes: &[Arc<Object>],
    pause: Duration,
) -> Result<Option<Duration>, Status> {
    let mut waiting: Vec<(&Arc<Object>, &str)> =
        nodes.iter().filter_map(|node| wanted_taint(node).map(|key| (node, key))).collect();
    waiting.sort_by_key(|(node, _)| (since(node), node.name().to_string()));
    for (node, key) in waiting {
        let now = cx.rt.now();
        let due = cx.shared.pace.lock().get(&zone).map(|last| *last + pause);
        if let Some(due) = due.filter(|due| *due > now) {
            return Ok(Some(due.since(now)));
        }
        let mut taints = Taints::of(node);
        taints.add(key, NO_EXECUTE, now);
        taints.write(cx, node).await?;
        cx.shared.pace.lock().insert(zone.clone(), now);
    }
    Ok(None)
}

/// The taint that a node should get, if it has none of the two yet.
fn wanted_taint(node: &Object) -> Option<&'static str> {
    let key = match readiness(node) {
        "False" => NOT_READY,
        "Unknown" => UNREACHABLE,
        _ => return None,
    };
    let ours =
        |taint: &Value| text(taint, "/effect") == NO_EXECUTE && [NOT_READY, UNREACHABLE].contains(&text(taint, "/key"));
    let tainted = items(node.value(), "/spec/taints").iter().any(ours);
    (!tainted && !deleting(node)).then_some(key)
}

fn since(node: &Object) -> Timestamp {
    let ready = conditions::find(items(node.value(), "/status/conditions"), "Ready");
    ready.and_then(|ready| time(ready, "/lastTransitionTime")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_follow_the_zones_health() {
        assert_eq!(health(10, 0), Health::Normal);
        assert_eq!(health(1, 2), Health::Normal, "fewer than three are no disruption");
        assert_eq!(health(2, 3), Health::Partial);
        assert_eq!(health(0, 1), Health::Full);
        assert_eq!(pause(Health::Normal, 5), Some(Duration::from_secs(10)));
        assert_eq!(pause(Health::Partial, 50), None);
        assert_eq!(pause(Health::Partial, 51), Some(Duration::from_secs(100)));
        assert_eq!(pause(Health::Full, 5), Some(Duration::from_secs(10)));
    }
}
