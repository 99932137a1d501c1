//! Authentication: who is it? A list of ports; certificates and service-account tokens are this room's own.
//!
//! The HTTP front calls it for every request. In-process callers carry their identity and do not come here.

pub mod certificate;
pub mod impersonation;
pub mod tokens;

use async_trait::async_trait;
use cove_kube_api::door::UserInfo;
use cove_kube_api::status::Status;

use crate::server::ApiServer;

/// What a caller shows.
#[derive(Clone, Copy, Debug)]
pub enum Credential<'a> {
    /// A bearer token.
    Token(&'a str),
    /// A client certificate (DER) that the cluster's authority has signed.
    Certificate(&'a [u8]),
}

/// A port: somebody who may know a caller.
#[async_trait]
pub trait Authenticator: Send + Sync {
    /// The user, or `None` if this is somebody else's credential. An error's text is for the log only.
    async fn authenticate(&self, credential: Credential<'_>) -> Result<Option<UserInfo>, String>;
}

/// The user of a credential, or 401.
pub async fn authenticate(server: &ApiServer, credential: Credential<'_>) -> Result<UserInfo, Status> {
    match credential {
        Credential::Certificate(der) => {
            if let Some(user) = certificate::user_of(der) {
                return Ok(user);
            }
        }
        Credential::Token(token) => match tokens::authenticate(server, token, &server.config.audiences).await {
            Ok(Some((user, _))) => return Ok(user),
            Ok(None) => {}
            Err(why) => tracing::debug!("a service-account token was refused: {why}"),
        },
    }
    for authenticator in &server.config.authenticators {
        match authenticator.authenticate(credential).await {
            Ok(Some(user)) => return Ok(user),
            Ok(None) => {}
            Err(why) => tracing::debug!("a credential was refused: {why}"),
        }
    }
    Err(Status::unauthorized())
}

/// Who comes without a credential. May see the health paths, nothing else (EKS from 1.32 on).
pub fn anonymous() -> UserInfo {
    UserInfo::new("system:anonymous", &["system:unauthenticated"])
}
