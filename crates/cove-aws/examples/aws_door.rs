//! The AWS door by hand: `cargo run -p cove-aws --example aws_door -- PORT`, then point `aws` at it with the keys that
//! it prints. A memory store; no machines and no clusters start.
#![allow(clippy::print_stdout)]

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use async_trait::async_trait;
use cove_aws::door::front::Front;
use cove_aws::door::{Door, DoorParts};
use cove_aws::iam::identities::StoredIdentities;
use cove_aws::iam::state::AccessKey;
use cove_aws::ports::{
    ClusterAddress, ClusterSpec, Clusters, DrainProgress, MachineSpec, MachineState, Machines, NodeView, Ports,
};
use cove_aws_wire::session_token::Sessions;
use cove_base::Seed;
use cove_base::request_log::{RequestLine, RequestLog};
use cove_base::tokio_runtime::TokioDriver;

/// No ground to stand on.
struct Nowhere;

#[async_trait]
impl Machines for Nowhere {
    async fn start(&self, _: MachineSpec) -> Result<(), String> {
        Err("this example has no machines".into())
    }
    async fn terminate(&self, _: &str) -> Result<(), String> {
        Ok(())
    }
    async fn state(&self, _: &str) -> MachineState {
        MachineState::Gone
    }
    async fn console(&self, _: &str) -> String {
        String::new()
    }
}

#[async_trait]
impl Clusters for Nowhere {
    async fn start(&self, _: ClusterSpec) -> Result<ClusterAddress, String> {
        Err("this example has no clusters".into())
    }
    async fn delete(&self, _: &str, _: &str) -> Result<(), String> {
        Ok(())
    }
    async fn nodes(&self, _: &str, _: &str) -> Result<Vec<NodeView>, String> {
        Ok(Vec::new())
    }
    async fn drain(&self, _: &str, _: &str, _: &str) -> Result<DrainProgress, String> {
        Ok(DrainProgress::Empty)
    }
    async fn forget_node(&self, _: &str, _: &str, _: &str) -> Result<(), String> {
        Ok(())
    }
    async fn map_node_role(&self, _: &str, _: &str, _: &str) -> Result<(), String> {
        Ok(())
    }
    async fn unmap_node_role(&self, _: &str, _: &str, _: &str) -> Result<(), String> {
        Ok(())
    }
}

struct Print;

impl RequestLog for Print {
    fn record(&self, line: RequestLine) {
        let error = line.error.unwrap_or_default();
        println!("{} {}:{} {} {error} {:?}", line.status, line.service, line.operation, line.principal, line.duration);
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args().nth(1).unwrap_or_else(|| "0".into());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    let rt = TokioDriver::runtime(Seed::new(1));
    let store = cove_store::memory();
    let identities = Arc::new(StoredIdentities::new(store.clone()));
    let key = |id: &str, user_name: Option<&str>| AccessKey {
        id: id.into(),
        secret: "test".into(),
        user_name: user_name.map(String::from),
        active: true,
        created: 0,
    };
    identities.put_access_key(key("test", None)).await?;
    let door = Door::new(DoorParts {
        rt: rt.clone(),
        store,
        identities,
        sessions: Arc::new(Sessions::new(&[7; 32])?),
        ports: Arc::new(Ports {
            machines: Arc::new(Nowhere),
            clusters: Arc::new(Nowhere),
            drain_timeout: Duration::from_secs(900),
        }),
        services: cove_aws::services(),
    });
    println!("http://{}, key id and secret test:test (root)", listener.local_addr()?);
    let front = Front {
        rt,
        door: door.clone(),
        keys: door,
        default_region: "us-west-2".into(),
        tls: None,
        log: Arc::new(Print),
        requests: AtomicU64::new(0),
    };
    Arc::new(front).serve(listener, std::future::pending()).await;
    Ok(())
}
