//! EC2: networks, instances, launch templates, and what AWS offers.
//!
//! Modules in suggested reading order:

pub mod catalog;
pub mod default_vpc;
pub mod describe;
pub mod faults;
pub mod images;
pub mod ops;
pub mod reconcile;
pub mod tags;

pub mod addresses;
pub mod groups;
pub mod instances;
pub mod state;
pub mod templates;

#[cfg(test)]
mod tests;

pub use ops::SERVICE;
