//! A server over the memory store behind a door that can be made to fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cove_base::virtual_runtime::VirtualDriver;
use cove_base::{Runtime, Seed, Timestamp};
use cove_kube_api::door::{KubeDoor, Reply, Request, Response, UserInfo, Verb, WatchEvent, WatchStream};
use cove_kube_api::status::Status;
use cove_kube_client::{Client, Resource};
use cove_kube_server::config::Config;
use cove_kube_server::server::ApiServer;
use serde_json::{Value, json};

pub const MAPS: Resource = Resource::core("configmaps");

/// What a test works with.
#[derive(Clone)]
pub struct World {
    pub rt: Runtime,
    pub client: Client,
    /// While set, every list fails and every watch ends with 410 at its next event.
    pub broken: Arc<AtomicBool>,
}

/// Runs a test against a new server with namespace `default`.
pub fn run<F: Future<Output = ()> + Send + 'static>(test: impl FnOnce(World) -> F + Send + 'static) {
    let driver = VirtualDriver::new(Timestamp::from_secs(1_795_600_000));
    let rt = driver.runtime(Seed::new(1));
    driver.block_on(async move {
        let space = cove_store::memory().space("cluster").await.expect("a space");
        let server = ApiServer::new(rt.clone(), space, Config::new(35));
        let broken = Arc::new(AtomicBool::new(false));
        let door = Arc::new(Flaky { server, broken: broken.clone() });
        let client = Client::new(door, UserInfo::new("admin", &["system:masters"]));
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "default" } });
        client.create(Resource::core("namespaces"), "", namespace).await.expect("a namespace");
        test(World { rt, client, broken }).await;
    });
}

impl World {
    pub async fn pass(&self, duration: Duration) {
        self.rt.sleep(duration).await;
    }

    pub async fn settle(&self) {
        self.pass(Duration::from_millis(1)).await;
    }

    pub fn set_broken(&self, broken: bool) {
        self.broken.store(broken, Ordering::Relaxed);
    }

    pub async fn put(&self, name: &str, data: Value) {
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "namespace": "default" }, "data": data,
        });
        match self.client.create(MAPS, "default", map.clone()).await {
            Err(status) if status.is_already_exists() => drop(self.client.update(MAPS, map).await.expect("updated")),
            result => drop(result.expect("created")),
        }
    }

    pub async fn remove(&self, name: &str) {
        self.client.delete(MAPS, "default", name, Value::Null).await.expect("deleted");
    }
}

/// The real server, with faults.
struct Flaky {
    server: Arc<ApiServer>,
    broken: Arc<AtomicBool>,
}

#[async_trait]
impl KubeDoor for Flaky {
    async fn call(&self, request: Request) -> Result<Response, Status> {
        if request.verb == Verb::List && self.broken.load(Ordering::Relaxed) {
            return Err(Status::internal("broken by the test"));
        }
        let response = self.server.call(request).await?;
        Ok(match response.reply {
            Reply::Watch(inner) => {
                Response::ok(Reply::Watch(Box::new(FlakyStream { inner, broken: self.broken.clone() })))
            }
            reply => Response { reply, ..response },
        })
    }
}

struct FlakyStream {
    inner: Box<dyn WatchStream>,
    broken: Arc<AtomicBool>,
}

#[async_trait]
impl WatchStream for FlakyStream {
    async fn next(&mut self) -> Option<WatchEvent> {
        let event = self.inner.next().await;
        if self.broken.load(Ordering::Relaxed) {
            return Some(WatchEvent::Error(Status::expired("broken by the test")));
        }
        event
    }
}
