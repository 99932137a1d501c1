//! The list of controllers, and how they are started.

use std::sync::Arc;

use cove_base::Runtime;
use cove_kube_client::{Caches, Client, Controller};

pub use cove_kube_client::controller::Handle;
use cove_kube_client::controller::{Setup, start};

use crate::shared::{Config, MANAGER, Shared};
use crate::{
    cluster_role_aggregation, daemon_set, deployment, disruption, endpoint_slice, endpoints, garbage_collector,
    namespace, node_lifecycle, pod_gc, replica_set, root_ca, service_account, stale_disruption, taint_eviction,
    zone_eviction,
};

/// Every controller, in the order in which they hear of a change.
pub const CONTROLLERS: &[&Controller<Shared>] = &[
    &namespace::CONTROLLER,
    &service_account::CONTROLLER,
    &root_ca::CONTROLLER,
    &cluster_role_aggregation::CONTROLLER,
    &replica_set::CONTROLLER,
    &deployment::CONTROLLER,
    &daemon_set::CONTROLLER,
    &garbage_collector::CONTROLLER,
    &endpoint_slice::CONTROLLER,
    &endpoints::CONTROLLER,
    &node_lifecycle::CONTROLLER,
    &zone_eviction::CONTROLLER,
    &taint_eviction::CONTROLLER,
    &pod_gc::CONTROLLER,
    &disruption::CONTROLLER,
    &stale_disruption::CONTROLLER,
];

/// Starts all controllers of one cluster. `client_for` gets a controller's name (or [`MANAGER`], whose client fills
/// the shared caches) and gives a client as [`crate::identity`] says. They run until the handle is dropped.
pub fn run(rt: Runtime, client_for: impl Fn(&str) -> Client, config: Config) -> Handle {
    let caches = Caches::new(rt.clone(), client_for(MANAGER));
    let shared = Arc::new(Shared::new(config));
    start(Setup { rt, caches, client_for: &client_for, shared }, CONTROLLERS)
}
