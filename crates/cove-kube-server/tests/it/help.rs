//! A server over the memory store, on the virtual clock, and short forms of calls.

use std::sync::Arc;

use cove_base::seed::Seed;
use cove_base::time::Timestamp;
use cove_base::virtual_runtime::VirtualDriver;
use cove_kube_api::door::{
    Body, KubeDoor, ListReply, Options, PatchKind, Reply, Request, Response, Target, UserInfo, Verb, WatchEvent,
    WatchStream,
};
use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use cove_kube_server::config::Config;
use cove_kube_server::server::ApiServer;
use cove_store::api::Space;
use serde_json::{Value, json};

/// Runs a test against a new server on the virtual clock.
pub fn run<F: Future<Output = ()> + Send + 'static>(test: impl FnOnce(Api) -> F) {
    run_with(Config::new(35), test);
}

/// The same with a configuration.
pub fn run_with<F: Future<Output = ()> + Send + 'static>(config: Config, test: impl FnOnce(Api) -> F) {
    let driver = VirtualDriver::new(Timestamp::from_secs(1_795_600_000));
    let rt = driver.runtime(Seed::new(7));
    let made = rt.clone();
    let space = driver.block_on(async move { cove_store::memory().space("cluster").await.unwrap() });
    let server = ApiServer::new(made, space.clone(), config);
    driver.block_on(test(Api { server, space, user: UserInfo::new("admin", &["system:masters"]) }));
}

/// A door and who calls.
#[derive(Clone)]
pub struct Api {
    pub server: Arc<ApiServer>,
    pub space: Arc<dyn Space>,
    pub user: UserInfo,
}

/// `group/version/plural`, core as `v1/pods`; `/sub` at the end for a subresource.
pub fn target(path: &str, namespace: &str, name: &str) -> Target {
    let parts: Vec<&str> = path.split('/').collect();
    let (group, rest) = if parts[0] == "v1" { ("", &parts[..]) } else { (parts[0], &parts[1..]) };
    Target {
        group: group.into(),
        version: rest[0].into(),
        resource: rest[1].into(),
        subresource: rest.get(2).copied().unwrap_or("").into(),
        namespace: namespace.into(),
        name: name.into(),
    }
}

impl Api {
    pub fn as_user(&self, user: UserInfo) -> Self {
        Self { server: self.server.clone(), space: self.space.clone(), user }
    }

    pub async fn call(&self, verb: Verb, target: Target, options: Options, body: Body) -> Result<Response, Status> {
        self.server.call(Request { user: self.user.clone(), verb, target, options, body }).await
    }

    async fn object(&self, verb: Verb, target: Target, body: Body) -> Result<Arc<Object>, Status> {
        match self.call(verb, target, Options::default(), body).await?.reply {
            Reply::Object(object) => Ok(object),
            Reply::Success(value) => Ok(Arc::new(Object::transient(value))),
            _ => panic!("the reply is no object"),
        }
    }

    pub async fn create(&self, path: &str, namespace: &str, object: Value) -> Result<Arc<Object>, Status> {
        self.object(Verb::Create, target(path, namespace, ""), Body::Value(object)).await
    }

    pub async fn create_sub(
        &self,
        path: &str,
        namespace: &str,
        name: &str,
        body: Value,
    ) -> Result<Arc<Object>, Status> {
        self.object(Verb::Create, target(path, namespace, name), Body::Value(body)).await
    }

    pub async fn get(&self, path: &str, namespace: &str, name: &str) -> Result<Arc<Object>, Status> {
        self.object(Verb::Get, target(path, namespace, name), Body::None).await
    }

    pub async fn update(&self, path: &str, object: Value) -> Result<Arc<Object>, Status> {
        let meta = |member: &str| object["metadata"][member].as_str().unwrap_or("").to_string();
        let target = target(path, &meta("namespace"), &meta("name"));
        self.object(Verb::Update, target, Body::Value(object)).await
    }

    pub async fn patch(&self, path: &str, namespace: &str, name: &str, patch: Value) -> Result<Arc<Object>, Status> {
        let body = Body::Patch(PatchKind::Merge, patch);
        self.object(Verb::Patch, target(path, namespace, name), body).await
    }

    pub async fn delete(&self, path: &str, namespace: &str, name: &str, options: Value) -> Result<Arc<Object>, Status> {
        let body = if options.is_null() { Body::None } else { Body::Value(options) };
        self.object(Verb::Delete, target(path, namespace, name), body).await
    }

    pub async fn list(&self, path: &str, namespace: &str, options: Options) -> Result<ListReply, Status> {
        match self.call(Verb::List, target(path, namespace, ""), options, Body::None).await?.reply {
            Reply::List(list) => Ok(list),
            _ => panic!("the reply is no list"),
        }
    }

    pub async fn watch(&self, path: &str, namespace: &str, options: Options) -> Box<dyn WatchStream> {
        match self.call(Verb::Watch, target(path, namespace, ""), options, Body::None).await.map(|r| r.reply) {
            Ok(Reply::Watch(stream)) => stream,
            Ok(_) => panic!("the reply is no watch"),
            Err(status) => panic!("{status:?}"),
        }
    }

    pub async fn namespace(&self, name: &str) {
        self.create("v1/namespaces", "", json!({"metadata": {"name": name}})).await.unwrap();
    }

    pub async fn config_map(&self, namespace: &str, name: &str, labels: Value) -> Result<Arc<Object>, Status> {
        let object = json!({"metadata": {"name": name, "labels": labels}, "data": {"a": "b"}});
        self.create("v1/configmaps", namespace, object).await
    }
}

/// `ADDED name@revision` and so on.
pub fn shown(event: Option<WatchEvent>) -> String {
    match event {
        None => "END".into(),
        Some(WatchEvent::Added(o)) => format!("ADDED {}@{}", o.name(), o.revision()),
        Some(WatchEvent::Modified(o)) => format!("MODIFIED {}@{}", o.name(), o.revision()),
        Some(WatchEvent::Deleted(o)) => format!("DELETED {}@{}", o.name(), o.revision()),
        Some(WatchEvent::Bookmark { revision, initial_end }) => format!("BOOKMARK {revision} {initial_end}"),
        Some(WatchEvent::Error(status)) => format!("ERROR {} {}", status.code, status.reason),
    }
}
