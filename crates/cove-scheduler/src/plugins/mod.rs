//! The plug-ins of the default profile, one file each, one list: in upstream's order, which is that of the filters.
//!
//! Left out: everything about volumes and dynamic resources ([`unsupported`] refuses pods that need them). Adding a
//! plug-in is a file and a line.

use crate::framework::Plugin;

pub mod image_locality;
pub mod inter_pod_affinity;
pub mod node_affinity;
pub mod node_name;
pub mod node_ports;
pub mod node_resources_balanced;
pub mod node_resources_fit;
pub mod node_unschedulable;
pub mod pod_topology_spread;
pub mod taint_toleration;
pub mod unsupported;

mod scheduling_gates;

pub use scheduling_gates::is_gated;

/// The plug-ins of the default profile.
pub const PLUGINS: &[&dyn Plugin] = &[
    &node_unschedulable::NodeUnschedulable,
    &node_name::NodeName,
    &taint_toleration::TaintToleration,
    &node_affinity::NodeAffinity,
    &node_ports::NodePorts,
    &node_resources_fit::NodeResourcesFit,
    &pod_topology_spread::PodTopologySpread,
    &inter_pod_affinity::InterPodAffinity,
    &node_resources_balanced::NodeResourcesBalancedAllocation,
    &image_locality::ImageLocality,
    &unsupported::Unsupported,
];
