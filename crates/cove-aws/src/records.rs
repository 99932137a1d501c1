//! Typed records of AWS resources over a store's space: the only state that services keep (invariant 11).
//!
//! A record is JSON under `<service>/<kind>/<id>` in the space `aws/<region>`, or `aws/global` for IAM.

use std::marker::PhantomData;
use std::sync::Arc;

use cove_aws_wire::fault::Fault;
use cove_store::{Range, Space, Store, StoreError, Txn, TxnResult};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::operation::Cx;

/// The space of what has no region.
pub const GLOBAL: &str = "aws/global";

/// A kind of record.
pub trait Resource: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// The key prefix, such as `ec2/vpc`.
    const KIND: &'static str;
    /// The id within the kind. Ids may contain `/`.
    fn id(&self) -> String;
}

/// One version of a record.
#[derive(Clone, Debug)]
pub struct Record<T> {
    /// The resource.
    pub value: T,
    /// Its revision, for compare-and-set.
    pub revision: u64,
}

/// All records of one kind in one space.
pub struct Records<T> {
    space: Arc<dyn Space>,
    kind: PhantomData<fn() -> T>,
}

impl Cx {
    /// The records of a kind in this call's region.
    pub async fn records<T: Resource>(&self) -> Result<Records<T>, Fault> {
        self.records_in(&format!("aws/{}", self.region)).await
    }

    /// The records of a kind that has no region (IAM).
    pub async fn global_records<T: Resource>(&self) -> Result<Records<T>, Fault> {
        self.records_in(GLOBAL).await
    }

    async fn records_in<T: Resource>(&self, space: &str) -> Result<Records<T>, Fault> {
        Records::open(&*self.store, space).await
    }
}

/// A store's failure as AWS would say it: the service is not available, nothing was done.
pub fn store_fault(error: StoreError) -> Fault {
    Fault::new(503, "ServiceUnavailable", error.to_string())
}

impl<T: Resource> Records<T> {
    /// The records of a kind in a space, for readers outside of a call.
    pub async fn open(store: &dyn Store, space: &str) -> Result<Self, Fault> {
        let space = store.space(space).await.map_err(store_fault)?;
        Ok(Self { space, kind: PhantomData })
    }

    /// The space, for watches and transactions over several kinds.
    pub fn space(&self) -> &Arc<dyn Space> {
        &self.space
    }

    /// The key of a record.
    pub fn key(id: &str) -> String {
        format!("{}/{id}", T::KIND)
    }

    /// One record.
    pub async fn get(&self, id: &str) -> Result<Option<Record<T>>, Fault> {
        let entry = self.space.get(&Self::key(id)).await.map_err(store_fault)?;
        entry.map(|e| decode(&e.value, e.mod_revision)).transpose()
    }

    /// All records, in the order of their ids.
    pub async fn list(&self) -> Result<Vec<T>, Fault> {
        self.list_under("").await
    }

    /// All records whose id begins with `prefix`, in the order of their ids.
    pub async fn list_under(&self, prefix: &str) -> Result<Vec<T>, Fault> {
        let range = self.space.range(Range::prefix(Self::key(prefix))).await.map_err(store_fault)?;
        range.entries.iter().map(|e| decode(&e.value, e.mod_revision).map(|r| r.value)).collect()
    }

    /// Makes a record. `Ok(false)` if the id is taken.
    pub async fn create(&self, value: &T) -> Result<bool, Fault> {
        let key = Self::key(&value.id());
        let txn = Txn::new().expect(&key, 0).put(&key, encode(value)?);
        Ok(matches!(self.space.txn(txn).await.map_err(store_fault)?, TxnResult::Committed { .. }))
    }

    /// Changes a record by compare-and-set: `change` sees the current value and may refuse; it runs again when
    /// another writer was faster. `Ok(None)` if the record does not exist. An unchanged record is not written.
    pub async fn update(
        &self,
        id: &str,
        mut change: impl FnMut(&mut T) -> Result<(), Fault>,
    ) -> Result<Option<T>, Fault> {
        let key = Self::key(id);
        loop {
            let Some(current) = self.get(id).await? else { return Ok(None) };
            let before = encode(&current.value)?;
            let mut value = current.value;
            change(&mut value)?;
            let after = encode(&value)?;
            if after == before {
                return Ok(Some(value));
            }
            let txn = Txn::new().expect(&key, current.revision).put(&key, after);
            if let TxnResult::Committed { .. } = self.space.txn(txn).await.map_err(store_fault)? {
                return Ok(Some(value));
            }
        }
    }

    /// Deletes a record. `Ok(false)` if it did not exist.
    pub async fn delete(&self, id: &str) -> Result<bool, Fault> {
        match self.space.txn(Txn::new().delete(Self::key(id))).await.map_err(store_fault)? {
            TxnResult::Committed { entries, .. } => Ok(entries.iter().any(Option::is_some)),
            TxnResult::Conflict { .. } => Ok(false),
        }
    }
}

/// Bytes of a record, for transactions over several kinds.
pub fn encode<T: Resource>(value: &T) -> Result<Vec<u8>, Fault> {
    serde_json::to_vec(value).map_err(Fault::internal)
}

fn decode<T: Resource>(bytes: &[u8], revision: u64) -> Result<Record<T>, Fault> {
    let value = serde_json::from_slice(bytes).map_err(|e| Fault::internal(format!("record of {}: {e}", T::KIND)))?;
    Ok(Record { value, revision })
}
