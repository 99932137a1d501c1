//! The service account controller: every namespace has a service account `default`.

use std::sync::Arc;

use cove_kube_api::status::Status;
use cove_kube_client::{Context, Controller, Key, Requeue, Watch};
use serde_json::json;

use crate::pod_batch::in_terminating_namespace;
use crate::resources::{NAMESPACES, SERVICE_ACCOUNTS};
use crate::shared::Shared;
use crate::view::deleting;

const NAME: &str = "default";

/// The declaration. Keys are namespaces.
pub const CONTROLLER: Controller<Shared> = Controller {
    name: "service-account-controller",
    component: "service-account-controller",
    watches: |_| {
        vec![
            Watch::itself(NAMESPACES),
            Watch::mapped(SERVICE_ACCOUNTS, |_, change| match (&change.new, change.latest().name()) {
                (None, NAME) => vec![Key::new("", change.latest().namespace())],
                _ => Vec::new(),
            }),
        ]
    },
    singleton: false,
    workers: 1,
    reconcile: |cx, key| Box::pin(reconcile(cx, key)),
};

async fn reconcile(cx: Arc<Context<Shared>>, key: Key) -> Result<Requeue, Status> {
    let Some(namespace) = cx.cache(NAMESPACES).get(&key) else { return Ok(Requeue::Done) };
    if deleting(&namespace) || cx.cache(SERVICE_ACCOUNTS).find(&key.name, NAME).is_some() {
        return Ok(Requeue::Done);
    }
    let account = json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": { "name": NAME, "namespace": key.name },
    });
    match cx.create(SERVICE_ACCOUNTS, &key.name, account).await {
        Err(status) if status.is_already_exists() || in_terminating_namespace(&status) => Ok(Requeue::Done),
        result => result.map(|_| Requeue::Done),
    }
}
