//! The region's own secrets: the key that seals session tokens, the admin user's pair, the region's certificate
//! authority. Kept in the store's space `region`, under [`PREFIX`]; the data directory is the owner's alone.

use std::sync::Arc;

use aws_lc_rs::rand;
use cove_base::Runtime;
use cove_base::tokio_runtime::wall_clock;
use cove_kube_server::pki::{self, Pair};
use cove_store::{Space, Txn, TxnResult};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_rustls::TlsAcceptor;

/// The keys of secrets begin with this; the log of a virtual run masks their values.
pub const PREFIX: &str = "secret/";

/// The secrets of one region.
pub(crate) struct Secrets {
    space: Arc<dyn Space>,
    /// In a virtual run secrets are derived from its seed, so that two runs agree.
    derived: Option<Runtime>,
}

impl Secrets {
    /// Over the space `region`. With a runtime, secrets are derived from its seed.
    pub(crate) fn new(space: Arc<dyn Space>, derived: Option<Runtime>) -> Self {
        Self { space, derived }
    }

    /// The key that seals session tokens.
    pub(crate) async fn session_key(&self) -> Result<[u8; 32], String> {
        if let Some(rt) = &self.derived {
            return Ok(rt.seed().bytes("session-key", 0));
        }
        self.kept("session-key", || {
            let mut key = [0; 32];
            rand::fill(&mut key).map_err(|_| "no randomness for the session key".to_string())?;
            Ok(key)
        })
        .await
    }

    /// The admin user's key pair, if there is one.
    pub(crate) async fn admin(&self) -> Result<Option<(String, String)>, String> {
        if let Some(rt) = &self.derived {
            let id = rt.seed().pick("admin-key", 0, 16, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567");
            return Ok(Some((format!("AKIA{id}"), rt.seed().hex("admin-secret", 0, 40))));
        }
        self.read("admin").await
    }

    /// Remembers the admin user's key pair.
    pub(crate) async fn keep_admin(&self, pair: &(String, String)) -> Result<(), String> {
        if self.admin().await?.as_ref() == Some(pair) {
            return Ok(());
        }
        let bytes = serde_json::to_vec(pair).map_err(text)?;
        self.space.txn(Txn::new().put(format!("{PREFIX}admin"), bytes)).await.map_err(text).map(drop)
    }

    /// The TLS side of the AWS door, with a certificate of the region's authority.
    pub(crate) async fn tls(&self) -> Result<TlsAcceptor, String> {
        let authority: Pair = self.kept("authority", || pki::authority(wall_clock()).map_err(text)).await?;
        let names = ["127.0.0.1".to_string(), "localhost".to_string()];
        let server: Pair = self.kept("server", || pki::server(&authority, &names, wall_clock()).map_err(text)).await?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(server.certificate.as_bytes()).collect();
        let key = PrivateKeyDer::from_pem_slice(server.key.as_bytes()).map_err(text)?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(text)?
            .with_no_client_auth()
            .with_single_cert(chain.map_err(text)?, key)
            .map_err(text)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    async fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, String> {
        let entry = self.space.get(&format!("{PREFIX}{name}")).await.map_err(text)?;
        entry.map(|e| serde_json::from_slice(&e.value).map_err(text)).transpose()
    }

    /// The secret as it is kept, made if there is none.
    async fn kept<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<T, String>,
    ) -> Result<T, String> {
        if let Some(known) = self.read(name).await? {
            return Ok(known);
        }
        let made = make()?;
        let key = format!("{PREFIX}{name}");
        let txn = Txn::new().expect(&key, 0).put(&key, serde_json::to_vec(&made).map_err(text)?);
        match self.space.txn(txn).await.map_err(text)? {
            TxnResult::Committed { .. } => Ok(made),
            TxnResult::Conflict { .. } => self.read(name).await?.ok_or_else(|| format!("{name} came and went")),
        }
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
