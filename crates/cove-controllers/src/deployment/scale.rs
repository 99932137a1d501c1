//! The sizes of a Deployment's ReplicaSets: one rollout step up or down, and proportional scaling.

use std::sync::Arc;

use cove_kube_api::object::Object;
use cove_kube_api::status::Status;

use super::{Rollout, active, annotations, size};
use crate::names::{DESIRED_REPLICAS, MAX_REPLICAS};
use crate::resources::REPLICA_SETS;
use crate::view::{count, created};

fn available(set: &Object) -> i64 {
    count(set.value(), "/status/availableReplicas")
}

fn total(sets: &[Arc<Object>]) -> i64 {
    sets.iter().map(|set| size(set)).sum()
}

impl Rollout<'_> {
    /// The size that the new ReplicaSet may have now, given that it has `current`.
    pub(super) fn new_size(&self, current: i64) -> i64 {
        if !self.is_rolling() {
            return self.wanted();
        }
        let room = self.wanted() + self.max_surge() - total(&self.sets);
        if room <= 0 { current } else { current + room.min(self.wanted() - current) }
    }

    /// Sets a ReplicaSet's size with an event; true if it had another.
    pub(super) async fn scale(&mut self, set: &Arc<Object>, to: i64) -> Result<bool, Status> {
        if size(set) == to { Ok(false) } else { self.resize(set, to).await }
    }

    /// Sets a ReplicaSet's size and the annotations about sizes; true if the size was another.
    async fn resize(&mut self, set: &Arc<Object>, to: i64) -> Result<bool, Status> {
        let from = size(set);
        let mut wanted = set.value().as_ref().clone();
        let annotated = annotations::put_sizes(&mut wanted, self.wanted(), self.wanted() + self.max_surge());
        if from == to && !annotated {
            return Ok(false);
        }
        wanted["spec"]["replicas"] = to.into();
        let set = self.cx.update(REPLICA_SETS, "", wanted).await?;
        if from != to {
            let way = if from < to { "up" } else { "down" };
            let message = format!("Scaled {way} replica set {} from {from} to {to}", set.name());
            self.cx.events.normal(&self.deployment, "ScalingReplicaSet", message);
        }
        self.put(set);
        Ok(from != to)
    }

    /// The step up of a rolling update.
    pub(super) async fn grow_new(&mut self) -> Result<bool, Status> {
        let Some(set) = self.new_set().cloned() else { return Ok(false) };
        let current = size(&set);
        let to = if current > self.wanted() { self.wanted() } else { self.new_size(current) };
        self.scale(&set, to).await
    }

    /// The step down of a rolling update: what is not available anyway first, then as much as may be missing.
    pub(super) async fn shrink_old(&mut self) -> Result<bool, Status> {
        let old = active(&self.old_sets());
        if old.is_empty() {
            return Ok(false);
        }
        let min_available = self.wanted() - self.max_unavailable();
        let new_unavailable = self.new_set().map_or(0, |set| size(set) - available(set));
        let most = total(&self.sets) - min_available - new_unavailable;
        if most <= 0 {
            return Ok(false);
        }
        let cleaned = self.shrink_unhealthy(&old, most).await?;
        let all_available: i64 = self.sets.iter().map(|set| available(set)).sum();
        let scaled = self.shrink_healthy(all_available - min_available).await?;
        Ok(cleaned || scaled)
    }

    async fn shrink_unhealthy(&mut self, old: &[Arc<Object>], most: i64) -> Result<bool, Status> {
        let mut left = most;
        for set in old {
            let surplus = left.min(size(set) - available(set));
            if surplus > 0 {
                self.scale(set, size(set) - surplus).await?;
                left -= surplus;
            }
        }
        Ok(left < most)
    }

    async fn shrink_healthy(&mut self, most: i64) -> Result<bool, Status> {
        let mut left = most;
        for set in active(&self.old_sets()) {
            let surplus = left.min(size(&set));
            if surplus > 0 {
                self.scale(&set, size(&set) - surplus).await?;
                left -= surplus;
            }
        }
        Ok(left < most)
    }

    /// Brings the sizes in line with `spec.replicas` without rolling anything out.
    pub(super) async fn scale_all(&mut self) -> Result<(), Status> {
        if let Some(only) = self.active_or_latest() {
            self.scale(&only, self.wanted()).await?;
            return Ok(());
        }
        if self.is_saturated() {
            for set in active(&self.old_sets()) {
                self.scale(&set, 0).await?;
            }
            return Ok(());
        }
        if self.is_rolling() {
            self.scale_in_proportion().await?;
        }
        Ok(())
    }

    /// The one ReplicaSet that has pods, or if none has the newest; `None` if several have.
    fn active_or_latest(&self) -> Option<Arc<Object>> {
        match active(&self.sets).as_slice() {
            [] => self.new_set().or_else(|| self.sets.last()).cloned(),
            [only] => Some(only.clone()),
            _ => None,
        }
    }

    fn is_saturated(&self) -> bool {
        self.new_set().is_some_and(|set| {
            let wanted = self.wanted();
            let desired = annotations::number(set, DESIRED_REPLICAS);
            size(set) == wanted && desired == Some(wanted) && available(set) == wanted
        })
    }

    /// In the middle of a rollout: every ReplicaSet gets its share of the change, the largest one the remainder.
    async fn scale_in_proportion(&mut self) -> Result<(), Status> {
        let mut sets = active(&self.sets);
        let allowed = if self.wanted() > 0 { self.wanted() + self.max_surge() } else { 0 };
        let to_add = allowed - total(&sets);
        sets.sort_by_key(|set| {
            let age = created(set).as_nanos();
            (-size(set), if to_add > 0 { -age } else { age })
        });
        let mut added = 0;
        let mut sizes = Vec::new();
        for set in &sets {
            let share = self.share(set, to_add, added);
            sizes.push(size(set) + share);
            added += share;
        }
        if let Some(first) = sizes.first_mut() {
            *first = (*first + to_add - added).max(0);
        }
        for (set, to) in sets.iter().zip(sizes) {
            self.resize(set, to).await?;
        }
        Ok(())
    }

    /// A ReplicaSet's share of what is to be added (or, if negative, taken away).
    fn share(&self, set: &Object, to_add: i64, added: i64) -> i64 {
        if size(set) == 0 || to_add == 0 || to_add == added {
            return 0;
        }
        let (fraction, rest) = (self.fraction(set), to_add - added);
        if to_add > 0 { fraction.min(rest) } else { fraction.max(rest) }
    }

    fn fraction(&self, set: &Object) -> i64 {
        if self.wanted() == 0 {
            return -size(set);
        }
        let known = annotations::number(set, MAX_REPLICAS).filter(|max| *max != 0);
        let before = known.unwrap_or_else(|| count(self.value(), "/status/replicas"));
        if before == 0 {
            return 0;
        }
        let now = self.wanted() + self.max_surge();
        let share = size(set) as f64 * now as f64 / before as f64;
        share.round() as i64 - size(set)
    }
}
