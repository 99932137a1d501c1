//! A kubeconfig whose exec plug-in is `cove token`.

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::place::Place;

/// The kubeconfig of one cluster, from EKS's description of it.
pub fn of_cluster(place: &Place, cluster: &Value) -> Result<String> {
    let text = |member: &str| cluster[member].as_str().map(str::to_string).with_context(|| format!("no {member} yet"));
    let (name, arn, endpoint) = (text("name")?, text("arn")?, text("endpoint")?);
    let authority = cluster["certificateAuthority"]["data"].as_str().context("no certificate authority yet")?;
    STANDARD.decode(authority).context("the certificate authority")?;
    let region = arn.split(':').nth(3).unwrap_or_default();
    let command = std::env::current_exe().context("where this binary is")?;
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": arn,
        "clusters": [{"name": arn, "cluster": {"server": endpoint, "certificate-authority-data": authority}}],
        "contexts": [{"name": arn, "context": {"cluster": arn, "user": arn}}],
        "users": [{"name": arn, "user": {"exec": {
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "command": command, "interactiveMode": "Never",
            "args": ["--data-dir", place.root, "token", "--cluster", name, "--region", region],
        }}}],
    });
    Ok(serde_saphyr::to_string(&config)?)
}

/// The ExecCredential that kubectl wants from an exec plug-in.
pub fn exec_credential(token: &str, expires: &str) -> Value {
    json!({
        "kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1beta1", "spec": {},
        "status": {"expirationTimestamp": expires, "token": token},
    })
}
