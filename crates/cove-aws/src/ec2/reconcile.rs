//! Makes machines follow the records of instances: starts what is pending, ends what is shutting down, adopts what
//! should run (after a restart), forgets what has been gone for an hour.

use std::time::Duration;

use cove_aws_wire::fault::Fault;
use cove_base::runtime::BoxFuture;
use cove_store::{Event, Txn, TxnResult};

use super::addresses::{Address, PublicAddress};
use super::instances::{Instance, InstanceState, Interface, LaunchToken};
use super::ops::launch_spec::decode_user_data;
use crate::limits::TERMINATED_VISIBLE_S;
use crate::operation::Cx;
use crate::ports::{MachineSpec, MachineState};
use crate::reconcile::{Again, Reconciler};
use crate::records::{Records, Resource, encode, store_fault};

const PREFIX: &str = "ec2/instance/";

const INSTANCES: Reconciler = Reconciler {
    name: "ec2/instance",
    prefixes: &[PREFIX],
    concerns,
    keys: |cx| Box::pin(keys(cx)),
    step,
    period: Duration::from_secs(600),
};

/// Starts the reconciler of this region.
pub fn start(cx: &Cx) {
    INSTANCES.start(cx);
}

fn concerns(event: &Event) -> Vec<String> {
    event.entry.key.strip_prefix(PREFIX).filter(|_| !event.deleted).map(String::from).into_iter().collect()
}

async fn keys(cx: Cx) -> Result<Vec<String>, Fault> {
    Ok(cx.records::<Instance>().await?.list().await?.iter().map(Resource::id).collect())
}

/// Does what an instance's record asks for.
fn step(cx: Cx, id: String) -> BoxFuture<Result<Again, Fault>> {
    Box::pin(async move {
        let records = cx.records::<Instance>().await?;
        let Some(instance) = records.get(&id).await?.map(|record| record.value) else { return Ok(Again::OnChange) };
        match instance.state {
            InstanceState::Running if cx.ports.machines.state(&id).await == MachineState::Running => {}
            InstanceState::Pending | InstanceState::Running => bring_up(&cx, &records, &instance).await?,
            InstanceState::ShuttingDown => {
                cx.ports.machines.terminate(&id).await.map_err(Fault::internal)?;
                bury(&cx, &id).await?;
            }
            InstanceState::Terminated => return forget(&cx, &instance).await,
        }
        Ok(Again::OnChange)
    })
}

async fn bring_up(cx: &Cx, records: &Records<Instance>, instance: &Instance) -> Result<(), Fault> {
    let started = cx.ports.machines.start(spec_of(cx, instance)).await;
    let now = cx.rt.now();
    records
        .update(&instance.instance_id, |i| {
            match (&started, i.state) {
                (Ok(()), InstanceState::Pending) => i.state = InstanceState::Running,
                (Err(why), InstanceState::Pending | InstanceState::Running) => {
                    i.state = InstanceState::ShuttingDown;
                    i.transition_reason = format!("Server.InternalError ({})", now.format("%Y-%m-%d %H:%M:%S GMT"));
                    i.state_reason = Some(("Server.InternalError".into(), format!("Server.InternalError: {why}")));
                }
                _ => {}
            }
            Ok(())
        })
        .await?;
    Ok(())
}

fn spec_of(cx: &Cx, instance: &Instance) -> MachineSpec {
    MachineSpec {
        instance_id: instance.instance_id.clone(),
        region: cx.region.clone(),
        zone: instance.zone.clone(),
        zone_id: instance.zone_id.clone(),
        instance_type: instance.instance_type.clone(),
        image_id: instance.image_id.clone(),
        private_ip: instance.private_ip.to_string(),
        private_dns_name: instance.private_dns_name.clone(),
        role_name: instance.profile.as_ref().and_then(|profile| profile.role_name.clone()),
        user_data: instance.user_data.as_deref().and_then(decode_user_data).unwrap_or_default(),
        tags: instance.tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect(),
    }
}

/// The machine is gone: the interface and its addresses go, the record stays.
async fn bury(cx: &Cx, id: &str) -> Result<(), Fault> {
    let records = cx.records::<Instance>().await?;
    let interfaces = cx.records::<Interface>().await?;
    loop {
        let Some(record) = records.get(id).await? else { return Ok(()) };
        let mut instance = record.value;
        instance.state = InstanceState::Terminated;
        instance.terminated = Some(cx.rt.now());
        let key = Records::<Instance>::key(id);
        let mut txn = Txn::new().expect(&key, record.revision).put(&key, encode(&instance)?);
        if let Some(interface) = interfaces.get(&instance.interface_id).await?.map(|record| record.value) {
            txn = txn
                .delete(Records::<Interface>::key(&interface.interface_id))
                .delete(Records::<Address>::key(&format!("{}/{}", interface.subnet_id, interface.private_ip)));
            if let Some(ip) = interface.public_ip {
                txn = txn.delete(Records::<PublicAddress>::key(&ip.to_string()));
            }
        }
        if let TxnResult::Committed { .. } = records.space().txn(txn).await.map_err(store_fault)? {
            return Ok(());
        }
    }
}

/// Deletes the record an hour after the end.
async fn forget(cx: &Cx, instance: &Instance) -> Result<Again, Fault> {
    let ended = instance.terminated.unwrap_or(instance.launched);
    let at = ended + Duration::from_secs(TERMINATED_VISIBLE_S);
    if cx.rt.now() < at {
        return Ok(Again::After(at.since(cx.rt.now())));
    }
    let mut txn = Txn::new().delete(Records::<Instance>::key(&instance.instance_id));
    if !instance.client_token.is_empty() {
        // Who would repeat the call by now would get nothing of it back.
        txn = txn.delete(Records::<LaunchToken>::key(&instance.client_token));
    }
    cx.records::<Instance>().await?.space().txn(txn).await.map_err(store_fault)?;
    Ok(Again::OnChange)
}
