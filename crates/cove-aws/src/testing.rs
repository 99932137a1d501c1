//! For tests of services: operations called by name on a memory store and a virtual clock, without wire and
//! permissions (the door's own tests have those).

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use cove_aws_wire::door::{AwsDoor, AwsRequest, Caller, Principal};
use cove_aws_wire::fault::Fault;
use cove_aws_wire::session_token::Sessions;
use cove_base::virtual_runtime::VirtualDriver;
use cove_base::{Runtime, Seed, Timestamp};
use cove_store::Store;
use serde_json::Value;

use crate::operation::Cx;
use crate::ports::{
    ClusterAddress, ClusterSpec, Clusters, DrainProgress, MachineSpec, MachineState, Machines, NodeChange, NodeView,
    Ports,
};
use crate::services::service;

/// Machines that start at once, and remember what they were told.
#[derive(Default)]
pub struct FakeMachines {
    running: Mutex<BTreeMap<String, MachineSpec>>,
    /// Instances whose start fails.
    pub broken: Mutex<bool>,
}

impl FakeMachines {
    /// The ids of what runs.
    pub fn running(&self) -> Vec<String> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// What an instance was started from.
    pub fn spec(&self, id: &str) -> Option<MachineSpec> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }
}

#[async_trait]
impl Machines for FakeMachines {
    async fn start(&self, spec: MachineSpec) -> Result<(), String> {
        if *self.broken.lock().unwrap_or_else(PoisonError::into_inner) {
            return Err("no room".into());
        }
        self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(spec.instance_id.clone(), spec);
        Ok(())
    }
    async fn terminate(&self, instance_id: &str) -> Result<(), String> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(instance_id);
        Ok(())
    }
    async fn state(&self, instance_id: &str) -> MachineState {
        match self.spec(instance_id) {
            Some(_) => MachineState::Running,
            None => MachineState::Gone,
        }
    }
    async fn console(&self, _: &str) -> String {
        String::new()
    }
}

/// Clusters that start at once. Every running machine that is tagged for one becomes its node, if it may.
pub struct FakeClusters {
    machines: Arc<FakeMachines>,
    state: Mutex<ClusterFacts>,
}

/// What the clusters were told, and how they shall behave.
#[derive(Default)]
pub struct ClusterFacts {
    /// The clusters that run.
    pub running: BTreeMap<String, ClusterSpec>,
    /// Node objects by instance id.
    pub nodes: BTreeMap<String, NodeView>,
    /// Mapped node roles.
    pub roles: Vec<String>,
    /// What was changed on nodes.
    pub changes: Vec<(String, NodeChange)>,
    /// How often each node was drained.
    pub drains: BTreeMap<String, usize>,
    /// Machines started from now on never join.
    pub strangers: bool,
    /// Pods that no drain gets rid of.
    pub stubborn_pods: usize,
}

impl FakeClusters {
    fn new(machines: Arc<FakeMachines>) -> Self {
        Self { machines, state: Mutex::default() }
    }

    /// What they were told, to read and to change.
    pub fn facts(&self) -> std::sync::MutexGuard<'_, ClusterFacts> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Clusters for FakeClusters {
    async fn start(&self, spec: ClusterSpec) -> Result<ClusterAddress, String> {
        self.facts().running.insert(spec.name.clone(), spec);
        Ok(ClusterAddress { endpoint: "https://127.0.0.1:16443".into(), ca_pem: "PEM".into() })
    }
    async fn delete(&self, _: &str, name: &str) -> Result<(), String> {
        self.facts().running.remove(name);
        Ok(())
    }
    async fn nodes(&self, _: &str, name: &str) -> Result<Vec<NodeView>, String> {
        let machines: Vec<MachineSpec> =
            self.machines.running().iter().filter_map(|id| self.machines.spec(id)).collect();
        let mut facts = self.facts();
        for machine in machines.iter().filter(|m| m.tags.get("eks:cluster-name").is_some_and(|c| c == name)) {
            let labels = machine.tags.get("eks:nodegroup-name").cloned().unwrap_or_default();
            let node = NodeView {
                name: machine.private_dns_name.clone(),
                instance_id: machine.instance_id.clone(),
                ready: true,
                labels: BTreeMap::from([("eks.amazonaws.com/nodegroup".into(), labels)]),
            };
            if !facts.strangers {
                facts.nodes.entry(machine.instance_id.clone()).or_insert(node);
            }
        }
        Ok(facts.nodes.values().cloned().collect())
    }
    async fn drain(&self, _: &str, _: &str, node: &str) -> Result<DrainProgress, String> {
        let mut facts = self.facts();
        *facts.drains.entry(node.into()).or_default() += 1;
        Ok(if facts.stubborn_pods == 0 { DrainProgress::Empty } else { DrainProgress::Left(facts.stubborn_pods) })
    }
    async fn forget_node(&self, _: &str, _: &str, node: &str) -> Result<(), String> {
        self.facts().nodes.retain(|_, n| n.name != node);
        Ok(())
    }
    async fn map_node_role(&self, _: &str, _: &str, role_arn: &str) -> Result<(), String> {
        let mut facts = self.facts();
        facts.roles.retain(|r| r != role_arn);
        facts.roles.push(role_arn.into());
        Ok(())
    }
    async fn unmap_node_role(&self, _: &str, _: &str, role_arn: &str) -> Result<(), String> {
        self.facts().roles.retain(|r| r != role_arn);
        Ok(())
    }
    async fn change_node(&self, _: &str, _: &str, node: &str, change: NodeChange) -> Result<(), String> {
        self.facts().changes.push((node.into(), change));
        Ok(())
    }
}

/// The tables without permissions.
struct OpenDoor(Mutex<Option<Cx>>);

#[async_trait]
impl AwsDoor for OpenDoor {
    async fn call(&self, request: AwsRequest) -> Result<Value, Fault> {
        let cx = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let cx = cx.ok_or_else(|| Fault::internal("the test has ended"))?;
        let operation = service(&request.service)
            .and_then(|service| service.operations.iter().find(|o| o.name == request.operation))
            .ok_or_else(|| Fault::new(501, "NotImplemented", request.operation.clone()))?;
        let cx = Cx { caller: request.caller, region: request.region, request_id: request.request_id, ..cx };
        (operation.run)(cx, request.input).await
    }
}

/// A region to test in.
pub struct Bench {
    /// The clock.
    pub driver: VirtualDriver,
    /// The machines.
    pub machines: Arc<FakeMachines>,
    /// The clusters.
    pub clusters: Arc<FakeClusters>,
    /// As the account's root in us-west-2.
    pub cx: Cx,
    door: Arc<OpenDoor>,
}

impl Drop for Bench {
    fn drop(&mut self) {
        // The door holds what holds the door.
        self.door.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Bench {
    /// An empty region.
    pub fn new() -> Self {
        let driver = VirtualDriver::new(Timestamp::from_secs(1_795_000_000));
        Self::on(cove_store::memory(), driver.clone(), driver.runtime(Seed::new(7)))
    }

    /// A region over what a store holds.
    pub fn on(store: Arc<dyn Store>, driver: VirtualDriver, rt: Runtime) -> Self {
        let machines = Arc::new(FakeMachines::default());
        let clusters = Arc::new(FakeClusters::new(machines.clone()));
        let door = Arc::new(OpenDoor(Mutex::new(None)));
        let cx = Cx {
            rt,
            region: "us-west-2".into(),
            caller: Caller::in_process(Principal::Root),
            request_id: "00000000-0000-4000-8000-000000000000".into(),
            store,
            door: door.clone(),
            ports: Arc::new(Ports {
                machines: machines.clone(),
                clusters: clusters.clone(),
                drain_timeout: Duration::from_secs(900),
            }),
            sessions: Arc::new(Sessions::new(&[7; 32]).expect("sessions")),
        };
        *door.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.clone());
        Self { driver, machines, clusters, cx, door }
    }

    /// Runs to the end of a future.
    pub fn run<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> T {
        self.driver.block_on(future)
    }

    /// Calls an operation.
    pub fn call(&self, service: &'static str, operation: &'static str, input: Value) -> Result<Value, Fault> {
        let cx = self.cx.clone();
        self.run(async move { cx.call(cx.caller.clone(), service, operation, input).await })
    }

    /// Calls an operation that must succeed.
    pub fn ok(&self, service: &'static str, operation: &'static str, input: Value) -> Value {
        self.call(service, operation, input).unwrap_or_else(|fault| panic!("{operation}: {fault}"))
    }

    /// Calls an operation that must fail: `code: message`.
    pub fn err(&self, service: &'static str, operation: &'static str, input: Value) -> String {
        match self.call(service, operation, input) {
            Ok(reply) => panic!("{operation} succeeded: {reply}"),
            Err(fault) => fault.to_string(),
        }
    }
}
