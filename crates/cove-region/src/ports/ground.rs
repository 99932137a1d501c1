//! The ground that a region stands on, real or simulated: its machines, and the runtime behind a cluster's node agents.
//!
//! The only file that knows both kinds. Everything above has the ports alone.

use std::sync::Arc;

use cove_base::Runtime;
use cove_base::hint::Hinted;
use cove_machines::machine::{Guest, Machines};
use cove_machines::simulated::SimulatedMachines;
use cove_nodes::runtime::{PodNetwork, PodRuntime};
use cove_nodes::simulated::SimulatedRuntime;

use crate::config::{NodeKind, RegionConfig};
use crate::node_instances::NodeInstances;

/// Makes the runtime of the cluster at an endpoint.
pub(crate) type MakeRuntime = dyn Fn(&Runtime, Arc<dyn PodNetwork>, &str) -> Arc<dyn PodRuntime> + Send + Sync;

/// What runs on a real node, under the pods.
#[derive(Clone, Debug)]
pub(crate) struct Software {
    pub kernel: String,
    pub container_runtime: String,
}

/// What a region stands on.
pub(crate) struct Ground {
    pub machines: Arc<dyn Machines>,
    pub runtime: Arc<MakeRuntime>,
    /// What nodes say of their software, if it is not what their image has.
    pub software: Option<Software>,
}

impl Ground {
    /// The ground that the configuration asks for.
    pub(crate) fn make(
        rt: &Runtime,
        guest: Arc<dyn Guest>,
        instances: Arc<NodeInstances>,
        config: &RegionConfig,
    ) -> Result<Self, Hinted> {
        match &config.nodes {
            NodeKind::Simulated => Ok(Self {
                machines: Arc::new(SimulatedMachines::new(rt.clone(), guest, config.boot)),
                runtime: Arc::new(|rt, network, _| Arc::new(SimulatedRuntime::new(rt.clone(), network))),
                software: None,
            }),
            NodeKind::Real { directory } => real(rt, guest, instances, directory),
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn real(
    _rt: &Runtime,
    _guest: Arc<dyn Guest>,
    _instances: Arc<NodeInstances>,
    _directory: &std::path::Path,
) -> Result<Ground, Hinted> {
    Err(Hinted::new("real nodes need Linux", "Start with --nodes simulated."))
}

#[cfg(target_os = "linux")]
fn real(
    rt: &Runtime,
    guest: Arc<dyn Guest>,
    instances: Arc<NodeInstances>,
    directory: &std::path::Path,
) -> Result<Ground, Hinted> {
    use cove_machines::real::machines::{RealMachines, kernel_release};
    use cove_nodes::real::RealRuntime;

    use super::containers::{InstanceContainers, builtin_image};

    let machines = RealMachines::new(rt.clone(), guest, directory.to_path_buf())
        .map_err(|e| Hinted::new(format!("real nodes cannot be made: {e}"), "Start with --nodes simulated."))?;
    let behind = machines.clone();
    Ok(Ground {
        machines: Arc::new(machines),
        runtime: Arc::new(move |rt, network, endpoint| {
            let containers = InstanceContainers {
                machines: behind.clone(),
                instances: instances.clone(),
                endpoint: endpoint.into(),
            };
            Arc::new(RealRuntime::new(rt.clone(), network, Arc::new(containers), builtin_image()))
        }),
        software: Some(Software {
            kernel: kernel_release(),
            container_runtime: format!("cove://{}", env!("CARGO_PKG_VERSION")),
        }),
    })
}
