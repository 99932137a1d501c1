//! The root CA publisher: every namespace has the cluster's CA certificate in a ConfigMap `kube-root-ca.crt`.

use std::sync::Arc;

use cove_kube_api::status::Status;
use cove_kube_client::{Context, Controller, Key, Requeue, Watch};
use serde_json::{Value, json};

use crate::pod_batch::in_terminating_namespace;
use crate::resources::{CONFIG_MAPS, NAMESPACES};
use crate::shared::Shared;
use crate::view::{annotation, deleting};

const NAME: &str = "kube-root-ca.crt";
const DESCRIPTION: &str = "kubernetes.io/description";
const DESCRIPTION_TEXT: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal \
    endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across \
    distributions of Kubernetes clusters.";

/// The declaration. Keys are namespaces.
pub const CONTROLLER: Controller<Shared> = Controller {
    name: "root-ca-cert-publisher",
    component: "root-ca-cert-publisher",
    watches: |_| {
        vec![
            Watch::itself(NAMESPACES),
            Watch::mapped(CONFIG_MAPS, |_, change| match change.latest().name() {
                NAME => vec![Key::new("", change.latest().namespace())],
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
    if deleting(&namespace) {
        return Ok(Requeue::Done);
    }
    let data = json!({ "ca.crt": cx.shared.config.ca_pem });
    let Some(current) = cx.cache(CONFIG_MAPS).find(&key.name, NAME) else {
        return create(&cx, &key.name, data).await;
    };
    let described = annotation(current.value(), DESCRIPTION).is_some_and(|text| !text.is_empty());
    if current.value()["data"] == data && described {
        return Ok(Requeue::Done);
    }
    let mut wanted = current.value().as_ref().clone();
    wanted["data"] = data;
    wanted["metadata"]["annotations"] = json!({ DESCRIPTION: DESCRIPTION_TEXT });
    match cx.update(CONFIG_MAPS, "", wanted).await {
        Err(status) if status.is_not_found() => Ok(Requeue::Done),
        result => result.map(|_| Requeue::Done),
    }
}

async fn create(cx: &Context<Shared>, namespace: &str, data: Value) -> Result<Requeue, Status> {
    let map = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": NAME, "namespace": namespace, "annotations": { DESCRIPTION: DESCRIPTION_TEXT } },
        "data": data,
    });
    match cx.create(CONFIG_MAPS, namespace, map).await {
        Err(status) if status.is_already_exists() || in_terminating_namespace(&status) => Ok(Requeue::Done),
        result => result.map(|_| Requeue::Done),
    }
}
