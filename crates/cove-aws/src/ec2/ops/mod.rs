//! EC2's operations, one file per resource, and their table.

pub mod instance_attributes;
pub mod instances;
pub mod launch_spec;
pub mod launch_templates;
pub mod networks;
pub mod offers;
pub mod run_instances;
pub mod security_groups;
mod table;
pub mod tag_ops;

pub use table::SERVICE;
