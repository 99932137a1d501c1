//! One cluster: its API server and everything that runs against it.
//!
//! Starting is idempotent and level-based: what is in the cluster's space already is kept, what is missing is made.

use std::any::Any;
use std::sync::Arc;

use cove_aws::ports::{ClusterAddress, ClusterSpec};
use cove_aws_wire::door::{AwsDoor, AwsRequest, Caller, Principal};
use cove_base::Runtime;
use cove_base::request_log::RequestLog;
use cove_cloud::authenticator::{Authenticator, TokenVerifier};
use cove_cloud::eks_objects::{self, Parameters};
use cove_cloud::nodes::{self, Cloud};
use cove_cloud::versions::{self, EksVersion};
use cove_kube_api::door::{Options, SIMULATED_FLEET, UserInfo};
use cove_kube_client::cache::Cache;
use cove_kube_client::caches::Caches;
use cove_kube_client::controller::{self, Setup};
use cove_kube_client::events::Sink;
use cove_kube_client::{Client, Resource};
use cove_kube_server::config::{Config, ServiceCidr};
use cove_kube_server::pki::{ClusterKeys, server_names};
use cove_kube_server::server::ApiServer;
use cove_nodes::fleet::{Fleet, FleetConfig};
use cove_store::Space;
use serde_json::{Value, json};

use crate::ports::access::AwsAccess;
use crate::ports::ground::MakeRuntime;
use crate::ports::node_streams::{Agents, PodLogs};
use crate::ports::pod_network::SubnetPods;

/// What a cluster needs of its region.
pub(crate) struct Surroundings {
    pub rt: Runtime,
    pub aws: Arc<dyn AwsDoor>,
    pub tokens: Arc<dyn TokenVerifier>,
    pub pods: Arc<SubnetPods>,
    pub runtime: Arc<MakeRuntime>,
}

/// A running cluster. Everything it runs ends with it.
pub(crate) struct Cluster {
    pub server: Arc<ApiServer>,
    pub fleet: Fleet,
    pub address: ClusterAddress,
    pub keys: Option<ClusterKeys>,
    _running: Vec<Box<dyn Any + Send + Sync>>,
}

impl Cluster {
    /// Starts a cluster at a port of its own. Without keys (a virtual run) it has no TLS and signs no tokens.
    pub(crate) async fn start(
        around: &Surroundings,
        spec: &ClusterSpec,
        space: Arc<dyn Space>,
        port: u16,
        keys: Option<ClusterKeys>,
        log: Option<Arc<dyn RequestLog>>,
    ) -> Result<Self, String> {
        let version = versions::version(&spec.version)
            .ok_or_else(|| format!("Kubernetes {} is not a version that Cove knows", spec.version))?;
        let rt = around.rt.with_seed(around.rt.seed().child(&spec.arn));
        let access = Arc::new(AwsAccess::default());
        let ca_pem = keys.as_ref().map_or_else(|| no_authority(&rt), |k| k.authority.certificate.clone());
        let logs = Arc::new(PodLogs::default());
        let mut config = server_config(spec, version, port, keys.as_ref(), &access)?;
        config.node_streams = Some(logs.clone());
        if let Some(log) = log {
            config.request_log = log;
        }
        let server = ApiServer::new(rt.clone(), space, config);
        cove_kube_server::bootstrap::bootstrap(&server).await.map_err(|s| s.to_string())?;
        let address = ClusterAddress { endpoint: endpoint(port), ca_pem: ca_pem.clone() };
        let authenticator = Arc::new(authenticator(around, &rt, spec, &server));
        access.join(&authenticator);
        create_eks_objects(&server, version, spec, &address).await?;
        let caller = cluster_role(around, spec).await;
        let mut running = control_plane(around, &rt, spec, version, &ca_pem, caller, &server);
        let (fleet, agents, events) = fleet(around, &rt, &server, &address, &logs);
        running.extend([Box::new(events) as Box<dyn Any + Send + Sync>, Box::new(agents), Box::new(authenticator)]);
        running.push(Box::new(cove_kube_server::housekeeping::start(&server)));
        Ok(Self { server, fleet, address, keys, _running: running })
    }

    /// A client of this cluster in process.
    pub(crate) fn client(&self, user: UserInfo) -> Client {
        client(&self.server, user)
    }
}

fn client(server: &Arc<ApiServer>, user: UserInfo) -> Client {
    Client::new(server.clone(), user)
}

/// What stands for the certificate authority of a cluster without keys: nodes and ConfigMaps carry it, nobody reads it.
fn no_authority(rt: &Runtime) -> String {
    let number = rt.seed().hex("authority", 0, 64);
    format!("-----BEGIN CERTIFICATE-----\n{number}\n-----END CERTIFICATE-----\n")
}

/// The address that a cluster has for life.
pub(crate) fn endpoint(port: u16) -> String {
    format!("https://127.0.0.1:{port}")
}

/// The names that the server's certificate is made for (design section 4).
pub(crate) fn certificate_names(spec: &ClusterSpec) -> Vec<String> {
    let service = ServiceCidr::parse(&spec.service_cidr).map(|cidr| cidr.nth(1).to_string()).unwrap_or_default();
    server_names(&[service, format!("{}.gr7.{}.eks.amazonaws.com", spec.unique_id, spec.region)])
}

fn server_config(
    spec: &ClusterSpec,
    version: EksVersion,
    port: u16,
    keys: Option<&ClusterKeys>,
    access: &Arc<AwsAccess>,
) -> Result<Config, String> {
    let mut config = Config::new(version.minor);
    config.git_version = version.git_version();
    config.service_cidr = ServiceCidr::parse(&spec.service_cidr)
        .ok_or_else(|| format!("{} is no service address range", spec.service_cidr))?;
    config.advertise.1 = port;
    config.issuer = format!("https://oidc.eks.{}.amazonaws.com/id/{}", spec.region, spec.unique_id);
    config.authorizers = vec![access.clone()];
    config.authenticators = vec![access.clone()];
    if let Some(keys) = keys {
        config.signing_key = Some(keys.signing_key.clone());
        config.authority_certificate = keys.authority.certificate.clone();
    }
    Ok(config)
}

fn authenticator(around: &Surroundings, rt: &Runtime, spec: &ClusterSpec, server: &Arc<ApiServer>) -> Authenticator {
    Authenticator {
        rt: rt.clone(),
        cluster: spec.name.clone(),
        region: spec.region.clone(),
        verifier: around.tokens.clone(),
        aws: around.aws.clone(),
        client: client(server, UserInfo::new("eks:authenticator", &[])),
    }
}

/// Makes what a new EKS cluster holds; what is there already stays as the user has it.
async fn create_eks_objects(
    server: &Arc<ApiServer>,
    version: EksVersion,
    spec: &ClusterSpec,
    address: &ClusterAddress,
) -> Result<(), String> {
    let cidr = ServiceCidr::parse(&spec.service_cidr).ok_or("no service address range")?;
    let parameters = Parameters {
        region: &spec.region,
        cluster: &spec.name,
        endpoint: &address.endpoint,
        vpc_id: &spec.vpc_id,
        service_cidr: &spec.service_cidr,
        dns_ip: &cidr.nth(10).to_string(),
    };
    let bootstrap = client(server, UserInfo::new("eks:cluster-bootstrap", &["system:masters"]));
    let objects = eks_objects::objects(version, &parameters)?;
    for object in objects.into_iter().filter(|o| spec.self_managed_addons || !eks_objects::is_addon(o)) {
        let resource = eks_objects::resource_of(version.minor, &object)?;
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default().to_string();
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        // Asked first: a service that exists is refused for its address, which is taken, not for its name.
        if bootstrap.find(resource, &namespace, name).await.map_err(|s| s.to_string())?.is_some() {
            continue;
        }
        match bootstrap.create(resource, &namespace, object).await {
            Err(status) if !status.is_already_exists() => return Err(status.to_string()),
            _ => {}
        }
    }
    Ok(())
}

/// The session of the cluster's role that its cloud controllers call AWS as.
async fn cluster_role(around: &Surroundings, spec: &ClusterSpec) -> Caller {
    let eks = Caller::service("eks.amazonaws.com");
    let call = |service: &str, operation: &str, input: Value| AwsRequest {
        caller: eks.clone(),
        region: spec.region.clone(),
        service: service.into(),
        operation: operation.into(),
        input,
        request_id: around.rt.seed().uuid(&format!("cluster-role/{}", spec.arn), 0),
    };
    let name = spec.role_arn.rsplit('/').next().unwrap_or_default();
    let role = around.aws.call(call("iam", "GetRole", json!({"RoleName": name}))).await.unwrap_or_default();
    Caller::in_process(Principal::Role {
        name: name.into(),
        role_arn: spec.role_arn.clone(),
        id: role["Role"]["RoleId"].as_str().unwrap_or_default().into(),
        session_name: "cove-cloud-controllers".into(),
        tags: Default::default(),
    })
}

/// Controllers, scheduler and cloud controllers, each under its own identity.
fn control_plane(
    around: &Surroundings,
    rt: &Runtime,
    spec: &ClusterSpec,
    version: EksVersion,
    ca_pem: &str,
    caller: Caller,
    server: &Arc<ApiServer>,
) -> Vec<Box<dyn Any + Send + Sync>> {
    let client_for = |name: &str| client(server, cove_controllers::identity(name));
    let cloud_manager = client(server, UserInfo::new("eks:cloud-controller-manager", &[]));
    let config = cove_controllers::Config { ca_pem: ca_pem.into(), minor: version.minor };
    let controllers = cove_controllers::run(rt.clone(), client_for, config);
    let scheduler = cove_scheduler::run(rt.clone(), client(server, UserInfo::new("system:kube-scheduler", &[])));
    let cloud = Setup {
        rt: rt.clone(),
        caches: Caches::new(rt.clone(), cloud_manager.clone()),
        client_for: &|_: &str| cloud_manager.clone(),
        shared: Arc::new(Cloud { aws: around.aws.clone(), caller, region: spec.region.clone() }),
    };
    let cloud = controller::start(cloud, &[&nodes::CONTROLLER]);
    vec![Box::new(controllers), Box::new(scheduler), Box::new(cloud)]
}

/// The agents of the cluster's nodes, all in one fleet.
fn fleet(
    around: &Surroundings,
    rt: &Runtime,
    server: &Arc<ApiServer>,
    address: &ClusterAddress,
    logs: &PodLogs,
) -> (Fleet, Arc<Agents>, Sink) {
    let own = client(server, UserInfo::new(SIMULATED_FLEET, &[]));
    let events = Sink::start(rt);
    let pods = Cache::start(rt, own.clone(), Resource::core("pods"), "", Options::default());
    let nodes = Cache::start(rt, own.clone(), Resource::core("nodes"), "", Options::default());
    let runtime = (around.runtime)(rt, around.pods.clone(), &address.endpoint);
    let agents = logs.join(rt, pods.clone(), runtime.clone());
    let fleet = Fleet::start(FleetConfig { rt: rt.clone(), client: own, pods, nodes, runtime, events: events.clone() });
    (fleet, agents, events)
}
