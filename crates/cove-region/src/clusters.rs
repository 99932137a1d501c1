//! All clusters of a region process: who runs, at which port, and which machine is whose node.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use cove_aws::ports::{ClusterAddress, ClusterSpec};
use cove_base::request_log::RequestLog;
use cove_kube_client::Client;
use cove_kube_server::front::listen;
use cove_kube_server::pki::{self, ClusterKeys};
use cove_nodes::node::NodeSpec;
use cove_store::{Range, Space, Store, Txn, TxnResult};
use tokio::net::TcpListener;

use crate::cluster::{Cluster, Surroundings, certificate_names};
use crate::keys::KeyPool;
use crate::node_instances::NodeInstances;

/// The space that says which cluster has which port.
const PORTS: &str = "region";
/// Ports that are tried before giving up.
const PORTS_TRIED: u16 = 1_000;

/// What a real run adds: sockets, keys, a log.
pub(crate) struct Doors {
    pub first_port: u16,
    pub keys: KeyPool,
    pub log: Arc<dyn RequestLog>,
}

/// The clusters.
pub(crate) struct Clusters {
    store: Arc<dyn Store>,
    around: OnceLock<Surroundings>,
    doors: Option<Doors>,
    nodes: Arc<NodeInstances>,
    first_port: u16,
    /// Locked for map operations only: the AWS services' many tasks look clusters up.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By (region, name).
    running: BTreeMap<(String, String), Arc<Cluster>>,
}

impl Clusters {
    /// No clusters yet. [`Clusters::surround`] must follow before one starts.
    pub(crate) fn new(store: Arc<dyn Store>, doors: Option<Doors>, nodes: Arc<NodeInstances>) -> Self {
        let first_port = doors.as_ref().map_or(crate::config::FIRST_CLUSTER_PORT, |d| d.first_port);
        Self { store, around: OnceLock::new(), doors, nodes, first_port, state: Mutex::default() }
    }

    /// What clusters need of their region; it needs the clusters itself, so it comes later.
    pub(crate) fn surround(&self, around: Surroundings) {
        let _ = self.around.set(around);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A running cluster.
    pub(crate) fn get(&self, region: &str, name: &str) -> Option<Arc<Cluster>> {
        self.state().running.get(&(region.into(), name.into())).cloned()
    }

    /// The cluster at an endpoint.
    pub(crate) fn at(&self, endpoint: &str) -> Option<Arc<Cluster>> {
        self.state().running.values().find(|c| c.address.endpoint == endpoint).cloned()
    }

    /// Starts a cluster, or finds it running.
    pub(crate) async fn start(&self, spec: ClusterSpec) -> Result<ClusterAddress, String> {
        if let Some(cluster) = self.get(&spec.region, &spec.name) {
            return Ok(cluster.address.clone());
        }
        let around = self.around.get().ok_or("the region is still starting")?;
        let space = self.store.space(&space_of(&spec.region, &spec.name)).await.map_err(text)?;
        let (port, listener) = self.port(&spec).await?;
        let keys = self.keys(&spec, &space).await?;
        let log = self.doors.as_ref().map(|d| d.log.clone());
        let cluster = Cluster::start(around, &spec, space, port, keys, log).await?;
        if let (Some(listener), Some(keys)) = (listener, &cluster.keys) {
            let tls = listen::tls(keys).map_err(text)?;
            around.rt.spawn(format!("door of {}", spec.name), listen::serve(cluster.server.clone(), listener, tls));
        }
        let address = cluster.address.clone();
        self.state().running.insert((spec.region, spec.name), Arc::new(cluster));
        Ok(address)
    }

    /// Stops a cluster and deletes all it holds.
    pub(crate) async fn delete(&self, region: &str, name: &str) -> Result<(), String> {
        let stopped = self.state().running.remove(&(region.into(), name.into()));
        if let Some(cluster) = stopped {
            cluster.server.shut_down();
        }
        let space = space_of(region, name);
        self.store.delete_space(&space).await.map_err(text)?;
        let ports = self.store.space(PORTS).await.map_err(text)?;
        let taken = ports.range(Range::prefix("port/")).await.map_err(text)?;
        for entry in taken.entries.iter().filter(|e| e.value == space) {
            ports.txn(Txn::new().delete(entry.key.to_string())).await.map_err(text)?;
        }
        Ok(())
    }

    /// Ends all watches and connections.
    pub(crate) fn shut_down(&self) {
        for cluster in std::mem::take(&mut self.state().running).values() {
            cluster.server.shut_down();
        }
    }

    /// The cluster's port: the one it has, or the first that is free, and its listener in a real run.
    async fn port(&self, spec: &ClusterSpec) -> Result<(u16, Option<TcpListener>), String> {
        let ports = self.store.space(PORTS).await.map_err(text)?;
        let space = space_of(&spec.region, &spec.name);
        let taken = ports.range(Range::prefix("port/")).await.map_err(text)?;
        let number = |key: &str| key.strip_prefix("port/").and_then(|p| p.parse::<u16>().ok());
        if let Some(port) = taken.entries.iter().filter(|e| e.value == space).find_map(|e| number(&e.key)) {
            let listener = self.bind(port).await.map_err(|e| {
                format!("port {port} of cluster {} is in use ({e}): free it, its kubeconfigs name it", spec.name)
            })?;
            return Ok((port, listener));
        }
        for port in self.first_port..self.first_port.saturating_add(PORTS_TRIED) {
            let Ok(listener) = self.bind(port).await else { continue };
            let key = format!("port/{port}");
            let claim = Txn::new().expect(&key, 0).put(&key, space.clone());
            if let TxnResult::Committed { .. } = ports.txn(claim).await.map_err(text)? {
                return Ok((port, listener));
            }
        }
        Err(format!("no free port from {} on", self.first_port))
    }

    async fn bind(&self, port: u16) -> std::io::Result<Option<TcpListener>> {
        if self.doors.is_none() {
            return Ok(None);
        }
        TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await.map(Some)
    }

    async fn keys(&self, spec: &ClusterSpec, space: &Arc<dyn Space>) -> Result<Option<ClusterKeys>, String> {
        let Some(doors) = &self.doors else { return Ok(None) };
        let now = cove_base::tokio_runtime::wall_clock();
        let names = certificate_names(spec);
        // Only a cluster that has no signing key yet takes one from the pool.
        let known = space.get(&format!("{}service-accounts", pki::PREFIX)).await.map_err(text)?;
        let fresh = if known.is_none() { Some(doors.keys.take().await) } else { None };
        let keys = ClusterKeys::open(space, &names, now, || fresh.unwrap_or_else(pki::signing_key)).await;
        keys.map(Some).map_err(text)
    }

    /// Powers a node's agent on in the cluster at an endpoint.
    pub(crate) async fn power_on(&self, endpoint: &str, instance_id: &str, node: NodeSpec, client: Client) {
        let Some(cluster) = self.at(endpoint) else { return };
        self.nodes.insert(instance_id, endpoint, &node.name);
        cluster.fleet.power_on(node, client).await;
    }

    /// A machine has lost its power, and so has the node agent in it.
    pub(crate) async fn power_off(&self, instance_id: &str) {
        let Some((endpoint, node)) = self.nodes.remove(instance_id) else { return };
        if let Some(cluster) = self.at(&endpoint) {
            cluster.fleet.power_off(&node).await;
        }
    }
}

/// The space of a cluster.
fn space_of(region: &str, name: &str) -> String {
    format!("cluster/{region}/{name}")
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
