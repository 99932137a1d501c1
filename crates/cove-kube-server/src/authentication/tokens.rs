//! Service-account tokens: RS256 JWTs bound to an account and, mostly, to a pod.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cove_base::time::Timestamp;
use cove_kube_api::door::UserInfo;
use cove_kube_api::status::Status;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rcgen::{KeyPair, PublicKeyData};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::server::ApiServer;
use crate::value::is_deleting;

/// Signs and checks the tokens of one cluster.
pub struct Signer {
    encoding: EncodingKey,
    decoding: DecodingKey,
    key_id: String,
    jwk: Value,
}

/// A name with a uid.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// The name.
    pub name: String,
    /// The uid.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
}

/// The private claims of Kubernetes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KubernetesClaims {
    /// The account's namespace.
    pub namespace: String,
    /// The node of the bound pod, or the bound node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Reference>,
    /// The bound pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<Reference>,
    /// The bound secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Reference>,
    /// The account.
    pub serviceaccount: Reference,
    /// From when on a use is stale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warnafter: Option<i64>,
}

/// All claims of a token, in upstream's order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Audiences.
    pub aud: Vec<String>,
    /// Expiry.
    pub exp: i64,
    /// Issue time.
    pub iat: i64,
    /// Issuer.
    pub iss: String,
    /// The token's id.
    pub jti: String,
    /// What it is bound to.
    #[serde(rename = "kubernetes.io")]
    pub kubernetes: KubernetesClaims,
    /// Not before.
    pub nbf: i64,
    /// `system:serviceaccount:NAMESPACE:NAME`.
    pub sub: String,
}

impl Signer {
    /// From an RSA key (PEM, PKCS #8).
    pub fn new(pem: &str) -> Result<Self, Status> {
        let failed = |what: &str, why: &dyn std::fmt::Display| Status::internal(format!("signing key: {what}: {why}"));
        let pair = KeyPair::from_pem(pem).map_err(|e| failed("reading", &e))?;
        let encoding = EncodingKey::from_rsa_pem(pem.as_bytes()).map_err(|e| failed("using", &e))?;
        let public = pair.public_key_pem();
        let decoding = DecodingKey::from_rsa_pem(public.as_bytes()).map_err(|e| failed("public part", &e))?;
        let key_id = URL_SAFE_NO_PAD.encode(digest(&SHA256, &pair.subject_public_key_info()));
        let jwk = Jwk::from_encoding_key(&encoding, Algorithm::RS256).map_err(|e| failed("publishing", &e))?;
        let mut jwk = serde_json::to_value(jwk).map_err(Status::internal)?;
        jwk["kid"] = key_id.clone().into();
        jwk["use"] = "sig".into();
        jwk["alg"] = "RS256".into();
        Ok(Self { encoding, decoding, key_id, jwk })
    }

    /// A token.
    pub fn sign(&self, claims: &Claims) -> Result<String, Status> {
        let mut header = Header::new(Algorithm::RS256);
        header.typ = None;
        header.kid = Some(self.key_id.clone());
        jsonwebtoken::encode(&header, claims, &self.encoding).map_err(Status::internal)
    }

    /// The claims of a token that this key signed. Times and audiences are not judged here.
    pub fn verify(&self, token: &str) -> Option<Claims> {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        jsonwebtoken::decode::<Claims>(token, &self.decoding, &validation).ok().map(|data| data.claims)
    }

    /// The public key, as the OIDC issuer publishes it (`/openid/v1/jwks`).
    pub fn jwks(&self) -> Value {
        json!({"keys": [self.jwk]})
    }
}

/// The user of a service-account token and the audiences that it is good for among `audiences`; `None` if it is no
/// such token.
pub async fn authenticate(
    server: &ApiServer,
    token: &str,
    audiences: &[String],
) -> Result<Option<(UserInfo, Vec<String>)>, String> {
    let Some(signer) = &server.signer else { return Ok(None) };
    if token.split('.').count() != 3 {
        return Ok(None);
    }
    let Some(claims) = signer.verify(token) else { return Ok(None) };
    check_times(&claims, server.rt.now())?;
    if claims.iss != server.config.issuer {
        return Err(format!("token issuer {:?} is not this cluster's", claims.iss));
    }
    let shared: Vec<String> = audiences.iter().filter(|audience| claims.aud.contains(audience)).cloned().collect();
    if shared.is_empty() {
        return Err(format!("token audiences {:?} is invalid for the target audiences {audiences:?}", claims.aud));
    }
    check_bound(server, &claims.kubernetes).await?;
    Ok(Some((user_of(&claims), shared)))
}

fn check_times(claims: &Claims, now: Timestamp) -> Result<(), String> {
    // One minute of leeway, as upstream's library gives.
    let now = now.as_secs();
    if now > claims.exp + 60 {
        return Err("service account token has expired".into());
    }
    if now + 60 < claims.nbf {
        return Err("service account token is not valid yet".into());
    }
    Ok(())
}

/// What the token is bound to must still be there, with the same uid.
async fn check_bound(server: &ApiServer, claims: &KubernetesClaims) -> Result<(), String> {
    let (namespace, account) = (&claims.namespace, &claims.serviceaccount);
    check_one(server, format!("/registry/serviceaccounts/{namespace}/{}", account.name), account).await?;
    if let Some(pod) = &claims.pod {
        check_one(server, format!("/registry/pods/{namespace}/{}", pod.name), pod).await?;
    }
    if let Some(secret) = &claims.secret {
        check_one(server, format!("/registry/secrets/{namespace}/{}", secret.name), secret).await?;
    }
    match (&claims.node, &claims.pod) {
        (Some(node), None) => check_one(server, format!("/registry/minions/{}", node.name), node).await,
        _ => Ok(()),
    }
}

async fn check_one(server: &ApiServer, key: String, wanted: &Reference) -> Result<(), String> {
    let stored = server.storage.get(&key).await.map_err(|status| status.message)?;
    match stored {
        Some(stored) if stored.object.uid() == wanted.uid && !is_gone(server, stored.object.value()) => Ok(()),
        Some(_) => Err(format!("{key} has another uid than the token, or is gone")),
        None => Err(format!("{key} of the token does not exist")),
    }
}

/// Upstream: an object whose deletion is a minute past counts as gone.
fn is_gone(server: &ApiServer, object: &Value) -> bool {
    let when = crate::value::time(object, &["metadata", "deletionTimestamp"]);
    is_deleting(object) && when.is_some_and(|when| server.rt.now().as_secs() > when.as_secs() + 60)
}

fn user_of(claims: &Claims) -> UserInfo {
    let kubernetes = &claims.kubernetes;
    let mut user = UserInfo::service_account(&kubernetes.namespace, &kubernetes.serviceaccount.name);
    user.uid = kubernetes.serviceaccount.uid.clone();
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut add = |name: &str, value: &str| {
        if !value.is_empty() {
            extra.insert(format!("authentication.kubernetes.io/{name}"), vec![value.to_string()]);
        }
    };
    if !claims.jti.is_empty() {
        add("credential-id", &format!("JTI={}", claims.jti));
    }
    if let Some(pod) = &kubernetes.pod {
        add("pod-name", &pod.name);
        add("pod-uid", &pod.uid);
    }
    if let Some(node) = &kubernetes.node {
        add("node-name", &node.name);
        add("node-uid", &node.uid);
    }
    user.extra = extra;
    user
}
