//! The AWS side of a region: the door with its keys, the `admin` user, the socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cove_aws::door::chain::{Door, DoorParts};
use cove_aws::door::front::Front;
use cove_aws::iam::identities::StoredIdentities;
use cove_aws::iam::state::AccessKey;
use cove_aws::ports::Ports;
use cove_aws_wire::credentials::{Credentials, KeyLookup};
use cove_aws_wire::door::{AwsDoor, AwsRequest, Caller};
use cove_aws_wire::fault::Fault;
use cove_aws_wire::session_token::{Sessions, new_access_key_id, new_secret_access_key};
use cove_base::Runtime;
use cove_store::Store;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::request_log::RequestLog;
use crate::secrets::Secrets;

/// The name of the user whose keys `cove env` prints.
const ADMIN: &str = "admin";
const ADMIN_POLICY: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

/// The door and what stands around it.
pub(crate) struct AwsSide {
    pub door: Arc<Door>,
    identities: StoredIdentities,
    rt: Runtime,
    store: Arc<dyn Store>,
    secrets: Secrets,
    stop: Arc<Notify>,
    requests: AtomicU64,
}

impl AwsSide {
    /// The door of a region; no service runs yet.
    pub(crate) async fn make(
        rt: &Runtime,
        store: &Arc<dyn Store>,
        ports: Ports,
        secrets: Secrets,
    ) -> Result<Self, String> {
        let sessions = Sessions::new(&secrets.session_key().await?).map_err(|e| e.to_string())?;
        let door = Door::new(DoorParts {
            rt: rt.clone(),
            store: store.clone(),
            identities: Arc::new(StoredIdentities::new(store.clone())),
            sessions: Arc::new(sessions),
            ports: Arc::new(ports),
            services: cove_aws::services(),
        });
        Ok(Self {
            door,
            identities: StoredIdentities::new(store.clone()),
            rt: rt.clone(),
            store: store.clone(),
            secrets,
            stop: Arc::default(),
            requests: AtomicU64::new(0),
        })
    }

    /// A fresh request id.
    pub(crate) fn request_id(&self) -> String {
        self.rt.seed().uuid("region/request", self.requests.fetch_add(1, Ordering::Relaxed))
    }

    /// The `admin` user with its key pair, made if this is a new region. `wanted` replaces the pair.
    pub(crate) async fn admin(&self, region: &str, wanted: Option<Credentials>) -> Result<Credentials, String> {
        self.ensure(region, "CreateUser", json!({"UserName": ADMIN})).await?;
        self.ensure(region, "AttachUserPolicy", json!({"UserName": ADMIN, "PolicyArn": ADMIN_POLICY})).await?;
        let known = self.secrets.admin().await?;
        let pair = match (wanted, known) {
            (Some(wanted), _) => (wanted.access_key_id, wanted.secret_access_key),
            (None, Some(known)) => known,
            (None, None) => {
                let random = |_| "no randomness for the admin user's key".to_string();
                (new_access_key_id("AKIA").map_err(random)?, new_secret_access_key().map_err(random)?)
            }
        };
        self.secrets.keep_admin(&pair).await?;
        let (id, secret) = pair;
        let key = AccessKey {
            id: id.clone(),
            secret: secret.clone(),
            user_name: Some(ADMIN.into()),
            active: true,
            created: self.rt.now().as_secs(),
        };
        self.identities.put_access_key(key).await.map_err(|f| f.to_string())?;
        Ok(Credentials { access_key_id: id, secret_access_key: secret, session_token: None })
    }

    /// An IAM operation as Cove itself; what exists already is as good.
    async fn ensure(&self, region: &str, operation: &str, input: Value) -> Result<(), String> {
        let request = AwsRequest {
            caller: Caller::service("cove"),
            region: region.into(),
            service: "iam".into(),
            operation: operation.into(),
            input,
            request_id: self.request_id(),
        };
        match self.door.call(request).await {
            Err(fault) if fault.code != "EntityAlreadyExists" => Err(fault.to_string()),
            _ => Ok(()),
        }
    }

    /// The caller behind the admin user's keys.
    pub(crate) async fn caller_of(&self, credentials: &Credentials) -> Result<Caller, Fault> {
        let key = self.door.known_key(&credentials.access_key_id, None).await;
        let key = key.map_err(|e| Fault::client("InvalidClientTokenId", e.to_string()))?;
        let mut caller = Caller::in_process(key.principal);
        caller.access_key_id = credentials.access_key_id.clone();
        Ok(caller)
    }

    /// Starts the services' reconcilers in this region and in every other that has records.
    pub(crate) async fn open(&self, region: &str) -> Result<(), String> {
        self.door.open_region(region);
        for space in self.store.spaces().await.map_err(|e| e.to_string())? {
            if let Some(known) = space.strip_prefix("aws/").filter(|name| *name != "global") {
                self.door.open_region(known);
            }
        }
        Ok(())
    }

    /// Serves the door on a socket: plain HTTP and TLS, told apart by the first byte.
    pub(crate) async fn listen(&self, listener: TcpListener, region: &str, log: Arc<RequestLog>) -> Result<(), String> {
        let front = Arc::new(Front {
            rt: self.rt.clone(),
            door: self.door.clone(),
            keys: self.door.clone(),
            default_region: region.into(),
            tls: Some(self.secrets.tls().await?),
            log,
            requests: AtomicU64::new(0),
        });
        let stop = self.stop.clone();
        self.rt.spawn("aws door", async move { front.serve(listener, async move { stop.notified().await }).await });
        Ok(())
    }

    /// Stops accepting connections.
    pub(crate) fn stop(&self) {
        self.stop.notify_one();
    }
}
