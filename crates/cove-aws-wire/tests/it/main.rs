//! The wire as others speak it: AWS's own signer, tokens of the real CLI, bytes of every protocol.

mod eks_tokens;
mod protocols;
mod signatures;

use async_trait::async_trait;
use cove_aws_wire::credentials::{Credentials, KeyLookup, KnownKey};
use cove_aws_wire::door::Principal;
use cove_aws_wire::sigv4::SignatureError;

/// The example key pair of AWS's documentation.
pub fn example() -> Credentials {
    Credentials {
        access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
        session_token: None,
    }
}

/// Knows the example key.
pub struct ExampleKey;

#[async_trait]
impl KeyLookup for ExampleKey {
    async fn known_key(&self, id: &str, _: Option<&str>) -> Result<KnownKey, SignatureError> {
        let example = example();
        if id != example.access_key_id {
            return Err(SignatureError::UnknownKey);
        }
        Ok(KnownKey { secret_access_key: example.secret_access_key, principal: Principal::Root, session: None })
    }
}
