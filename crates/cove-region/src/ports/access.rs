//! A cluster's AWS side of authentication and authorization: the two ports of the API server, filled by the
//! authenticator of `cove-cloud`.

use std::sync::{Arc, OnceLock, Weak};

use async_trait::async_trait;
use cove_aws_wire::eks_token::is_eks_token;
use cove_cloud::authenticator::Authenticator as AwsAuthenticator;
use cove_cloud::authenticator::access_policies::Action;
use cove_kube_api::door::UserInfo;
use cove_kube_server::authentication::{Authenticator, Credential};
use cove_kube_server::authorization::{Attributes, Authorizer, Decision};

/// Both ports. The authenticator is a client of the server that asks it, so it comes after the server was made, and the
/// cluster owns it: the two would keep each other alive after the cluster's end.
#[derive(Default)]
pub(crate) struct AwsAccess {
    authenticator: OnceLock<Weak<AwsAuthenticator>>,
}

impl AwsAccess {
    /// Joins the authenticator, once.
    pub(crate) fn join(&self, authenticator: &Arc<AwsAuthenticator>) {
        let _ = self.authenticator.set(Arc::downgrade(authenticator));
    }

    /// `None` while the cluster starts, and when it has ended.
    fn authenticator(&self) -> Option<Arc<AwsAuthenticator>> {
        self.authenticator.get().and_then(Weak::upgrade)
    }
}

#[async_trait]
impl Authenticator for AwsAccess {
    async fn authenticate(&self, credential: Credential<'_>) -> Result<Option<UserInfo>, String> {
        match (credential, self.authenticator()) {
            (Credential::Token(token), Some(aws)) if is_eks_token(token) => aws.authenticate(token).await,
            _ => Ok(None),
        }
    }
}

#[async_trait]
impl Authorizer for AwsAccess {
    async fn authorize(&self, attributes: &Attributes) -> Decision {
        let Some(aws) = self.authenticator() else { return Decision::NoOpinion(String::new()) };
        let action = Action {
            verb: &attributes.verb,
            path: if attributes.is_resource { "" } else { &attributes.path },
            group: &attributes.group,
            resource: &attributes.resource,
            subresource: &attributes.subresource,
            namespace: &attributes.namespace,
        };
        match aws.policy_allows(&attributes.user, action).await {
            Some(reason) => Decision::Allow(reason),
            None => Decision::NoOpinion(String::new()),
        }
    }
}
