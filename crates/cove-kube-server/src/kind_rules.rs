//! Facts about kinds that concern only the generic verbs (`strategies.csv`), as tables.
//!
//! Everything else that is peculiar to a kind is its `Strategy` in `cove-kube-api`.

use cove_kube_api::status::group_resource;

use crate::api::kinds::Kind;

/// Kinds whose missing object a PUT creates.
const CREATE_ON_UPDATE: &[(&str, &[&str])] = &[
    ("", &["services", "limitranges", "endpoints", "events"]),
    ("events.k8s.io", &["events"]),
    ("coordination.k8s.io", &["leases"]),
    ("node.k8s.io", &["runtimeclasses"]),
    ("rbac.authorization.k8s.io", &["roles", "rolebindings", "clusterroles", "clusterrolebindings"]),
];

/// Kinds whose PUT must name a resourceVersion.
const CONDITIONAL_UPDATE: &[(&str, &[&str])] = &[
    ("policy", &["poddisruptionbudgets"]),
    ("coordination.k8s.io", &["leases"]),
    ("storage.k8s.io", &["csidrivers", "csinodes", "csistoragecapacities", "volumeattachments"]),
    (
        "admissionregistration.k8s.io",
        &[
            "validatingwebhookconfigurations",
            "mutatingwebhookconfigurations",
            "validatingadmissionpolicies",
            "validatingadmissionpolicybindings",
            "mutatingadmissionpolicies",
            "mutatingadmissionpolicybindings",
        ],
    ),
    ("apiextensions.k8s.io", &["customresourcedefinitions"]),
    ("apiregistration.k8s.io", &["apiservices"]),
];

/// Kinds that keep `metadata.generation` (1 on create, one more per change of what counts).
const GENERATION: &[(&str, &[&str])] = &[
    ("", &["pods", "replicationcontrollers", "podtemplates"]),
    ("apps", &["deployments", "replicasets", "statefulsets", "daemonsets"]),
    ("batch", &["jobs", "cronjobs"]),
    ("policy", &["poddisruptionbudgets"]),
    ("networking.k8s.io", &["ingresses", "ingressclasses", "networkpolicies"]),
    ("discovery.k8s.io", &["endpointslices"]),
    ("flowcontrol.apiserver.k8s.io", &["flowschemas", "prioritylevelconfigurations"]),
    (
        "admissionregistration.k8s.io",
        &[
            "validatingwebhookconfigurations",
            "mutatingwebhookconfigurations",
            "validatingadmissionpolicies",
            "validatingadmissionpolicybindings",
        ],
    ),
    ("resource.k8s.io", &["resourceslices", "deviceclasses"]),
    ("apiextensions.k8s.io", &["customresourcedefinitions"]),
    ("scheduling.k8s.io", &["priorityclasses"]),
];

/// Kinds whose dependents stay when a deletion names no policy.
const ORPHANS_BY_DEFAULT: &[(&str, &[&str])] = &[("", &["replicationcontrollers"]), ("batch", &["jobs"])];

/// Kinds without garbage collection: propagation finalizers are not set on them.
const WITHOUT_COLLECTION: &[(&str, &[&str])] = &[("", &["events"]), ("events.k8s.io", &["events"])];

/// Kinds whose immediate deletion answers with the object; all others answer with a `Status`.
const RETURNS_DELETED: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "pods",
            "services",
            "namespaces",
            "persistentvolumes",
            "persistentvolumeclaims",
            "serviceaccounts",
            "resourcequotas",
            "podtemplates",
        ],
    ),
    ("storage.k8s.io", &["storageclasses", "csidrivers", "csinodes", "volumeattachments", "volumeattributesclasses"]),
    ("resource.k8s.io", &["deviceclasses", "resourceclaims", "resourceclaimtemplates", "resourceslices"]),
];

fn listed(table: &[(&str, &[&str])], kind: &Kind) -> bool {
    table.iter().any(|(group, plurals)| *group == kind.group && plurals.contains(&kind.plural))
}

/// Whether a PUT of a missing object creates it.
pub fn creates_on_update(kind: &Kind) -> bool {
    listed(CREATE_ON_UPDATE, kind)
}

/// Whether a PUT without resourceVersion is accepted.
pub fn updates_unconditionally(kind: &Kind) -> bool {
    !listed(CONDITIONAL_UPDATE, kind)
}

/// Whether the kind keeps `metadata.generation`.
pub fn keeps_generation(kind: &Kind) -> bool {
    listed(GENERATION, kind)
}

/// Whether dependents stay when a deletion names no policy.
pub fn orphans_by_default(kind: &Kind) -> bool {
    listed(ORPHANS_BY_DEFAULT, kind)
}

/// Whether propagation finalizers apply.
pub fn is_collected(kind: &Kind) -> bool {
    !listed(WITHOUT_COLLECTION, kind)
}

/// Whether an immediate deletion answers with the object.
pub fn returns_deleted(kind: &Kind) -> bool {
    listed(RETURNS_DELETED, kind)
}

/// Whether the kind has a subresource.
pub fn has_subresource(kind: &Kind, name: &str) -> bool {
    kind.subresources.iter().any(|sub| sub.name == name)
}

/// Whether this is a given kind.
pub fn is(kind: &Kind, group: &str, plural: &str) -> bool {
    kind.group == group && kind.plural == plural
}

/// `pods` or `deployments.apps`.
pub fn resource_name(kind: &Kind) -> String {
    group_resource(kind.group, kind.plural)
}

/// `v1` or `apps/v1`.
pub fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.into() } else { format!("{group}/{version}") }
}
