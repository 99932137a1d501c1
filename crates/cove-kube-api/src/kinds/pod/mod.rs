//! Pods and pod templates: defaults, validation, updates, warnings. Templates share all of it (`template`).
//! Facts: k8s.io/kubernetes v1.35 pkg/apis/core. In reading order:

mod affinity;
mod containers;
mod defaults;
mod environment;
mod prepare;
mod probes;
mod qos;
mod resources;
mod scheduling;
mod security;
mod spec;
mod strategy;
mod template;
mod update;
mod volume_sources;
mod volumes;
mod warnings;

pub(super) use affinity::label_selector;
pub(super) use containers::port;
pub use qos::qos_class;
pub(super) use resources::resource_list;
pub(super) use scheduling::taint_effect;
pub(super) use strategy::PodStrategy;
pub(super) use template::{default_template, template_warnings, validate_template};
