//! What a machine is, and what runs in one.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::simulated::Console;

/// What a machine is started from: the facts that its metadata service knows.
#[derive(Clone, Debug, PartialEq)]
pub struct MachineSpec {
    /// `i-...`.
    pub instance_id: String,
    /// The region.
    pub region: String,
    /// The zone.
    pub zone: String,
    /// Such as `m5.large`.
    pub instance_type: String,
    /// The image.
    pub image_id: String,
    /// The primary private IPv4 address.
    pub private_ip: String,
    /// The private DNS name.
    pub private_dns_name: String,
    /// The name of the instance profile's role, if any.
    pub role_name: Option<String>,
    /// User data, decoded.
    pub user_data: Vec<u8>,
    /// The tags.
    pub tags: BTreeMap<String, String>,
}

/// How a machine stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachineState {
    /// It is booting.
    Pending,
    /// Its init runs.
    Running,
    /// It is gone, or never was.
    Gone,
}

/// What runs in a machine after it has booted.
#[async_trait]
pub trait Guest: Send + Sync {
    /// Runs until it ends by itself. Dropped when the machine loses its power: nothing may outlive it.
    async fn run(&self, machine: Arc<MachineSpec>, console: Console);
    /// The machine has lost its power; `run` has been dropped.
    async fn powered_off(&self, machine: Arc<MachineSpec>);
}

/// Machines: real or simulated. The contract is that of `cove-aws`'s port, whose other side this is.
#[async_trait]
pub trait Machines: Send + Sync {
    /// Starts a machine and its guest; does nothing if it is there already. Returns once it runs.
    async fn start(&self, spec: MachineSpec) -> Result<(), String>;
    /// Kills a machine and all in it; does nothing if it is gone. Returns once it is gone.
    async fn terminate(&self, instance_id: &str) -> Result<(), String>;
    /// How it stands.
    fn state(&self, instance_id: &str) -> MachineState;
    /// What it printed; empty if it is gone.
    fn console(&self, instance_id: &str) -> String;
}
