//! The AWS door: the one way into the services, for clients in process and behind HTTP alike.
//!
//! `cove-aws/door` implements it: parameters from the model, permissions, then the operation. Behind HTTP the
//! protocol and the signature come first; a caller in process brings its [`Principal`] as a value.

use std::collections::BTreeMap;
use std::net::IpAddr;

use async_trait::async_trait;
use cove_base::Timestamp;
use cove_base::arn::{ACCOUNT, Arn};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fault::Fault;

/// Who calls, after authentication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Principal {
    /// The account's root.
    Root,
    /// An IAM user.
    User {
        /// Its name.
        name: String,
        /// Its ARN with the path.
        arn: String,
        /// `AIDA...`.
        id: String,
    },
    /// A session of a role.
    Role {
        /// The role's name (without its path).
        name: String,
        /// The role's ARN with the path.
        role_arn: String,
        /// `AROA...`.
        id: String,
        /// The session's name (for an instance's role: the instance id).
        session_name: String,
        /// Session tags.
        tags: BTreeMap<String, String>,
    },
    /// An AWS service acting on its own (`eks.amazonaws.com`), or Cove itself. Not reachable over HTTP.
    Service(String),
    /// Nobody: operations that need no signature (AssumeRoleWithWebIdentity).
    Anonymous,
}

impl Principal {
    /// The ARN as AWS prints it: a session's is the one of STS, without the role's path. Empty for services and nobody.
    pub fn arn(&self) -> String {
        match self {
            Self::Root => Arn::iam("root").to_string(),
            Self::User { arn, .. } => arn.clone(),
            Self::Role { name, session_name, .. } => {
                Arn::new("sts", "", format!("assumed-role/{name}/{session_name}")).to_string()
            }
            Self::Service(_) | Self::Anonymous => String::new(),
        }
    }

    /// `aws:userid`, and GetCallerIdentity's `UserId`.
    pub fn user_id(&self) -> String {
        match self {
            Self::Root => ACCOUNT.into(),
            Self::User { id, .. } => id.clone(),
            Self::Role { id, session_name, .. } => format!("{id}:{session_name}"),
            Self::Service(name) => name.clone(),
            Self::Anonymous => "anonymous".into(),
        }
    }
}

/// One caller, with what conditions may ask about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub principal: Principal,
    /// The access key id that signed, empty in process.
    pub access_key_id: String,
    /// Where from.
    pub source_ip: Option<IpAddr>,
    /// Whether over TLS.
    pub secure_transport: bool,
    /// The User-Agent; waiters are told by it.
    pub user_agent: String,
    /// The session, for temporary credentials.
    pub session: Option<Session>,
}

/// What a session's token says besides its principal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// When it was issued (`aws:TokenIssueTime`).
    pub issued: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// Session policies: documents that only take away.
    pub policies: Vec<String>,
}

impl Caller {
    /// A caller in process.
    pub fn in_process(principal: Principal) -> Self {
        Self {
            principal,
            access_key_id: String::new(),
            source_ip: None,
            secure_transport: true,
            user_agent: "cove".into(),
            session: None,
        }
    }

    /// An AWS service as caller, such as `eks.amazonaws.com`.
    pub fn service(name: &str) -> Self {
        Self::in_process(Principal::Service(name.into()))
    }
}

/// One call. `input` has the model's member names; timestamps are seconds as numbers, blobs base64 text.
#[derive(Clone, Debug)]
pub struct AwsRequest {
    /// Who calls.
    pub caller: Caller,
    /// The region, from the credential scope.
    pub region: String,
    /// botocore's name of the service: `ec2`, `iam`, `sts`, `autoscaling`, `eks`.
    pub service: String,
    /// The operation's name in the model.
    pub operation: String,
    /// The input.
    pub input: Value,
    /// The request's id, a UUID.
    pub request_id: String,
}

/// The door itself.
#[async_trait]
pub trait AwsDoor: Send + Sync {
    /// Validates, authorizes and does it. The output has the model's member names.
    async fn call(&self, request: AwsRequest) -> Result<Value, Fault>;
}
