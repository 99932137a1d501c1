//! SuspendProcesses and ResumeProcesses.

use cove_aws_wire::fault::Fault;
use serde::Deserialize;

use super::group::{Nothing, group_name};
use crate::autoscaling::activities::at;
use crate::autoscaling::faults;
use crate::autoscaling::state::Group;
use crate::operation::Cx;

/// The processes of a group.
const PROCESSES: &[&str] = &[
    "AddToLoadBalancer",
    "AlarmNotification",
    "AZRebalance",
    "HealthCheck",
    "InstanceRefresh",
    "Launch",
    "ReplaceUnhealthy",
    "ScheduledActions",
    "Terminate",
];

/// The input of both.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ProcessesInput {
    auto_scaling_group_name: String,
    #[serde(default)]
    scaling_processes: Vec<String>,
}

impl ProcessesInput {
    fn processes(&self) -> Result<Vec<String>, Fault> {
        if let Some(unknown) = self.scaling_processes.iter().find(|p| !PROCESSES.contains(&p.as_str())) {
            return Err(faults::validation(format!("Unknown process type: {unknown}")));
        }
        let all = || PROCESSES.iter().map(|p| (*p).into()).collect();
        Ok(if self.scaling_processes.is_empty() { all() } else { self.scaling_processes.clone() })
    }
}

/// SuspendProcesses: the named ones, or all.
pub async fn suspend_processes(cx: Cx, input: ProcessesInput) -> Result<Nothing, Fault> {
    let reason = format!("User suspended at {}", at(cx.rt.now()));
    let (name, processes) = (group_name(&input.auto_scaling_group_name), input.processes()?);
    let records = cx.records::<Group>().await?;
    let changed = records.update(&name, |group| {
        group.suspended.extend(processes.iter().map(|p| (p.clone(), reason.clone())));
        Ok(())
    });
    changed.await?.map(|_| Nothing {}).ok_or_else(|| faults::no_group(&name))
}

/// ResumeProcesses: the named ones, or all.
pub async fn resume_processes(cx: Cx, input: ProcessesInput) -> Result<Nothing, Fault> {
    let (name, processes) = (group_name(&input.auto_scaling_group_name), input.processes()?);
    let records = cx.records::<Group>().await?;
    let changed = records.update(&name, |group| {
        group.suspended.retain(|p, _| !processes.contains(p));
        Ok(())
    });
    changed.await?.map(|_| Nothing {}).ok_or_else(|| faults::no_group(&name))
}
