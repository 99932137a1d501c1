//! Lease renewals of simulated nodes (the exception that ARCHITECTURE.md names).
//!
//! The fleet announces once per node that it is alive. Its renewals are written when somebody looks: before a call
//! that reads or writes leases of nodes, and at each renewal's time while such leases are watched. A renewal is written
//! as the node, through the chain, with the time of the last tick, so that revision, data and event are those of a
//! write. Renewals that nobody saw between two looks are one write. Nobody looks, nothing is written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use cove_base::{Runtime, Timestamp};
use cove_kube_api::door::{
    Body, Heartbeat, Options, PatchKind, Reply, Request, Response, SIMULATED_FLEET, Target, UserInfo, Verb, WatchEvent,
    WatchStream,
};
use cove_kube_api::status::Status;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::authorization::node::NODES;
use crate::chain::call::Call;
use crate::chain::read::Filter;
use crate::limits;
use crate::server::ApiServer;
use crate::value::{items, text};

const LEASE_NAMESPACE: &str = "kube-node-lease";

/// The nodes that were announced.
#[derive(Default)]
pub struct Heartbeats {
    /// A lock, not messages: it is held for map operations only.
    state: Mutex<State>,
    /// Told of announcements, in the order in which watches came: they look anew at what is due next.
    announced: Notify,
}

#[derive(Default)]
struct State {
    beats: BTreeMap<String, Beat>,
    /// When each node's next renewal is due.
    agenda: BTreeSet<(Timestamp, String)>,
}

struct Beat {
    every: Duration,
    lease: Arc<Value>,
    /// The last renewal that was made, or tried.
    renewed: Timestamp,
    /// When its machine lost its power.
    ended: Option<Timestamp>,
}

impl Beat {
    fn next(&self) -> Timestamp {
        self.renewed + self.every
    }

    /// The last tick at or before `now`, or the end.
    fn last_tick(&self, now: Timestamp) -> Timestamp {
        let passed = self.ended.map_or(now, |ended| ended.min(now)).since(self.renewed);
        let ticks = passed.as_nanos() / self.every.as_nanos().max(1);
        self.renewed + self.every * u32::try_from(ticks).unwrap_or(u32::MAX)
    }
}

/// A renewal to write.
struct Renewal {
    node: String,
    tick: Timestamp,
    /// What to make if there is none; not after the node's end.
    lease: Option<Arc<Value>>,
}

/// The leases that a call is about.
pub enum Leases {
    /// Of all nodes.
    All,
    /// Of one node.
    One(String),
}

impl Heartbeats {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn due(&self, leases: &Leases, now: Timestamp) -> Vec<Renewal> {
        let state = self.state();
        let names: Vec<&String> = match leases {
            Leases::One(node) => vec![node],
            Leases::All => state.agenda.iter().take_while(|(at, _)| *at <= now).map(|(_, node)| node).collect(),
        };
        let beat = |node: &String| state.beats.get(node).filter(|b| b.next() <= now).map(|b| (node.clone(), b));
        names
            .into_iter()
            .filter_map(beat)
            .map(|(node, beat)| {
                let lease = beat.ended.is_none().then(|| beat.lease.clone());
                Renewal { node, tick: beat.last_tick(now), lease }
            })
            .collect()
    }

    fn next(&self, leases: &Leases) -> Option<Timestamp> {
        let state = self.state();
        match leases {
            Leases::All => state.agenda.first().map(|(at, _)| *at),
            Leases::One(node) => state.beats.get(node).map(Beat::next),
        }
    }

    /// Notes a renewal as made. A node that has ended needs none after its last.
    fn made(&self, node: &str, tick: Timestamp) {
        let mut state = self.state();
        let Some(beat) = state.beats.remove(node) else { return };
        state.agenda.remove(&(beat.next(), node.into()));
        state.put(node, Beat { renewed: beat.renewed.max(tick), ..beat });
    }

    fn announce(&self, node: &str, beat: Heartbeat, now: Timestamp) {
        let mut state = self.state();
        let known = state.beats.remove(node);
        if let Some(known) = &known {
            state.agenda.remove(&(known.next(), node.into()));
        }
        let beat = match beat {
            Heartbeat::Alive { since, every, lease } => {
                Some(Beat { every, lease: Arc::new(lease), renewed: since, ended: None })
            }
            Heartbeat::Gone => known.map(|known| Beat { ended: Some(known.ended.unwrap_or(now)), ..known }),
        };
        if let Some(beat) = beat {
            state.put(node, beat);
        }
        drop(state);
        self.announced.notify_waiters();
    }
}

impl State {
    fn put(&mut self, node: &str, beat: Beat) {
        if beat.ended.is_some_and(|ended| ended < beat.next()) {
            return;
        }
        self.agenda.insert((beat.next(), node.into()));
        self.beats.insert(node.into(), beat);
    }
}

/// Takes an announcement of the fleet.
pub fn announce(server: &ApiServer, user: &UserInfo, node: &str, beat: Heartbeat) -> Result<(), Status> {
    if user.username != SIMULATED_FLEET {
        let why = format!("User {:?} cannot announce heartbeats of nodes", user.username);
        return Err(Status::forbidden("coordination.k8s.io", "leases", node, &why));
    }
    if matches!(beat, Heartbeat::Alive { every, .. } if every.is_zero()) {
        return Err(Status::bad_request("a heartbeat needs a time between two renewals"));
    }
    server.heartbeats.announce(node, beat, server.rt.now());
    Ok(())
}

/// Which leases of nodes a call is about, if any. The next pages of a list show the revision of its first.
pub fn leases_of(call: &Call) -> Result<Option<Leases>, Status> {
    let leases = (call.kind.group, call.kind.plural) == ("coordination.k8s.io", "leases");
    let of_nodes = call.namespace == LEASE_NAMESPACE || call.namespace.is_empty();
    if !leases || !of_nodes || call.verb == Verb::Create || !call.options.continue_token.is_empty() {
        return Ok(None);
    }
    if !call.name.is_empty() {
        return Ok(Some(Leases::One(call.name.clone())));
    }
    let name = Filter::of(call)?.name().map(str::to_string);
    Ok(Some(name.map_or(Leases::All, Leases::One)))
}

/// Writes the renewals that are due.
pub async fn renew(server: &ApiServer, leases: &Leases) {
    let due = server.heartbeats.due(leases, server.rt.now());
    futures_util::stream::iter(due)
        .for_each_concurrent(limits::RENEWALS_AT_ONCE, |renewal| async move {
            if let Err(status) = write(server, &renewal).await {
                tracing::warn!(node = %renewal.node, "renewing a simulated node's lease: {}", status.message);
            }
            server.heartbeats.made(&renewal.node, renewal.tick);
        })
        .await;
}

/// As the node's agent does it: a patch, or a new lease if there is none (but none without a node).
async fn write(server: &ApiServer, renewal: &Renewal) -> Result<(), Status> {
    let renewed = renewal.tick.rfc3339_micros();
    let patch = Body::Patch(PatchKind::Merge, json!({"spec": {"renewTime": renewed}}));
    let missing = match server.chain(&request(&renewal.node, Verb::Patch, patch)).await {
        Err(status) if status.is_not_found() => status,
        other => return other.map(drop),
    };
    let Some(lease) = &renewal.lease else { return Ok(()) };
    let owner = items(lease, &["metadata", "ownerReferences"]).first().map_or("", |owner| text(owner, &["uid"]));
    let node = server.storage.get(&format!("/registry/minions/{}", renewal.node)).await?;
    if node.is_none_or(|node| node.object.uid() != owner) {
        return Err(missing);
    }
    let mut lease = lease.as_ref().clone();
    lease["spec"]["renewTime"] = renewed.into();
    server.chain(&request(&renewal.node, Verb::Create, Body::Value(lease))).await.map(drop)
}

fn request(node: &str, verb: Verb, body: Body) -> Request {
    let target = Target {
        group: "coordination.k8s.io".into(),
        version: "v1".into(),
        resource: "leases".into(),
        subresource: String::new(),
        namespace: LEASE_NAMESPACE.into(),
        name: if verb == Verb::Create { String::new() } else { node.into() },
    };
    let user = UserInfo::new(format!("system:node:{node}"), &[NODES]);
    Request { user, verb, target, options: Options::default(), body }
}

/// Makes a watch of leases bring the renewals about that it shows.
pub fn keep_renewing(server: &ApiServer, leases: Leases, response: Response) -> Response {
    let Reply::Watch(inner) = response.reply else { return response };
    let watched = Renewing {
        inner,
        leases,
        rt: server.rt.clone(),
        beats: server.heartbeats.clone(),
        server: server.myself.clone(),
    };
    Response { reply: Reply::Watch(Box::new(watched)), ..response }
}

/// A watch of leases: while it waits, renewals are written when they are due.
struct Renewing {
    inner: Box<dyn WatchStream>,
    leases: Leases,
    rt: Runtime,
    beats: Arc<Heartbeats>,
    server: Weak<ApiServer>,
}

#[async_trait]
impl WatchStream for Renewing {
    async fn next(&mut self) -> Option<WatchEvent> {
        loop {
            let announced = self.beats.announced.notified();
            let tick = self.beats.next(&self.leases).map(|due| self.rt.sleep_until(due));
            let ticks = tick.is_some();
            let tick = async {
                if let Some(tick) = tick {
                    tick.await;
                }
            };
            tokio::select! {
                biased;
                event = self.inner.next() => return event,
                () = tick, if ticks => {
                    let server = self.server.upgrade()?;
                    renew(&server, &self.leases).await;
                }
                () = announced => {}
            }
        }
    }
}
