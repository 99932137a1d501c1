//! The garbage collector: deletes what no owner holds any more, and carries out foreground deletion and orphaning.
//!
//! A graph of all objects by uid is kept from the caches of all kinds. Keys are uids; whatever the graph says, an
//! owner counts as gone only if the server says so, and an object is deleted only with its uid as a precondition.

pub mod graph;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cove_kube_api::door::PatchKind;
use cove_kube_api::kinds::{Acts, Kind, by_kind, kinds};
use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use cove_kube_client::{Context, Controller, Key, Requeue, Resource, Watch};
use graph::Node;
use serde_json::{Value, json};

use crate::limits;
use crate::resources::{LEASES, NODES};
use crate::shared::Shared;
use crate::view::{deleting, flag, items, text};

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";
/// Leases are renewed all the time and owned by nodes only: they are looked up when their node goes.
const NODE_LEASES: &str = "kube-node-lease";

/// The declaration. Keys are uids without a namespace; a lease of a node that went is `kube-node-lease/NODE`.
pub const CONTROLLER: Controller<Shared> = Controller {
    name: "generic-garbage-collector",
    component: "garbage-collector-controller",
    watches: |shared| {
        let mut watches: Vec<Watch<Shared>> = kinds(shared.config.minor)
            .iter()
            .filter(|kind| is_collected(kind))
            .map(|kind| Watch::mapped(resource_of(kind), |cx: &Context<Shared>, change| cx.shared.graph.apply(change)))
            .collect();
        watches.push(Watch::mapped(NODES, |_, change| match change.new {
            None => vec![Key::new(NODE_LEASES, change.latest().name())],
            Some(_) => Vec::new(),
        }));
        watches
    },
    singleton: false,
    workers: limits::WORKERS,
    reconcile: |cx, key| Box::pin(reconcile(cx, key)),
};

fn resource_of(kind: &Kind) -> Resource {
    Resource::new(kind.group, kind.version, kind.plural)
}

/// Events have no owners, and kinds that cannot be made have no objects.
fn is_collected(kind: &Kind) -> bool {
    let resource = resource_of(kind);
    let verbs = ["list", "watch", "delete"].iter().all(|verb| kind.has_verb(verb));
    verbs && kind.preferred && kind.plural != "events" && resource != LEASES && !matches!(kind.acts, Acts::Refuse(_))
}

async fn reconcile(cx: Arc<Context<Shared>>, key: Key) -> Result<Requeue, Status> {
    if key.namespace == NODE_LEASES {
        return collect_lease(&cx, &key).await;
    }
    let uid = key.name.as_str();
    let Some(node) = cx.shared.graph.get(uid) else { return Ok(Requeue::Done) };
    let Some(live) = find(&cx, &node).await?.filter(|live| live.uid() == uid) else { return Ok(Requeue::Done) };
    if deleting(&live) {
        if has_finalizer(&live, ORPHAN) {
            orphan_dependents(&cx, &node, &live).await?;
        } else if has_finalizer(&live, FOREGROUND) {
            wait_for_dependents(&cx, &node, &live).await?;
        }
        return Ok(Requeue::Done);
    }
    collect(&cx, &node, &live).await
}

async fn find(cx: &Context<Shared>, node: &Node) -> Result<Option<Arc<Object>>, Status> {
    cx.client.find(node.resource, &node.key.namespace, &node.key.name).await
}

fn has_finalizer(object: &Object, finalizer: &str) -> bool {
    items(object.value(), "/metadata/finalizers").iter().any(|f| f.as_str() == Some(finalizer))
}

/// The owners of an object, by what becomes of them.
#[derive(Default)]
struct Owners {
    /// Exist and stay.
    solid: usize,
    /// Are gone.
    dangling: BTreeSet<String>,
    /// Wait in foreground deletion for their dependents.
    waiting: BTreeSet<String>,
    /// Of a kind that this cluster does not know (yet).
    unknown: usize,
}

/// Deletes the object if none of its owners is left, or forgets those owners that are not.
async fn collect(cx: &Context<Shared>, node: &Node, live: &Object) -> Result<Requeue, Status> {
    let references = items(live.value(), "/metadata/ownerReferences");
    if references.is_empty() {
        return Ok(Requeue::Done);
    }
    let mut owners = Owners::default();
    for reference in references {
        classify(cx, live, reference, &mut owners).await?;
    }
    if owners.unknown > 0 {
        return Ok(Requeue::After(Duration::from_secs(30)));
    }
    if owners.solid > 0 {
        let leaving: BTreeSet<String> = owners.dangling.union(&owners.waiting).cloned().collect();
        return if leaving.is_empty() { Ok(Requeue::Done) } else { disown(cx, node, live, &leaving).await };
    }
    let dependents = cx.shared.graph.dependents(live.uid());
    let policy = if !owners.waiting.is_empty() && !dependents.is_empty() {
        if dependents.iter().any(|(_, dependent)| dependent.waits) {
            // A circle of owners that wait for each other: this object waits for nobody.
            unblock(cx, node, live).await?;
        }
        "Foreground"
    } else if has_finalizer(live, ORPHAN) {
        "Orphan"
    } else if has_finalizer(live, FOREGROUND) {
        "Foreground"
    } else {
        "Background"
    };
    cx.delete(node.resource, live, json!({ "propagationPolicy": policy })).await?;
    Ok(Requeue::Done)
}

async fn classify(cx: &Context<Shared>, live: &Object, reference: &Value, owners: &mut Owners) -> Result<(), Status> {
    let uid = text(reference, "/uid").to_string();
    let Some(owner) = resolve(cx, live, reference) else {
        owners.unknown += 1;
        return Ok(());
    };
    let known = cx.shared.graph.get(&uid);
    if let Some(known) = known.as_ref().filter(|known| known.resource == owner.resource && known.key == owner.key) {
        if known.waits {
            owners.waiting.insert(uid);
        } else {
            owners.solid += 1;
        }
        return Ok(());
    }
    if known.is_some_and(|known| known.resource == owner.resource && known.key.namespace != owner.key.namespace) {
        let of = |member: &str| text(reference, member);
        let name = format!(
            "[{}/{}, namespace: {}, name: {}, uid: {uid}]",
            of("/apiVersion"),
            of("/kind"),
            live.namespace(),
            of("/name"),
        );
        let message = format!("ownerRef {name} does not exist in namespace {:?}", live.namespace());
        cx.events.warning(live, "OwnerRefInvalidNamespace", message);
    }
    match find(cx, &owner).await?.filter(|found| found.uid() == uid) {
        None => drop(owners.dangling.insert(uid)),
        Some(found) if deleting(&found) && has_finalizer(&found, FOREGROUND) => drop(owners.waiting.insert(uid)),
        Some(_) => owners.solid += 1,
    }
    Ok(())
}

/// Where the owner of a reference is to be found.
fn resolve(cx: &Context<Shared>, live: &Object, reference: &Value) -> Option<Node> {
    let (group, version) =
        text(reference, "/apiVersion").split_once('/').unwrap_or(("", text(reference, "/apiVersion")));
    let kind = by_kind(cx.shared.config.minor, group, version, text(reference, "/kind"))?;
    if kind.namespaced && live.namespace().is_empty() {
        return None;
    }
    let namespace = if kind.namespaced { live.namespace() } else { "" };
    let stored =
        kinds(cx.shared.config.minor).iter().find(|k| k.preferred && k.group == kind.group && k.kind == kind.kind);
    Some(Node::at(resource_of(stored.unwrap_or(&kind)), Key::new(namespace, text(reference, "/name"))))
}

/// Patches metadata members against exactly this version of the object.
async fn patch_meta(
    cx: &Context<Shared>,
    node: &Node,
    live: &Object,
    member: &str,
    value: Vec<Value>,
) -> Result<(), Status> {
    let value = if value.is_empty() { Value::Null } else { Value::Array(value) };
    let patch = json!({
        "metadata": { member: value, "uid": live.uid(), "resourceVersion": live.revision().to_string() },
    });
    let (namespace, name) = (&node.key.namespace, &node.key.name);
    match cx.client.patch(node.resource, namespace, name, "", PatchKind::Merge, patch).await {
        Err(status) if !status.is_not_found() => Err(status),
        _ => Ok(()),
    }
}

/// Removes owners from the object's references.
async fn disown(
    cx: &Context<Shared>,
    node: &Node,
    live: &Object,
    owners: &BTreeSet<String>,
) -> Result<Requeue, Status> {
    let references = items(live.value(), "/metadata/ownerReferences");
    let rest = references.iter().filter(|r| !owners.contains(text(r, "/uid"))).cloned().collect();
    patch_meta(cx, node, live, "ownerReferences", rest).await?;
    Ok(Requeue::Done)
}

async fn unblock(cx: &Context<Shared>, node: &Node, live: &Object) -> Result<(), Status> {
    let mut references = items(live.value(), "/metadata/ownerReferences").to_vec();
    references
        .iter_mut()
        .filter(|r| flag(r, "/blockOwnerDeletion"))
        .for_each(|r| r["blockOwnerDeletion"] = false.into());
    patch_meta(cx, node, live, "ownerReferences", references).await
}

async fn remove_finalizer(cx: &Context<Shared>, node: &Node, live: &Object, finalizer: &str) -> Result<(), Status> {
    let all = items(live.value(), "/metadata/finalizers");
    let rest = all.iter().filter(|f| f.as_str() != Some(finalizer)).cloned().collect();
    patch_meta(cx, node, live, "finalizers", rest).await
}

/// All dependents lose this owner, then it may go.
async fn orphan_dependents(cx: &Context<Shared>, node: &Node, live: &Object) -> Result<(), Status> {
    let owner = BTreeSet::from([live.uid().to_string()]);
    for (uid, dependent) in cx.shared.graph.dependents(live.uid()) {
        if let Some(object) = find(cx, &dependent).await?.filter(|object| object.uid() == uid) {
            disown(cx, &dependent, &object, &owner).await?;
        }
    }
    remove_finalizer(cx, node, live, ORPHAN).await
}

/// The object may go once no dependent blocks it; until then each of those is collected.
async fn wait_for_dependents(cx: &Context<Shared>, node: &Node, live: &Object) -> Result<(), Status> {
    let dependents = cx.shared.graph.dependents(live.uid());
    let blocking: Vec<&(String, Node)> =
        dependents.iter().filter(|(_, dependent)| dependent.blocks(live.uid())).collect();
    if blocking.is_empty() {
        return remove_finalizer(cx, node, live, FOREGROUND).await;
    }
    for (uid, dependent) in blocking {
        if !dependent.waits {
            cx.queue.add(Key::new("", uid.as_str()));
        }
    }
    Ok(())
}

async fn collect_lease(cx: &Context<Shared>, key: &Key) -> Result<Requeue, Status> {
    let Some(lease) = cx.client.find(LEASES, NODE_LEASES, &key.name).await? else { return Ok(Requeue::Done) };
    let owners = items(lease.value(), "/metadata/ownerReferences");
    let Some(owner) = owners.iter().find(|owner| text(owner, "/kind") == "Node") else { return Ok(Requeue::Done) };
    let node = cx.client.find(NODES, "", text(owner, "/name")).await?;
    if node.is_none_or(|node| node.uid() != text(owner, "/uid")) {
        cx.delete(LEASES, &lease, json!({})).await?;
    }
    Ok(Requeue::Done)
}
