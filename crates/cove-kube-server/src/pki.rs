//! The cluster's keys: its certificate authority, the server's certificate, client certificates, and the key that
//! signs service-account tokens.
//!
//! Key material lives in the cluster's space under [`PREFIX`] (secret: no log shows it) and is made by the operating
//! system's randomness, never from the seed. Making an RSA key takes a while: call [`signing_key`] off the executor.
//! A virtual run makes no keys; it hands a fixed signing key in.

use std::sync::Arc;

use cove_base::time::Timestamp;
use cove_kube_api::status::Status;
use cove_store::api::{Space, Txn, TxnResult};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_RSA_SHA256, date_time_ymd,
};
use serde::{Deserialize, Serialize};

use crate::storage::store_error;

/// Where key material is kept in the cluster's space.
pub const PREFIX: &str = "/cove/keys/";

/// How many years a certificate is good for (EKS: the authority's certificate lives for ten).
const YEARS: i32 = 10;

/// A key with its certificate, both as PEM.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// The certificate, followed by what it was signed with where a peer needs that.
    pub certificate: String,
    /// The private key, PKCS #8.
    pub key: String,
    /// The names that the certificate was made for.
    #[serde(default)]
    pub names: Vec<String>,
}

/// The keys of one cluster. Has no `Debug`, as [`Pair`]: a key must not get into a log.
#[derive(Clone)]
pub struct ClusterKeys {
    /// The certificate authority.
    pub authority: Pair,
    /// The server's certificate.
    pub server: Pair,
    /// The RSA key that signs service-account tokens (PEM, PKCS #8).
    pub signing_key: String,
}

/// The names of a server certificate (design section 4): loopback, the `kubernetes` service, and what `more` says
/// (the service's address, the EKS-shaped host name).
pub fn server_names(more: &[String]) -> Vec<String> {
    let mut names: Vec<String> = ["127.0.0.1", "localhost", "kubernetes", "kubernetes.default"]
        .into_iter()
        .chain(["kubernetes.default.svc", "kubernetes.default.svc.cluster.local"])
        .map(String::from)
        .collect();
    names.extend(more.iter().filter(|name| !name.is_empty()).cloned());
    names
}

fn failed(error: rcgen::Error) -> Status {
    Status::internal(format!("making a certificate: {error}"))
}

fn params(common_name: &str, names: &[String], now: Timestamp) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names.to_vec())?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    let number = |directive: &str| now.format(directive).parse::<i32>().unwrap_or(1);
    let (year, month) = (number("%Y"), u8::try_from(number("%m")).unwrap_or(1));
    // Whole months: a clock that is a little behind must not find the certificate in its future.
    params.not_before = date_time_ymd(year, month, 1);
    params.not_after = date_time_ymd(year + YEARS, month, 1);
    Ok(params)
}

/// Makes a certificate authority.
pub fn authority(now: Timestamp) -> Result<Pair, Status> {
    let make = || {
        let mut params = params("kubernetes", &[], now)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment, KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem(), names: Vec::new() })
    };
    make().map_err(failed)
}

fn signed(authority: &Pair, params: &CertificateParams) -> Result<(String, String), rcgen::Error> {
    let issuer = Issuer::from_ca_cert_pem(&authority.certificate, KeyPair::from_pem(&authority.key)?)?;
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// Makes a server certificate.
pub fn server(authority: &Pair, names: &[String], now: Timestamp) -> Result<Pair, Status> {
    let make = || {
        let mut params = params("kube-apiserver", names, now)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let (certificate, key) = signed(authority, &params)?;
        Ok(Pair { certificate, key, names: names.to_vec() })
    };
    make().map_err(failed)
}

/// Makes a client certificate: `user` becomes the user name, `group` the group (the library
/// writes one organization per certificate).
pub fn client(authority: &Pair, user: &str, group: &str, now: Timestamp) -> Result<Pair, Status> {
    let make = || {
        let mut params = params(user, &[], now)?;
        params.distinguished_name.push(DnType::OrganizationName, group);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let (certificate, key) = signed(authority, &params)?;
        Ok(Pair { certificate, key, names: Vec::new() })
    };
    make().map_err(failed)
}

/// Makes the key that signs service-account tokens. Takes a while.
pub fn signing_key() -> Result<String, Status> {
    KeyPair::generate_for(&PKCS_RSA_SHA256).map(|key| key.serialize_pem()).map_err(failed)
}

/// Reads a value under [`PREFIX`], or makes it and keeps it. Who comes second gets what the first one made.
async fn kept<T: Serialize + for<'de> Deserialize<'de>>(
    space: &Arc<dyn Space>,
    name: &str,
    make: impl FnOnce() -> Result<T, Status>,
) -> Result<T, Status> {
    let key = format!("{PREFIX}{name}");
    let read = |bytes: &[u8]| serde_json::from_slice(bytes).map_err(Status::internal);
    if let Some(entry) = space.get(&key).await.map_err(store_error)? {
        return read(&entry.value);
    }
    let made = make()?;
    let bytes = serde_json::to_vec(&made).map_err(Status::internal)?;
    match space.txn(Txn::new().expect(&key, 0).put(&key, bytes)).await.map_err(store_error)? {
        TxnResult::Committed { .. } => Ok(made),
        TxnResult::Conflict { current } => match current.into_iter().flatten().next() {
            Some(entry) => read(&entry.value),
            None => Err(Status::internal("a key came and went")),
        },
    }
}

impl ClusterKeys {
    /// Reads the cluster's keys from its space, making what is missing. `make_signing_key` is called if the space has
    /// no signing key yet ([`signing_key`], or a key from a pool). The server's certificate is reissued when `names`
    /// differ from those that it was made for.
    pub async fn open(
        space: &Arc<dyn Space>,
        names: &[String],
        now: Timestamp,
        make_signing_key: impl FnOnce() -> Result<String, Status>,
    ) -> Result<Self, Status> {
        let authority: Pair = kept(space, "authority", || self::authority(now)).await?;
        let signing_key: String = kept(space, "service-accounts", make_signing_key).await?;
        let mut server: Pair = kept(space, "server", || self::server(&authority, names, now)).await?;
        if server.names != names {
            server = self::server(&authority, names, now)?;
            let bytes = serde_json::to_vec(&server).map_err(Status::internal)?;
            space.txn(Txn::new().put(format!("{PREFIX}server"), bytes)).await.map_err(store_error)?;
        }
        Ok(Self { authority, server, signing_key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_certificate_names_user_and_group() {
        let now = Timestamp::from_secs(1_795_600_000);
        let authority = authority(now).unwrap();
        let pair = client(&authority, "admin", "system:masters", now).unwrap();
        let (_, pem) = x509_parser::pem::parse_x509_pem(pair.certificate.as_bytes()).unwrap();
        let user = crate::authentication::certificate::user_of(&pem.contents).unwrap();
        assert_eq!(user.username, "admin");
        assert_eq!(user.groups, ["system:masters", "system:authenticated"]);
    }

    #[test]
    fn a_server_certificate_has_all_its_names() {
        let now = Timestamp::from_secs(1_795_600_000);
        let names = server_names(&["10.100.0.1".into()]);
        let pair = server(&authority(now).unwrap(), &names, now).unwrap();
        let (_, pem) = x509_parser::pem::parse_x509_pem(pair.certificate.as_bytes()).unwrap();
        let certificate = pem.parse_x509().unwrap();
        let found = certificate.subject_alternative_name().unwrap().unwrap().value.general_names.len();
        assert_eq!(found, names.len());
    }
}
