//! What a write of one kind changes beside the object: addresses and ports of services, and their release.
//!
//! [`prepare`] fills in what is allocated before validation sees the object; [`on_write`] and [`on_delete`] add the
//! allocations to the transaction of the write, so that object and allocation are one revision and need no repair.

mod service;

use cove_kube_api::status::Status;
use cove_store::api::Txn;
use serde_json::{Value, json};

use crate::chain::call::Call;
use crate::kind_rules;
use crate::server::ApiServer;
use crate::value::{at, child_mut};

fn is_service(call: &Call) -> bool {
    kind_rules::is(call.storage, "", "services")
}

/// Before validation. `old` is `None` on create.
pub async fn prepare(server: &ApiServer, call: &Call, new: &mut Value, old: Option<&Value>) -> Result<(), Status> {
    if is_service(call) && call.subresource.is_none() {
        service::prepare(server, call, new, old).await?;
    }
    if old.is_none() && kind_rules::is(call.storage, "apiregistration.k8s.io", "apiservices") {
        mark_local(server, new);
    }
    Ok(())
}

/// An API service without a service is this server's own and always there.
fn mark_local(server: &ApiServer, api_service: &mut Value) {
    if at(api_service, &["spec", "service"]).is_null() {
        let available = json!({
            "type": "Available", "status": "True", "lastTransitionTime": server.rt.now().rfc3339(), "reason": "Local",
            "message": "Local APIServices are always available",
        });
        child_mut(api_service, "status").insert("conditions".into(), json!([available]));
    }
}

/// Adds to the transaction of a create or update.
pub fn on_write(server: &ApiServer, call: &Call, new: &Value, old: Option<&Value>, txn: Txn) -> Txn {
    if is_service(call) { service::claim(server, new, old, txn) } else { txn }
}

/// Adds to the transaction of a deletion.
pub fn on_delete(call: &Call, old: &Value, txn: Txn) -> Txn {
    if is_service(call) { service::release(old, txn) } else { txn }
}
