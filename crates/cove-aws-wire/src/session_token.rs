//! Session tokens of temporary credentials: self-contained and sealed with a region's key, so that verifying needs no
//! stored session and survives a restart.
//!
//! STS and the metadata service mint with [`Sessions::mint`]; the door opens what comes in. The secret access key is
//! derived from the key id, the token carries the claims, and the token is bound to its key id.

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::{hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cove_base::Timestamp;
use serde::{Deserialize, Serialize};

use crate::credentials::{Credentials, KnownKey};
use crate::door::{Principal, Session};
use crate::sigv4::SignatureError;

/// The first byte of a token: the form that the rest has.
const FORMAT: u8 = 1;
const NONCE_LEN: usize = 12;
/// Longer texts are no tokens of ours.
const MAX_TOKEN_LEN: usize = 64 * 1024;
const KEY_ID_ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Mints and opens session tokens. Cheap to share behind an `Arc`.
pub struct Sessions {
    sealing: RandomizedNonceKey,
    deriving: hmac::Key,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    principal: Principal,
    session: Session,
}

/// Sealing failed: no randomness, or claims that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("a session token could not be sealed")]
pub struct SealError;

impl Sessions {
    /// From the region's key, which is kept in the data directory.
    pub fn new(key: &[u8; 32]) -> Result<Self, SealError> {
        let root = hmac::Key::new(hmac::HMAC_SHA256, key);
        let sealing = hmac::sign(&root, b"cove session token sealing");
        let deriving = hmac::sign(&root, b"cove session secret deriving");
        Ok(Self {
            sealing: RandomizedNonceKey::new(&AES_256_GCM, sealing.as_ref()).map_err(|_| SealError)?,
            deriving: hmac::Key::new(hmac::HMAC_SHA256, deriving.as_ref()),
        })
    }

    /// Temporary credentials for a principal.
    pub fn mint(&self, principal: &Principal, session: &Session) -> Result<Credentials, SealError> {
        let access_key_id = new_access_key_id("ASIA").map_err(|_| SealError)?;
        let claims = Claims { principal: principal.clone(), session: session.clone() };
        let mut sealed = serde_json::to_vec(&claims).map_err(|_| SealError)?;
        let nonce = self
            .sealing
            .seal_in_place_append_tag(Aad::from(access_key_id.as_bytes()), &mut sealed)
            .map_err(|_| SealError)?;
        let token = [&[FORMAT], nonce.as_ref().as_slice(), &sealed].concat();
        Ok(Credentials {
            secret_access_key: self.secret(&access_key_id),
            access_key_id,
            session_token: Some(STANDARD.encode(token)),
        })
    }

    /// What a token says, if it is ours, belongs to the key id and is not over.
    pub fn open(&self, access_key_id: &str, token: &str, now: Timestamp) -> Result<KnownKey, SignatureError> {
        let claims = self.claims(access_key_id, token).ok_or(SignatureError::UnknownKey)?;
        if claims.session.expires <= now {
            return Err(SignatureError::ExpiredToken);
        }
        Ok(KnownKey {
            secret_access_key: self.secret(access_key_id),
            principal: claims.principal,
            session: Some(claims.session),
        })
    }

    fn claims(&self, access_key_id: &str, token: &str) -> Option<Claims> {
        let token = (token.len() <= MAX_TOKEN_LEN).then(|| STANDARD.decode(token).ok()).flatten()?;
        let (format, rest) = token.split_first()?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN).filter(|_| *format == FORMAT)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = sealed.to_vec();
        let opened = self.sealing.open_in_place(nonce, Aad::from(access_key_id.as_bytes()), &mut sealed).ok()?;
        serde_json::from_slice(opened).ok()
    }

    fn secret(&self, access_key_id: &str) -> String {
        let derived = hmac::sign(&self.deriving, access_key_id.as_bytes());
        STANDARD.encode(&derived.as_ref()[..30])
    }
}

/// A new access key id: a prefix (`AKIA`, `ASIA`) and sixteen random characters.
pub fn new_access_key_id(prefix: &str) -> Result<String, aws_lc_rs::error::Unspecified> {
    let mut random = [0; 16];
    rand::fill(&mut random)?;
    let tail = random.iter().map(|b| KEY_ID_ALPHABET[usize::from(b % 32)] as char);
    Ok(prefix.chars().chain(tail).collect())
}

/// A new random secret access key: forty characters.
pub fn new_secret_access_key() -> Result<String, aws_lc_rs::error::Unspecified> {
    let mut random = [0; 30];
    rand::fill(&mut random)?;
    Ok(STANDARD.encode(random))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn role() -> Principal {
        Principal::Role {
            name: "eks-node".into(),
            role_arn: "arn:aws:iam::123456789012:role/eks-node".into(),
            id: "AROAEXAMPLE".into(),
            session_name: "i-0123456789abcdef0".into(),
            tags: BTreeMap::from([("team".into(), "a".into())]),
        }
    }

    fn session() -> Session {
        let (issued, expires) = (Timestamp::from_secs(1_000), Timestamp::from_secs(4_600));
        Session { issued, expires, policies: vec![] }
    }

    #[test]
    fn a_token_opens_with_its_own_key_only() {
        let sessions = Sessions::new(&[7; 32]).expect("a key");
        let minted = sessions.mint(&role(), &session()).expect("credentials");
        let token = minted.session_token.clone().expect("a token");
        let now = Timestamp::from_secs(2_000);
        let restarted = Sessions::new(&[7; 32]).expect("a key");
        let known = restarted.open(&minted.access_key_id, &token, now).expect("ours");
        assert_eq!((known.principal, known.session), (role(), Some(session())));
        assert_eq!(known.secret_access_key, minted.secret_access_key);
        assert_eq!((minted.access_key_id.len(), minted.secret_access_key.len()), (20, 40));
        let other = Sessions::new(&[8; 32]).expect("a key");
        assert_eq!(other.open(&minted.access_key_id, &token, now).err(), Some(SignatureError::UnknownKey));
        assert_eq!(restarted.open("ASIAOTHER", &token, now).err(), Some(SignatureError::UnknownKey));
        let late = Timestamp::from_secs(4_600);
        assert_eq!(restarted.open(&minted.access_key_id, &token, late).err(), Some(SignatureError::ExpiredToken));
    }

    proptest::proptest! {
        #[test]
        fn hostile_tokens_are_refused(token in ".{0,200}", flip in 0_usize..80) {
            let sessions = Sessions::new(&[7; 32]).expect("a key");
            proptest::prop_assert!(sessions.open("ASIA", &token, Timestamp::EPOCH).is_err());
            let minted = sessions.mint(&role(), &session()).expect("credentials");
            let mut bytes = STANDARD.decode(minted.session_token.unwrap_or_default()).expect("base64");
            let at = flip % bytes.len();
            bytes[at] ^= 1;
            let changed = STANDARD.encode(bytes);
            proptest::prop_assert!(sessions.open(&minted.access_key_id, &changed, Timestamp::EPOCH).is_err());
        }
    }
}
