//! The namespace controller: empties a namespace that is being deleted, pods first, says in its conditions how far
//! that is, and finally lets it go.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cove_kube_api::door::{Body, Options, Reply, Verb};
use cove_kube_api::kinds::{Kind, kinds};
use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use cove_kube_client::{Context, Controller, Key, Requeue, Resource, Watch};
use serde_json::{Value, json};

use crate::conditions;
use crate::resources::{NAMESPACES, PODS};
use crate::shared::Shared;
use crate::view::{count, deleting, items, text};

const FINALIZER: &str = "kubernetes";

/// The declaration. Keys are namespaces; a pod that goes may be the last one that its namespace waits for.
pub const CONTROLLER: Controller<Shared> = Controller {
    name: "namespace-controller",
    component: "namespace-controller",
    watches: |_| {
        vec![
            Watch::itself(NAMESPACES),
            Watch::mapped(PODS, |cx, change| {
                let key = Key::new("", change.latest().namespace());
                let namespace = change.new.is_none().then(|| cx.cache(NAMESPACES).get(&key)).flatten();
                namespace.filter(|namespace| deleting(namespace)).map(|_| key).into_iter().collect()
            }),
        ]
    },
    singleton: false,
    workers: 2,
    reconcile: |cx, key| Box::pin(reconcile(cx, key)),
};

/// What is left in a namespace.
#[derive(Default)]
struct Remaining {
    /// How many objects, by `resource.group`.
    objects: BTreeMap<String, usize>,
    /// How many objects wait for a finalizer.
    finalizers: BTreeMap<String, usize>,
    /// Seconds until what is left may be gone.
    estimate: i64,
    /// What went wrong.
    errors: Vec<String>,
}

async fn reconcile(cx: Arc<Context<Shared>>, key: Key) -> Result<Requeue, Status> {
    let Some(namespace) = cx.cache(NAMESPACES).get(&key) else { return Ok(Requeue::Done) };
    if !deleting(&namespace) || items(namespace.value(), "/spec/finalizers").is_empty() {
        return Ok(Requeue::Done);
    }
    let remaining = empty(&cx, &key.name).await;
    let namespace = report(&cx, &namespace, &remaining).await?;
    if !remaining.errors.is_empty() {
        return Err(Status::internal(remaining.errors.join(", ")));
    }
    if remaining.objects.is_empty() {
        finalize(&cx, &namespace).await?;
        return Ok(Requeue::Done);
    }
    let wait = remaining.estimate.max(0).unsigned_abs() / 2 + 1;
    Ok(Requeue::After(Duration::from_secs(wait)))
}

/// Deletes what is in the namespace: the pods, and once they are gone everything else.
async fn empty(cx: &Context<Shared>, namespace: &str) -> Remaining {
    let mut remaining = Remaining::default();
    let deletable =
        |kind: &&&'static Kind| kind.namespaced && kind.preferred && kind.has_verb("delete") && kind.has_verb("list");
    let (pods, others): (Vec<&'static Kind>, Vec<_>) = kinds(cx.shared.config.minor)
        .iter()
        .filter(deletable)
        .copied()
        .partition(|kind| kind.group.is_empty() && kind.plural == PODS.plural);
    for kind in pods.into_iter().chain(others) {
        if remaining.objects.contains_key("pods.") {
            break;
        }
        if let Err(status) = empty_of(cx, namespace, kind, &mut remaining).await {
            remaining.errors.push(status.message);
        }
    }
    remaining
}

async fn empty_of(
    cx: &Context<Shared>,
    namespace: &str,
    kind: &'static Kind,
    remaining: &mut Remaining,
) -> Result<(), Status> {
    let resource = Resource::new(kind.group, kind.version, kind.plural);
    let list = || cx.client.list(resource, namespace, Options::default());
    let before = list().await?;
    if before.items.is_empty() {
        return Ok(());
    }
    if kind.has_verb("deletecollection") {
        let options = json!({ "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background" });
        let target = resource.target(namespace, "", "");
        let reply = cx.client.call(Verb::DeleteCollection, target, Options::default(), Body::Value(options)).await?;
        drop::<Reply>(reply);
    } else {
        for object in &before.items {
            cx.delete(resource, object, json!({ "propagationPolicy": "Background" })).await?;
        }
    }
    let after = list().await?;
    if after.items.is_empty() {
        return Ok(());
    }
    remaining.objects.insert(format!("{}.{}", kind.plural, kind.group), after.items.len());
    for object in &after.items {
        for finalizer in items(object.value(), "/metadata/finalizers") {
            *remaining.finalizers.entry(finalizer.as_str().unwrap_or_default().into()).or_insert(0) += 1;
        }
        let finalizers = items(object.value(), "/metadata/finalizers");
        let grace = count(object.value(), "/metadata/deletionGracePeriodSeconds");
        // An object that waits for a finalizer may take any time: upstream assumes 15 seconds.
        let estimate = if finalizers.is_empty() { grace } else { 15 };
        remaining.estimate = remaining.estimate.max(estimate);
    }
    Ok(())
}

/// Writes all conditions, in upstream's order, those that are fine too.
async fn report(cx: &Context<Shared>, namespace: &Arc<Object>, remaining: &Remaining) -> Result<Arc<Object>, Status> {
    let mut wanted = namespace.value().as_ref().clone();
    let mut list = items(&wanted, "/status/conditions").to_vec();
    let now = cx.rt.now().rfc3339();
    for (kind, status, reason, message) in conditions_of(remaining) {
        conditions::set(&mut list, conditions::new(kind, status, &now, reason, &message), true);
    }
    let changed = items(namespace.value(), "/status/conditions") != list.as_slice();
    if !changed && text(namespace.value(), "/status/phase") == "Terminating" {
        return Ok(namespace.clone());
    }
    wanted["status"]["phase"] = "Terminating".into();
    wanted["status"]["conditions"] = Value::Array(list);
    cx.update(NAMESPACES, "status", wanted).await
}

fn conditions_of(remaining: &Remaining) -> [(&'static str, &'static str, &'static str, String); 5] {
    let list = |map: &BTreeMap<String, usize>, word: &str| {
        map.iter().map(|(name, n)| format!("{name} {word} {n} resource instances")).collect::<Vec<_>>().join(", ")
    };
    let content = match remaining.errors.as_slice() {
        [] => ("False", "ContentDeleted", "All content successfully deleted, may be waiting on finalization".into()),
        errors => (
            "True",
            "ContentDeletionFailed",
            format!("Failed to delete all resource types, {} remaining: {}", errors.len(), errors.join(", ")),
        ),
    };
    let left = if remaining.objects.is_empty() {
        ("False", "ContentRemoved", "All content successfully removed".into())
    } else {
        let list = remaining.objects.iter().map(|(name, n)| format!("{name} has {n} resource instances"));
        (
            "True",
            "SomeResourcesRemain",
            format!("Some resources are remaining: {}", list.collect::<Vec<_>>().join(", ")),
        )
    };
    let finalizers = if remaining.finalizers.is_empty() {
        ("False", "ContentHasNoFinalizers", "All content-preserving finalizers finished".into())
    } else {
        let list = list(&remaining.finalizers, "in");
        ("True", "SomeFinalizersRemain", format!("Some content in the namespace has finalizers remaining: {list}"))
    };
    [
        (
            "NamespaceDeletionDiscoveryFailure",
            "False",
            "ResourcesDiscovered",
            "All resources successfully discovered".into(),
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            "False",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed".into(),
        ),
        ("NamespaceDeletionContentFailure", content.0, content.1, content.2),
        ("NamespaceContentRemaining", left.0, left.1, left.2),
        ("NamespaceFinalizersRemaining", finalizers.0, finalizers.1, finalizers.2),
    ]
}

/// Takes the controller's finalizer off; the server removes a namespace without finalizers.
async fn finalize(cx: &Context<Shared>, namespace: &Object) -> Result<(), Status> {
    let mut wanted = namespace.value().as_ref().clone();
    let rest = items(&wanted, "/spec/finalizers").iter().filter(|f| f.as_str() != Some(FINALIZER)).cloned().collect();
    wanted["spec"]["finalizers"] = Value::Array(rest);
    match cx.client.update_sub(NAMESPACES, "finalize", wanted).await {
        Err(status) if !status.is_not_found() => Err(status),
        _ => Ok(()),
    }
}
