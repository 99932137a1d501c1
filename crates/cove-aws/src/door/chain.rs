//! The chain that every call takes: service and operation, the input against the model, permissions, the operation.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_trait::async_trait;
use cove_aws_wire::credentials::{KeyLookup, KnownKey};
use cove_aws_wire::door::{AwsDoor, AwsRequest, Caller};
use cove_aws_wire::fault::Fault;
use cove_aws_wire::model::{Entry, OperationModel, Protocol, entry};
use cove_aws_wire::route::not_implemented;
use cove_aws_wire::session_token::Sessions;
use cove_aws_wire::sigv4::SignatureError;
use cove_aws_wire::validate::validate;
use cove_base::Runtime;
use cove_store::Store;
use serde_json::Value;

use crate::door::hold;
use crate::door::idempotency::{self, UnderWay};
use crate::door::identities::Identities;
use crate::door::permissions::{Check, Parsed};
use crate::operation::{Cx, Operation, Service, UNREADABLE};
use crate::ports::Ports;

/// What a door is made of.
pub struct DoorParts {
    /// Clock, timers, tasks, seed.
    pub rt: Runtime,
    /// Where the services keep their records.
    pub store: Arc<dyn Store>,
    /// IAM.
    pub identities: Arc<dyn Identities>,
    /// Mints and opens session tokens.
    pub sessions: Arc<Sessions>,
    /// The world.
    pub ports: Arc<Ports>,
    /// What the services are; [`crate::services()`] but in tests.
    pub services: &'static [&'static Service],
}

/// The door.
pub struct Door {
    parts: DoorParts,
    parsed: Parsed,
    under_way: UnderWay,
    /// Regions whose services have been started.
    open: Mutex<BTreeSet<String>>,
    own: Weak<Door>,
}

impl Door {
    /// A door; no service is started yet.
    pub fn new(parts: DoorParts) -> Arc<Self> {
        Arc::new_cyclic(|own| Self {
            parts,
            parsed: Parsed::default(),
            under_way: UnderWay::default(),
            open: Mutex::default(),
            own: own.clone(),
        })
    }

    /// Starts the services' reconcilers in a region, unless they run. The first call in a region does it too; after a
    /// restart the region's wiring does it for every region that has records.
    pub fn open_region(&self, region: &str) {
        let is_new = self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(region.to_string());
        let Some(cx) = self.cx(region, Caller::service("cove"), "start").filter(|_| is_new) else { return };
        for service in self.parts.services {
            (service.start)(&cx);
        }
        self.parts.rt.spawn(format!("aws door: old client tokens of {region}"), async move {
            if let Err(fault) = idempotency::forget_old(&cx).await {
                tracing::warn!("aws door: old client tokens: {fault}");
            }
        });
    }

    /// What an operation gets. `None` while the door is being dropped.
    pub fn cx(&self, region: &str, caller: Caller, request_id: &str) -> Option<Cx> {
        let door: Arc<dyn AwsDoor> = self.own.upgrade()?;
        Some(Cx {
            rt: self.parts.rt.clone(),
            region: region.into(),
            caller,
            request_id: request_id.into(),
            store: self.parts.store.clone(),
            door,
            ports: self.parts.ports.clone(),
            sessions: self.parts.sessions.clone(),
        })
    }

    fn resolve(&self, request: &AwsRequest) -> Result<Resolved, Fault> {
        let unknown = || not_implemented(&format!("the service {}", request.service));
        let entry = entry(&request.service).ok_or_else(unknown)?;
        let name = &request.operation;
        let model = entry.model().operation(name).ok_or_else(|| {
            Fault::client("InvalidAction", format!("Could not find operation {name} for version {}", entry.api_version))
        })?;
        let service = self.parts.services.iter().find(|s| s.name == request.service);
        let operation = service.and_then(|s| s.operations.iter().find(|o| o.name == name));
        let operation = operation.ok_or_else(|| not_implemented(&format!("{}:{name}", entry.iam_prefix)))?;
        Ok(Resolved { entry, model, operation })
    }

    async fn run(&self, request: AwsRequest, resolved: Resolved) -> Result<Value, Fault> {
        let Resolved { entry, model, operation } = resolved;
        let cx = self
            .cx(&request.region, request.caller.clone(), &request.request_id)
            .ok_or_else(|| Fault::new(503, "ServiceUnavailable", "the region is shutting down"))?;
        let input = request.input.clone();
        let run = {
            let cx = cx.clone();
            move || (operation.run)(cx.clone(), input.clone())
        };
        if let Some(hold) = hold::for_call(&request) {
            return hold::until_settled(hold, &cx, run).await;
        }
        match idempotency::key(&request, model) {
            Some(key) => idempotency::once(&self.under_way, &cx, key, &request.input, entry.protocol, run).await,
            None => run().await,
        }
    }
}

/// What a call is for.
struct Resolved {
    entry: &'static Entry,
    model: &'static OperationModel,
    operation: &'static Operation,
}

#[async_trait]
impl AwsDoor for Door {
    async fn call(&self, mut request: AwsRequest) -> Result<Value, Fault> {
        let resolved = self.resolve(&request)?;
        let protocol = resolved.entry.protocol;
        let is_dry = protocol == Protocol::Ec2 && take_dry_run(&mut request.input);
        validate(resolved.entry.model(), resolved.model, &request.input)?;
        let check =
            Check { identities: &*self.parts.identities, parsed: &self.parsed, protocol, now: self.parts.rt.now() };
        check.permitted(&request, resolved.operation, resolved.model).await?;
        if is_dry {
            let text = "Request would have succeeded, but DryRun flag is set.";
            return Err(Fault::new(412, "DryRunOperation", text));
        }
        self.open_region(&request.region);
        self.run(request, resolved).await.map_err(|fault| in_own_code(fault, protocol))
    }
}

/// Gives what an operation's types refuse the code that its service has for bad values.
fn in_own_code(mut fault: Fault, protocol: Protocol) -> Fault {
    match protocol {
        Protocol::Ec2 if fault.code == UNREADABLE => fault.code = "InvalidParameterValue".into(),
        Protocol::RestJson if fault.code == UNREADABLE => fault.code = "InvalidParameterException".into(),
        _ => {}
    }
    fault
}

/// EC2's `DryRun` is the door's affair, so operations never see it.
fn take_dry_run(input: &mut Value) -> bool {
    input.as_object_mut().and_then(|members| members.remove("DryRun")).is_some_and(|flag| flag == true)
}

#[async_trait]
impl KeyLookup for Door {
    async fn known_key(&self, access_key_id: &str, session_token: Option<&str>) -> Result<KnownKey, SignatureError> {
        if let Some(token) = session_token {
            return self.parts.sessions.open(access_key_id, token, self.parts.rt.now());
        }
        match self.parts.identities.access_key(access_key_id).await {
            Ok(Some(key)) => {
                Ok(KnownKey { secret_access_key: key.secret_access_key, principal: key.principal, session: None })
            }
            Ok(None) => Err(SignatureError::UnknownKey),
            Err(fault) => {
                tracing::error!("aws door: looking up an access key: {fault}");
                Err(SignatureError::UnknownKey)
            }
        }
    }
}
