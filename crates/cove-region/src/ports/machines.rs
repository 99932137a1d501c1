//! Machines behind EC2 instances: `cove-aws`'s port over those of `cove-machines`.

use std::sync::Arc;

use async_trait::async_trait;
use cove_aws::ports;
use cove_machines::machine::{self, MachineSpec, MachineState};

/// The adapter.
pub(crate) struct Machines(pub Arc<dyn machine::Machines>);

#[async_trait]
impl ports::Machines for Machines {
    async fn start(&self, spec: ports::MachineSpec) -> Result<(), String> {
        self.0
            .start(MachineSpec {
                instance_id: spec.instance_id,
                region: spec.region,
                zone: spec.zone,
                instance_type: spec.instance_type,
                image_id: spec.image_id,
                private_ip: spec.private_ip,
                private_dns_name: spec.private_dns_name,
                role_name: spec.role_name,
                user_data: spec.user_data,
                tags: spec.tags,
            })
            .await
    }

    async fn terminate(&self, instance_id: &str) -> Result<(), String> {
        self.0.terminate(instance_id).await
    }

    async fn state(&self, instance_id: &str) -> ports::MachineState {
        match self.0.state(instance_id) {
            MachineState::Pending => ports::MachineState::Pending,
            MachineState::Running => ports::MachineState::Running,
            MachineState::Gone => ports::MachineState::Gone,
        }
    }

    async fn console(&self, instance_id: &str) -> String {
        self.0.console(instance_id)
    }
}
