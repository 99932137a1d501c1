//! The API server in process: one request chain behind the Kubernetes door.
//!
//! Made by `cove-region` for each cluster; the HTTP front, controllers, scheduler and nodes call it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use cove_base::Runtime;
use cove_kube_api::door::{Heartbeat, KubeDoor, Request, Response, UserInfo, Verb};
use cove_kube_api::status::Status;
use cove_store::api::Space;
use serde_json::Value;
use tokio::sync::watch;

use crate::api::kinds::Kind;
use crate::authentication::tokens::Signer;
use crate::authentication::{self, Credential};
use crate::authorization::{self, Authorization};
use crate::chain::call::Call;
use crate::chain::{create, delete, read, update, watch as watching};
use crate::config::Config;
use crate::heartbeat::{self, Heartbeats};
use crate::storage::Storage;
use crate::subresources;

/// The API server of one cluster.
pub struct ApiServer {
    pub(crate) rt: Runtime,
    pub(crate) storage: Storage,
    pub(crate) config: Config,
    pub(crate) authorization: Authorization,
    /// Signs and checks service-account tokens.
    pub(crate) signer: Option<Signer>,
    /// Counts the writes of RBAC objects: who keeps something made of them looks here whether it is still current.
    rbac_writes: AtomicU64,
    /// Counts HTTP requests, for their ids.
    requests: AtomicU64,
    stop: watch::Sender<bool>,
    /// The simulated nodes that are alive.
    pub(crate) heartbeats: Arc<Heartbeats>,
    /// Itself, for what outlives a call.
    pub(crate) myself: Weak<Self>,
}

impl ApiServer {
    /// Over a space of the store. The space may be empty: [`crate::bootstrap`] fills it.
    pub fn new(rt: Runtime, space: Arc<dyn Space>, config: Config) -> Arc<Self> {
        let authorization = Authorization::new(config.authorizers.clone());
        let signer = config.signing_key.as_deref().map(Signer::new).and_then(|signer| {
            signer.inspect_err(|status| tracing::error!("service-account tokens are off: {}", status.message)).ok()
        });
        Arc::new_cyclic(|myself| Self {
            signer,
            rt,
            storage: Storage::new(space),
            config,
            authorization,
            rbac_writes: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            stop: watch::Sender::new(false),
            heartbeats: Arc::default(),
            myself: myself.clone(),
        })
    }

    /// What it was made with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The runtime that it runs on.
    pub fn runtime(&self) -> &Runtime {
        &self.rt
    }

    /// The user of a credential, for callers that bring one without HTTP (a node that joins in a virtual run).
    pub async fn authenticate(&self, credential: Credential<'_>) -> Result<UserInfo, Status> {
        authentication::authenticate(self, credential).await
    }

    /// The keys that check service-account tokens, as an OIDC issuer publishes them; `None` without a signing key.
    pub fn jwks(&self) -> Option<Value> {
        self.signer.as_ref().map(Signer::jwks)
    }

    /// Ends all watches, now and those to come. Other calls go on until the store closes.
    pub fn shut_down(&self) {
        self.stop.send_replace(true);
    }

    /// Becomes true when the server shuts down.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// Told after every committed write of a kind.
    pub(crate) fn written(&self, kind: &Kind) {
        if kind.group == "rbac.authorization.k8s.io" {
            self.rbac_writes.fetch_add(1, Ordering::Release);
        }
    }

    /// See [`Self::written`].
    pub(crate) fn rbac_writes(&self) -> u64 {
        self.rbac_writes.load(Ordering::Acquire)
    }

    /// The ordinal of an HTTP request.
    pub(crate) fn next_request(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }

    /// The chain without what [`heartbeat`] adds to it: for the renewals themselves.
    pub(crate) async fn chain(&self, request: &Request) -> Result<Response, Status> {
        authorization::check(self, request).await?;
        let mut call = Call::resolve(request, self.config.minor)?;
        self.dispatch(&mut call, request).await
    }

    async fn dispatch(&self, call: &mut Call, request: &Request) -> Result<Response, Status> {
        let body = &request.body;
        if let Some(answer) = subresources::dispatch(self, call, body).await {
            return answer;
        }
        match call.verb {
            Verb::Get => read::get(self, call).await,
            Verb::List => read::list(self, call).await,
            Verb::Watch => watching::watch(self, call).await,
            Verb::Create => create::create(self, call, body).await,
            Verb::Update => update::update(self, call, body).await,
            Verb::Patch => update::patch(self, call, body).await,
            Verb::Delete => delete::delete(self, call, body).await,
            Verb::DeleteCollection => delete::delete_collection(self, call, body).await,
        }
    }
}

#[async_trait]
impl KubeDoor for ApiServer {
    async fn call(&self, request: Request) -> Result<Response, Status> {
        authorization::check(self, &request).await?;
        let mut call = Call::resolve(&request, self.config.minor)?;
        let Some(leases) = heartbeat::leases_of(&call)? else { return self.dispatch(&mut call, &request).await };
        heartbeat::renew(self, &leases).await;
        let response = self.dispatch(&mut call, &request).await?;
        Ok(heartbeat::keep_renewing(self, leases, response))
    }

    fn heartbeat(&self, user: &UserInfo, node: &str, beat: Heartbeat) -> Result<(), Status> {
        heartbeat::announce(self, user, node, beat)
    }
}
