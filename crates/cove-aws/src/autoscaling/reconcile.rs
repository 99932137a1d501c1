//! Keeps groups at their size: launches, replaces, shrinks, and walks instances through their lifecycle.
//!
//! A step reads the group, its members and what EC2 says of them. First the members' lifecycles are advanced, then the
//! size is corrected; both are decided purely ([`Round`]) and written in one transaction. Only then is EC2 asked: to
//! launch what has no instance yet (the client token makes that idempotent) and to end what shall end.

use std::collections::BTreeMap;
use std::time::Duration;

use cove_aws_wire::fault::Fault;
use cove_base::Timestamp;
use cove_store::{Event, Txn, TxnResult};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::activities;
use super::launch::{self, as_autoscaling};
use super::round::Round;
use super::state::{Activity, Group, Member, TemplateSpec};
use crate::operation::Cx;
use crate::reconcile::{Again, Reconciler};
use crate::records::{Records, Resource, encode, store_fault};

/// The tag that Auto Scaling puts on its instances.
pub const GROUP_TAG: &str = "aws:autoscaling:groupName";

/// The groups of a region.
pub const GROUPS: Reconciler = Reconciler {
    name: "autoscaling/group",
    prefixes: &["autoscaling/group/", "autoscaling/instance/", "ec2/instance/"],
    concerns,
    keys: |cx| {
        Box::pin(async move { Ok(cx.records::<Group>().await?.list().await?.into_iter().map(|g| g.name).collect()) })
    },
    step: |cx, name| Box::pin(step(cx, name)),
    period: Duration::from_secs(60),
};

fn concerns(event: &Event) -> Vec<String> {
    let key: &str = &event.entry.key;
    if let Some(name) = key.strip_prefix("autoscaling/group/") {
        return vec![name.into()];
    }
    let Ok(record) = serde_json::from_slice::<Value>(&event.entry.value) else { return Vec::new() };
    if key.starts_with("autoscaling/instance/") {
        return record["group"].as_str().map(Into::into).into_iter().collect();
    }
    let tags = record["tags"].as_array().into_iter().flatten();
    let of_group = tags.filter(|t| t["Key"] == GROUP_TAG).filter_map(|t| t["Value"].as_str());
    of_group.map(Into::into).collect()
}

/// The members of a group. A group's name may be the beginning of another's, so the record decides.
pub async fn members(cx: &Cx, group: &str) -> Result<Vec<Member>, Fault> {
    let all = cx.records::<Member>().await?.list_under(&Member::prefix(group)).await?;
    Ok(all.into_iter().filter(|m| m.group == group).collect())
}

/// What EC2 says of a group's instances: the state's name by instance id.
async fn instance_states(cx: &Cx, members: &[Member]) -> Result<BTreeMap<String, String>, Fault> {
    let ids: Vec<&String> = members.iter().filter_map(|m| m.instance_id.as_ref()).collect();
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let filters = json!([{ "Name": "instance-id", "Values": ids }]);
    let found = as_autoscaling(cx, "ec2", "DescribeInstances", json!({ "Filters": filters })).await?;
    let reservations = found["Reservations"].as_array().into_iter().flatten();
    let instances = reservations.flat_map(|r| r["Instances"].as_array().into_iter().flatten());
    let state = |i: &Value| Some((i["InstanceId"].as_str()?.to_string(), i["State"]["Name"].as_str()?.to_string()));
    Ok(instances.filter_map(state).collect())
}

/// Whether a template's version may mean another one at every launch.
fn moves(spec: &TemplateSpec) -> bool {
    spec.version.as_deref().is_none_or(|v| v.starts_with('$'))
}

async fn step(cx: Cx, name: String) -> Result<Again, Fault> {
    let groups = cx.records::<Group>().await?;
    let Some(record) = groups.get(&name).await? else { return Ok(Again::OnChange) };
    let members = members(&cx, &name).await?;
    let states = instance_states(&cx, &members).await?;
    let mut round = Round::new(&cx.rt, record.value, members, states);
    round.advance();
    if round.wants_to_grow() && moves(&round.group.template()) {
        round.group.resolved_template = launch::template(&cx, &round.group.template()).await?.0;
    }
    round.resize();
    if !commit(&cx, &round, record.revision).await? {
        return Ok(Again::After(Duration::ZERO));
    }
    terminate(&cx, &round).await?;
    launch(&cx, &round).await?;
    if round.group.deleting && round.is_empty() {
        delete(&cx, &round.group).await?;
        return Ok(Again::OnChange);
    }
    Ok(round.again())
}

/// Writes a round in one transaction. False if the group or a member changed meanwhile.
async fn commit(cx: &Cx, round: &Round, revision: u64) -> Result<bool, Fault> {
    let activities = cx.records::<Activity>().await?;
    let group_key = Records::<Group>::key(&round.group.name);
    let mut txn = Txn::new();
    if round.group_changed() {
        txn = txn.expect(&group_key, revision).put(&group_key, encode(&round.group)?);
    }
    for (before, after) in round.changed_members() {
        let id = before.or(after).map(Resource::id).unwrap_or_default();
        let current = cx.records::<Member>().await?.get(&id).await?;
        if current.as_ref().map(|r| &r.value) != before {
            return Ok(false);
        }
        let key = Records::<Member>::key(&id);
        txn = txn.expect(&key, current.map_or(0, |r| r.revision));
        txn = match after {
            Some(member) => txn.put(key, encode(member)?),
            None => txn.delete(key),
        };
    }
    for activity in &round.new_activities {
        txn = txn.put(Records::<Activity>::key(&activity.id()), encode(activity)?);
    }
    for ordinal in &round.ended_activities {
        if let Some(mut activity) =
            activities.get(&format!("{}/{ordinal:016}", round.group.name)).await?.map(|r| r.value)
        {
            activities::succeeded(&mut activity, cx.rt.now());
            txn = txn.put(Records::<Activity>::key(&activity.id()), encode(&activity)?);
        }
    }
    if txn.ops.is_empty() {
        return Ok(true);
    }
    Ok(matches!(activities.space().txn(txn).await.map_err(store_fault)?, TxnResult::Committed { .. }))
}

/// Ends the instances that no hook holds any more.
async fn terminate(cx: &Cx, round: &Round) -> Result<(), Fault> {
    let ids = round.to_terminate();
    if ids.is_empty() {
        return Ok(());
    }
    as_autoscaling(cx, "ec2", "TerminateInstances", json!({ "InstanceIds": ids })).await.map(|_| ())
}

/// Asks EC2 for the instances of members that have none, one call per client token.
async fn launch(cx: &Cx, round: &Round) -> Result<(), Fault> {
    let mut calls: BTreeMap<&str, Vec<&Member>> = BTreeMap::new();
    for member in round.waiting_for_instance() {
        calls.entry(&member.token).or_default().push(member);
    }
    let results = join_all(calls.into_values().map(|members| launch_call(cx, &round.group, members))).await;
    results.into_iter().collect()
}

async fn launch_call(cx: &Cx, group: &Group, members: Vec<&Member>) -> Result<(), Fault> {
    let Some(first) = members.first() else { return Ok(()) };
    let tags: Vec<Value> = first.tags.iter().map(|(k, v)| json!({ "Key": k, "Value": v })).collect();
    let mut input = json!({
        "LaunchTemplate": { "LaunchTemplateId": first.template.launch_template_id, "Version": first.template.version },
        "MinCount": 1,
        "MaxCount": members.len(),
        "ClientToken": first.token,
        "TagSpecifications": [{ "ResourceType": "instance", "Tags": tags }],
    });
    place(cx, first, &mut input).await?;
    if !first.instance_type.is_empty() {
        input["InstanceType"] = json!(first.instance_type);
    }
    let spot =
        group.mixed.as_ref().is_some_and(|m| m.instances_distribution.on_demand_percentage_above_base_capacity == 0);
    if spot {
        input["InstanceMarketOptions"] = json!({ "MarketType": "spot" });
    }
    let answer = as_autoscaling(cx, "ec2", "RunInstances", input).await;
    let made: Vec<String> = match &answer {
        Ok(made) => made["Instances"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|i| i["InstanceId"].as_str().map(Into::into))
            .collect(),
        Err(fault) if fault.status >= 500 && fault.status != 501 => return Err(fault.clone()),
        Err(_) => Vec::new(),
    };
    let (code, message) = match &answer {
        Err(fault) => (fault.code.clone(), fault.message.clone()),
        Ok(_) => (
            "InsufficientFreeAddressesInSubnet".into(),
            format!(
                "There are not enough free addresses in subnet '{}' to satisfy the requested number of instances.",
                first.subnet_id
            ),
        ),
    };
    record_launches(cx, group, &members, &made, &code, &message).await
}

/// Says where to: in the interface, if the template has one, since EC2 refuses a subnet beside it.
async fn place(cx: &Cx, member: &Member, input: &mut Value) -> Result<(), Fault> {
    let (_, data) = launch::template(cx, &member.template).await?;
    if data["NetworkInterfaces"][0].is_object() {
        input["NetworkInterfaces"] = data["NetworkInterfaces"].clone();
        input["NetworkInterfaces"][0]["SubnetId"] = json!(member.subnet_id);
    } else {
        input["SubnetId"] = json!(member.subnet_id);
    }
    Ok(())
}

/// Writes which members have an instance now. The others are gone, their activity has failed, and their subnet is
/// passed over for a while.
async fn record_launches(
    cx: &Cx,
    group: &Group,
    members: &[&Member],
    made: &[String],
    code: &str,
    message: &str,
) -> Result<(), Fault> {
    let (records, activities) = (cx.records::<Member>().await?, cx.records::<Activity>().await?);
    let now = cx.rt.now();
    let mut txn = Txn::new();
    for (index, member) in members.iter().enumerate() {
        let Some(current) = records.get(&member.id()).await? else { continue };
        let key = Records::<Member>::key(&member.id());
        txn = txn.expect(&key, current.revision);
        let activity = activities.get(&format!("{}/{:016}", group.name, member.ordinal)).await?.map(|r| r.value);
        let mut activity = activity.ok_or_else(|| Fault::internal("a member without its activity"))?;
        match made.get(index) {
            Some(id) => {
                let mut after = current.value;
                after.instance_id = Some(id.clone());
                activities::launched(&mut activity, id);
                txn = txn.put(key, encode(&after)?);
            }
            None => {
                activities::launch_failed(&mut activity, now, group.mixed.is_some(), code, message);
                txn = txn.delete(key);
            }
        }
        txn = txn.put(Records::<Activity>::key(&activity.id()), encode(&activity)?);
    }
    // A conflict is another writer's change of a member; the next step asks EC2 again under the same token.
    records.space().txn(txn).await.map_err(store_fault)?;
    let failed = made.len() < members.len();
    let subnet = members.first().map(|m| m.subnet_id.clone()).unwrap_or_default();
    let groups = cx.records::<Group>().await?;
    groups.update(&group.name, |g| note_launch(g, now, &subnet, failed)).await?;
    Ok(())
}

fn note_launch(group: &mut Group, now: Timestamp, subnet: &str, failed: bool) -> Result<(), Fault> {
    if failed {
        group.launch_failures = group.launch_failures.saturating_add(1);
        let wait = Duration::from_secs(10 << group.launch_failures.min(5));
        group.blocked.insert(subnet.into(), now + wait);
    } else {
        group.launch_failures = 0;
        group.blocked.remove(subnet);
    }
    Ok(())
}

/// Deletes a group without members, with its activities.
pub async fn delete(cx: &Cx, group: &Group) -> Result<(), Fault> {
    let activities = cx.records::<Activity>().await?;
    let mut txn = Txn::new().delete(Records::<Group>::key(&group.name));
    for activity in activities.list_under(&format!("{}/", group.name)).await?.iter().filter(|a| a.group == group.name) {
        txn = txn.delete(Records::<Activity>::key(&activity.id()));
    }
    activities.space().txn(txn).await.map_err(store_fault)?;
    Ok(())
}
