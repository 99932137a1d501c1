//! What plug-ins stand on: narrow views of pods and nodes, the state of the cluster, the plug-in traits.
//!
//! Modules in suggested reading order:

pub mod plugin;
pub mod state;

pub mod affinity;
pub mod budget;
pub mod labels;
pub mod node_info;
pub mod node_view;
pub mod nominations;
pub mod pod_view;
pub mod resources;
pub mod selector;
pub mod taints;

mod class;

pub use class::{Class, ClassId};
pub use labels::Labels;
pub use node_info::NodeInfo;
pub use node_view::NodeView;
pub use plugin::{Cycle, Event, Events, Filter, Plugin, Reason, Score, Verdict};
pub use pod_view::PodView;
pub use resources::Resources;
pub use selector::Selector;
pub use state::ClusterState;
