//! Writes the descriptions of types and fields (`kubectl explain`) into the build output.
//!
//! They come from the `k8s-openapi` crate, which is linked into this script only. One definition per line, as
//! `T name description`, then its members as `F name description`, tab-separated; line breaks are written `\n`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use k8s_openapi::schemars::{JsonSchema, SchemaGenerator};

/// The schema of everything that the given types reach.
macro_rules! reach {
    ($generator:ident: $($module:path { $($kind:ident),* $(,)? })*) => {
        $({ use $module as module; $(note::<module::$kind>(&mut $generator);)* })*
    };
}

fn note<T: JsonSchema>(generator: &mut SchemaGenerator) {
    generator.subschema_for::<T>();
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let mut generator = SchemaGenerator::default();
    reach! { generator:
        k8s_openapi::api::core::v1 {
            Binding, ComponentStatus, ConfigMap, Endpoints, Event, LimitRange, Namespace, Node, PersistentVolumeClaim,
            PersistentVolume, Pod, PodTemplate, ReplicationController, ResourceQuota, Secret, ServiceAccount, Service,
        }
        k8s_openapi::api::admissionregistration::v1 {
            MutatingWebhookConfiguration, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
            ValidatingWebhookConfiguration,
        }
        k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 { CustomResourceDefinition }
        k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1 { APIService }
        k8s_openapi::api::apps::v1 { ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet }
        k8s_openapi::api::authentication::v1 { SelfSubjectReview, TokenRequest, TokenReview }
        k8s_openapi::api::authorization::v1 {
            LocalSubjectAccessReview, SelfSubjectAccessReview, SelfSubjectRulesReview, SubjectAccessReview,
        }
        k8s_openapi::api::autoscaling::v1 { HorizontalPodAutoscaler, Scale }
        k8s_openapi::api::autoscaling::v2 { HorizontalPodAutoscaler }
        k8s_openapi::api::batch::v1 { CronJob, Job }
        k8s_openapi::api::certificates::v1 { CertificateSigningRequest }
        k8s_openapi::api::coordination::v1 { Lease }
        k8s_openapi::api::discovery::v1 { EndpointSlice }
        k8s_openapi::api::events::v1 { Event }
        k8s_openapi::api::flowcontrol::v1 { FlowSchema, PriorityLevelConfiguration }
        k8s_openapi::api::networking::v1 { IngressClass, Ingress, IPAddress, NetworkPolicy, ServiceCIDR }
        k8s_openapi::api::node::v1 { RuntimeClass }
        k8s_openapi::api::policy::v1 { Eviction, PodDisruptionBudget }
        k8s_openapi::api::rbac::v1 { ClusterRoleBinding, ClusterRole, RoleBinding, Role }
        k8s_openapi::api::resource::v1 { DeviceClass, ResourceClaim, ResourceClaimTemplate, ResourceSlice }
        k8s_openapi::api::scheduling::v1 { PriorityClass }
        k8s_openapi::api::storage::v1 {
            CSIDriver, CSINode, CSIStorageCapacity, StorageClass, VolumeAttachment, VolumeAttributesClass,
        }
        k8s_openapi::apimachinery::pkg::apis::meta::v1 {
            APIGroup, APIGroupList, APIResourceList, APIVersions, DeleteOptions, ListMeta, Status,
        }
    }
    use k8s_openapi::apimachinery::pkg::{apis::meta::v1::WatchEvent, runtime::RawExtension};
    note::<WatchEvent<RawExtension>>(&mut generator);
    let out = std::env::var_os("OUT_DIR").unwrap_or_default();
    let written = write_descriptions(&generator, &Path::new(&out).join("descriptions.tsv.gz"));
    written.expect("the build output can be written");
}

fn write_descriptions(generator: &SchemaGenerator, path: &Path) -> std::io::Result<()> {
    let mut text = String::new();
    let definitions: BTreeMap<_, _> = generator.definitions().iter().collect();
    for (name, schema) in definitions {
        text += &format!("T\t{name}\t{}\n", description(schema));
        let members = schema.get("properties").and_then(|p| p.as_object());
        for (member, schema) in members.into_iter().flatten() {
            text += &format!("F\t{member}\t{}\n", description(schema));
        }
    }
    let mut encoder = flate2::GzBuilder::new().write(Vec::new(), flate2::Compression::best());
    encoder.write_all(text.as_bytes())?;
    std::fs::write(path, encoder.finish()?)
}

fn description(schema: &serde_json::Value) -> String {
    let text = schema.get("description").and_then(|d| d.as_str()).unwrap_or_default();
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', " ")
}
