//! ServiceAccount: every pod runs as an account, and gets its token, the cluster's CA and its namespace as one volume.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use serde_json::{Value, json};

use crate::admission::{Operation, Plugin, Review};
use crate::server::ApiServer;
use crate::value::{at, child_mut, items, meta, text};

const MOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const VOLUME: &str = "kube-api-access";
const MIRROR: &str = "kubernetes.io/config.mirror";
/// The account of a new namespace comes a moment after it: look again a few times.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(100);

/// The plug-in.
pub struct ServiceAccount;

#[async_trait]
impl Plugin for ServiceAccount {
    async fn mutate(&self, server: &ApiServer, review: &mut Review<'_>, pod: &mut Value) -> Result<(), Status> {
        if !applies(review) || is_mirror(pod) {
            return Ok(());
        }
        if text(pod, &["spec", "serviceAccountName"]).is_empty() {
            let given = text(pod, &["spec", "serviceAccount"]).to_string();
            let name = if given.is_empty() { "default".to_string() } else { given };
            child_mut(pod, "spec").insert("serviceAccountName".into(), name.into());
        }
        let name = text(pod, &["spec", "serviceAccountName"]).to_string();
        child_mut(pod, "spec").insert("serviceAccount".into(), name.clone().into());
        let account = account(server, review, &name).await?;
        if automounts(pod, account.value()) {
            mount_token(server, review, pod);
        }
        if items(pod, &["spec", "imagePullSecrets"]).is_empty() {
            let secrets = items(account.value(), &["imagePullSecrets"]).to_vec();
            if !secrets.is_empty() {
                child_mut(pod, "spec").insert("imagePullSecrets".into(), secrets.into());
            }
        }
        Ok(())
    }

    async fn validate(&self, server: &ApiServer, review: &mut Review<'_>, pod: &Value) -> Result<(), Status> {
        if !applies(review) {
            return Ok(());
        }
        if is_mirror(pod) {
            return check_mirror(review, pod);
        }
        let name = text(pod, &["spec", "serviceAccountName"]);
        if name.is_empty() {
            let why = format!("no service account specified for pod {}/{}", review.namespace, review.name);
            return Err(review.forbidden(&why));
        }
        let account = account(server, review, name).await?;
        check_secrets(review, pod, account.value())
    }
}

fn applies(review: &Review<'_>) -> bool {
    review.operation == Operation::Create && review.is("", "pods", "")
}

fn is_mirror(pod: &Value) -> bool {
    meta(pod).get("annotations").is_some_and(|annotations| annotations.get(MIRROR).is_some())
}

async fn account(server: &ApiServer, review: &Review<'_>, name: &str) -> Result<Arc<Object>, Status> {
    let key = format!("/registry/serviceaccounts/{}/{name}", review.namespace);
    for attempt in 0..TRIES {
        if let Some(stored) = server.storage.get(&key).await? {
            return Ok(stored.object);
        }
        if attempt + 1 < TRIES {
            server.rt.sleep(PAUSE).await;
        }
    }
    let namespace = review.namespace;
    let why = format!("error looking up service account {namespace}/{name}: serviceaccount {name:?} not found");
    Err(review.forbidden(&why))
}

/// The pod's word counts before the account's.
fn automounts(pod: &Value, account: &Value) -> bool {
    let pod = at(pod, &["spec", "automountServiceAccountToken"]).as_bool();
    pod.or_else(|| at(account, &["automountServiceAccountToken"]).as_bool()).unwrap_or(true)
}

fn mount_token(server: &ApiServer, review: &Review<'_>, pod: &mut Value) {
    let known = items(pod, &["spec", "volumes"]).iter().map(|volume| text(volume, &["name"]));
    let prefix = format!("{VOLUME}-");
    let known = known.into_iter().find(|name| name.starts_with(&prefix)).map(String::from);
    let exists = known.is_some();
    let name = known.unwrap_or_else(|| {
        let purpose = format!("token-volume/{}/{}", review.namespace, review.name);
        format!("{prefix}{}", server.rt.seed().kube_suffix(&purpose, server.storage.revision(), 5))
    });
    let mount = json!({"name": name, "readOnly": true, "mountPath": MOUNT});
    let mut mounted = false;
    for member in ["initContainers", "containers"] {
        let Some(Value::Array(containers)) = child_mut(pod, "spec").get_mut(member) else { continue };
        for container in containers {
            if items(container, &["volumeMounts"]).iter().any(|mount| text(mount, &["mountPath"]) == MOUNT) {
                continue;
            }
            let mut mounts = items(container, &["volumeMounts"]).to_vec();
            mounts.push(mount.clone());
            container["volumeMounts"] = mounts.into();
            mounted = true;
        }
    }
    if mounted && !exists {
        let mut volumes = items(pod, &["spec", "volumes"]).to_vec();
        volumes.push(volume(&name));
        child_mut(pod, "spec").insert("volumes".into(), volumes.into());
    }
}

/// Upstream's volume, byte for byte (H37).
fn volume(name: &str) -> Value {
    json!({"name": name, "projected": {
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [
                {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
            ]}},
        ],
        "defaultMode": 420,
    }})
}

fn check_mirror(review: &Review<'_>, pod: &Value) -> Result<(), Status> {
    if !text(pod, &["spec", "serviceAccountName"]).is_empty() {
        return Err(review.forbidden("a mirror pod may not reference service accounts"));
    }
    let volumes = items(pod, &["spec", "volumes"]);
    if volumes.iter().any(|volume| volume.get("secret").is_some()) {
        return Err(review.forbidden("a mirror pod may not reference secrets"));
    }
    let mut sources = volumes.iter().flat_map(|volume| items(volume, &["projected", "sources"]));
    if sources.any(|source| source.get("serviceAccountToken").is_some()) {
        return Err(review.forbidden("a mirror pod may not use ServiceAccountToken volume projections"));
    }
    Ok(())
}

/// Accounts may say that only their own secrets can be mounted.
fn check_secrets(review: &Review<'_>, pod: &Value, account: &Value) -> Result<(), Status> {
    let key = "kubernetes.io/enforce-mountable-secrets";
    let enforced = meta(account).get("annotations").and_then(|annotations| annotations.get(key));
    if enforced.and_then(Value::as_str) != Some("true") {
        return Ok(());
    }
    let own: Vec<&str> = items(account, &["secrets"]).iter().map(|secret| text(secret, &["name"])).collect();
    let name = text(account, &["metadata", "name"]);
    for volume in items(pod, &["spec", "volumes"]) {
        let secret = text(volume, &["secret", "secretName"]);
        if !secret.is_empty() && !own.contains(&secret) {
            return Err(review.forbidden(&format!(
                "volume with secret.secretName=\"{secret}\" is not allowed because service account {name} does not \
                 reference that secret"
            )));
        }
    }
    for (member, what) in [
        ("initContainers", "init container"),
        ("containers", "container"),
        ("ephemeralContainers", "ephemeral container"),
    ] {
        for container in items(pod, &["spec", member]) {
            check_container(review, container, what, name, &own)?;
        }
    }
    let pulls: Vec<&str> = items(account, &["imagePullSecrets"]).iter().map(|s| text(s, &["name"])).collect();
    for (position, secret) in items(pod, &["spec", "imagePullSecrets"]).iter().enumerate() {
        let secret = text(secret, &["name"]);
        if !pulls.contains(&secret) {
            return Err(review.forbidden(&format!(
                "imagePullSecrets[{position}].name=\"{secret}\" is not allowed because service account {name} does not \
                 reference that imagePullSecret"
            )));
        }
    }
    Ok(())
}

fn check_container(
    review: &Review<'_>,
    container: &Value,
    what: &str,
    account: &str,
    own: &[&str],
) -> Result<(), Status> {
    let container_name = text(container, &["name"]);
    let tail = format!("is not allowed because service account {account} does not reference that secret");
    for variable in items(container, &["env"]) {
        let secret = text(variable, &["valueFrom", "secretKeyRef", "name"]);
        if !secret.is_empty() && !own.contains(&secret) {
            let variable = text(variable, &["name"]);
            return Err(review.forbidden(&format!(
                "{what} {container_name} with envVar {variable} referencing secret.secretName=\"{secret}\" {tail}"
            )));
        }
    }
    for source in items(container, &["envFrom"]) {
        let secret = text(source, &["secretRef", "name"]);
        if !secret.is_empty() && !own.contains(&secret) {
            return Err(review.forbidden(&format!(
                "{what} {container_name} with envFrom referencing secret.secretName=\"{secret}\" {tail}"
            )));
        }
    }
    Ok(())
}
