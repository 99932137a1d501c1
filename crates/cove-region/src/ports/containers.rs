//! Containers of real nodes: `cove-nodes`'s port over the inits of `cove-machines`' instances.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cove_machines::real::builtin;
use cove_machines::real::machines::{Ended, RealMachines};
use cove_machines::real::protocol::ContainerRun;
use cove_nodes::real::{BuiltinImage, ContainerStart, Containers, End};
use cove_nodes::runtime::LogLine;

use crate::node_instances::NodeInstances;

/// The adapter of one cluster.
pub(crate) struct InstanceContainers {
    pub machines: RealMachines,
    pub instances: Arc<NodeInstances>,
    /// The cluster's endpoint: names of nodes are unique in a cluster.
    pub endpoint: String,
}

impl InstanceContainers {
    fn instance(&self, node: &str) -> Result<String, String> {
        self.instances.behind(&self.endpoint, node).ok_or_else(|| format!("node {node} has lost its power"))
    }
}

/// The image that is there without a pull, as the runtime knows it.
pub(crate) fn builtin_image() -> BuiltinImage {
    BuiltinImage {
        name: builtin::IMAGE.into(),
        entrypoint: builtin::ENTRYPOINT.map(String::from).to_vec(),
        command: builtin::COMMAND.map(String::from).to_vec(),
    }
}

#[async_trait]
impl Containers for InstanceContainers {
    async fn start(&self, node: &str, start: ContainerStart) -> Result<(), String> {
        let ContainerStart { id, hostname, argv, env, working_dir } = start;
        self.machines.run(&self.instance(node)?, ContainerRun { id, hostname, argv, env, working_dir }).await
    }

    async fn wait(&self, node: &str, id: &str) -> Option<End> {
        match self.machines.wait(&self.instance(node).ok()?, id).await {
            Ended::Exited(code) => Some(End::Exited(code)),
            Ended::Unknown => Some(End::Lost),
            Ended::PowerLost => None,
        }
    }

    async fn stop(&self, node: &str, id: &str, grace: Duration) {
        if let Ok(instance) = self.instance(node) {
            self.machines.stop(&instance, id, grace).await;
        }
    }

    async fn kill(&self, node: &str, prefix: &str) {
        if let Ok(instance) = self.instance(node) {
            self.machines.kill(&instance, prefix).await;
        }
    }

    async fn log(&self, node: &str, id: &str) -> Result<Option<Vec<LogLine>>, String> {
        let lines = self.machines.log(&self.instance(node)?, id)?;
        Ok(lines.map(|lines| lines.into_iter().map(|(time, text)| LogLine { time, text }).collect()))
    }

    async fn remove_log(&self, node: &str, id: &str) {
        if let Ok(instance) = self.instance(node) {
            self.machines.remove_log(&instance, id);
        }
    }

    async fn forget(&self, node: &str, prefix: &str) {
        if let Ok(instance) = self.instance(node) {
            self.machines.kill(&instance, prefix).await;
            self.machines.remove_logs(&instance, prefix);
        }
    }
}
