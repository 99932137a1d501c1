//! Which ReplicaSet has the Deployment's template; making it, numbering it, removing what is no longer needed.

use std::sync::Arc;

use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use serde_json::{Value, json};

use super::{Rollout, active, annotations, size, status};
use crate::names::{REVISION, TEMPLATE_HASH};
use crate::pod_batch::in_terminating_namespace;
use crate::pods::controller_reference;
use crate::resources::{DEPLOYMENTS, REPLICA_SETS};
use crate::template_hash;
use crate::view::{annotation, count, created, deleting, int, object_mut};

/// A template without the label that tells ReplicaSets apart.
fn without_hash(template: &Value) -> Value {
    let mut template = template.clone();
    if let Some(metadata) = template.get_mut("metadata").and_then(Value::as_object_mut) {
        if let Some(Value::Object(labels)) = metadata.get_mut("labels") {
            labels.remove(TEMPLATE_HASH);
        }
        metadata.retain(|_, value| !value.is_null() && value.as_object().is_none_or(|map| !map.is_empty()));
    }
    template
}

impl Rollout<'_> {
    /// Finds the ReplicaSet of the current template: the oldest of several.
    pub(super) fn find_new(&mut self) {
        self.sets.sort_by_key(|set| (created(set), set.name().to_string()));
        let wanted = without_hash(&self.value()["spec"]["template"]);
        let found = self.sets.iter().find(|set| without_hash(&set.value()["spec"]["template"]) == wanted);
        self.new_uid = found.map(|set| set.uid().to_string()).unwrap_or_default();
    }

    /// Numbers the new ReplicaSet one above the old ones, and makes it if it is missing and `create` is set.
    pub(super) async fn sync_revision(&mut self, create: bool) -> Result<(), Status> {
        self.find_new();
        let revision = self.old_sets().iter().map(|set| annotations::revision(set)).max().unwrap_or(0) + 1;
        match self.new_set().cloned() {
            Some(set) => self.adjust_new(&set, revision).await,
            None if create => self.create_new(revision).await,
            None => Ok(()),
        }
    }

    async fn adjust_new(&mut self, set: &Arc<Object>, revision: i64) -> Result<(), Status> {
        let mut wanted = set.value().as_ref().clone();
        let annotated = annotations::put_new(&mut wanted, self.value(), revision);
        let min_ready = int(self.value(), "/spec/minReadySeconds").unwrap_or(0);
        if annotated || count(&wanted, "/spec/minReadySeconds") != min_ready {
            wanted["spec"]["minReadySeconds"] = min_ready.into();
            let set = self.cx.update(REPLICA_SETS, "", wanted).await?;
            self.put(set);
            return Ok(());
        }
        let revision = annotation(set.value(), REVISION).unwrap_or("").to_string();
        let mut deployment = self.value().clone();
        let mut changed = annotations::put(&mut deployment, REVISION, &revision);
        if self.has_deadline() && self.condition("Progressing").is_none() {
            let message = format!("Found new replica set {:?}", set.name());
            self.put_condition(&mut deployment, status::progressing("True", "FoundNewReplicaSet", &message));
            changed = true;
        }
        if changed {
            self.write_status(deployment).await?;
        }
        Ok(())
    }

    async fn create_new(&mut self, revision: i64) -> Result<(), Status> {
        let wanted = self.new_value(revision);
        let replicas = count(&wanted, "/spec/replicas");
        let name = wanted["metadata"]["name"].as_str().unwrap_or_default().to_string();
        let made = match self.cx.create(REPLICA_SETS, self.deployment.namespace(), wanted).await {
            Ok(set) => {
                if replicas > 0 {
                    let message = format!("Scaled up replica set {} from 0 to {replicas}", set.name());
                    self.cx.events.normal(&self.deployment, "ScalingReplicaSet", message);
                }
                set
            }
            Err(status) if status.is_already_exists() => return self.resolve_collision(&name, status).await,
            Err(status) if in_terminating_namespace(&status) => return Err(status),
            Err(status) => return self.creation_failed(&name, status).await,
        };
        self.new_uid = made.uid().into();
        let mut deployment = self.value().clone();
        let mut changed = annotations::put(&mut deployment, REVISION, &revision.to_string());
        if self.has_deadline() {
            let message = format!("Created new replica set {:?}", made.name());
            self.put_condition(&mut deployment, status::progressing("True", "NewReplicaSetCreated", &message));
            changed = true;
        }
        self.put(made);
        if changed {
            self.write_status(deployment).await?;
        }
        Ok(())
    }

    /// The new ReplicaSet, with as many replicas as it may have at once.
    fn new_value(&self, revision: i64) -> Value {
        let mut template = self.value()["spec"]["template"].clone();
        let hash = template_hash::of(&template, int(self.value(), "/status/collisionCount"));
        object_mut(&mut template, &["metadata", "labels"]).insert(TEMPLATE_HASH.into(), hash.clone().into());
        let mut selector = self.value()["spec"]["selector"].clone();
        object_mut(&mut selector, &["matchLabels"]).insert(TEMPLATE_HASH.into(), hash.clone().into());
        // Upstream keeps ReplicaSet names within 253 characters less the suffix of its pods.
        let prefix: String = self.deployment.name().chars().take(253 - 6 - 1 - hash.len()).collect();
        let mut set = json!({
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": format!("{prefix}-{hash}"),
                "namespace": self.deployment.namespace(),
                "labels": template["metadata"]["labels"],
                "ownerReferences": [controller_reference(&self.deployment)],
            },
            "spec": { "replicas": self.new_size(0), "selector": selector, "template": template },
        });
        if let Some(min_ready) = int(self.value(), "/spec/minReadySeconds") {
            set["spec"]["minReadySeconds"] = min_ready.into();
        }
        annotations::put_new(&mut set, self.value(), revision);
        annotations::put_sizes(&mut set, self.wanted(), self.wanted() + self.max_surge());
        set
    }

    /// The name is taken: by our own ReplicaSet that the cache did not show yet, or by a collision of hashes.
    async fn resolve_collision(&mut self, name: &str, taken: Status) -> Result<(), Status> {
        let found = self.cx.client.get(REPLICA_SETS, self.deployment.namespace(), name).await?;
        let ours = crate::view::controller_uid(found.value()) == self.deployment.uid();
        let wanted = without_hash(&self.value()["spec"]["template"]);
        if ours && without_hash(&found.value()["spec"]["template"]) == wanted {
            self.new_uid = found.uid().into();
            self.put(found);
            return Ok(());
        }
        let mut deployment = self.value().clone();
        let collisions = count(&deployment, "/status/collisionCount") + 1;
        object_mut(&mut deployment, &["status"]).insert("collisionCount".into(), collisions.into());
        self.write_status(deployment).await?;
        Err(taken)
    }

    async fn creation_failed(&mut self, name: &str, failure: Status) -> Result<(), Status> {
        let message = format!("Failed to create new replica set {name:?}: {failure}");
        if self.has_deadline() {
            let mut deployment = self.value().clone();
            self.put_condition(&mut deployment, status::progressing("False", "ReplicaSetCreateError", &message));
            self.write_status(deployment).await?;
        }
        self.cx.events.warning(&self.deployment, "ReplicaSetCreateError", message);
        Err(failure)
    }

    /// Removes old, empty ReplicaSets beyond `revisionHistoryLimit`, lowest revision first.
    pub(super) async fn clean_up(&mut self) -> Result<(), Status> {
        let Some(limit) = int(self.value(), "/spec/revisionHistoryLimit").filter(|l| *l != i64::from(i32::MAX)) else {
            return Ok(());
        };
        let mut old: Vec<Arc<Object>> = self.old_sets().into_iter().filter(|set| !deleting(set)).collect();
        let surplus = old.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
        old.sort_by_key(|set| (annotations::revision(set), created(set)));
        for set in old.iter().take(surplus) {
            let behind = count(set.value(), "/metadata/generation") > count(set.value(), "/status/observedGeneration");
            if count(set.value(), "/status/replicas") != 0 || size(set) != 0 || behind {
                continue;
            }
            self.cx.delete(REPLICA_SETS, set, json!({ "propagationPolicy": "Background" })).await?;
        }
        Ok(())
    }

    /// Whether `spec.replicas` changed since the active ReplicaSets were sized.
    pub(super) async fn was_scaled(&mut self) -> Result<bool, Status> {
        self.sync_revision(false).await?;
        let wanted = self.wanted();
        let differs = |set: &Arc<Object>| {
            annotations::number(set, crate::names::DESIRED_REPLICAS).is_some_and(|desired| desired != wanted)
        };
        Ok(active(&self.sets).iter().any(differs))
    }

    /// Writes the deployment's status (and with it the revision annotation).
    pub(super) async fn write_status(&mut self, deployment: Value) -> Result<(), Status> {
        self.deployment = self.cx.update(DEPLOYMENTS, "status", deployment).await?;
        Ok(())
    }
}
