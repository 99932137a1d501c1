//! The table of operations: what a service can do, which permissions it takes, which function does it.
//!
//! A service is `pub const SERVICE: Service` in its folder. An operation that the model has and the table lacks
//! answers 501 with a named refusal; one without permissions does not compile.

use std::future::Future;
use std::sync::Arc;

use cove_aws_wire::door::{AwsDoor, Caller};
use cove_aws_wire::fault::Fault;
use cove_aws_wire::session_token::Sessions;
use cove_base::Runtime;
use cove_base::runtime::BoxFuture;
use cove_store::Store;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::ports::Ports;

/// One AWS service.
pub struct Service {
    /// botocore's name, such as `autoscaling`.
    pub name: &'static str,
    /// What works, sorted by name.
    pub operations: &'static [Operation],
    /// The reconcilers of its resources, started once per region and once more after a restart.
    pub start: fn(&Cx),
}

/// One operation.
pub struct Operation {
    /// Its name in the model.
    pub name: &'static str,
    /// What a caller must be allowed to do. Not empty, except for the few that AWS itself lets pass
    /// (`GetCallerIdentity`), which say so with [`Permission::NONE_NEEDED`].
    pub permissions: &'static [Permission],
    /// What does it.
    pub run: fn(Cx, Value) -> BoxFuture<Result<Value, Fault>>,
}

/// One permission of an operation (facts: `iam-actions.csv`, service authorization reference).
pub struct Permission {
    /// The IAM action, such as `ec2:RunInstances`.
    pub action: &'static str,
    /// Resource ARN templates. `${Member}` and `${Member.Inner}` are taken from the input (a list gives one resource
    /// per item), `${Region}` and `${Account}` from the call; `*` where the action knows no resources.
    pub resources: &'static [&'static str],
    /// Condition keys filled from the input: (key, member), such as `("eks:nodegroupName", "nodegroupName")`.
    pub conditions: &'static [(&'static str, &'static str)],
    /// Checked only if this member is in the input; empty means always. (`iam:PassRole` with `roleArn`.)
    pub only_if: &'static str,
}

impl Permission {
    /// AWS asks for no permission here.
    pub const NONE_NEEDED: &'static [Permission] = &[];
}

/// What an operation works with. Cheap to clone.
#[derive(Clone)]
pub struct Cx {
    /// Clock, timers, tasks, seed.
    pub rt: Runtime,
    /// The region of the call.
    pub region: String,
    /// Who calls.
    pub caller: Caller,
    /// The request's id.
    pub request_id: String,
    /// The store; use [`Cx::records`] and [`Cx::global_records`].
    pub store: Arc<dyn Store>,
    /// The door, for calls to other services under an identity.
    pub door: Arc<dyn AwsDoor>,
    /// The world.
    pub ports: Arc<Ports>,
    /// Mints session tokens: `cx.sessions.mint(&principal, &session)` gives temporary credentials (STS, metadata).
    pub sessions: Arc<Sessions>,
}

impl Cx {
    /// Reads typed input and writes typed output around an operation's function.
    ///
    /// The input has been checked against the model, so only values that the model lets pass and the operation's
    /// types do not (a negative size), and members that the operation does not honour, are refused here.
    pub async fn typed<I, O, F>(
        self,
        name: &str,
        input: Value,
        operation: impl FnOnce(Cx, I) -> F,
    ) -> Result<Value, Fault>
    where
        I: DeserializeOwned,
        O: Serialize,
        F: Future<Output = Result<O, Fault>>,
    {
        let input = crate::input::read(name, input)?;
        let output = operation(self, input).await?;
        serde_json::to_value(output).map_err(Fault::internal)
    }

    /// Calls another service in this region.
    pub async fn call(&self, caller: Caller, service: &str, operation: &str, input: Value) -> Result<Value, Fault> {
        self.door
            .call(cove_aws_wire::door::AwsRequest {
                caller,
                region: self.region.clone(),
                service: service.into(),
                operation: operation.into(),
                input,
                request_id: self.request_id.clone(),
            })
            .await
    }
}

/// The refusal of an input that an operation's types do not take. The door gives it the service's own code.
pub fn unreadable(error: impl std::fmt::Display) -> Fault {
    Fault::client(UNREADABLE, format!("1 validation error detected: {error}"))
}

/// The code of [`unreadable`] faults before they leave the door.
pub const UNREADABLE: &str = "ValidationError";

/// Declares an operation's row: `operation!("CreateRole", PERMISSIONS, create_role)`, where `create_role` is
/// `async fn(Cx, Input) -> Result<Output, Fault>`.
#[macro_export]
macro_rules! operation {
    ($name:literal, $permissions:expr, $function:path) => {
        $crate::operation::Operation {
            name: $name,
            permissions: $permissions,
            run: |cx, input| Box::pin(cx.typed($name, input, $function)),
        }
    };
}
