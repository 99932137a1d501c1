//! `serviceaccounts/token`: tokens bound to an account, and to a pod, secret or node of it.

use std::sync::Arc;

use cove_kube_api::door::{Body, Reply, Response};
use cove_kube_api::field_error::FieldError;
use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use serde_json::{Value, json};

use crate::admission::{self, Operation, Review};
use crate::authentication::tokens::{Claims, KubernetesClaims, Reference};
use crate::chain::body;
use crate::chain::call::Call;
use crate::server::ApiServer;
use crate::subresources::refused;
use crate::value::{child_mut, meta_text, number, text, texts};

const DEFAULT_SECONDS: i64 = 3600;
const LEAST_SECONDS: i64 = 600;
const MOST_SECONDS: i64 = 1 << 32;
/// What kubelets ask for; upstream lets such tokens live for a year and warns when they are used after this.
const PROJECTED_SECONDS: i64 = 3607;
const EXTENDED_SECONDS: i64 = 365 * 24 * 3600;
/// EKS: no token lives longer than a day.
const CEILING_SECONDS: i64 = 24 * 3600;

/// Makes a token.
pub async fn request(server: &ApiServer, call: &mut Call, request: &Body) -> Result<Response, Status> {
    let how = body::strictness(call)?;
    let decoded = body::read(request, "authentication.k8s.io", "v1", "TokenRequest", how)?;
    call.warnings.extend(decoded.warnings);
    let mut wanted = decoded.value;
    let account = server.storage.get(&call.key()).await?.ok_or_else(|| call.not_found())?.object;
    let seconds = check(call, &wanted)?;
    admission::validate(server, &mut Review::of(call, Operation::Create, None), &wanted).await?;
    let signer = server.signer.as_ref().ok_or_else(|| refused("tokens: this cluster has no signing key"))?;
    let kubernetes = bound(server, call, &wanted, &account).await?;
    let claims = claims(server, &account, &wanted, kubernetes, seconds);
    let shown = server.rt.now().as_secs() + seconds;
    let token = signer.sign(&claims)?;
    let expires = cove_base::time::Timestamp::from_secs(shown).rfc3339();
    child_mut(&mut wanted, "spec").insert("audiences".into(), json!(claims.aud));
    child_mut(&mut wanted, "spec").insert("expirationSeconds".into(), seconds.into());
    child_mut(&mut wanted, "metadata").insert("name".into(), call.name.clone().into());
    child_mut(&mut wanted, "metadata").insert("namespace".into(), call.namespace.clone().into());
    child_mut(&mut wanted, "metadata").insert("creationTimestamp".into(), server.rt.now().rfc3339().into());
    if let Value::Object(map) = &mut wanted {
        map.insert("status".into(), json!({"token": token, "expirationTimestamp": expires}));
    }
    let reply = Reply::Object(Arc::new(Object::transient(wanted)));
    Ok(Response { reply, created: true, warnings: std::mem::take(&mut call.warnings) })
}

/// The seconds that the token shows as its life.
fn check(call: &mut Call, wanted: &Value) -> Result<i64, Status> {
    let mut errors = Vec::new();
    for (member, expected) in [("name", &call.name), ("namespace", &call.namespace)] {
        let given = meta_text(wanted, member);
        if !given.is_empty() && given != expected {
            let text = format!("must match the service account {member} if specified");
            errors.push(FieldError::invalid(format!("metadata.{member}"), given, text));
        }
    }
    let seconds = number(wanted, &["spec", "expirationSeconds"]).unwrap_or(DEFAULT_SECONDS);
    let mut wrong = |text: &str| errors.push(FieldError::invalid_raw("spec.expirationSeconds", seconds, text));
    if seconds < LEAST_SECONDS {
        wrong("may not specify a duration less than 10 minutes");
    }
    if seconds > MOST_SECONDS {
        wrong("may not specify a duration larger than 2^32 seconds");
    }
    if !errors.is_empty() {
        return Err(Status::invalid("authentication.k8s.io", "TokenRequest", "", &errors));
    }
    if seconds > CEILING_SECONDS {
        call.warnings.push(format!("requested expiration of {seconds} seconds shortened to {CEILING_SECONDS} seconds"));
        return Ok(CEILING_SECONDS);
    }
    Ok(seconds)
}

fn reference(object: &Object) -> Reference {
    Reference { name: object.name().into(), uid: object.uid().into() }
}

/// The private claims, with what the token is bound to looked up.
async fn bound(server: &ApiServer, call: &Call, wanted: &Value, account: &Object) -> Result<KubernetesClaims, Status> {
    let mut claims = KubernetesClaims {
        namespace: call.namespace.clone(),
        serviceaccount: reference(account),
        ..KubernetesClaims::default()
    };
    let part = |member: &str| text(wanted, &["spec", "boundObjectRef", member]);
    let (kind, name, namespace) = (part("kind"), part("name"), &call.namespace);
    let key = match kind {
        "" => return Ok(claims),
        "Pod" => format!("/registry/pods/{namespace}/{name}"),
        "Secret" => format!("/registry/secrets/{namespace}/{name}"),
        "Node" => format!("/registry/minions/{name}"),
        other => {
            let version = part("apiVersion");
            let text = format!("cannot bind token to object of type {version}, Kind={other}");
            return Err(Status::bad_request(text));
        }
    };
    let plural = match kind {
        "Pod" => "pods",
        "Secret" => "secrets",
        _ => "nodes",
    };
    let object = server.storage.get(&key).await?.ok_or_else(|| Status::not_found("", plural, name))?.object;
    if !part("uid").is_empty() && part("uid") != object.uid() {
        let why = format!(
            "the UID in the bound object reference ({}) does not match the UID in record. The object might have been \
             deleted and then recreated",
            part("uid")
        );
        return Err(Status::conflict("", plural, name, &why));
    }
    match kind {
        "Pod" => {
            if text(object.value(), &["spec", "serviceAccountName"]) != call.name {
                return Err(Status::bad_request(format!(
                    "cannot bind token for serviceaccount {:?} to pod running with different serviceaccount name.",
                    call.name
                )));
            }
            claims.node = node_of(server, object.value()).await?;
            claims.pod = Some(reference(&object));
        }
        "Secret" => claims.secret = Some(reference(&object)),
        _ => claims.node = Some(reference(&object)),
    }
    Ok(claims)
}

async fn node_of(server: &ApiServer, pod: &Value) -> Result<Option<Reference>, Status> {
    let name = text(pod, &["spec", "nodeName"]);
    if name.is_empty() {
        return Ok(None);
    }
    let node = server.storage.get(&format!("/registry/minions/{name}")).await?;
    Ok(Some(node.map_or_else(|| Reference { name: name.into(), uid: String::new() }, |node| reference(&node.object))))
}

fn claims(
    server: &ApiServer,
    account: &Object,
    wanted: &Value,
    mut kubernetes: KubernetesClaims,
    seconds: i64,
) -> Claims {
    let now = server.rt.now().as_secs();
    let asked: Vec<String> = texts(wanted, &["spec", "audiences"]).into_iter().map(String::from).collect();
    let own = server.config.audiences.clone();
    let aud = if asked.is_empty() { own.clone() } else { asked };
    let mut lives = seconds;
    if seconds == PROJECTED_SECONDS && kubernetes.pod.is_some() && aud == own {
        kubernetes.warnafter = Some(now + seconds);
        lives = EXTENDED_SECONDS;
    }
    let subject = format!("system:serviceaccount:{}:{}", account.namespace(), account.name());
    let purpose = format!("jti/{subject}/{}", kubernetes.pod.as_ref().map_or("", |pod| &pod.uid));
    Claims {
        aud,
        exp: now + lives,
        iat: now,
        iss: server.config.issuer.clone(),
        jti: server.rt.seed().uuid(&purpose, server.rt.now().as_nanos().unsigned_abs()),
        kubernetes,
        nbf: now,
        sub: subject,
    }
}
