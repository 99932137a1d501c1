//! Pure decisions of a group: where to launch, whom to end.

use std::collections::BTreeMap;

use super::state::{Group, Member, Placement};

/// Where to launch `count` more instances: always the zone with the fewest (of equal zones the first in the group's
/// order), and in the zone the subnet with the fewest. Subnets in `full` are passed over; nothing is left then.
pub fn places(group: &Group, members: &[&Member], full: &[String], count: usize) -> Vec<Placement> {
    let usable: Vec<&Placement> = group.subnets.iter().filter(|p| !full.contains(&p.subnet_id)).collect();
    let mut of_zone: BTreeMap<&str, usize> = BTreeMap::new();
    let mut of_subnet: BTreeMap<&str, usize> = BTreeMap::new();
    for member in members {
        *of_zone.entry(&member.zone).or_default() += 1;
        *of_subnet.entry(&member.subnet_id).or_default() += 1;
    }
    let mut out = Vec::new();
    for _ in 0..count {
        let load = |p: &Placement| {
            let of = |counts: &BTreeMap<&str, usize>, key: &str| counts.get(key).copied().unwrap_or(0);
            (of(&of_zone, &p.zone), of(&of_subnet, &p.subnet_id))
        };
        let Some(place) = usable.iter().copied().min_by_key(|p| load(p)) else { break };
        *of_zone.entry(&place.zone).or_default() += 1;
        *of_subnet.entry(&place.subnet_id).or_default() += 1;
        out.push(place.clone());
    }
    out
}

/// Whom to end when the group is `count` too large: one after the other from the zone with the most instances, there by
/// the group's termination policies. Protected instances are never chosen.
pub fn victims(group: &Group, members: &[&Member], count: usize) -> Vec<u64> {
    let mut left: Vec<&Member> = members.to_vec();
    let mut out = Vec::new();
    while out.len() < count {
        let mut zones: BTreeMap<&str, usize> = BTreeMap::new();
        left.iter().for_each(|m| *zones.entry(&m.zone).or_default() += 1);
        let open: Vec<&Member> = left.iter().copied().filter(|m| !m.protected || group.deleting).collect();
        let Some(most) = open.iter().map(|m| zones[m.zone.as_str()]).max() else { break };
        let crowded = open.into_iter().filter(|m| zones[m.zone.as_str()] == most);
        let Some(victim) = crowded.min_by_key(|m| rank(group, m)) else { break };
        out.push(victim.ordinal);
        left.retain(|m| m.ordinal != victim.ordinal);
    }
    out
}

/// Smaller ranks end first. Instances that do not serve yet and unhealthy ones come before the policies.
fn rank(group: &Group, member: &Member) -> (bool, Vec<i64>, i64) {
    let types = group.types();
    let policies: &[String] = &group.termination_policies;
    let age = i64::try_from(member.ordinal).unwrap_or(i64::MAX);
    let version: i64 = member.template.version.as_deref().and_then(|v| v.parse().ok()).unwrap_or(0);
    let priority = types.iter().position(|t| *t == member.instance_type).map_or(i64::MAX, |at| at as i64);
    let by = |policy: &String| match policy.as_str() {
        "OldestInstance" => age,
        "NewestInstance" => -age,
        "OldestLaunchTemplate" => version,
        "AllocationStrategy" => -priority,
        // `Default`, and policies about launch configurations and billing hours, which no member differs in.
        _ => version,
    };
    (member.healthy && member.instance_id.is_some(), policies.iter().map(by).collect(), age)
}
