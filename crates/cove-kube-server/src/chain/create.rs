//! Create: system metadata, admission, strategy, validation, and the first write.

use std::sync::Arc;

use cove_kube_api::door::{Body, Reply, Response};
use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use cove_store::api::Txn;
use serde_json::Value;

use crate::admission::{self, Operation, Review};
use crate::api::decode;
use crate::api::kinds::{Acts, Generation};
use crate::api::validate_meta::validate_meta;
use crate::chain::body;
use crate::chain::call::Call;
use crate::convert;
use crate::effects;
use crate::kind_rules;
use crate::limits;
use crate::server::ApiServer;
use crate::storage::{encode, key};
use crate::value::{is_deleting, meta_mut, meta_text};

/// Makes an object from a request's body.
pub async fn create(server: &ApiServer, call: &mut Call, request: &Body) -> Result<Response, Status> {
    let object = body::object(call, request)?;
    refuse_or_warn(call, &object)?;
    let made = create_value(server, call, object).await?;
    Ok(Response { reply: Reply::Object(made), created: true, warnings: std::mem::take(&mut call.warnings) })
}

/// What the table says of kinds that nothing acts on yet.
fn refuse_or_warn(call: &mut Call, object: &Value) -> Result<(), Status> {
    match call.kind.acts {
        Acts::Yes => {
            call.warnings.extend(no_load_balancer(call, object).map(String::from));
            Ok(())
        }
        Acts::Warn(text) => {
            call.warnings.push(text.into());
            Ok(())
        }
        Acts::Refuse(text) => {
            let name = meta_text(object, "name");
            Err(Status::forbidden(call.kind.group, call.kind.plural, name, text))
        }
    }
}

/// A service that waits for a load balancer which nobody makes would look as if it were only slow.
fn no_load_balancer(call: &Call, service: &Value) -> Option<&'static str> {
    let waits = (call.kind.group, call.kind.plural) == ("", "services")
        && service["spec"]["type"] == "LoadBalancer"
        && service["spec"]["loadBalancerClass"].is_null();
    waits.then_some("Cove makes no load balancers yet: the service's external address stays pending")
}

/// Makes an object from a value in the storage version.
pub async fn create_value(server: &ApiServer, call: &mut Call, mut object: Value) -> Result<Arc<Object>, Status> {
    place(call, &mut object)?;
    if !meta_text(&object, "resourceVersion").is_empty() {
        return Err(Status::new(500, "", "resourceVersion should not be set on objects to be created"));
    }
    let generated = meta_text(&object, "name").is_empty().then(|| meta_text(&object, "generateName").to_string());
    let generated = generated.filter(|prefix| !prefix.is_empty());
    let mut attempt = 0;
    loop {
        let mut candidate = object.clone();
        if let Some(prefix) = &generated {
            let name = generated_name(server, call, prefix, attempt);
            meta_mut(&mut candidate).insert("name".into(), name.into());
        }
        match try_create(server, call, candidate).await {
            Err(status) if status.is_already_exists() && generated.is_some() => {
                attempt += 1;
                if attempt >= limits::GENERATE_NAME_TRIES {
                    return Err(no_unique_name(call, status));
                }
            }
            other => return other,
        }
    }
}

/// Fills in the namespace, and checks that body and path agree.
fn place(call: &Call, object: &mut Value) -> Result<(), Status> {
    if call.kind.namespaced {
        let namespace = meta_text(object, "namespace");
        if !namespace.is_empty() && namespace != call.namespace {
            return Err(Status::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        meta_mut(object).insert("namespace".into(), call.namespace.clone().into());
    } else if !meta_text(object, "namespace").is_empty() {
        return Err(Status::bad_request("namespace may not be specified for cluster-scoped objects"));
    }
    let name = meta_text(object, "name");
    if !call.name.is_empty() && name != call.name {
        return Err(Status::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            call.name
        )));
    }
    Ok(())
}

fn generated_name(server: &ApiServer, call: &Call, prefix: &str, attempt: u64) -> String {
    let cut: String = prefix.chars().take(limits::GENERATE_NAME_PREFIX).collect();
    let purpose = format!("name/{}/{}/{prefix}", call.storage.etcd_prefix, call.namespace);
    let ordinal = server.storage.revision() * limits::GENERATE_NAME_TRIES + attempt;
    format!("{cut}{}", server.rt.seed().kube_suffix(&purpose, ordinal, 5))
}

fn no_unique_name(call: &Call, mut status: Status) -> Status {
    let name = status.details.as_ref().map(|details| details.name.clone()).unwrap_or_default();
    status.message = format!(
        "{} {name:?} already exists, the server was not able to generate a unique name for the object",
        kind_rules::resource_name(call.kind)
    );
    status.details.get_or_insert_default().retry_after_seconds = 1;
    status
}

fn fill_system_metadata(server: &ApiServer, call: &Call, key: &str, object: &mut Value) {
    let metadata = meta_mut(object);
    let uid = server.rt.seed().uuid(&format!("uid/{key}"), server.storage.revision());
    metadata.insert("uid".into(), uid.into());
    metadata.insert("creationTimestamp".into(), server.rt.now().rfc3339().into());
    for member in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation", "managedFields"] {
        metadata.remove(member);
    }
    if matches!(call.storage.generation, Generation::One | Generation::Counted) {
        metadata.insert("generation".into(), 1.into());
    }
}

/// Applies the structural defaults and the kind's own.
pub fn defaults(call: &Call, object: &mut Value) {
    decode::apply_defaults(call.ty, object);
    call.storage.strategy.default(object);
}

async fn try_create(server: &ApiServer, call: &mut Call, mut object: Value) -> Result<Arc<Object>, Status> {
    let name = meta_text(&object, "name").to_string();
    let key = key(call.storage, &call.namespace, &name);
    fill_system_metadata(server, call, &key, &mut object);
    defaults(call, &mut object);
    let warned = call.warnings.len();
    let outer = std::mem::replace(&mut call.name, name);
    for _ in 0..limits::UPDATE_TRIES {
        match admit_and_store(server, call, &key, object.clone()).await {
            Ok(Some(made)) => return Ok(made),
            Ok(None) => call.warnings.truncate(warned),
            Err(status) => {
                call.name = outer;
                return Err(status);
            }
        }
    }
    Err(call.conflict("other writes keep taking what this one allocates; please try again"))
}

async fn admit_and_store(
    server: &ApiServer,
    call: &mut Call,
    key: &str,
    mut object: Value,
) -> Result<Option<Arc<Object>>, Status> {
    let context = call.context();
    let strategy = call.storage.strategy;
    admission::mutate(server, &mut Review::of(call, Operation::Create, None), &mut object).await?;
    defaults(call, &mut object);
    strategy.prepare_create(&mut object, context);
    effects::prepare(server, call, &mut object, None).await?;
    let mut errors = validate_meta(call.storage, &object);
    errors.extend(strategy.validate(&object, context));
    if !errors.is_empty() {
        return Err(Status::invalid(call.kind.group, call.kind.kind, meta_text(&object, "name"), &errors));
    }
    call.warnings.extend(strategy.warnings(&object, None, context));
    admission::validate(server, &mut Review::of(call, Operation::Create, None), &object).await?;
    decode::normalize(call.ty, &mut object);
    if call.options.dry_run {
        return dry_run(server, call, key, object).await;
    }
    let txn = Txn::new().expect(key, 0).put(key, encode(&object));
    match server.storage.commit(effects::on_write(server, call, &object, None, txn)).await? {
        Some(entries) => {
            server.written(call.storage);
            let stored = entries.into_iter().next().flatten();
            let stored = stored.ok_or_else(|| Status::internal("the store answered without an entry"))?;
            Ok(Some(convert::from_storage(call.storage, call.kind, &stored.object)))
        }
        None => taken(server, call, key).await,
    }
}

async fn dry_run(server: &ApiServer, call: &Call, key: &str, object: Value) -> Result<Option<Arc<Object>>, Status> {
    taken(server, call, key).await?;
    Ok(Some(convert::from_storage(call.storage, call.kind, &Arc::new(Object::transient(object)))))
}

/// Fails if the name is taken. If it is not, another write took an address or a port: `None`, to try again.
async fn taken(server: &ApiServer, call: &Call, key: &str) -> Result<Option<Arc<Object>>, Status> {
    let Some(existing) = server.storage.get(key).await? else { return Ok(None) };
    let mut status = Status::already_exists(call.kind.group, call.kind.plural, &call.name);
    if is_deleting(existing.object.value()) {
        status.message = format!("object is being deleted: {}", status.message);
    }
    Err(status)
}
