//! Which columns a kind has.

use super::api::Column;
use super::cell::Cell;
use super::{event, metrics, network, node, pod, storage, workload};

/// One column with how its cells are made.
pub(super) struct Row {
    pub(super) name: &'static str,
    kind: &'static str,
    format: &'static str,
    priority: i32,
    pub(super) cell: Cell,
}

impl Row {
    pub(super) fn column(&self) -> Column {
        Column { name: self.name, r#type: self.kind, format: self.format, description: "", priority: self.priority }
    }
}

const fn col(name: &'static str, cell: Cell) -> Row {
    Row { name, kind: "string", format: "", priority: 0, cell }
}

const fn typed(name: &'static str, kind: &'static str, cell: Cell) -> Row {
    Row { name, kind, format: "", priority: 0, cell }
}

const fn wide(name: &'static str, cell: Cell) -> Row {
    Row { name, kind: "string", format: "", priority: 1, cell }
}

const fn text(name: &'static str, path: &'static str) -> Row {
    col(name, Cell::Text(path, ""))
}

const fn int(name: &'static str, path: &'static str) -> Row {
    typed(name, "integer", Cell::Number(path))
}

const fn named(cell: Cell) -> Row {
    Row { name: "Name", kind: "string", format: "name", priority: 0, cell }
}

const NAME: Row = named(Cell::Text("metadata.name", ""));
const AGE: Row = col("Age", Cell::Age);
const CONTAINERS: Row = wide("Containers", Cell::Containers("spec.template.spec", "name"));
const IMAGES: Row = wide("Images", Cell::Containers("spec.template.spec", "image"));
const SELECTOR: Row = wide("Selector", Cell::Selector("spec.selector"));

const DESIRED: Row = int("Desired", "spec.replicas");
const CURRENT: Row = int("Current", "status.replicas");
const READY: Row = int("Ready", "status.readyReplicas");

/// The rows of a kind; kinds without a printer of their own show when they were made.
pub(super) fn rows(kind: &str) -> &'static [Row] {
    match kind {
        "Pod" => POD,
        "Node" => NODE,
        "Service" => SERVICE,
        "Event" => EVENT,
        "Deployment" => DEPLOYMENT,
        "ReplicaSet" => REPLICA_SET,
        "ReplicationController" => REPLICATION_CONTROLLER,
        "DaemonSet" => DAEMON_SET,
        "StatefulSet" => STATEFUL_SET,
        "Job" => JOB,
        "CronJob" => CRON_JOB,
        "HorizontalPodAutoscaler" => AUTOSCALER,
        "PersistentVolume" => PERSISTENT_VOLUME,
        "PersistentVolumeClaim" => PERSISTENT_VOLUME_CLAIM,
        "RoleBinding" | "ClusterRoleBinding" => BINDING,
        _ => small(kind),
    }
}

fn small(kind: &str) -> &'static [Row] {
    match kind {
        "Namespace" => NAMESPACE,
        "Secret" => SECRET,
        "ConfigMap" => CONFIG_MAP,
        "ServiceAccount" | "DeviceClass" | "ResourceClaimTemplate" => NAME_AND_AGE,
        "Endpoints" => ENDPOINTS,
        "EndpointSlice" => ENDPOINT_SLICE,
        "PodTemplate" => POD_TEMPLATE,
        "PodDisruptionBudget" => BUDGET,
        "Ingress" => INGRESS,
        "IngressClass" => INGRESS_CLASS,
        "NetworkPolicy" => NETWORK_POLICY,
        "IPAddress" => IP_ADDRESS,
        "ServiceCIDR" => SERVICE_CIDR,
        "Lease" => LEASE,
        "StorageClass" => STORAGE_CLASS,
        "VolumeAttributesClass" => ATTRIBUTES_CLASS,
        "VolumeAttachment" => ATTACHMENT,
        "CSINode" => CSI_NODE,
        "CSIDriver" => CSI_DRIVER,
        "PriorityClass" => PRIORITY_CLASS,
        "RuntimeClass" => RUNTIME_CLASS,
        "ControllerRevision" => REVISION,
        "CertificateSigningRequest" => SIGNING_REQUEST,
        "ResourceQuota" => QUOTA,
        "ResourceClaim" => RESOURCE_CLAIM,
        "ResourceSlice" => RESOURCE_SLICE,
        "FlowSchema" => FLOW_SCHEMA,
        "PriorityLevelConfiguration" => PRIORITY_LEVEL,
        "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => WEBHOOKS,
        "ValidatingAdmissionPolicy" => POLICY,
        "ValidatingAdmissionPolicyBinding" => POLICY_BINDING,
        "APIService" => API_SERVICE,
        "ComponentStatus" => COMPONENT,
        "Scale" => SCALE,
        "Status" => STATUS,
        _ => DEFAULT,
    }
}

const DEFAULT: &[Row] = &[NAME, typed("Created At", "date", Cell::Date("metadata.creationTimestamp"))];

const POD: &[Row] = &[
    NAME,
    col("Ready", Cell::Own(pod::ready)),
    col("Status", Cell::Own(pod::status)),
    col("Restarts", Cell::Own(pod::restarts)),
    AGE,
    wide("IP", Cell::Own(pod::ip)),
    wide("Node", Cell::Text("spec.nodeName", "<none>")),
    wide("Nominated Node", Cell::Text("status.nominatedNodeName", "<none>")),
    wide("Readiness Gates", Cell::Own(pod::gates)),
];

const NODE: &[Row] = &[
    NAME,
    col("Status", Cell::Own(node::status)),
    col("Roles", Cell::Own(node::roles)),
    AGE,
    text("Version", "status.nodeInfo.kubeletVersion"),
    wide("Internal-IP", Cell::Own(node::internal_ip)),
    wide("External-IP", Cell::Own(node::external_ip)),
    wide("OS-Image", Cell::Text("status.nodeInfo.osImage", "<unknown>")),
    wide("Kernel-Version", Cell::Text("status.nodeInfo.kernelVersion", "<unknown>")),
    wide("Container-Runtime", Cell::Text("status.nodeInfo.containerRuntimeVersion", "<unknown>")),
];

const SERVICE: &[Row] = &[
    NAME,
    text("Type", "spec.type"),
    col("Cluster-IP", Cell::Own(network::cluster_ip)),
    col("External-IP", Cell::Own(network::external_ip)),
    col("Port(s)", Cell::Own(network::ports)),
    AGE,
    wide("Selector", Cell::Labels("spec.selector")),
];

const EVENT: &[Row] = &[
    col("Last Seen", Cell::Own(event::last_seen)),
    text("Type", "type"),
    text("Reason", "reason"),
    col("Object", Cell::Own(event::object)),
    wide("Subobject", Cell::Own(event::part)),
    wide("Source", Cell::Own(event::source)),
    col("Message", Cell::Own(event::message)),
    wide("First Seen", Cell::Own(event::first_seen)),
    wide("Count", Cell::Own(event::times)),
    Row { priority: 1, ..NAME },
];

const DEPLOYMENT: &[Row] = &[
    NAME,
    col("Ready", Cell::Own(workload::ready)),
    col("Up-to-date", Cell::Number("status.updatedReplicas")),
    col("Available", Cell::Number("status.availableReplicas")),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

const REPLICA_SET: &[Row] = &[NAME, DESIRED, CURRENT, READY, AGE, CONTAINERS, IMAGES, SELECTOR];

const REPLICATION_CONTROLLER: &[Row] =
    &[NAME, DESIRED, CURRENT, READY, AGE, CONTAINERS, IMAGES, wide("Selector", Cell::Labels("spec.selector"))];

const DAEMON_SET: &[Row] = &[
    NAME,
    int("Desired", "status.desiredNumberScheduled"),
    int("Current", "status.currentNumberScheduled"),
    int("Ready", "status.numberReady"),
    int("Up-to-date", "status.updatedNumberScheduled"),
    int("Available", "status.numberAvailable"),
    col("Node Selector", Cell::Labels("spec.template.spec.nodeSelector")),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

const STATEFUL_SET: &[Row] = &[NAME, col("Ready", Cell::Own(workload::ready)), AGE, CONTAINERS, IMAGES];

const JOB: &[Row] = &[
    NAME,
    col("Status", Cell::Own(workload::job_status)),
    col("Completions", Cell::Own(workload::completions)),
    col("Duration", Cell::Own(workload::duration)),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

const CRON_JOB: &[Row] = &[
    NAME,
    text("Schedule", "spec.schedule"),
    col("Timezone", Cell::Text("spec.timeZone", "<none>")),
    typed("Suspend", "boolean", Cell::Own(workload::suspend)),
    typed("Active", "integer", Cell::Count("status.active")),
    col("Last Schedule", Cell::AgeOf("status.lastScheduleTime", "<none>")),
    AGE,
    wide("Containers", Cell::Containers("spec.jobTemplate.spec.template.spec", "name")),
    wide("Images", Cell::Containers("spec.jobTemplate.spec.template.spec", "image")),
    wide("Selector", Cell::Selector("spec.jobTemplate.spec.selector")),
];

const AUTOSCALER: &[Row] = &[
    NAME,
    col("Reference", Cell::Own(metrics::reference)),
    col("Targets", Cell::Own(metrics::targets)),
    col("MinPods", Cell::Text("spec.minReplicas", "<unset>")),
    col("MaxPods", Cell::Number("spec.maxReplicas")),
    col("Replicas", Cell::Number("status.currentReplicas")),
    AGE,
];

const PERSISTENT_VOLUME: &[Row] = &[
    NAME,
    text("Capacity", "spec.capacity.storage"),
    col("Access Modes", Cell::Own(storage::volume_modes)),
    text("Reclaim Policy", "spec.persistentVolumeReclaimPolicy"),
    col("Status", Cell::Own(storage::phase)),
    col("Claim", Cell::Own(storage::claim)),
    col("StorageClass", Cell::Own(storage::class)),
    col("VolumeAttributesClass", Cell::Text("spec.volumeAttributesClassName", "<unset>")),
    text("Reason", "status.reason"),
    AGE,
    wide("VolumeMode", Cell::Text("spec.volumeMode", "<unset>")),
];

const PERSISTENT_VOLUME_CLAIM: &[Row] = &[
    NAME,
    col("Status", Cell::Own(storage::phase)),
    text("Volume", "spec.volumeName"),
    col("Capacity", Cell::Own(storage::capacity)),
    col("Access Modes", Cell::Own(storage::claim_modes)),
    col("StorageClass", Cell::Own(storage::class)),
    col("VolumeAttributesClass", Cell::Text("spec.volumeAttributesClassName", "<unset>")),
    AGE,
    wide("VolumeMode", Cell::Text("spec.volumeMode", "<unset>")),
];

const BINDING: &[Row] = &[
    NAME,
    col("Role", Cell::Own(workload::role)),
    AGE,
    wide("Users", Cell::Own(workload::users)),
    wide("Groups", Cell::Own(workload::groups)),
    wide("ServiceAccounts", Cell::Own(workload::accounts)),
];

const NAME_AND_AGE: &[Row] = &[NAME, AGE];
const NAMESPACE: &[Row] = &[NAME, text("Status", "status.phase"), AGE];
const SECRET: &[Row] = &[NAME, text("Type", "type"), col("Data", Cell::Count("data")), AGE];
const CONFIG_MAP: &[Row] = &[NAME, col("Data", Cell::Own(workload::data)), AGE];
const ENDPOINTS: &[Row] = &[NAME, col("Endpoints", Cell::Own(network::endpoints)), AGE];

const ENDPOINT_SLICE: &[Row] = &[
    NAME,
    text("AddressType", "addressType"),
    col("Ports", Cell::Own(network::slice_ports)),
    col("Endpoints", Cell::Own(network::slice_addresses)),
    AGE,
];

const POD_TEMPLATE: &[Row] = &[
    NAME,
    col("Containers", Cell::Containers("template.spec", "name")),
    col("Images", Cell::Containers("template.spec", "image")),
    col("Pod Labels", Cell::Labels("template.metadata.labels")),
];

const BUDGET: &[Row] = &[
    NAME,
    col("Min Available", Cell::Text("spec.minAvailable", "N/A")),
    col("Max Unavailable", Cell::Text("spec.maxUnavailable", "N/A")),
    int("Allowed Disruptions", "status.disruptionsAllowed"),
    AGE,
];

const INGRESS: &[Row] = &[
    NAME,
    col("Class", Cell::Text("spec.ingressClassName", "<none>")),
    col("Hosts", Cell::Own(network::hosts)),
    col("Address", Cell::Own(network::ingress_address)),
    col("Ports", Cell::Own(network::ingress_ports)),
    AGE,
];

const INGRESS_CLASS: &[Row] =
    &[NAME, text("Controller", "spec.controller"), col("Parameters", Cell::Own(network::parameters)), AGE];
const NETWORK_POLICY: &[Row] = &[NAME, col("Pod-Selector", Cell::Selector("spec.podSelector")), AGE];
/// Upstream emits the age as a cell without a column.
const IP_ADDRESS: &[Row] = &[NAME, col("ParentRef", Cell::Own(network::parent)), col("", Cell::Age)];
const SERVICE_CIDR: &[Row] = &[NAME, col("CIDRs", Cell::Joined("spec.cidrs", ",", "")), AGE];
const LEASE: &[Row] = &[NAME, text("Holder", "spec.holderIdentity"), AGE];

const STORAGE_CLASS: &[Row] = &[
    named(Cell::Own(storage::class_name)),
    text("Provisioner", "provisioner"),
    col("ReclaimPolicy", Cell::Text("reclaimPolicy", "Delete")),
    col("VolumeBindingMode", Cell::Text("volumeBindingMode", "Immediate")),
    col("AllowVolumeExpansion", Cell::Flag("allowVolumeExpansion", false)),
    AGE,
];

const ATTRIBUTES_CLASS: &[Row] = &[NAME, text("DriverName", "driverName"), AGE];

const ATTACHMENT: &[Row] = &[
    NAME,
    Row { format: "name", ..text("Attacher", "spec.attacher") },
    text("PV", "spec.source.persistentVolumeName"),
    text("Node", "spec.nodeName"),
    typed("Attached", "boolean", Cell::Flag("status.attached", false)),
    AGE,
];

const CSI_NODE: &[Row] = &[NAME, typed("Drivers", "integer", Cell::Count("spec.drivers")), AGE];

const CSI_DRIVER: &[Row] = &[
    NAME,
    typed("AttachRequired", "boolean", Cell::Flag("spec.attachRequired", true)),
    typed("PodInfoOnMount", "boolean", Cell::Flag("spec.podInfoOnMount", false)),
    typed("StorageCapacity", "boolean", Cell::Flag("spec.storageCapacity", false)),
    col("TokenRequests", Cell::Own(storage::token_requests)),
    typed("RequiresRepublish", "boolean", Cell::Flag("spec.requiresRepublish", false)),
    col("Modes", Cell::Joined("spec.volumeLifecycleModes", ",", "<none>")),
    AGE,
];

const PRIORITY_CLASS: &[Row] = &[
    NAME,
    int("Value", "value"),
    typed("Global-Default", "boolean", Cell::Flag("globalDefault", false)),
    AGE,
    text("PreemptionPolicy", "preemptionPolicy"),
];

const RUNTIME_CLASS: &[Row] = &[NAME, text("Handler", "handler"), AGE];

const REVISION: &[Row] =
    &[NAME, col("Controller", Cell::Own(workload::controller)), col("Revision", Cell::Number("revision")), AGE];

const SIGNING_REQUEST: &[Row] = &[
    NAME,
    AGE,
    col("SignerName", Cell::Text("spec.signerName", "<none>")),
    text("Requestor", "spec.username"),
    col("RequestedDuration", Cell::Own(workload::requested_duration)),
    col("Condition", Cell::Own(workload::request_condition)),
];

const QUOTA: &[Row] =
    &[NAME, col("Request", Cell::Own(storage::quota_requests)), col("Limit", Cell::Own(storage::quota_limits)), AGE];

const RESOURCE_CLAIM: &[Row] = &[NAME, col("State", Cell::Own(workload::claim_state)), AGE];

const RESOURCE_SLICE: &[Row] =
    &[NAME, text("Node", "spec.nodeName"), text("Driver", "spec.driver"), text("Pool", "spec.pool.name"), AGE];

const FLOW_SCHEMA: &[Row] = &[
    NAME,
    text("PriorityLevel", "spec.priorityLevelConfiguration.name"),
    col("MatchingPrecedence", Cell::Number("spec.matchingPrecedence")),
    col("DistinguisherMethod", Cell::Text("spec.distinguisherMethod.type", "<none>")),
    AGE,
    col("MissingPL", Cell::Own(workload::dangling)),
];

const PRIORITY_LEVEL: &[Row] = &[
    NAME,
    text("Type", "spec.type"),
    col("NominalConcurrencyShares", Cell::Text("spec.limited.nominalConcurrencyShares", "<none>")),
    col("Queues", Cell::Text("spec.limited.limitResponse.queuing.queues", "<none>")),
    col("HandSize", Cell::Text("spec.limited.limitResponse.queuing.handSize", "<none>")),
    col("QueueLengthLimit", Cell::Text("spec.limited.limitResponse.queuing.queueLengthLimit", "<none>")),
    AGE,
];

const WEBHOOKS: &[Row] = &[NAME, typed("Webhooks", "integer", Cell::Count("webhooks")), AGE];

const POLICY: &[Row] = &[
    NAME,
    typed("Validations", "integer", Cell::Count("spec.validations")),
    col("ParamKind", Cell::Own(workload::param_kind)),
    AGE,
];

const POLICY_BINDING: &[Row] =
    &[NAME, text("PolicyName", "spec.policyName"), col("ParamRef", Cell::Own(workload::param_ref)), AGE];

const API_SERVICE: &[Row] =
    &[NAME, col("Service", Cell::Own(workload::api_service)), col("Available", Cell::Own(workload::availability)), AGE];

const COMPONENT: &[Row] = &[
    NAME,
    col("Status", Cell::Own(workload::health)),
    col("Message", Cell::Own(|status, _| workload::healthy(status, "message"))),
    col("Error", Cell::Own(|status, _| workload::healthy(status, "error"))),
];

const SCALE: &[Row] =
    &[text("Name", "metadata.name"), int("Desired", "spec.replicas"), int("Available", "status.replicas"), AGE];

const STATUS: &[Row] = &[text("Status", "status"), text("Reason", "reason"), text("Message", "message")];
