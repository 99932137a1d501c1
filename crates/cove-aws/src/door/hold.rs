//! Holding a waiter's call until the state it waits for has come (design section 8): waiters poll every 15 or 30 s, so
//! an answer with a transitional state would cost them that long. Plain calls are never held.

use std::time::Duration;

use cove_aws_wire::door::AwsRequest;
use cove_aws_wire::fault::Fault;
use cove_base::runtime::BoxFuture;
use cove_store::Watch;
use serde_json::Value;

use crate::door::input_paths::texts;
use crate::operation::Cx;
use crate::records::store_fault;

/// No call is held longer; clients time out at 60 s.
const LONGEST: Duration = Duration::from_secs(20);

/// Which answers are transitional.
pub struct Hold {
    service: &'static str,
    operation: &'static str,
    path: &'static str,
    transitional: &'static [&'static str],
}

const fn hold(
    service: &'static str,
    operation: &'static str,
    path: &'static str,
    transitional: &'static [&'static str],
) -> Hold {
    Hold { service, operation, path, transitional }
}

/// The operations that botocore's waiters poll, of the services that Cove has.
static HOLDS: &[Hold] = &[
    hold("eks", "DescribeCluster", "cluster.status", &["CREATING", "DELETING", "UPDATING", "PENDING"]),
    hold("eks", "DescribeNodegroup", "nodegroup.status", &["CREATING", "DELETING", "UPDATING"]),
    hold("eks", "DescribeAddon", "addon.status", &["CREATING", "DELETING", "UPDATING"]),
    hold("eks", "DescribeFargateProfile", "fargateProfile.status", &["CREATING", "DELETING"]),
    hold("ec2", "DescribeInstances", "Reservations.Instances.State.Name", &["pending", "shutting-down", "stopping"]),
    hold("ec2", "DescribeInstanceStatus", "InstanceStatuses.InstanceStatus.Status", &["initializing"]),
    hold("ec2", "DescribeNatGateways", "NatGateways.State", &["pending", "deleting"]),
    hold("ec2", "DescribeVolumes", "Volumes.State", &["creating", "deleting"]),
    hold("ec2", "DescribeVpcs", "Vpcs.State", &["pending"]),
    hold("ec2", "DescribeSubnets", "Subnets.State", &["pending"]),
    hold("ec2", "DescribeImages", "Images.State", &["pending"]),
    hold("ec2", "DescribeSnapshots", "Snapshots.State", &["pending"]),
    hold("ec2", "DescribeNetworkInterfaces", "NetworkInterfaces.Status", &["pending", "detaching"]),
];

/// The hold for a call, if a waiter makes it.
pub fn for_call(request: &AwsRequest) -> Option<&'static Hold> {
    let fits = |h: &&Hold| h.service == request.service && h.operation == request.operation;
    HOLDS.iter().find(fits).filter(|_| is_waiter(&request.caller.user_agent))
}

/// botocore names the features in use as `m/A,B,C`; `B` is a waiter, `b` is something else.
fn is_waiter(user_agent: &str) -> bool {
    user_agent.split(' ').filter_map(|p| p.strip_prefix("m/")).any(|list| list.split(',').any(|id| id == "B"))
}

/// Runs an operation again and again as the service's records change, until its answer is not transitional.
pub async fn until_settled(
    hold: &Hold,
    cx: &Cx,
    run: impl Fn() -> BoxFuture<Result<Value, Fault>>,
) -> Result<Value, Fault> {
    let deadline = cx.rt.now() + LONGEST;
    let space = cx.store.space(&format!("aws/{}", cx.region)).await.map_err(store_fault)?;
    let prefix = format!("{}/", hold.service);
    let mut watch: Option<Box<dyn Watch>> = None;
    loop {
        // The watch starts before the reading, so that no change falls between.
        let mut current = match watch.take() {
            Some(watch) => watch,
            None => space.watch(&prefix, space.revision()).await.map_err(store_fault)?,
        };
        let output = run().await?;
        let left = deadline.since(cx.rt.now());
        let states = texts(&output, hold.path);
        if left.is_zero() || !states.iter().any(|s| hold.transitional.contains(&s.as_str())) {
            return Ok(output);
        }
        match cx.rt.timeout(left, next_change(&mut current)).await {
            Some(true) => watch = Some(current),
            // It fell behind or ended: a new one reads on from now.
            Some(false) => {}
            None => return run().await,
        }
    }
}

/// Waits for a batch with events in it. False if the watch has ended.
async fn next_change(watch: &mut Box<dyn Watch>) -> bool {
    loop {
        match watch.next().await {
            Ok(batch) if batch.events.is_empty() => {}
            Ok(_) => return true,
            Err(_) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiters_are_told_by_a_capital_b() {
        assert!(is_waiter("Boto3/1.43.11 md/Botocore#1.43.11 m/Z,B,b cfg/retry-mode#legacy Botocore/1.43.11"));
        assert!(!is_waiter("aws-cli/1.45.11 md/Botocore#1.43.11 m/Z,b Botocore/1.43.11"));
        assert!(!is_waiter("B"));
    }
}
