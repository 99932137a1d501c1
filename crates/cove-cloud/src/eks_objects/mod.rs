//! What a new EKS cluster holds beyond a new Kubernetes cluster (facts: `eks.md` 5.1 and 9; a fresh cluster of 2026).

use cove_kube_api::kinds;
use cove_kube_client::Resource;
use serde_json::Value;

use crate::versions::{EksVersion, IMAGE_ACCOUNT, NETWORK_POLICY_AGENT, VPC_CNI};

/// The objects as YAML documents, with `${...}` for what differs between clusters.
const MANIFESTS: &str = include_str!("manifests.yaml");

/// What differs between clusters.
pub struct Parameters<'a> {
    /// The region.
    pub region: &'a str,
    /// The cluster's name.
    pub cluster: &'a str,
    /// The API server's endpoint.
    pub endpoint: &'a str,
    /// The VPC.
    pub vpc_id: &'a str,
    /// Such as `10.100.0.0/16`.
    pub service_cidr: &'a str,
    /// The address of `kube-dns`: the tenth of the service network.
    pub dns_ip: &'a str,
}

/// The objects, in an order in which they can be created. The error names a defect of the built-in text.
pub fn objects(version: EksVersion, parameters: &Parameters<'_>) -> Result<Vec<Value>, String> {
    let text = fill(version, parameters);
    let documents = text.split("\n---\n");
    documents.map(|d| serde_saphyr::from_str(d).map_err(|e| format!("{e} in:\n{d}"))).collect()
}

/// Whether an object belongs to one of the add-ons that a cluster made with `bootstrapSelfManagedAddons: false` lacks.
pub fn is_addon(object: &Value) -> bool {
    matches!(object["metadata"]["labels"]["k8s-app"].as_str(), Some("aws-node" | "kube-proxy" | "kube-dns"))
}

/// The resource that an object is made with.
pub fn resource_of(minor: u32, object: &Value) -> Result<Resource, String> {
    let text = |member: &str| object[member].as_str().unwrap_or_default();
    let (group, version) = text("apiVersion").split_once('/').unwrap_or(("", text("apiVersion")));
    let kind = kinds::by_kind(minor, group, version, text("kind"));
    kind.map(|k| Resource::new(k.group, k.version, k.plural)).ok_or_else(|| format!("no kind {}", text("kind")))
}

fn fill(version: EksVersion, parameters: &Parameters<'_>) -> String {
    let registry = format!("{IMAGE_ACCOUNT}.dkr.ecr.{}.amazonaws.com", parameters.region);
    let minor = format!("1.{}", version.minor);
    [
        ("${REGISTRY}", registry.as_str()),
        ("${REGION}", parameters.region),
        ("${CLUSTER}", parameters.cluster),
        ("${ENDPOINT}", parameters.endpoint),
        ("${VPC_ID}", parameters.vpc_id),
        ("${DNS_IP}", parameters.dns_ip),
        ("${SERVICE_CIDR}", parameters.service_cidr),
        ("${VERSION}", minor.as_str()),
        ("${COREDNS}", version.coredns),
        ("${KUBE_PROXY}", version.kube_proxy),
        ("${VPC_CNI}", VPC_CNI),
        ("${NETWORK_POLICY_AGENT}", NETWORK_POLICY_AGENT),
    ]
    .iter()
    .fold(MANIFESTS.to_string(), |text, (name, value)| text.replace(name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifests_are_whole() {
        let parameters = Parameters {
            region: "us-west-2",
            cluster: "c",
            endpoint: "https://127.0.0.1:16443",
            vpc_id: "vpc-1",
            service_cidr: "10.100.0.0/16",
            dns_ip: "10.100.0.10",
        };
        let version = crate::versions::version("1.35").expect("known");
        let objects = objects(version, &parameters).expect("valid YAML");
        let names: Vec<String> = objects.iter().map(|o| format!("{}/{}", o["kind"], o["metadata"]["name"])).collect();
        for wanted in [
            "\"DaemonSet\"/\"aws-node\"",
            "\"DaemonSet\"/\"kube-proxy\"",
            "\"Deployment\"/\"coredns\"",
            "\"Service\"/\"kube-dns\"",
        ] {
            assert!(names.iter().any(|n| n == wanted), "{wanted} in {names:?}");
        }
        assert!(!serde_json::to_string(&objects).expect("JSON").contains("${"));
    }
}
