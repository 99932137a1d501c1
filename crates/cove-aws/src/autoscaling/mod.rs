//! Auto Scaling groups: operations write what is wanted, one reconciler per region keeps groups at their size.

mod activities;
mod balance;
mod faults;
mod launch;
mod ops;
mod paging;
mod reconcile;
mod round;
pub mod state;
mod table;
mod view;

pub use table::SERVICE;

#[cfg(test)]
mod tests;
