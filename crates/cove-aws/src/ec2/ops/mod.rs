//! EC2's operations, one file per resource, and their table.

pub mod instances;
pub mod launch_spec;
pub mod launch_templates;
pub mod run_instances;
mod table;

pub use table::SERVICE;
