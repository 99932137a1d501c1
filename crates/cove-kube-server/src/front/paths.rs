//! Paths that are not resources: version, health, OpenAPI, OIDC, and the list of all of them.

use bytes::Bytes;
use cove_kube_api::status::Status;
use serde_json::{Value, json};

use crate::api::{kinds, openapi};
use crate::front::query::Query;
use crate::kind_rules::api_version;
use crate::server::ApiServer;

/// What a path answers.
pub enum PathAnswer {
    /// A JSON document.
    Json(Value),
    /// Bytes of a media type.
    Bytes(&'static str, Bytes),
    /// Plain text.
    Text(String),
}

/// Paths that anybody may see.
pub const HEALTH: &[&str] = &["/healthz", "/livez", "/readyz"];

/// The checks that the verbose form of the health paths names.
const CHECKS: &[&str] = &["ping", "log", "etcd", "poststarthook/rbac/bootstrap-roles"];

/// Answers a path; `None` for one that does not exist.
pub fn answer(server: &ApiServer, path: &str, query: &Query, accept: &str) -> Result<Option<PathAnswer>, Status> {
    let trimmed = if path.len() > 1 { path.trim_end_matches('/') } else { path };
    Ok(Some(match trimmed {
        "" | "/" => PathAnswer::Json(json!({"paths": all(server)})),
        "/version" => PathAnswer::Json(version(server)),
        "/healthz" | "/livez" | "/readyz" => PathAnswer::Text(health(&trimmed[1..], query)),
        "/openid/v1/jwks" | "/.well-known/openid-configuration" => return oidc(server, trimmed).map(Some),
        "/metrics" | "/logs" | "/debug/pprof" => return Err(refused(trimmed)),
        _ if trimmed.starts_with("/openapi/") => return Ok(openapi_document(server, trimmed, accept)),
        _ => match health_check(trimmed) {
            Some(text) => PathAnswer::Text(text),
            None => return Ok(None),
        },
    }))
}

fn refused(path: &str) -> Status {
    Status::new(501, "", format!("Cove's API server does not serve {path} yet"))
}

fn all(server: &ApiServer) -> Vec<String> {
    let mut paths: Vec<String> = ["/.well-known/openid-configuration", "/api", "/api/v1", "/apis", "/apis/"]
        .into_iter()
        .chain(["/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/openapi/v3/", "/openid/v1/jwks"])
        .chain(["/readyz", "/version"])
        .map(String::from)
        .collect();
    for group in kinds::groups(server.config.minor).iter().filter(|group| !group.name.is_empty()) {
        paths.push(format!("/apis/{}", group.name));
        paths.extend(group.versions.iter().map(|v| format!("/apis/{}", api_version(group.name, v.version))));
    }
    paths.sort();
    paths
}

/// `/version`.
pub fn version(server: &ApiServer) -> Value {
    let config = &server.config;
    json!({
        "major": "1", "minor": config.minor.to_string(), "emulationMajor": "1",
        "emulationMinor": config.minor.to_string(), "minCompatibilityMajor": "1",
        "minCompatibilityMinor": config.minor.saturating_sub(1).to_string(),
        "gitVersion": config.git_version, "gitCommit": config.git_commit, "gitTreeState": "clean",
        "buildDate": config.build_date, "goVersion": config.go_version, "compiler": "gc", "platform": "linux/amd64",
    })
}

fn health(path: &str, query: &Query) -> String {
    if query.find("verbose").is_none() {
        return "ok".into();
    }
    let checks: String = CHECKS.iter().map(|check| format!("[+]{check} ok\n")).collect();
    format!("{checks}{path} check passed\n")
}

/// `/healthz/ping` and so on.
fn health_check(path: &str) -> Option<String> {
    let check = HEALTH.iter().find_map(|root| path.strip_prefix(root)?.strip_prefix('/'))?;
    CHECKS.contains(&check).then(|| "ok".to_string())
}

fn oidc(server: &ApiServer, path: &str) -> Result<PathAnswer, Status> {
    let signer = server.signer.as_ref();
    let signer = signer.ok_or_else(|| Status::new(503, "ServiceUnavailable", "this cluster has no signing key"))?;
    if path.ends_with("jwks") {
        return Ok(PathAnswer::Json(signer.jwks()));
    }
    let issuer = &server.config.issuer;
    Ok(PathAnswer::Json(json!({
        "issuer": issuer, "jwks_uri": format!("{issuer}/keys"),
        "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    })))
}

/// Media types of OpenAPI v2 in protobuf: what clients ask for, and what the answer is called (H27).
const GNOSTIC: &[&str] = &[
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
];

fn openapi_document(server: &ApiServer, path: &str, accept: &str) -> Option<PathAnswer> {
    let minor = server.config.minor;
    match path.strip_prefix("/openapi/")? {
        "v2" if GNOSTIC.iter().any(|media| accept.contains(media)) => {
            Some(PathAnswer::Bytes(GNOSTIC[1], openapi::v2_protobuf(minor)))
        }
        "v2" => Some(PathAnswer::Bytes("application/json", openapi::v2_json(minor))),
        "v3" => Some(PathAnswer::Json(openapi::v3_index(minor))),
        path => Some(PathAnswer::Bytes("application/json", openapi::v3(minor, path.strip_prefix("v3/")?)?)),
    }
}
