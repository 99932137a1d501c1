//! The cloud node controller: what EC2 knows of a node (facts: `eks.md` 1.6 and 3.6; cloud-provider-aws).
//!
//! A new node carries the taint `node.cloudprovider.kubernetes.io/uninitialized` until this controller has found its
//! instance and written zone, region and type. A node that is not Ready is deleted once its instance is gone.

use std::sync::Arc;
use std::time::Duration;

use cove_aws_wire::door::{AwsDoor, AwsRequest, Caller};
use cove_base::Runtime;
use cove_kube_api::door::PatchKind;
use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use cove_kube_client::Resource;
use cove_kube_client::cache::Key;
use cove_kube_client::controller::{Context, Controller, Requeue, Watch};
use serde_json::{Value, json};

const NODES: Resource = Resource::core("nodes");
const UNINITIALIZED: &str = "node.cloudprovider.kubernetes.io/uninitialized";
/// How often a node that is not Ready is looked up in EC2 (cloud-provider's nodeMonitorPeriod).
const MONITOR_PERIOD: Duration = Duration::from_secs(5);

/// How the controller reaches EC2.
pub struct Cloud {
    /// The door.
    pub aws: Arc<dyn AwsDoor>,
    /// Who it calls as: a session of the cluster's role.
    pub caller: Caller,
    /// The region.
    pub region: String,
}

/// The controller's declaration.
pub const CONTROLLER: Controller<Cloud> = Controller {
    name: "cloud-node",
    component: "cloud-node-controller",
    watches: |_| vec![Watch::itself(NODES)],
    singleton: false,
    workers: 8,
    reconcile: |cx, key| Box::pin(reconcile(cx, key)),
};

async fn reconcile(cx: Arc<Context<Cloud>>, key: Key) -> Result<Requeue, Status> {
    let Some(node) = cx.cache(NODES).get(&key) else { return Ok(Requeue::Done) };
    let Some(instance_id) = instance_id(&node) else { return Ok(Requeue::Done) };
    let uninitialized = has_taint(&node, UNINITIALIZED);
    if !uninitialized && is_ready(&node) {
        return Ok(Requeue::Done);
    }
    match find_instance(&cx.rt, &cx.shared, &instance_id).await? {
        Some(instance) if uninitialized => {
            initialize(&cx, &node, &instance).await?;
            Ok(Requeue::Done)
        }
        Some(_) => Ok(Requeue::After(MONITOR_PERIOD)),
        None if uninitialized => Ok(Requeue::After(MONITOR_PERIOD)),
        None => {
            let message = format!("Deleting node {} because it does not exist in the cloud provider", node.name());
            cx.events.normal(&node, "DeletingNode", message);
            cx.delete(NODES, &node, json!({"preconditions": {"uid": node.uid()}})).await?;
            Ok(Requeue::Done)
        }
    }
}

/// The instance of a provider id, `aws:///ZONE/i-...`.
fn instance_id(node: &Object) -> Option<String> {
    let id = node.value()["spec"]["providerID"].as_str()?.rsplit('/').next()?;
    id.starts_with("i-").then(|| id.to_string())
}

fn has_taint(node: &Object, key: &str) -> bool {
    node.value()["spec"]["taints"].as_array().is_some_and(|taints| taints.iter().any(|t| t["key"] == key))
}

fn is_ready(node: &Object) -> bool {
    let conditions = node.value()["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"))
}

/// The instance as EC2 describes it; `None` if it is unknown or terminated.
async fn find_instance(rt: &Runtime, cloud: &Cloud, instance_id: &str) -> Result<Option<Value>, Status> {
    let request = AwsRequest {
        caller: cloud.caller.clone(),
        region: cloud.region.clone(),
        service: "ec2".into(),
        operation: "DescribeInstances".into(),
        input: json!({"InstanceIds": [instance_id]}),
        request_id: rt.seed().uuid("cloud-node", rt.now().as_nanos().unsigned_abs()),
    };
    match cloud.aws.call(request).await {
        Ok(answer) => {
            let instance = answer["Reservations"][0]["Instances"][0].clone();
            let gone = instance.is_null() || instance["State"]["Name"] == "terminated";
            Ok((!gone).then_some(instance))
        }
        Err(fault) if fault.code == "InvalidInstanceID.NotFound" => Ok(None),
        Err(fault) => Err(Status::internal(format!("ec2 DescribeInstances: {fault}"))),
    }
}

/// Writes what EC2 knows, then lifts the taint.
async fn initialize(cx: &Context<Cloud>, node: &Object, instance: &Value) -> Result<(), Status> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let zone = text(&instance["Placement"]["AvailabilityZone"]);
    let (region, kind) = (&cx.shared.region, text(&instance["InstanceType"]));
    let taints: Vec<Value> = node.value()["spec"]["taints"].as_array().cloned().unwrap_or_default();
    let taints: Vec<Value> = taints.into_iter().filter(|t| t["key"] != UNINITIALIZED).collect();
    let mut labels = json!({
        "topology.kubernetes.io/zone": zone, "failure-domain.beta.kubernetes.io/zone": zone,
        "topology.kubernetes.io/region": region, "failure-domain.beta.kubernetes.io/region": region,
        "node.kubernetes.io/instance-type": kind, "beta.kubernetes.io/instance-type": kind,
    });
    if let Some(zone_id) = instance["Placement"]["AvailabilityZoneId"].as_str() {
        labels["topology.k8s.aws/zone-id"] = zone_id.into();
    }
    let patch = json!({
        "metadata": {"labels": labels, "resourceVersion": node.revision().to_string()},
        "spec": {"taints": taints},
    });
    cx.client.patch(NODES, "", node.name(), "", PatchKind::Merge, patch).await?;
    cx.events.normal(node, "Synced", "Node synced successfully");
    Ok(())
}
