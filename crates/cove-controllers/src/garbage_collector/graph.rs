//! Who owns whom: every object of the cluster by uid, kept up to date from the caches.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use cove_kube_api::object::Object;
use cove_kube_client::{Change, Key, Resource};

use super::{FOREGROUND, ORPHAN, has_finalizer};
use crate::view::{deleting, flag, items, text};

/// An object, as far as the garbage collector cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its resource.
    pub resource: Resource,
    /// Its namespace and name.
    pub key: Key,
    /// The uids of its owners, and whether it blocks their foreground deletion.
    pub owners: Vec<(String, bool)>,
    /// Whether it is being deleted in the foreground.
    pub waits: bool,
    /// Whether it is being deleted and its dependents are to stay.
    pub orphans: bool,
}

impl Node {
    /// A place, of which nothing else is known.
    pub fn at(resource: Resource, key: Key) -> Self {
        Self { resource, key, owners: Vec::new(), waits: false, orphans: false }
    }

    fn of(resource: Resource, object: &Object) -> Self {
        let references = items(object.value(), "/metadata/ownerReferences");
        let owner = |r: &serde_json::Value| (text(r, "/uid").to_string(), flag(r, "/blockOwnerDeletion"));
        Self {
            resource,
            key: Key::of(object),
            owners: references.iter().map(owner).collect(),
            waits: deleting(object) && has_finalizer(object, FOREGROUND),
            orphans: deleting(object) && has_finalizer(object, ORPHAN),
        }
    }

    /// Whether it holds up the foreground deletion of an owner.
    pub fn blocks(&self, owner: &str) -> bool {
        self.owners.iter().any(|(uid, blocks)| uid == owner && *blocks)
    }
}

/// The graph.
#[derive(Default)]
pub struct Graph {
    /// A lock, not messages: the caches' subscribers cannot wait, and it is held for map operations only.
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    nodes: BTreeMap<String, Node>,
    dependents: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The object of a uid.
    pub fn get(&self, uid: &str) -> Option<Node> {
        self.lock().nodes.get(uid).cloned()
    }

    /// The objects that name `uid` as an owner.
    pub fn dependents(&self, uid: &str) -> Vec<(String, Node)> {
        let inner = self.lock();
        let uids = inner.dependents.get(uid);
        uids.into_iter().flatten().filter_map(|d| inner.nodes.get(d).map(|node| (d.clone(), node.clone()))).collect()
    }

    /// Notes a change and says which uids it concerns.
    pub fn apply(&self, change: &Change) -> Vec<Key> {
        let mut inner = self.lock();
        let uids = match &change.new {
            None => inner.remove(change.latest().uid()),
            Some(object) => inner.put(object.uid(), Node::of(change.resource, object)),
        };
        uids.into_iter().map(|uid| Key::new("", uid)).collect()
    }
}

impl Inner {
    fn link(&mut self, uid: &str, owners: &[(String, bool)]) {
        for (owner, _) in owners {
            self.dependents.entry(owner.clone()).or_default().insert(uid.to_string());
        }
    }

    fn unlink(&mut self, uid: &str, owners: &[(String, bool)]) {
        for (owner, _) in owners {
            if let Some(dependents) = self.dependents.get_mut(owner) {
                dependents.remove(uid);
                if dependents.is_empty() {
                    self.dependents.remove(owner);
                }
            }
        }
    }

    fn dependents_of(&self, uid: &str) -> BTreeSet<String> {
        self.dependents.get(uid).cloned().unwrap_or_default()
    }

    fn waiting(&self, owners: &[(String, bool)]) -> BTreeSet<String> {
        let waits = |uid: &String| self.nodes.get(uid).is_some_and(|owner| owner.waits);
        owners.iter().map(|(uid, _)| uid).filter(|uid| waits(uid)).cloned().collect()
    }

    /// Its dependents may have lost their last owner; an owner may have waited for it.
    fn remove(&mut self, uid: &str) -> BTreeSet<String> {
        let Some(node) = self.nodes.remove(uid) else { return BTreeSet::new() };
        self.unlink(uid, &node.owners);
        let mut concerned = self.dependents_of(uid);
        concerned.extend(self.waiting(&node.owners));
        concerned
    }

    fn put(&mut self, uid: &str, node: Node) -> BTreeSet<String> {
        let old = self.nodes.insert(uid.to_string(), node.clone());
        let mut concerned = BTreeSet::new();
        let old_owners = old.as_ref().map(|old| old.owners.clone()).unwrap_or_default();
        if old_owners != node.owners {
            self.unlink(uid, &old_owners);
            self.link(uid, &node.owners);
            concerned.extend(self.waiting(&old_owners));
            // An owner that is not there (yet) or on its way out: look closer.
            let firm = |(owner, _): &(String, bool)| self.nodes.get(owner).is_some_and(|owner| !owner.waits);
            if !node.owners.iter().all(firm) {
                concerned.insert(uid.to_string());
            }
        }
        let (waited, orphaned) = old.map_or((false, false), |old| (old.waits, old.orphans));
        if node.waits && !waited {
            concerned.insert(uid.to_string());
            concerned.extend(self.dependents_of(uid));
            // An owner that is being deleted in the foreground too may wait for this one.
            concerned.extend(self.waiting(&node.owners));
        }
        if node.orphans && !orphaned {
            concerned.insert(uid.to_string());
        }
        concerned
    }
}
