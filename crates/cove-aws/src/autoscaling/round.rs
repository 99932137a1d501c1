//! One round over a group, decided purely from its record, its members and what EC2 says of them.

use std::collections::BTreeMap;
use std::time::Duration;

use cove_base::{Runtime, Timestamp};

use super::activities;
use super::balance;
use super::reconcile::GROUP_TAG;
use super::state::{Activity, Group, Lifecycle, Member, Transition};
use crate::reconcile::Again;

/// A round: what was, what shall be, and the activities that belong to the change.
pub struct Round {
    rt: Runtime,
    now: Timestamp,
    before: (Group, BTreeMap<u64, Member>),
    /// The group as it shall be.
    pub group: Group,
    members: BTreeMap<u64, Member>,
    states: BTreeMap<String, String>,
    /// Activities that begin.
    pub new_activities: Vec<Activity>,
    /// Ordinals of activities that end well.
    pub ended_activities: Vec<u64>,
}

impl Round {
    /// A round over what was read.
    pub fn new(rt: &Runtime, group: Group, members: Vec<Member>, states: BTreeMap<String, String>) -> Self {
        let members: BTreeMap<u64, Member> = members.into_iter().map(|m| (m.ordinal, m)).collect();
        Self {
            rt: rt.clone(),
            now: rt.now(),
            before: (group.clone(), members.clone()),
            group,
            members,
            states,
            new_activities: Vec::new(),
            ended_activities: Vec::new(),
        }
    }

    fn state<'a>(states: &'a BTreeMap<String, String>, member: &Member) -> &'a str {
        match &member.instance_id {
            None => "pending",
            Some(id) => states.get(id).map_or("terminated", String::as_str),
        }
    }

    /// Advances every member through its lifecycle as far as it can go.
    pub fn advance(&mut self) {
        let ordinals: Vec<u64> = self.members.keys().copied().collect();
        for ordinal in ordinals {
            while self.advance_one(ordinal) {}
        }
    }

    /// One step of one member. False if it stays as it is.
    fn advance_one(&mut self, ordinal: u64) -> bool {
        let Some(member) = self.members.get(&ordinal) else { return false };
        let state = Self::state(&self.states, member);
        let alive = matches!(state, "pending" | "running");
        let hook = |transition| self.group.hook(transition).cloned().filter(|_| !self.group.deleting);
        match member.lifecycle {
            Lifecycle::Pending | Lifecycle::PendingWait | Lifecycle::InService if !alive => self.lost(ordinal),
            Lifecycle::Pending if state == "running" => match hook(Transition::Launching) {
                Some(hook) => self.hold(ordinal, Lifecycle::PendingWait, hook.heartbeat_timeout_s),
                None => self.in_service(ordinal),
            },
            Lifecycle::PendingWait => match self.held(ordinal, Transition::Launching).as_deref() {
                None => false,
                Some("CONTINUE") => self.in_service(ordinal),
                Some(_) => {
                    let cause = format!(
                        "At {} an instance was taken out of service because its lifecycle action was abandoned.",
                        activities::at(self.now)
                    );
                    self.end(ordinal, cause, Lifecycle::TerminatingProceed)
                }
            },
            Lifecycle::Terminating => match hook(Transition::Terminating) {
                Some(hook) if alive => self.hold(ordinal, Lifecycle::TerminatingWait, hook.heartbeat_timeout_s),
                _ => self.turn(ordinal, Lifecycle::TerminatingProceed),
            },
            Lifecycle::TerminatingWait => match self.held(ordinal, Transition::Terminating) {
                None if alive => false,
                _ => self.turn(ordinal, Lifecycle::TerminatingProceed),
            },
            Lifecycle::TerminatingProceed if state == "terminated" => self.gone(ordinal),
            _ => false,
        }
    }

    fn turn(&mut self, ordinal: u64, lifecycle: Lifecycle) -> bool {
        let now = self.now;
        if let Some(member) = self.members.get_mut(&ordinal) {
            member.lifecycle = lifecycle;
            member.changed_at = now;
            member.hook_deadline = None;
            member.hook_result = None;
            member.action_token = None;
        }
        true
    }

    fn hold(&mut self, ordinal: u64, lifecycle: Lifecycle, seconds: u64) -> bool {
        self.turn(ordinal, lifecycle);
        let token = self.rt.seed().child(&self.group.uuid).uuid(lifecycle.name(), ordinal);
        if let Some(member) = self.members.get_mut(&ordinal) {
            member.hook_deadline = Some(self.now + Duration::from_secs(seconds));
            member.action_token = Some(token);
        }
        true
    }

    /// The result of the hook that holds a member: what was said, or the default once the time is up or the hook gone.
    fn held(&self, ordinal: u64, transition: Transition) -> Option<String> {
        let member = self.members.get(&ordinal)?;
        let late = member.hook_deadline.is_none_or(|deadline| deadline <= self.now);
        match (&member.hook_result, self.group.hook(transition)) {
            (Some(result), _) => Some(result.clone()),
            (None, None) => Some("CONTINUE".into()),
            (None, Some(hook)) if late => Some(hook.default_result.clone()),
            (None, Some(_)) => self.group.deleting.then(|| "CONTINUE".into()),
        }
    }

    fn in_service(&mut self, ordinal: u64) -> bool {
        self.ended_activities.push(ordinal);
        self.turn(ordinal, Lifecycle::InService)
    }

    /// EC2 says that the instance is gone, and nobody here has asked for that.
    fn lost(&mut self, ordinal: u64) -> bool {
        if !self.group.runs("HealthCheck") || !self.group.runs("Terminate") && !self.group.runs("ReplaceUnhealthy") {
            return false;
        }
        self.end(ordinal, activities::health_cause(self.now), Lifecycle::TerminatingProceed)
    }

    /// Begins the end of a member.
    fn end(&mut self, ordinal: u64, cause: String, lifecycle: Lifecycle) -> bool {
        let of_end = self.next_ordinal();
        let Some(member) = self.members.get_mut(&ordinal) else { return false };
        member.ending = Some(of_end);
        member.healthy = lifecycle == Lifecycle::Terminating;
        let activity = activities::terminating(&self.rt, &self.group, member, of_end, cause);
        self.new_activities.push(activity);
        self.turn(ordinal, lifecycle)
    }

    fn gone(&mut self, ordinal: u64) -> bool {
        if let Some(member) = self.members.remove(&ordinal) {
            self.ended_activities.extend(member.ending);
        }
        false
    }

    fn next_ordinal(&mut self) -> u64 {
        self.group.next_ordinal += 1;
        self.group.next_ordinal - 1
    }

    fn counting(&self) -> Vec<&Member> {
        self.members.values().filter(|m| m.lifecycle.counts()).collect()
    }

    /// Whether instances are missing.
    pub fn wants_to_grow(&self) -> bool {
        self.counting().len() < self.group.desired as usize && !self.group.deleting
    }

    /// Corrects the size of the group: new members to launch, or members to end.
    pub fn resize(&mut self) {
        self.group.blocked.retain(|_, until| *until > self.now);
        let (have, want) = (self.counting().len(), self.group.desired as usize);
        let serving = self.counting().iter().filter(|m| m.lifecycle == Lifecycle::InService).count();
        if have < want && self.group.runs("Launch") && !self.group.deleting {
            self.grow(have, want);
        } else if have > want && self.group.runs("Terminate") {
            self.shrink(have, want);
        } else if have == want && serving == want {
            self.group.reached = true;
        }
    }

    fn grow(&mut self, have: usize, want: usize) {
        let blocked: Vec<String> = self.group.blocked.keys().cloned().collect();
        let places = balance::places(&self.group, &self.counting(), &blocked, want - have);
        let to = have + places.len();
        let first = self.group.next_ordinal;
        for place in places {
            let ordinal = self.next_ordinal();
            let mut member = Member {
                group: self.group.name.clone(),
                ordinal,
                token: format!("{}-{first}-{}", self.group.uuid, place.subnet_id),
                instance_id: None,
                subnet_id: place.subnet_id,
                zone: place.zone,
                zone_id: place.zone_id,
                instance_type: self.group.types().first().cloned().unwrap_or_default(),
                template: self.group.resolved_template.clone(),
                lifecycle: Lifecycle::Pending,
                healthy: true,
                protected: self.group.protect_new,
                created_at: self.now,
                changed_at: self.now,
                hook_deadline: None,
                hook_result: None,
                action_token: None,
                ending: None,
                tags: BTreeMap::new(),
            };
            let propagated = self.group.tags.iter().filter(|t| t.propagate);
            member.tags = propagated.map(|t| (t.key.clone(), t.value.clone())).collect();
            member.tags.insert(GROUP_TAG.into(), self.group.name.clone());
            self.new_activities.push(activities::launching(&self.rt, &self.group, &member, have, to));
            self.members.insert(ordinal, member);
        }
    }

    fn shrink(&mut self, have: usize, want: usize) {
        for ordinal in balance::victims(&self.group, &self.counting(), have - want) {
            let instance = self.members.get(&ordinal).and_then(|m| m.instance_id.clone());
            match instance {
                // EC2 may be about to answer: the member ends once its instance is known.
                None => continue,
                Some(instance) => {
                    let cause = activities::scale_in_cause(&self.group, self.now, &instance, have, want);
                    self.end(ordinal, cause, Lifecycle::Terminating);
                    while self.advance_one(ordinal) {}
                }
            }
        }
    }

    /// Whether the group's record has to be written.
    pub fn group_changed(&self) -> bool {
        self.group != self.before.0
    }

    /// Members that were and shall be, where these differ.
    pub fn changed_members(&self) -> Vec<(Option<&Member>, Option<&Member>)> {
        let before = &self.before.1;
        let ordinals: std::collections::BTreeSet<&u64> = before.keys().chain(self.members.keys()).collect();
        let pairs = ordinals.into_iter().map(|o| (before.get(o), self.members.get(o)));
        pairs.filter(|(before, after)| before != after).collect()
    }

    /// The instances that EC2 has yet to be asked to end.
    pub fn to_terminate(&self) -> Vec<&String> {
        let ending = self.members.values().filter(|m| m.lifecycle == Lifecycle::TerminatingProceed);
        let alive = ending.filter(|m| matches!(Self::state(&self.states, m), "pending" | "running"));
        alive.filter_map(|m| m.instance_id.as_ref()).collect()
    }

    /// The members that EC2 has yet to be asked for.
    pub fn waiting_for_instance(&self) -> Vec<&Member> {
        self.members.values().filter(|m| m.instance_id.is_none()).collect()
    }

    /// Whether no member is left.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// When to look again: at the next deadline of a hook, or when a subnet may be tried again.
    pub fn again(&self) -> Again {
        let deadlines = self.members.values().filter_map(|m| m.hook_deadline);
        let short = self.counting().len() < self.group.desired as usize;
        let retries = self.group.blocked.values().copied().filter(|_| short);
        match deadlines.chain(retries).min() {
            Some(at) => Again::After(at.since(self.now)),
            None => Again::OnChange,
        }
    }
}
