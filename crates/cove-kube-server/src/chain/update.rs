//! Update, patch and every subresource that writes an object: compute the new object, then take one path.
//!
//! The path retries when another write came between, unless the client pinned a revision (H14), writes nothing when
//! nothing changed (H15), keeps status and spec apart (H17), and removes what has lost its last finalizer.

use std::sync::Arc;

use cove_kube_api::door::{Body, PatchKind, Reply, Response};
use cove_kube_api::field_error::FieldError;
use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use cove_store::api::Txn;
use serde_json::{Map, Value};

use crate::admission::{self, Operation, Review};
use crate::api::decode;
use crate::api::kinds::Generation;
use crate::api::patch;
use crate::api::validate_meta::{validate_meta, validate_meta_update};
use crate::authorization;
use crate::chain::body;
use crate::chain::call::Call;
use crate::chain::create::{create_value, defaults};
use crate::chain::delete::is_finished;
use crate::convert;
use crate::effects;
use crate::limits;
use crate::server::ApiServer;
use crate::storage::{Stored, encode};
use crate::value::{at, child_mut, meta, meta_mut, meta_text, set_or_remove};

/// Members of `metadata` that only the server writes.
const SYSTEM_METADATA: &[&str] =
    &["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation"];

/// Replaces an object.
pub async fn update(server: &ApiServer, call: &mut Call, request: &Body) -> Result<Response, Status> {
    let object = body::object(call, request)?;
    check_names(call, &object)?;
    let exists = server.storage.get(&call.key()).await?.is_some();
    if !exists && call.subresource.is_none() && call.storage.create_on_update {
        let mut creates = authorization::attributes_of(&call.request());
        creates.verb = "create".into();
        authorization::require(server, &creates).await?;
        return create_by_update(server, call, object).await;
    }
    let made = write(server, call, &mut |_: &mut Call, _: &Value| Ok(object.clone())).await?;
    Ok(answer(call, made))
}

/// An answer with the object in the version asked for, and the warnings so far.
pub fn answer(call: &mut Call, object: Arc<Object>) -> Response {
    let object = convert::from_storage(call.storage, call.kind, &object);
    Response { reply: Reply::Object(object), created: false, warnings: std::mem::take(&mut call.warnings) }
}

async fn create_by_update(server: &ApiServer, call: &mut Call, mut object: Value) -> Result<Response, Status> {
    meta_mut(&mut object).shift_remove("resourceVersion");
    let made = create_value(server, call, object).await?;
    Ok(Response { reply: Reply::Object(made), created: true, warnings: std::mem::take(&mut call.warnings) })
}

fn check_names(call: &Call, object: &Value) -> Result<(), Status> {
    let name = meta_text(object, "name");
    if name.is_empty() {
        return Err(Status::bad_request(format!(
            "the name of the object ({} based on URL) was undeterminable: name must be provided",
            call.name
        )));
    }
    if name != call.name {
        return Err(Status::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            call.name
        )));
    }
    let namespace = meta_text(object, "namespace");
    if !namespace.is_empty() && namespace != call.namespace {
        return Err(Status::bad_request(format!(
            "the namespace of the object ({namespace}) does not match the namespace on the request ({})",
            call.namespace
        )));
    }
    Ok(())
}

/// Changes an object by a patch.
pub async fn patch(server: &ApiServer, call: &mut Call, request: &Body) -> Result<Response, Status> {
    let (kind, patch) = read_patch(request)?;
    let made = write(server, call, &mut |call: &mut Call, old: &Value| {
        let current = Arc::new(Object::transient(old.clone()));
        let current = convert::from_storage(call.storage, call.kind, &current);
        let value = patch::apply(kind, call.patch_type()?, current.value(), &patch)?;
        let object = body::patched(call, value, &patch, call.kind)?;
        check_names(call, &object)?;
        Ok(object)
    })
    .await?;
    Ok(answer(call, made))
}

/// Upstream says of all but strategic patches where it failed.
fn unreadable_patch(kind: PatchKind, why: &str) -> Status {
    let place = if kind == PatchKind::Strategic { "" } else { "error decoding patch: " };
    Status::bad_request(format!("{place}{why}"))
}

/// A patch as a value. Apply patches are refused by name.
pub fn read_patch(request: &Body) -> Result<(PatchKind, Value), Status> {
    let (kind, value) = match request {
        Body::Patch(kind, value) => (*kind, value.clone()),
        Body::PatchBytes(PatchKind::Apply, _) => (PatchKind::Apply, Value::Null),
        Body::PatchBytes(kind, bytes) => (
            *kind,
            serde_json::from_slice(bytes).map_err(|e| unreadable_patch(*kind, &decode::go_syntax_error(&e, bytes)))?,
        ),
        _ => return Err(Status::bad_request("the request has no patch")),
    };
    if kind == PatchKind::Apply {
        let text = "Cove does not implement server-side apply yet (content type application/apply-patch+yaml): \
                    use kubectl apply without --server-side";
        return Err(Status::new(415, "UnsupportedMediaType", text));
    }
    Ok((kind, value))
}

/// How a write computes the new object from the current one (both in the storage version).
pub type Compute<'a> = dyn FnMut(&mut Call, &Value) -> Result<Value, Status> + Send + 'a;

/// The one path of every write to an object that exists. Gives the object in the storage version.
pub async fn write(server: &ApiServer, call: &mut Call, compute: &mut Compute<'_>) -> Result<Arc<Object>, Status> {
    let key = call.key();
    let warned = call.warnings.len();
    for _ in 0..limits::UPDATE_TRIES {
        call.warnings.truncate(warned);
        let stored = server.storage.get(&key).await?.ok_or_else(|| call.not_found())?;
        if let Some(done) = attempt(server, call, &key, &stored, compute).await? {
            return Ok(done);
        }
    }
    Err(call.conflict("the object is being modified too often; please try again"))
}

async fn attempt(
    server: &ApiServer,
    call: &mut Call,
    key: &str,
    stored: &Stored,
    compute: &mut Compute<'_>,
) -> Result<Option<Arc<Object>>, Status> {
    let current = stored.object.value().clone();
    let old: &Value = &current;
    let mut new = compute(call, old)?;
    check_preconditions(call, key, &new, old)?;
    keep_system_metadata(&mut new, old);
    isolate(call, &mut new, old);
    defaults(call, &mut new);
    admission::mutate(server, &mut Review::of(call, Operation::Update, Some(old)), &mut new).await?;
    defaults(call, &mut new);
    let (context, strategy) = (call.context(), call.storage.strategy);
    strategy.prepare_update(&mut new, old, context);
    effects::prepare(server, call, &mut new, Some(old)).await?;
    bump_generation(call, &mut new, old);
    validate(call, &new, old)?;
    call.warnings.extend(strategy.warnings(&new, Some(old), context));
    admission::validate(server, &mut Review::of(call, Operation::Update, Some(old)), &new).await?;
    decode::normalize(call.ty, &mut new);
    store(server, call, key, stored, &new).await
}

async fn store(
    server: &ApiServer,
    call: &mut Call,
    key: &str,
    stored: &Stored,
    new: &Value,
) -> Result<Option<Arc<Object>>, Status> {
    let bytes = encode(new);
    let finished = is_finished(new);
    if bytes == *stored.object.stored() && !finished {
        return Ok(Some(stored.object.clone()));
    }
    if call.options.dry_run {
        return Ok(Some(Arc::new(Object::transient(new.clone()))));
    }
    let (old, txn) = (stored.object.value(), Txn::new().expect(key, stored.mod_revision));
    let txn = match finished {
        true => effects::on_delete(call, old, txn.delete(key)),
        false => effects::on_write(server, call, new, Some(old), txn.put(key, bytes)),
    };
    let Some(entries) = server.storage.commit(txn).await? else { return Ok(None) };
    server.written(call.storage);
    let entry = entries.into_iter().next().flatten();
    Ok(Some(entry.map_or_else(|| stored.object.clone(), |entry| entry.object)))
}

fn check_preconditions(call: &Call, key: &str, new: &Value, old: &Value) -> Result<(), Status> {
    let (given, uid) = (meta_text(new, "uid"), meta_text(old, "uid"));
    if !given.is_empty() && given != uid {
        return Err(call.conflict(&uid_mismatch(key, given, uid)));
    }
    let pinned = meta_text(new, "resourceVersion");
    if matches!(pinned, "" | "0") {
        if !call.storage.needs_revision {
            return Ok(());
        }
        let error = FieldError::invalid_raw("metadata.resourceVersion", 0, "must be specified for an update");
        return Err(Status::invalid(call.kind.group, call.kind.plural, &call.name, &[error]));
    }
    if pinned.parse::<u64>().is_err() {
        let error = FieldError::invalid("metadata.resourceVersion", pinned, "must be a valid resource version");
        return Err(Status::invalid(call.kind.group, call.kind.kind, &call.name, &[error]));
    }
    if pinned != meta_text(old, "resourceVersion") {
        return Err(Status::stale(call.kind.group, call.kind.plural, &call.name));
    }
    Ok(())
}

/// Upstream's text for a write whose uid is another object's.
pub fn uid_mismatch(key: &str, given: &str, uid: &str) -> String {
    format!(
        "StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition \
         failed: UID in precondition: {given}, UID in object meta: {uid}"
    )
}

fn keep_system_metadata(new: &mut Value, old: &Value) {
    let old = meta(old);
    let metadata = meta_mut(new);
    for member in SYSTEM_METADATA.iter().chain(&["name", "namespace"]) {
        set_or_remove(metadata, member, old.get(*member).cloned().unwrap_or_default());
    }
    metadata.remove("managedFields");
}

/// The object itself keeps its status; `/status` keeps everything but status, labels and annotations.
fn isolate(call: &Call, new: &mut Value, old: &Value) {
    match call.sub() {
        "" if call.storage.subresource("status").is_some() => {
            let status = old.get("status").cloned().unwrap_or_default();
            if let Value::Object(map) = new {
                set_or_remove(map, "status", status);
            }
        }
        "finalize" => {
            // Only `spec.finalizers` of a namespace.
            let finalizers = at(new, &["spec", "finalizers"]).clone();
            let revision = meta(new).get("resourceVersion").cloned();
            *new = old.clone();
            set_or_remove(child_mut(new, "spec"), "finalizers", finalizers);
            set_or_remove(meta_mut(new), "resourceVersion", revision.unwrap_or_default());
        }
        "status" | "approval" => {
            let status = new.get("status").cloned().unwrap_or_default();
            let (labels, annotations) = (meta(new).get("labels").cloned(), meta(new).get("annotations").cloned());
            let revision = meta(new).get("resourceVersion").cloned();
            *new = old.clone();
            if let Value::Object(map) = new {
                set_or_remove(map, "status", status);
            }
            let metadata: &mut Map<String, Value> = meta_mut(new);
            set_or_remove(metadata, "labels", labels.unwrap_or_default());
            set_or_remove(metadata, "annotations", annotations.unwrap_or_default());
            set_or_remove(metadata, "resourceVersion", revision.unwrap_or_default());
        }
        _ => {}
    }
}

fn bump_generation(call: &Call, new: &mut Value, old: &Value) {
    let counts = matches!(call.sub(), "" | "scale" | "ephemeralcontainers" | "resize");
    if !counts || !matches!(call.storage.generation, Generation::Counted | Generation::Raised) {
        return;
    }
    let generation = meta(old).get("generation").and_then(Value::as_i64).unwrap_or(0);
    if call.storage.strategy.bumps_generation(new, old) {
        meta_mut(new).insert("generation".into(), (generation + 1).into());
    }
}

fn validate(call: &Call, new: &Value, old: &Value) -> Result<(), Status> {
    let (context, strategy) = (call.context(), call.storage.strategy);
    let mut errors = validate_meta(call.storage, new);
    errors.extend(validate_meta_update(call.storage, new, old));
    errors.extend(strategy.validate(new, context));
    errors.extend(strategy.validate_update(new, old, context));
    if errors.is_empty() {
        return Ok(());
    }
    Err(Status::invalid(call.kind.group, call.kind.kind, &call.name, &errors))
}
