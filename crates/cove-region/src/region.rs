//! A region: the store, the AWS door with its services, the clusters, the machines, and the doors' sockets.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use cove_aws::ports::Ports;
use cove_aws_wire::credentials::Credentials;
use cove_aws_wire::door::{AwsDoor, AwsRequest, Caller};
use cove_aws_wire::eks_token;
use cove_aws_wire::fault::Fault;
use cove_base::Runtime;
use cove_base::hint::Hinted;
use cove_base::tokio_runtime::wall_clock;
use cove_cloud::bootstrap::NodeBootstrap;
use cove_kube_api::door::Options;
use cove_kube_api::status::Status;
use cove_kube_client::{Client, Resource};
use cove_kube_server::authentication::{self, Credential};
use cove_store::Store;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::aws::AwsSide;
use crate::cluster::Surroundings;
use crate::clusters::{Clusters, Doors};
use crate::config::{Listen, RegionConfig};
use crate::keys::KeyPool;
use crate::node_instances::NodeInstances;
use crate::ports;
use crate::ports::ground::{Ground, Software};
use crate::ports::guest::{InstanceGuest, NodeSide};
use crate::ports::machines::Machines;
use crate::ports::pod_network::SubnetPods;
use crate::ports::tokens::Tokens;
use crate::request_log::RequestLog;
use crate::secrets::Secrets;

/// A running region.
pub struct Region {
    rt: Runtime,
    config: RegionConfig,
    store: Arc<dyn Store>,
    aws: AwsSide,
    clusters: Arc<Clusters>,
    admin: Credentials,
    port: Option<u16>,
    _log: Option<Arc<RequestLog>>,
}

impl Region {
    /// Starts a region over a store. What the store holds comes back: clusters, machines, workloads.
    pub async fn start(rt: Runtime, store: Arc<dyn Store>, config: RegionConfig) -> Result<Self, Hinted> {
        let listener = match &config.listen {
            Some(listen) => Some(bind(listen).await?),
            None => None,
        };
        let log = config.listen.as_ref().map(|listen| Arc::new(RequestLog::start(&rt, listen.logs.clone())));
        let doors = config.listen.as_ref().zip(log.clone()).map(|(listen, log)| Doors {
            first_port: listen.first_cluster_port,
            keys: KeyPool::start(),
            log,
        });
        let instances = Arc::new(NodeInstances::default());
        let clusters = Arc::new(Clusters::new(store.clone(), doors, instances.clone()));
        let port = listener.as_ref().and_then(|l| l.local_addr().ok()).map(|a| a.port());
        let pods = Arc::new(SubnetPods::default());
        let guest = Arc::new(InstanceGuest::new(&rt, clusters.clone(), pods.clone()));
        let ground = Ground::make(&rt, guest.clone(), instances, &config)?;
        let ports = Ports {
            machines: Arc::new(Machines(ground.machines.clone())),
            clusters: Arc::new(ports::clusters::Clusters(clusters.clone())),
            drain_timeout: config.drain_timeout,
        };
        let own = store.space("region").await.map_err(cannot_start)?;
        let secrets = Secrets::new(own, config.listen.is_none().then(|| rt.clone()));
        let aws = AwsSide::make(&rt, &store, ports, secrets).await.map_err(cannot_start)?;
        let tokens = Arc::new(Tokens {
            rt: rt.clone(),
            keys: aws.door.clone(),
            aws: aws.door.clone(),
            own_hosts: port.map(|p| vec![format!("127.0.0.1:{p}"), format!("localhost:{p}")]).unwrap_or_default(),
            wall_clock: config.listen.as_ref().map(|_| wall_clock as fn() -> cove_base::Timestamp),
        });
        guest.join(aws.door.clone(), node_bootstrap(&rt, &aws, &clusters, &tokens, ground.software));
        clusters.surround(Surroundings {
            rt: rt.clone(),
            aws: aws.door.clone(),
            tokens,
            pods,
            runtime: ground.runtime,
        });
        let admin = aws.admin(&config.region, config.admin.clone()).await.map_err(cannot_start)?;
        aws.open(&config.region).await.map_err(cannot_start)?;
        if let (Some(listener), Some(log)) = (listener, &log) {
            aws.listen(listener, &config.region, log.clone()).await.map_err(cannot_start)?;
        }
        Ok(Self { rt, config, store, aws, clusters, admin, port, _log: log })
    }

    /// The AWS endpoint: plain HTTP on loopback, since requests are signed. Empty in a virtual run.
    pub fn endpoint(&self) -> String {
        self.port.map(|port| format!("http://127.0.0.1:{port}")).unwrap_or_default()
    }

    /// What `cove env` needs: endpoint, region and the admin user's keys.
    pub fn environment(&self) -> Value {
        json!({
            "endpoint": self.endpoint(),
            "region": self.config.region,
            "accessKeyId": self.admin.access_key_id,
            "secretAccessKey": self.admin.secret_access_key,
        })
    }

    /// What `cove status` shows.
    pub async fn status(&self) -> Value {
        let names = self.call("", "eks", "ListClusters", json!({})).await.unwrap_or_default();
        let mut clusters = Vec::new();
        for name in names["clusters"].as_array().into_iter().flatten() {
            let described = self.call("", "eks", "DescribeCluster", json!({"name": name})).await.unwrap_or_default();
            let cluster = &described["cluster"];
            clusters.push(json!({
                "name": name, "region": self.config.region, "version": cluster["version"],
                "status": cluster["status"], "endpoint": cluster["endpoint"],
            }));
        }
        json!({"region": self.config.region, "endpoint": self.endpoint(), "clusters": clusters})
    }

    /// An AWS operation as the admin user. An empty region means the region's own.
    pub async fn call(&self, region: &str, service: &str, operation: &str, input: Value) -> Result<Value, Fault> {
        self.call_as(self.aws.caller_of(&self.admin).await?, region, service, operation, input).await
    }

    /// An AWS operation as any caller, in process.
    pub async fn call_as(
        &self,
        caller: Caller,
        region: &str,
        service: &str,
        operation: &str,
        input: Value,
    ) -> Result<Value, Fault> {
        self.aws
            .door
            .call(AwsRequest {
                caller,
                region: self.region_or_own(region),
                service: service.into(),
                operation: operation.into(),
                input,
                request_id: self.aws.request_id(),
            })
            .await
    }

    fn region_or_own(&self, region: &str) -> String {
        if region.is_empty() { self.config.region.clone() } else { region.into() }
    }

    /// A token for a cluster, signed with the admin user's keys, as `aws eks get-token` makes it.
    pub fn token(&self, region: &str, cluster: &str) -> String {
        let region = self.region_or_own(region);
        let now = if self.config.listen.is_some() { wall_clock() } else { self.rt.now() };
        eks_token::make(cluster, &self.admin, &region, &format!("https://sts.{region}.amazonaws.com/"), now)
    }

    /// A client of a cluster as the admin user: the token goes through the cluster's authenticator.
    pub async fn client(&self, region: &str, cluster: &str) -> Result<Client, Status> {
        let missing = || Status::new(404, "NotFound", format!("cluster {cluster} does not run"));
        let running = self.clusters.get(&self.region_or_own(region), cluster).ok_or_else(missing)?;
        let token = self.token(region, cluster);
        let user = authentication::authenticate(&running.server, Credential::Token(&token)).await?;
        Ok(running.client(user))
    }

    /// All objects of a core resource (`nodes`, `pods`) of a cluster, as the admin user.
    pub async fn objects(&self, region: &str, cluster: &str, resource: &str) -> Result<Value, String> {
        let resource = match resource {
            "nodes" => Resource::core("nodes"),
            "pods" => Resource::core("pods"),
            other => return Err(format!("{other} cannot be listed here")),
        };
        let client = self.client(region, cluster).await.map_err(|s| s.to_string())?;
        let list = client.list(resource, "", Options::default()).await.map_err(|s| s.to_string())?;
        Ok(list.items.iter().map(|item| item.value().as_ref().clone()).collect())
    }

    /// Makes a Deployment as the admin user.
    pub async fn create_deployment(&self, cluster: &str, namespace: &str, deployment: Value) -> Result<(), Status> {
        let client = self.client("", cluster).await?;
        client.create(Resource::new("apps", "v1", "deployments"), namespace, deployment).await.map(drop)
    }

    /// Ends watches and connections and closes the store; everything acknowledged is on disk.
    pub async fn stop(&self) {
        self.aws.stop();
        self.clusters.shut_down();
        if let Err(error) = self.store.close().await {
            tracing::error!("closing the store: {error}");
        }
    }
}

fn node_bootstrap(
    rt: &Runtime,
    aws: &AwsSide,
    clusters: &Arc<Clusters>,
    tokens: &Arc<Tokens>,
    software: Option<Software>,
) -> NodeBootstrap {
    let nodes = Arc::new(NodeSide { clusters: clusters.clone(), software });
    NodeBootstrap {
        rt: rt.clone(),
        aws: aws.door.clone(),
        credentials: tokens.clone(),
        servers: nodes.clone(),
        power: nodes,
    }
}

fn cannot_start(error: impl std::fmt::Display) -> Hinted {
    Hinted::new(format!("the region cannot start: {error}"), "")
}

async fn bind(listen: &Listen) -> Result<TcpListener, Hinted> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, listen.port));
    TcpListener::bind(address).await.map_err(|error| {
        let hint = "Stop what uses it, or take another with --port (0: any).";
        Hinted::new(format!("port {} cannot be used: {error}", listen.port), hint)
    })
}

#[cfg(test)]
#[path = "region_tests.rs"]
mod tests;
