//! `scale`: the replicas of a workload as one small object.

use std::sync::Arc;

use cove_kube_api::door::{Body, Reply, Response, Verb};
use cove_kube_api::field_error::FieldError;
use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use serde_json::{Map, Value, json};

use crate::api::decode;
use crate::api::patch;
use crate::api::schema::schema;
use crate::api::selector::LabelSelector;
use crate::chain::body;
use crate::chain::call::Call;
use crate::chain::update::{read_patch, write};
use crate::server::ApiServer;
use crate::value::{at, child_mut, meta, meta_mut, meta_text, number};

/// Reads or writes the scale of an object.
pub async fn scale(server: &ApiServer, call: &mut Call, request: &Body) -> Result<Response, Status> {
    let object = match call.verb {
        Verb::Get => server.storage.get(&call.key()).await?.ok_or_else(|| call.not_found())?.object,
        Verb::Update => {
            let how = body::strictness(call)?;
            let decoded = body::read(request, "autoscaling", "v1", "Scale", how)?;
            call.warnings.extend(decoded.warnings);
            check_name(call, &decoded.value)?;
            write(server, call, &mut |call, old| scaled(call, old, &decoded.value)).await?
        }
        _ => {
            let (kind, patch) = read_patch(request)?;
            let ty = schema().type_of("autoscaling", "v1", "Scale");
            let ty = ty.ok_or_else(|| Status::internal("no schema for Scale"))?;
            write(server, call, &mut |call, old| {
                let value = patch::apply(kind, ty, &of(old)?, &patch)?;
                let how = body::strictness(call)?;
                let decoded = decode::decode_value(value, Some(("autoscaling/v1", "Scale")), how)?;
                scaled(call, old, &decoded.value)
            })
            .await?
        }
    };
    let warnings = std::mem::take(&mut call.warnings);
    let reply = Reply::Object(Arc::new(Object::transient(of(object.value())?)));
    Ok(Response { reply, created: false, warnings })
}

fn check_name(call: &Call, scale: &Value) -> Result<(), Status> {
    let name = meta_text(scale, "name");
    if name.is_empty() || name == call.name {
        return Ok(());
    }
    let url = &call.name;
    Err(Status::bad_request(format!("the name of the object ({name}) does not match the name on the URL ({url})")))
}

/// The scale of a workload.
pub fn of(object: &Value) -> Result<Value, Status> {
    let mut metadata = Map::new();
    for member in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = meta(object).get(member) {
            metadata.insert(member.into(), value.clone());
        }
    }
    let selector = at(object, &["spec", "selector"]);
    // Replication controllers select by a plain map.
    let plain = selector.get("matchLabels").is_none() && selector.get("matchExpressions").is_none();
    let selector = if plain { LabelSelector::from_map(selector) } else { LabelSelector::from_json(selector)? };
    let replicas = |part: &str| number(object, &[part, "replicas"]).unwrap_or(0);
    let mut spec = json!({});
    if replicas("spec") != 0 {
        spec["replicas"] = replicas("spec").into();
    }
    let mut status = json!({"replicas": replicas("status")});
    if !selector.is_everything() {
        status["selector"] = selector.to_string().into();
    }
    Ok(json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status,
    }))
}

/// The workload with the replicas of a scale, pinned as the scale is.
fn scaled(call: &Call, old: &Value, scale: &Value) -> Result<Value, Status> {
    let replicas = number(scale, &["spec", "replicas"]).unwrap_or(0);
    if replicas < 0 {
        let error = FieldError::invalid_raw("spec.replicas", replicas, "must be greater than or equal to 0");
        return Err(Status::invalid("autoscaling", "Scale", &call.name, &[error]));
    }
    let uid = meta_text(scale, "uid");
    if !uid.is_empty() && uid != meta_text(old, "uid") {
        let why =
            format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {}", meta_text(old, "uid"));
        let resource = format!("{}/scale", call.kind.plural);
        return Err(Status::conflict(call.kind.group, &resource, &call.name, &why));
    }
    let mut new = old.clone();
    child_mut(&mut new, "spec").insert("replicas".into(), replicas.into());
    let pinned = meta_text(scale, "resourceVersion");
    if !pinned.is_empty() {
        meta_mut(&mut new).insert("resourceVersion".into(), pinned.into());
    }
    Ok(new)
}
