//! The revisions of a DaemonSet's template: one ControllerRevision each, named by its hash.

use std::collections::BTreeSet;
use std::sync::Arc;

use cove_kube_api::object::Object;
use cove_kube_api::selector::LabelSelector;
use cove_kube_api::status::Status;
use serde_json::{Value, json};

use super::Daemon;
use crate::claim::Claim;
use crate::names::REVISION_HASH;
use crate::pods::controller_reference;
use crate::resources::{DAEMON_SETS, PODS, REVISIONS};
use crate::template_hash;
use crate::view::{count, int, label, object_mut};

fn number(revision: &Object) -> i64 {
    count(revision.value(), "/revision")
}

impl Daemon<'_> {
    /// What a revision holds: the template as a patch that puts it back.
    fn patch(&self) -> Value {
        let mut template = self.value()["spec"]["template"].clone();
        object_mut(&mut template, &[]).insert("$patch".into(), "replace".into());
        json!({ "spec": { "template": template } })
    }

    /// Finds or makes the current revision and notes its hash; returns the earlier ones.
    pub(super) async fn revisions(&mut self, selector: &LabelSelector) -> Result<Vec<Arc<Object>>, Status> {
        let claim = Claim { cx: self.cx, owner_resource: DAEMON_SETS, owner: &self.set, selector };
        let all = claim.all(REVISIONS, |_| true).await?;
        let patch = self.patch();
        let (mut current, old): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|revision| revision.value()["data"] == patch);
        current.sort_by_key(|revision| number(revision));
        let newest = old.iter().map(|revision| number(revision)).max().unwrap_or(0);
        let kept = match current.pop() {
            None => self.make_revision(&patch, newest + 1).await?,
            Some(kept) if number(&kept) <= newest => {
                let mut wanted = kept.value().as_ref().clone();
                wanted["revision"] = (newest + 1).into();
                self.cx.update(REVISIONS, "", wanted).await?
            }
            Some(kept) => kept,
        };
        self.hash = label(kept.value(), REVISION_HASH).to_string();
        self.merge(&kept, current).await?;
        Ok(old)
    }

    /// Several revisions of one template become one; their pods are relabelled.
    async fn merge(&self, kept: &Object, others: Vec<Arc<Object>>) -> Result<(), Status> {
        for other in others {
            let hash = label(other.value(), REVISION_HASH).to_string();
            for pod in self.cx.cache(PODS).indexed(crate::pods::BY_CONTROLLER, self.set.uid()) {
                if label(pod.value(), REVISION_HASH) == hash && hash != self.hash {
                    let patch =
                        json!({ "metadata": { "labels": { REVISION_HASH: label(kept.value(), REVISION_HASH) } } });
                    let key = cove_kube_client::Key::of(&pod);
                    let kind = cove_kube_api::door::PatchKind::Strategic;
                    self.cx.patch(PODS, &key, "", kind, patch).await?;
                }
            }
            self.cx.delete(REVISIONS, &other, json!({})).await?;
        }
        Ok(())
    }

    async fn make_revision(&mut self, patch: &Value, number: i64) -> Result<Arc<Object>, Status> {
        let template = &self.value()["spec"]["template"];
        let hash = template_hash::of(template, int(self.value(), "/status/collisionCount"));
        let mut labels = template["metadata"]["labels"].clone();
        object_mut(&mut labels, &[]).insert(REVISION_HASH.into(), hash.clone().into());
        let name = format!("{}-{hash}", self.set.name());
        let mut revision = json!({
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": {
                "name": name,
                "namespace": self.set.namespace(),
                "labels": labels,
                "ownerReferences": [controller_reference(&self.set)],
            },
            "data": patch,
            "revision": number,
        });
        if let Some(annotations) = self.value()["metadata"].get("annotations") {
            revision["metadata"]["annotations"] = annotations.clone();
        }
        match self.cx.create(REVISIONS, self.set.namespace(), revision).await {
            Err(status) if status.is_already_exists() => self.resolve_collision(&name, patch, status).await,
            result => result,
        }
    }

    async fn resolve_collision(&mut self, name: &str, patch: &Value, taken: Status) -> Result<Arc<Object>, Status> {
        let found = self.cx.client.get(REVISIONS, self.set.namespace(), name).await?;
        if found.value()["data"] == *patch {
            return Ok(found);
        }
        let mut wanted = self.value().clone();
        let collisions = count(&wanted, "/status/collisionCount") + 1;
        object_mut(&mut wanted, &["status"]).insert("collisionCount".into(), collisions.into());
        self.set = self.cx.update(DAEMON_SETS, "status", wanted).await?;
        Err(taken)
    }

    /// Removes earlier revisions beyond `revisionHistoryLimit` that no pod has, lowest number first.
    pub(super) async fn clean_up(&mut self, selector: &LabelSelector, mut old: Vec<Arc<Object>>) -> Result<(), Status> {
        let limit = usize::try_from(int(self.value(), "/spec/revisionHistoryLimit").unwrap_or(10)).unwrap_or(0);
        let mut surplus = old.len().saturating_sub(limit);
        if surplus == 0 {
            return Ok(());
        }
        let by_node = self.pods_by_node(selector).await?;
        let pods = by_node.values().flatten();
        let live: BTreeSet<String> = pods.map(|pod| label(pod.value(), REVISION_HASH).to_string()).collect();
        old.sort_by_key(|revision| number(revision));
        for revision in old {
            if surplus == 0 {
                break;
            }
            if live.contains(label(revision.value(), REVISION_HASH)) {
                continue;
            }
            self.cx.delete(REVISIONS, &revision, json!({})).await?;
            surplus -= 1;
        }
        Ok(())
    }
}
