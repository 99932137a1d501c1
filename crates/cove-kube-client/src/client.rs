//! The client: an identity and a door. Typed calls use `k8s-openapi`, dynamic ones values.

use std::sync::Arc;

use cove_kube_api::door::{
    Body, Heartbeat, KubeDoor, ListReply, Options, PatchKind, Reply, Request, Target, UserInfo, Verb, WatchStream,
};
use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A resource as a client names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource {
    /// The group, empty for core.
    pub group: &'static str,
    /// The version.
    pub version: &'static str,
    /// The plural.
    pub plural: &'static str,
}

impl Resource {
    /// A resource of a group.
    pub const fn new(group: &'static str, version: &'static str, plural: &'static str) -> Self {
        Self { group, version, plural }
    }

    /// A resource of the core group.
    pub const fn core(plural: &'static str) -> Self {
        Self::new("", "v1", plural)
    }

    /// The resource of a typed kind.
    pub const fn of<K: k8s_openapi::Resource>() -> Self {
        Self { group: K::GROUP, version: K::VERSION, plural: K::URL_PATH_SEGMENT }
    }

    /// This resource as a call's target.
    pub fn target(&self, namespace: &str, name: &str, subresource: &str) -> Target {
        Target {
            group: self.group.into(),
            version: self.version.into(),
            resource: self.plural.into(),
            subresource: subresource.into(),
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

/// An identity and a door. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    door: Arc<dyn KubeDoor>,
    user: UserInfo,
}

impl Client {
    /// Joins them.
    pub fn new(door: Arc<dyn KubeDoor>, user: UserInfo) -> Self {
        Self { door, user }
    }

    /// Who this client is.
    pub fn user(&self) -> &UserInfo {
        &self.user
    }

    /// The same door under another identity.
    pub fn with_user(&self, user: UserInfo) -> Self {
        Self { door: self.door.clone(), user }
    }

    /// Any call.
    pub async fn call(&self, verb: Verb, target: Target, options: Options, body: Body) -> Result<Reply, Status> {
        let request = Request { user: self.user.clone(), verb, target, options, body };
        Ok(self.door.call(request).await?.reply)
    }

    /// Announces whether a simulated node is alive ([`KubeDoor::heartbeat`]).
    pub fn heartbeat(&self, node: &str, beat: Heartbeat) -> Result<(), Status> {
        self.door.heartbeat(&self.user, node, beat)
    }

    async fn object(&self, verb: Verb, target: Target, body: Body) -> Result<Arc<Object>, Status> {
        match self.call(verb, target, Options::default(), body).await? {
            Reply::Object(object) => Ok(object),
            _ => Err(Status::internal("the door answered without an object")),
        }
    }

    /// Reads one object.
    pub async fn get(&self, resource: Resource, namespace: &str, name: &str) -> Result<Arc<Object>, Status> {
        self.object(Verb::Get, resource.target(namespace, name, ""), Body::None).await
    }

    /// Reads one object, `None` if it does not exist.
    pub async fn find(&self, resource: Resource, namespace: &str, name: &str) -> Result<Option<Arc<Object>>, Status> {
        match self.get(resource, namespace, name).await {
            Ok(object) => Ok(Some(object)),
            Err(status) if status.is_not_found() => Ok(None),
            Err(status) => Err(status),
        }
    }

    /// Makes an object.
    pub async fn create(&self, resource: Resource, namespace: &str, object: Value) -> Result<Arc<Object>, Status> {
        self.object(Verb::Create, resource.target(namespace, "", ""), Body::Value(object)).await
    }

    /// Makes something under an object: a binding, an eviction, a token.
    pub async fn create_sub(
        &self,
        resource: Resource,
        namespace: &str,
        name: &str,
        subresource: &str,
        body: Value,
    ) -> Result<Reply, Status> {
        let target = resource.target(namespace, name, subresource);
        self.call(Verb::Create, target, Options::default(), Body::Value(body)).await
    }

    /// Replaces an object; its `metadata.resourceVersion`, if set, must be current.
    pub async fn update(&self, resource: Resource, object: Value) -> Result<Arc<Object>, Status> {
        self.update_sub(resource, "", object).await
    }

    /// Replaces a subresource, such as `status`.
    pub async fn update_sub(
        &self,
        resource: Resource,
        subresource: &str,
        object: Value,
    ) -> Result<Arc<Object>, Status> {
        let meta = |member: &str| object["metadata"][member].as_str().unwrap_or_default().to_string();
        let target = resource.target(&meta("namespace"), &meta("name"), subresource);
        self.object(Verb::Update, target, Body::Value(object)).await
    }

    /// Changes an object by a patch (`subresource` empty for the object itself).
    pub async fn patch(
        &self,
        resource: Resource,
        namespace: &str,
        name: &str,
        subresource: &str,
        kind: PatchKind,
        patch: Value,
    ) -> Result<Arc<Object>, Status> {
        self.object(Verb::Patch, resource.target(namespace, name, subresource), Body::Patch(kind, patch)).await
    }

    /// Deletes an object. `options` is a `DeleteOptions`' content, such as `{"preconditions": {"uid": ...}}`.
    pub async fn delete(&self, resource: Resource, namespace: &str, name: &str, options: Value) -> Result<(), Status> {
        let mut options = if options.is_object() { options } else { json!({}) };
        options["kind"] = "DeleteOptions".into();
        options["apiVersion"] = "v1".into();
        let target = resource.target(namespace, name, "");
        self.call(Verb::Delete, target, Options::default(), Body::Value(options)).await.map(drop)
    }

    /// Reads many objects (`namespace` empty for all).
    pub async fn list(&self, resource: Resource, namespace: &str, options: Options) -> Result<ListReply, Status> {
        match self.call(Verb::List, resource.target(namespace, "", ""), options, Body::None).await? {
            Reply::List(list) => Ok(list),
            _ => Err(Status::internal("the door answered without a list")),
        }
    }

    /// Follows changes (`namespace` empty for all).
    pub async fn watch(
        &self,
        resource: Resource,
        namespace: &str,
        options: Options,
    ) -> Result<Box<dyn WatchStream>, Status> {
        match self.call(Verb::Watch, resource.target(namespace, "", ""), options, Body::None).await? {
            Reply::Watch(stream) => Ok(stream),
            _ => Err(Status::internal("the door answered without a watch")),
        }
    }
}

/// An object as a typed struct of `k8s-openapi`.
pub fn typed<K: DeserializeOwned>(object: &Object) -> Result<K, Status> {
    K::deserialize(object.value().as_ref()).map_err(|e| Status::internal(format!("decoding {object:?}: {e}")))
}

/// A typed struct as a value.
pub fn untyped<K: Serialize>(object: &K) -> Result<Value, Status> {
    serde_json::to_value(object).map_err(Status::internal)
}
