//! Adoption and release: which objects a controller owns, by selector and controller reference (upstream's
//! `ControllerRefManager`).

use std::sync::Arc;

use cove_kube_api::door::PatchKind;
use cove_kube_api::object::Object;
use cove_kube_api::selector::LabelSelector;
use cove_kube_api::status::Status;
use cove_kube_client::{Context, Key, Resource};
use serde_json::json;

use crate::pods::{BY_CONTROLLER, controller_reference, orphans};
use crate::shared::Shared;
use crate::view::{controller_of, deleting, labels, text};

/// A controller that claims objects of its namespace.
pub struct Claim<'a> {
    /// The context.
    pub cx: &'a Context<Shared>,
    /// The owner's resource.
    pub owner_resource: Resource,
    /// The owner.
    pub owner: &'a Object,
    /// The owner's selector.
    pub selector: &'a LabelSelector,
}

impl Claim<'_> {
    /// The objects of `resource` that fulfil `keep` and belong to the owner, after adoption of matching orphans and
    /// release of those that do not match any more.
    pub async fn all(&self, resource: Resource, keep: impl Fn(&Object) -> bool) -> Result<Vec<Arc<Object>>, Status> {
        let cache = self.cx.cache(resource);
        let mut claimed = Vec::new();
        let mut may_adopt = None;
        for object in cache.indexed(BY_CONTROLLER, self.owner.uid()) {
            if !keep(&object) {
                continue;
            }
            if self.selector.matches(labels(object.value())) {
                claimed.push(object);
            } else if !deleting(self.owner) {
                self.release(resource, &object).await?;
            }
        }
        for object in cache.indexed(BY_CONTROLLER, &orphans(self.owner.namespace())) {
            let wanted = keep(&object) && self.selector.matches(labels(object.value()));
            if !wanted || deleting(self.owner) || deleting(&object) {
                continue;
            }
            let may = match may_adopt {
                Some(may) => may,
                None => *may_adopt.insert(self.may_adopt().await?),
            };
            if may && let Some(adopted) = self.adopt(resource, &object).await? {
                claimed.push(adopted);
            }
        }
        claimed.sort_by_cached_key(|object| Key::of(object));
        Ok(claimed)
    }

    /// Asks the server, not the cache, whether the owner still is what it was.
    async fn may_adopt(&self) -> Result<bool, Status> {
        let fresh = self.cx.client.find(self.owner_resource, self.owner.namespace(), self.owner.name()).await?;
        Ok(fresh.is_some_and(|fresh| fresh.uid() == self.owner.uid() && !deleting(&fresh)))
    }

    async fn adopt(&self, resource: Resource, object: &Object) -> Result<Option<Arc<Object>>, Status> {
        let patch = json!({
            "metadata": { "uid": object.uid(), "ownerReferences": [controller_reference(self.owner)] },
        });
        match self.cx.patch(resource, &Key::of(object), "", PatchKind::Strategic, patch).await {
            Ok(adopted) => Ok(Some(adopted)),
            Err(status) if status.is_not_found() => Ok(None),
            Err(status) => Err(status),
        }
    }

    async fn release(&self, resource: Resource, object: &Object) -> Result<(), Status> {
        let patch = json!({
            "metadata": {
                "uid": object.uid(),
                "ownerReferences": [{ "$patch": "delete", "uid": self.owner.uid() }],
            },
        });
        match self.cx.patch(resource, &Key::of(object), "", PatchKind::Strategic, patch).await {
            // Gone, or another object of that name: either way not ours any more.
            Err(status) if status.is_not_found() || status.reason == "Invalid" => Ok(()),
            result => result.map(drop),
        }
    }
}

/// The keys of the owners that a change of an owned object concerns: its controller before and after, if that is of
/// `kind`; for an orphan every object of `owners` in its namespace whose selector matches.
pub fn owner_keys(cx: &Context<Shared>, change: &cove_kube_client::Change, kind: &str, owners: Resource) -> Vec<Key> {
    let mut keys = Vec::new();
    for state in change.states() {
        if let Some(owner) = controller_of(state.value())
            && text(owner, "/kind") == kind
        {
            keys.push(Key::new(state.namespace(), text(owner, "/name")));
        }
    }
    if let Some(new) = &change.new
        && controller_of(new.value()).is_none()
    {
        for owner in cx.cache(owners).list(new.namespace()) {
            let selector = LabelSelector::from_json(&owner.value()["spec"]["selector"]);
            if selector.is_ok_and(|selector| selector.matches(labels(new.value()))) {
                keys.push(Key::of(&owner));
            }
        }
    }
    keys
}
