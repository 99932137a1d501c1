//! The Kubernetes door: the one way into a cluster, for clients in process and behind HTTP alike.
//!
//! `cove-kube-server` implements it in process; `cove-kube-client` offers it over HTTP too. HTTP routing, content
//! negotiation and authentication happen in front of it; authorization, admission and storage behind it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cove_base::Timestamp;
use serde_json::Value;

use crate::object::Object;
use crate::status::Status;

/// Who calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserInfo {
    /// Such as `system:node:ip-172-31-0-5.us-west-2.compute.internal`.
    pub username: String,
    /// The authenticator's id of the user. May be empty.
    pub uid: String,
    /// Groups, `system:authenticated` among them where it applies.
    pub groups: Vec<String>,
    /// Further facts from the authenticator.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl UserInfo {
    /// A user with groups, `system:authenticated` added.
    pub fn new(username: impl Into<String>, groups: &[&str]) -> Self {
        let mut groups: Vec<String> = groups.iter().map(|g| (*g).to_string()).collect();
        if !groups.iter().any(|g| g == "system:authenticated" || g == "system:unauthenticated") {
            groups.push("system:authenticated".into());
        }
        Self { username: username.into(), groups, ..Self::default() }
    }

    /// A service account, with its groups.
    pub fn service_account(namespace: &str, name: &str) -> Self {
        let username = format!("system:serviceaccount:{namespace}:{name}");
        Self::new(username, &["system:serviceaccounts", &format!("system:serviceaccounts:{namespace}")])
    }
}

/// What is asked of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Reads one.
    Get,
    /// Reads many.
    List,
    /// Follows changes.
    Watch,
    /// Makes one.
    Create,
    /// Replaces one.
    Update,
    /// Changes one.
    Patch,
    /// Deletes one.
    Delete,
    /// Deletes many.
    DeleteCollection,
}

impl Verb {
    /// The verb in RBAC's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        }
    }
}

/// Which resource, and which object of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// The group, empty for core.
    pub group: String,
    /// The version.
    pub version: String,
    /// The plural resource.
    pub resource: String,
    /// The subresource, empty for none.
    pub subresource: String,
    /// The namespace, empty for none or all.
    pub namespace: String,
    /// The name, empty for none.
    pub name: String,
}

/// Query parameters and options, as far as a verb takes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `labelSelector`.
    pub label_selector: String,
    /// `fieldSelector`.
    pub field_selector: String,
    /// `resourceVersion`; empty means not given.
    pub resource_version: String,
    /// `resourceVersionMatch`.
    pub resource_version_match: String,
    /// `limit`; 0 means none.
    pub limit: u64,
    /// `continue`.
    pub continue_token: String,
    /// `timeoutSeconds` of a watch; `None` means the server's choice.
    pub timeout_seconds: Option<u64>,
    /// `allowWatchBookmarks`.
    pub allow_watch_bookmarks: bool,
    /// `sendInitialEvents`.
    pub send_initial_events: Option<bool>,
    /// `dryRun` was `All`.
    pub dry_run: bool,
    /// `fieldValidation`: `Strict`, `Warn` or `Ignore`; empty means the default (`Warn`).
    pub field_validation: String,
    /// `fieldManager`.
    pub field_manager: String,
    /// `force` of an apply patch.
    pub force: bool,
}

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `application/json`.
    Json,
    /// `application/yaml`.
    Yaml,
    /// `application/vnd.kubernetes.protobuf`.
    Protobuf,
}

/// The kind of a patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchKind {
    /// `application/json-patch+json`.
    Json,
    /// `application/merge-patch+json`.
    Merge,
    /// `application/strategic-merge-patch+json`.
    Strategic,
    /// `application/apply-patch+yaml`.
    Apply,
}

/// What a request carries.
#[derive(Clone, Debug, Default)]
pub enum Body {
    /// Nothing.
    #[default]
    None,
    /// An object or options (`DeleteOptions`), already a value: from clients in process.
    Value(Value),
    /// An object or options as bytes.
    Bytes(Encoding, Bytes),
    /// A patch, already a value.
    Patch(PatchKind, Value),
    /// A patch as bytes (JSON, or YAML for apply).
    PatchBytes(PatchKind, Bytes),
}

/// One call.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who calls.
    pub user: UserInfo,
    /// What to do.
    pub verb: Verb,
    /// With what.
    pub target: Target,
    /// How.
    pub options: Options,
    /// The body.
    pub body: Body,
}

/// What a successful call gives back.
pub enum Reply {
    /// One object.
    Object(Arc<Object>),
    /// Many objects.
    List(ListReply),
    /// A `v1/Status` of success (some deletions).
    Success(Value),
    /// A stream of changes.
    Watch(Box<dyn WatchStream>),
}

/// A call's answer with what goes into headers.
pub struct Response {
    /// The answer.
    pub reply: Reply,
    /// Whether something was made (201 instead of 200).
    pub created: bool,
    /// Texts for `Warning: 299` headers.
    pub warnings: Vec<String>,
}

impl Response {
    /// An answer of 200 without warnings.
    pub fn ok(reply: Reply) -> Self {
        Self { reply, created: false, warnings: Vec::new() }
    }
}

/// The answer to a list.
#[derive(Clone, Debug, Default)]
pub struct ListReply {
    /// `apiVersion` of the list.
    pub api_version: String,
    /// `kind` of the list, such as `PodList`.
    pub kind: String,
    /// The items.
    pub items: Vec<Arc<Object>>,
    /// The revision at which the list was read.
    pub revision: u64,
    /// For the next page; empty at the end.
    pub continue_token: String,
    /// How many are left; `None` at the end and with selectors.
    pub remaining: Option<u64>,
}

/// One change, as a watch tells it.
#[derive(Clone, Debug)]
pub enum WatchEvent {
    /// The object has come into view.
    Added(Arc<Object>),
    /// The object has changed.
    Modified(Arc<Object>),
    /// The object has left view; its last state, with the revision of the change.
    Deleted(Arc<Object>),
    /// Progress, only if asked for. `initial_end` marks the end of the initial events.
    Bookmark {
        /// The revision seen so far.
        revision: u64,
        /// Whether this is the end of the initial events.
        initial_end: bool,
    },
    /// The watch has ended with an error (410 `Expired` when it fell behind).
    Error(Status),
}

/// A running watch. Dropping it ends it.
#[async_trait]
pub trait WatchStream: Send {
    /// The next change; `None` when the watch has ended (its time is up, the server shuts down).
    async fn next(&mut self) -> Option<WatchEvent>;
}

/// The identity of a cluster's fleet of simulated nodes, the only one that may announce heartbeats.
pub const SIMULATED_FLEET: &str = "cove:simulated-fleet";

/// What the fleet says about a simulated node.
#[derive(Clone, Debug, PartialEq)]
pub enum Heartbeat {
    /// Its agent renewed its lease at `since` and goes on to do so every `every`, until told otherwise.
    Alive {
        /// The renewal that the others are counted from.
        since: Timestamp,
        /// The time between two renewals; not zero.
        every: Duration,
        /// The lease as the agent makes it when there is none (its `spec.renewTime` does not count).
        lease: Value,
    },
    /// Its machine has lost its power: the last renewal is the last one that was due before now.
    Gone,
}

/// The door itself.
#[async_trait]
pub trait KubeDoor: Send + Sync {
    /// Authorizes, admits and does it.
    async fn call(&self, request: Request) -> Result<Response, Status>;

    /// Announces that a simulated node is alive or gone, in place of its agent's lease renewals (the exception that
    /// ARCHITECTURE.md names). For [`SIMULATED_FLEET`] only. A door that does not take it refuses, and the agent then
    /// renews its lease itself.
    fn heartbeat(&self, _user: &UserInfo, node: &str, _beat: Heartbeat) -> Result<(), Status> {
        let message = format!("this server takes no heartbeats: node {node:?} must renew its lease itself");
        Err(Status::new(405, "MethodNotAllowed", message))
    }
}
