//! What a write of one kind changes beside the object: addresses and ports of services, and their release.
//!
//! [`prepare`] fills in what is allocated before validation sees the object; [`on_write`] and [`on_delete`] add the
//! allocations to the transaction of the write, so that object and allocation are one revision.

use cove_kube_api::status::Status;
use cove_store::api::Txn;
use serde_json::Value;

use crate::chain::call::Call;
use crate::server::ApiServer;

/// Before validation. `old` is null-like (`None`) on create.
pub async fn prepare(_server: &ApiServer, _call: &Call, _new: &mut Value, _old: Option<&Value>) -> Result<(), Status> {
    Ok(())
}

/// Adds to the transaction of a create or update.
pub async fn on_write(
    _server: &ApiServer,
    _call: &Call,
    _new: &mut Value,
    _old: Option<&Value>,
    _txn: &mut Txn,
) -> Result<(), Status> {
    Ok(())
}

/// Adds to the transaction of a deletion.
pub fn on_delete(_server: &ApiServer, _call: &Call, _old: &Value, txn: Txn) -> Txn {
    txn
}
