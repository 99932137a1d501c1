//! The resources that these controllers read and write.

use cove_kube_client::Resource;

pub const PODS: Resource = Resource::core("pods");
pub const NODES: Resource = Resource::core("nodes");
pub const SERVICES: Resource = Resource::core("services");
pub const ENDPOINTS: Resource = Resource::core("endpoints");
pub const NAMESPACES: Resource = Resource::core("namespaces");
pub const CONFIG_MAPS: Resource = Resource::core("configmaps");
pub const SERVICE_ACCOUNTS: Resource = Resource::core("serviceaccounts");
pub const REPLICATION_CONTROLLERS: Resource = Resource::core("replicationcontrollers");
pub const DEPLOYMENTS: Resource = Resource::new("apps", "v1", "deployments");
pub const REPLICA_SETS: Resource = Resource::new("apps", "v1", "replicasets");
pub const DAEMON_SETS: Resource = Resource::new("apps", "v1", "daemonsets");
pub const STATEFUL_SETS: Resource = Resource::new("apps", "v1", "statefulsets");
pub const REVISIONS: Resource = Resource::new("apps", "v1", "controllerrevisions");
pub const BUDGETS: Resource = Resource::new("policy", "v1", "poddisruptionbudgets");
pub const ENDPOINT_SLICES: Resource = Resource::new("discovery.k8s.io", "v1", "endpointslices");
pub const LEASES: Resource = Resource::new("coordination.k8s.io", "v1", "leases");
pub const CLUSTER_ROLES: Resource = Resource::new("rbac.authorization.k8s.io", "v1", "clusterroles");
