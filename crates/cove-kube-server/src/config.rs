//! What a server is made with: the cluster's facts, and the ports that the region fills.

use std::net::Ipv4Addr;
use std::sync::Arc;

use cove_base::request_log::{NoLog, RequestLog};

use crate::authentication::Authenticator;
use crate::authorization::Authorizer;
use crate::front::streams::NodeStreams;

/// The facts of a cluster and the ports of its API server.
#[derive(Clone)]
pub struct Config {
    /// The Kubernetes minor version: 35 for 1.35.
    pub minor: u32,
    /// What `/version` says as `gitVersion`, such as `v1.35.2-eks-8f3c9a1`.
    pub git_version: String,
    /// `gitCommit` of `/version`.
    pub git_commit: String,
    /// `buildDate` of `/version`.
    pub build_date: String,
    /// `goVersion` of `/version`.
    pub go_version: String,
    /// The service address range.
    pub service_cidr: ServiceCidr,
    /// The address and port of the `kubernetes` endpoints: an interface of the control plane in the cluster's network.
    /// With a loopback address the service has no endpoints.
    pub advertise: (Ipv4Addr, u16),
    /// The issuer of service-account tokens, an `https` URL.
    pub issuer: String,
    /// Audiences that the server accepts; the first is the default of token requests.
    pub audiences: Vec<String>,
    /// Authorizers beside the node authorizer and RBAC, asked before them (EKS access policies).
    pub authorizers: Vec<Arc<dyn Authorizer>>,
    /// Authenticators beside client certificates and service-account tokens, asked after them (AWS tokens).
    pub authenticators: Vec<Arc<dyn Authenticator>>,
    /// The RSA key (PEM) that signs service-account tokens; without one, token requests are refused.
    pub signing_key: Option<String>,
    /// The certificate of the cluster's authority (PEM), for what publishes it. May be empty in virtual runs.
    pub authority_certificate: String,
    /// The agents of the nodes; without them logs are refused.
    pub node_streams: Option<Arc<dyn NodeStreams>>,
    /// Where the record of each HTTP request goes.
    pub request_log: Arc<dyn RequestLog>,
}

/// An IPv4 range for service addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceCidr {
    /// Its first address.
    pub base: Ipv4Addr,
    /// Its prefix length, at most 28.
    pub bits: u8,
}

impl ServiceCidr {
    /// From `10.100.0.0/16`.
    pub fn parse(text: &str) -> Option<Self> {
        let (base, bits) = text.split_once('/')?;
        let (base, bits): (Ipv4Addr, u8) = (base.parse().ok()?, bits.parse().ok()?);
        let aligned = (1..=28).contains(&bits) && u32::from(base).trailing_zeros() >= u32::from(32 - bits);
        aligned.then_some(Self { base, bits })
    }

    /// How many addresses it has.
    pub fn size(self) -> u32 {
        1 << (32 - u32::from(self.bits.clamp(1, 31)))
    }

    /// The address at a position.
    pub fn nth(self, position: u32) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.base).wrapping_add(position))
    }

    /// Whether a service may have this address (not the first and the last).
    pub fn holds(self, address: Ipv4Addr) -> bool {
        let position = u32::from(address).wrapping_sub(u32::from(self.base));
        position >= 1 && position < self.size() - 1
    }

    /// `10.100.0.0/16`.
    pub fn text(self) -> String {
        format!("{}/{}", self.base, self.bits)
    }
}

impl Config {
    /// A cluster of a minor version with EKS's usual values and no ports of the region's.
    pub fn new(minor: u32) -> Self {
        Self {
            minor,
            git_version: format!("v1.{minor}.0"),
            git_commit: String::new(),
            build_date: "1970-01-01T00:00:00Z".into(),
            go_version: "go1.25".into(),
            service_cidr: ServiceCidr { base: Ipv4Addr::new(10, 100, 0, 0), bits: 16 },
            advertise: (Ipv4Addr::LOCALHOST, 443),
            issuer: "https://kubernetes.default.svc".into(),
            audiences: vec!["https://kubernetes.default.svc".into()],
            authorizers: Vec::new(),
            authenticators: Vec::new(),
            signing_key: None,
            authority_certificate: String::new(),
            node_streams: None,
            request_log: Arc::new(NoLog),
        }
    }

    /// `ADDRESS:PORT` of the server.
    pub fn advertised(&self) -> String {
        format!("{}:{}", self.advertise.0, self.advertise.1)
    }
}
