//! Credentials: what a client holds, and how a verifier finds the secret and the principal behind an access key.

use std::fmt;

use async_trait::async_trait;

use crate::door::{Principal, Session};
use crate::sigv4::SignatureError;

/// What a client signs with.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `AKIA...` or `ASIA...`.
    pub access_key_id: String,
    /// The secret.
    pub secret_access_key: String,
    /// The session's token, for `ASIA` keys.
    pub session_token: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({}, secret withheld)", self.access_key_id)
    }
}

/// What stands behind an access key.
#[derive(Clone)]
pub struct KnownKey {
    /// The secret that signatures are checked with.
    pub secret_access_key: String,
    /// Who signs with it.
    pub principal: Principal,
    /// For temporary credentials: the session.
    pub session: Option<Session>,
}

/// Finds access keys. The door implements it; the HTTP front and the verifier of EKS tokens ask it.
#[async_trait]
pub trait KeyLookup: Send + Sync {
    /// The key, or [`SignatureError::UnknownKey`] or [`SignatureError::ExpiredToken`].
    async fn known_key(&self, access_key_id: &str, session_token: Option<&str>) -> Result<KnownKey, SignatureError>;
}
