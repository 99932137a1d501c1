//! IAM as the door sees it: access keys and the policies that apply to a principal, read from the records.

use std::sync::Arc;

use async_trait::async_trait;
use cove_aws_wire::door::Principal;
use cove_aws_wire::fault::Fault;
use cove_store::Store;

use crate::door::identities::{self, AppliedPolicies, AppliedPolicy, Identities};
use crate::iam::managed::find_among;
use crate::iam::state::{AccessKey, Holdings, Policy, Role, User, key_of};
use crate::records::{GLOBAL, Records, Resource};

/// The account's users, roles and keys in a store.
pub struct StoredIdentities {
    store: Arc<dyn Store>,
}

impl StoredIdentities {
    /// Over the store that the services write to.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    async fn records<T: Resource>(&self) -> Result<Records<T>, Fault> {
        Records::open(&*self.store, GLOBAL).await
    }

    /// Puts a key of a chosen id and secret into the account (`cove up`, `--credentials`); `user_name` is `None` for
    /// root's. Replaces what had the id.
    pub async fn put_access_key(&self, key: AccessKey) -> Result<(), Fault> {
        let keys = self.records::<AccessKey>().await?;
        if !keys.create(&key).await? {
            keys.update(&key.id.clone(), |old| {
                *old = key.clone();
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    async fn applied(&self, holdings: &Holdings) -> Result<AppliedPolicies, Fault> {
        let inline = holdings.inline.values().map(|d| AppliedPolicy { arn: None, document: d.clone() });
        let mut applied = AppliedPolicies {
            identity: inline.collect(),
            tags: holdings.tags.iter().map(|t| (t.key.clone(), t.value.clone())).collect(),
            boundary: None,
        };
        for attached in &holdings.attached {
            applied.identity.extend(self.managed(&attached.policy_arn).await?);
        }
        if let Some(arn) = &holdings.boundary {
            // A boundary that is gone allows nothing.
            let nothing = AppliedPolicy { arn: Some(arn.clone()), document: NOTHING.into() };
            applied.boundary = Some(self.managed(arn).await?.unwrap_or(nothing));
        }
        Ok(applied)
    }

    async fn managed(&self, arn: &str) -> Result<Option<AppliedPolicy>, Fault> {
        let policy = find_among(&self.records::<Policy>().await?, arn).await?;
        Ok(policy.map(|p| AppliedPolicy { arn: Some(p.arn.clone()), document: p.document().into() }))
    }
}

const NOTHING: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#;

#[async_trait]
impl Identities for StoredIdentities {
    async fn access_key(&self, access_key_id: &str) -> Result<Option<identities::AccessKey>, Fault> {
        let found = self.records::<AccessKey>().await?.get(access_key_id).await?;
        let Some(key) = found.map(|r| r.value).filter(|k| k.active) else { return Ok(None) };
        let principal = match &key.user_name {
            None => Principal::Root,
            Some(name) => match self.records::<User>().await?.get(&key_of(name)).await? {
                Some(user) => Principal::User { name: user.value.name, arn: user.value.arn, id: user.value.id },
                None => return Ok(None),
            },
        };
        Ok(Some(identities::AccessKey { secret_access_key: key.secret, principal }))
    }

    async fn policies_of(&self, principal: &Principal) -> Result<AppliedPolicies, Fault> {
        // A user or role that was deleted and made again is another one, which its id tells.
        let holdings = match principal {
            Principal::User { name, id, .. } => {
                let user = self.records::<User>().await?.get(&key_of(name)).await?.map(|r| r.value);
                user.filter(|u| u.id == *id).map(|u| u.holdings)
            }
            Principal::Role { name, id, .. } => {
                let role = self.records::<Role>().await?.get(&key_of(name)).await?.map(|r| r.value);
                role.filter(|r| r.id == *id).map(|r| r.holdings)
            }
            Principal::Root | Principal::Service(_) | Principal::Anonymous => None,
        };
        match holdings {
            Some(holdings) => self.applied(&holdings).await,
            None => Ok(AppliedPolicies::default()),
        }
    }
}
