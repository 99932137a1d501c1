//! Which strategy a kind has. A kind without a line here has no rules beyond the schema table's.

use crate::strategy::{Plain, Strategy};

use super::pod::PodStrategy;
use super::table_rules::Rules;
use super::{
    autoscaling, batch, cluster, config, endpoints, networking, others, policy, rbac, reviews, service, workloads,
};

/// The strategy of a kind, the same in all its versions.
pub(super) fn of(group: &str, kind: &str) -> &'static dyn Strategy {
    match (group, kind) {
        ("", "Pod") => &PodStrategy,
        ("authorization.k8s.io", "SubjectAccessReview" | "LocalSubjectAccessReview") => &reviews::SUBJECT_ACCESS_REVIEW,
        ("authorization.k8s.io", "SelfSubjectAccessReview") => &reviews::SELF_SUBJECT_ACCESS_REVIEW,
        // These are judged by whoever answers them.
        (_, "Binding" | "ComponentStatus") | ("authentication.k8s.io" | "authorization.k8s.io", _) => &Plain,
        _ => table(group, kind),
    }
}

fn table(group: &str, kind: &str) -> &'static Rules {
    match (group, kind) {
        ("", "Node") => &cluster::NODE,
        ("", "Namespace") => &cluster::NAMESPACE,
        ("", "ConfigMap") => &config::CONFIG_MAP,
        ("", "Secret") => &config::SECRET,
        ("", "ServiceAccount") => &config::SERVICE_ACCOUNT,
        ("", "Service") => &service::SERVICE,
        ("", "Endpoints") => &endpoints::ENDPOINTS,
        ("", "PodTemplate") => &workloads::POD_TEMPLATE,
        ("", "ReplicationController") => &workloads::REPLICATION_CONTROLLER,
        ("", "PersistentVolume") => &others::PERSISTENT_VOLUME,
        ("", "PersistentVolumeClaim") => &others::PERSISTENT_VOLUME_CLAIM,
        ("" | "events.k8s.io", "Event") => &policy::EVENT,
        ("apps", "Deployment") => &workloads::DEPLOYMENT,
        ("apps", "ReplicaSet") => &workloads::REPLICA_SET,
        ("apps", "DaemonSet") => &workloads::DAEMON_SET,
        ("apps", "StatefulSet") => &workloads::STATEFUL_SET,
        ("apps", "ControllerRevision") => &workloads::CONTROLLER_REVISION,
        ("autoscaling", _) => &autoscaling::HORIZONTAL_POD_AUTOSCALER,
        ("batch", "Job") => &batch::JOB,
        ("batch", "CronJob") => &batch::CRON_JOB,
        ("certificates.k8s.io", _) => &others::CERTIFICATE_SIGNING_REQUEST,
        ("coordination.k8s.io", "Lease") => &policy::LEASE,
        ("discovery.k8s.io", _) => &endpoints::ENDPOINT_SLICE,
        ("networking.k8s.io", "Ingress") => &networking::INGRESS,
        ("networking.k8s.io", "IngressClass") => &networking::INGRESS_CLASS,
        ("networking.k8s.io", "NetworkPolicy") => &networking::NETWORK_POLICY,
        ("networking.k8s.io", "IPAddress") => &others::IP_ADDRESS,
        ("networking.k8s.io", "ServiceCIDR") => &others::SERVICE_CIDR,
        ("node.k8s.io", _) => &others::RUNTIME_CLASS,
        ("policy", _) => &policy::POD_DISRUPTION_BUDGET,
        ("rbac.authorization.k8s.io", "Role") => &rbac::ROLE,
        ("rbac.authorization.k8s.io", "ClusterRole") => &rbac::CLUSTER_ROLE,
        ("rbac.authorization.k8s.io", "RoleBinding") => &rbac::ROLE_BINDING,
        ("rbac.authorization.k8s.io", "ClusterRoleBinding") => &rbac::CLUSTER_ROLE_BINDING,
        ("scheduling.k8s.io", "PriorityClass") => &policy::PRIORITY_CLASS,
        ("storage.k8s.io", "StorageClass") => &others::STORAGE_CLASS,
        ("storage.k8s.io", "VolumeAttributesClass") => &others::VOLUME_ATTRIBUTES_CLASS,
        ("storage.k8s.io", "CSIDriver") => &others::CSI_DRIVER,
        ("storage.k8s.io", "CSINode") => &others::CSI_NODE,
        ("storage.k8s.io", "CSIStorageCapacity") => &others::CSI_STORAGE_CAPACITY,
        ("storage.k8s.io", "VolumeAttachment") => &others::VOLUME_ATTACHMENT,
        ("resource.k8s.io", "ResourceClaim") => &others::RESOURCE_CLAIM,
        ("resource.k8s.io", "ResourceClaimTemplate") => &others::RESOURCE_CLAIM_TEMPLATE,
        ("resource.k8s.io", "DeviceClass" | "ResourceSlice") => &others::STRUCTURAL_WHOLE,
        _ => &others::STRUCTURAL,
    }
}
