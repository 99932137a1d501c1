//! Delete and deletecollection: preconditions, grace, propagation, finalizers.

use std::sync::Arc;
use std::time::Duration;

use cove_kube_api::door::{Body, ListReply, Reply, Response};
use cove_kube_api::field_error::FieldError;
use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use cove_store::api::{Range, Txn};
use serde_json::{Value, json};

use crate::admission::{self, Operation, Review};
use crate::chain::body;
use crate::chain::call::Call;
use crate::chain::read::Filter;
use crate::convert;
use crate::effects;
use crate::kind_rules::{self, api_version};
use crate::limits;
use crate::server::ApiServer;
use crate::storage::{Stored, encode, object_of, store_error};
use crate::value::{self, items, meta, meta_mut, meta_text, number, text};

/// The finalizer that keeps an owner until its dependents are gone.
pub const FOREGROUND: &str = "foregroundDeletion";
/// The finalizer that keeps an owner until its dependents have forgotten it.
pub const ORPHAN: &str = "orphan";

/// `DeleteOptions` as far as they matter.
#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    /// `gracePeriodSeconds`.
    pub grace: Option<i64>,
    /// `propagationPolicy` (or what `orphanDependents` means).
    pub propagation: Option<String>,
    /// `preconditions.uid`.
    pub uid: Option<String>,
    /// `preconditions.resourceVersion`.
    pub resource_version: Option<String>,
    /// `dryRun`.
    pub dry_run: bool,
}

impl DeleteOptions {
    /// Reads and checks a body. No body means no options.
    pub fn read(call: &mut Call, request: &Body) -> Result<Self, Status> {
        if matches!(request, Body::None) {
            return Ok(Self { dry_run: call.options.dry_run, ..Self::default() });
        }
        let how = body::strictness(call)?;
        let mut request = request.clone();
        if let Body::Value(value) = &mut request
            && let Value::Object(map) = value
        {
            // Clients in process may speak of the options in the version of the resource, as client-go does.
            map.insert("apiVersion".into(), "v1".into());
            map.insert("kind".into(), "DeleteOptions".into());
        }
        let decoded = body::read_options(&request, how)?;
        call.warnings.extend(decoded.warnings);
        Self::of(&decoded.value, call.options.dry_run)
    }

    /// From the value of a `DeleteOptions` (null: none).
    pub fn of(value: &Value, dry_run: bool) -> Result<Self, Status> {
        let wanted = text(value, &["propagationPolicy"]);
        let orphans = value.get("orphanDependents").and_then(Value::as_bool);
        let mut errors = Vec::new();
        if !wanted.is_empty() && orphans.is_some() {
            let text = "orphanDependents and deletionPropagation cannot be both set";
            errors.push(FieldError::invalid("propagationPolicy", wanted, text));
        }
        if !matches!(wanted, "" | "Foreground" | "Background" | "Orphan") {
            let supported = ["Background", "Foreground", "Orphan"];
            errors.push(FieldError::not_supported("propagationPolicy", wanted, &supported));
        }
        let dry = value::texts(value, &["dryRun"]);
        if dry.iter().any(|what| *what != "All") {
            errors.push(FieldError::not_supported("dryRun", &dry.join(","), &["All"]));
        }
        if !errors.is_empty() {
            return Err(Status::invalid("meta.k8s.io", "DeleteOptions", "", &errors));
        }
        let owned = |path: &[&str]| Some(text(value, path).to_string()).filter(|text| !text.is_empty());
        let by_orphans = orphans.map(|orphan| if orphan { "Orphan" } else { "Background" }.to_string());
        Ok(Self {
            grace: number(value, &["gracePeriodSeconds"]).map(|grace| if grace < 0 { 1 } else { grace }),
            propagation: owned(&["propagationPolicy"]).or(by_orphans),
            uid: owned(&["preconditions", "uid"]),
            resource_version: owned(&["preconditions", "resourceVersion"]),
            dry_run: dry_run || !dry.is_empty(),
        })
    }
}

/// Deletes one object.
pub async fn delete(server: &ApiServer, call: &mut Call, request: &Body) -> Result<Response, Status> {
    let options = DeleteOptions::read(call, request)?;
    let (object, gone) = delete_one(server, call, &options).await?;
    let warnings = std::mem::take(&mut call.warnings);
    if gone && !call.kind.returns_deleted {
        return Ok(Response { reply: Reply::Success(success(call, &object)), created: false, warnings });
    }
    let object = convert::from_storage(call.storage, call.kind, &object);
    Ok(Response { reply: Reply::Object(object), created: false, warnings })
}

/// The `Status` of a deletion that is done.
fn success(call: &Call, object: &Object) -> Value {
    let mut details = json!({"name": object.name()});
    if !call.kind.group.is_empty() {
        details["group"] = call.kind.group.into();
    }
    details["kind"] = call.kind.plural.into();
    details["uid"] = object.uid().into();
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}

/// Deletes many objects, each as by its own call. Answers with those that it deleted.
pub async fn delete_collection(server: &ApiServer, call: &mut Call, request: &Body) -> Result<Response, Status> {
    let options = DeleteOptions::read(call, request)?;
    let filter = Filter::of(call)?;
    let range = Range::prefix(filter.scope(call));
    let page = server.storage.range(range).await.map_err(store_error)?;
    let mut items = Vec::new();
    for entry in &page.entries {
        let object = convert::from_storage(call.storage, call.kind, &object_of(entry));
        if !filter.is_open() && !filter.matches(object.value()) {
            continue;
        }
        call.name = object.name().to_string();
        match delete_one(server, call, &options).await {
            Ok((object, _)) => items.push(convert::from_storage(call.storage, call.kind, &object)),
            Err(status) if status.is_not_found() => {}
            Err(status) => return Err(status),
        }
    }
    let list = ListReply {
        api_version: api_version(call.kind.group, call.kind.version),
        kind: call.kind.list_kind.into(),
        items,
        revision: server.storage.revision(),
        ..ListReply::default()
    };
    let warnings = std::mem::take(&mut call.warnings);
    Ok(Response { reply: Reply::List(list), created: false, warnings })
}

/// Deletes or marks; says whether the object is gone. The object is in the storage version.
pub async fn delete_one(
    server: &ApiServer,
    call: &mut Call,
    options: &DeleteOptions,
) -> Result<(Arc<Object>, bool), Status> {
    let key = call.key();
    for _ in 0..limits::UPDATE_TRIES {
        let stored = server.storage.get(&key).await?.ok_or_else(|| call.not_found())?;
        let old = stored.object.value().clone();
        check_preconditions(call, options, &old)?;
        let mut review = Review::of(call, Operation::Delete, Some(old.as_ref()));
        admission::validate(server, &mut review, &Value::Null).await?;
        if let Some(done) = attempt(server, call, options, &key, &stored).await? {
            return Ok(done);
        }
    }
    Err(call.conflict("the object is being modified too often; please try again"))
}

async fn attempt(
    server: &ApiServer,
    call: &Call,
    options: &DeleteOptions,
    key: &str,
    stored: &Stored,
) -> Result<Option<(Arc<Object>, bool)>, Status> {
    let old = stored.object.value();
    let next = next_state(server, call, options, old);
    let (changed, gone) = match &next {
        None => (None, true),
        Some(new) => (Some(encode(new)), false),
    };
    if options.dry_run || call.options.dry_run {
        let shown = next.map_or_else(|| stored.object.clone(), |new| Arc::new(Object::transient(new)));
        return Ok(Some((shown, gone)));
    }
    let txn = Txn::new().expect(key, stored.mod_revision);
    let txn = match changed {
        None => effects::on_delete(call, old, txn.delete(key)),
        Some(bytes) if bytes == *stored.object.stored() => return Ok(Some((stored.object.clone(), false))),
        Some(bytes) => txn.put(key, bytes),
    };
    let Some(entries) = server.storage.commit(txn).await? else { return Ok(None) };
    server.written(call.storage);
    let entry = entries.first().cloned().flatten();
    Ok(Some((entry.map_or_else(|| stored.object.clone(), |entry| entry.object), gone)))
}

/// The object after this deletion; `None` means that it goes at once.
fn next_state(server: &ApiServer, call: &Call, options: &DeleteOptions, old: &Value) -> Option<Value> {
    let mut new = old.clone();
    set_propagation(call, options, &mut new);
    let grace = grace_of(call, options, old);
    let waits = grace > 0 || !finalizers(&new).is_empty() || holds_namespace(call, &new);
    if !waits {
        return None;
    }
    let deadline = server.rt.now() + Duration::from_secs(u64::try_from(grace).unwrap_or(0));
    let already = value::time(old, &["metadata", "deletionTimestamp"]);
    let held = number(old, &["metadata", "deletionGracePeriodSeconds"]).unwrap_or(0);
    match already {
        Some(_) if grace >= held => {}
        Some(_) => set_deletion(&mut new, &deadline.rfc3339(), grace),
        None => {
            set_deletion(&mut new, &deadline.rfc3339(), grace);
            if let Some(generation) = number(old, &["metadata", "generation"]).filter(|g| *g > 0) {
                meta_mut(&mut new).insert("generation".into(), (generation + 1).into());
            }
            if kind_rules::is(call.storage, "", "namespaces") {
                value::child_mut(&mut new, "status").insert("phase".into(), "Terminating".into());
                meta_mut(&mut new).shift_remove("deletionGracePeriodSeconds");
            }
        }
    }
    crate::api::decode::normalize(call.ty, &mut new);
    Some(new)
}

fn set_deletion(object: &mut Value, when: &str, grace: i64) {
    let metadata = meta_mut(object);
    metadata.insert("deletionTimestamp".into(), when.into());
    metadata.insert("deletionGracePeriodSeconds".into(), grace.into());
}

/// Seconds of grace that this deletion gives, or that an earlier one still gives.
fn grace_of(call: &Call, options: &DeleteOptions, old: &Value) -> i64 {
    let Some(default) = call.storage.strategy.graceful_deletion_seconds(old) else { return 0 };
    let wanted = if default == 0 { 0 } else { options.grace.unwrap_or(default) };
    match value::is_deleting(old) {
        true => wanted.min(number(old, &["metadata", "deletionGracePeriodSeconds"]).unwrap_or(wanted)),
        false => wanted,
    }
}

fn finalizers(object: &Value) -> Vec<&str> {
    value::texts(object, &["metadata", "finalizers"])
}

/// A namespace stays as long as `spec.finalizers` says.
fn holds_namespace(call: &Call, object: &Value) -> bool {
    kind_rules::is(call.storage, "", "namespaces") && !items(object, &["spec", "finalizers"]).is_empty()
}

/// Sets the finalizer of the wanted propagation and removes the others'.
fn set_propagation(call: &Call, options: &DeleteOptions, new: &mut Value) {
    if !kind_rules::is_collected(call.storage) {
        return;
    }
    let default = call.storage.orphans_by_default.then_some("Orphan");
    let held = finalizers(new);
    let wanted = match options.propagation.as_deref() {
        Some("Orphan") => Some(ORPHAN),
        Some("Foreground") => Some(FOREGROUND),
        Some(_) => None,
        None if held.contains(&ORPHAN) => Some(ORPHAN),
        None if held.contains(&FOREGROUND) => Some(FOREGROUND),
        None => default.map(|_| ORPHAN),
    };
    let mut list: Vec<Value> =
        held.iter().filter(|f| **f != ORPHAN && **f != FOREGROUND).map(|f| Value::from(*f)).collect();
    let same = wanted.is_some_and(|wanted| held.contains(&wanted)) || (wanted.is_none() && list.len() == held.len());
    if same {
        return;
    }
    list.extend(wanted.map(Value::from));
    if list.is_empty() {
        meta_mut(new).shift_remove("finalizers");
    } else {
        meta_mut(new).insert("finalizers".into(), list.into());
    }
}

fn check_preconditions(call: &Call, options: &DeleteOptions, old: &Value) -> Result<(), Status> {
    let conflict = |what: &str, given: &str, found: &str, then: &str| {
        let why = format!(
            "the {what} in the precondition ({given}) does not match the {what} in record ({found}). The object might \
             have been {then}"
        );
        Err(Status::conflict(call.kind.group, call.kind.kind, &call.name, &why))
    };
    let (uid, revision) = (meta_text(old, "uid"), meta_text(old, "resourceVersion"));
    match (&options.uid, &options.resource_version) {
        (Some(given), _) if given != uid => conflict("UID", given, uid, "deleted and then recreated"),
        (_, Some(given)) if given != revision => conflict("ResourceVersion", given, revision, "modified"),
        _ => Ok(()),
    }
}

/// Whether an object that is being deleted has nothing left to wait for.
pub fn is_finished(object: &Value) -> bool {
    let waits = number(object, &["metadata", "deletionGracePeriodSeconds"]).unwrap_or(0) > 0;
    let held = meta(object).get("finalizers").is_some_and(|list| !value::is_empty(list));
    let kind = text(object, &["kind"]);
    let namespace_held = kind == "Namespace" && !items(object, &["spec", "finalizers"]).is_empty();
    value::is_deleting(object) && !waits && !held && !namespace_held
}
