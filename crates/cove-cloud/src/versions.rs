//! What belongs to a Kubernetes version on EKS: patch levels, add-on images, node software.
//!
//! Sources (facts of 2026-08): EKS platform versions page, amazon-eks-ami CHANGELOG v20260714, eksctl's default add-on
//! assets, the VPC CNI's manifest v1.23.1; patch levels that no public page states are the newest seen.

/// The facts of one minor version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EksVersion {
    /// 35 for 1.35.
    pub minor: u32,
    /// The control plane's patch version.
    pub control_plane: &'static str,
    /// The nodes' patch version.
    pub kubelet: &'static str,
    /// The tag of coredns' image.
    pub coredns: &'static str,
    /// The tag of kube-proxy's image.
    pub kube_proxy: &'static str,
    /// The kernel of the AL2023 image.
    pub kernel: &'static str,
}

/// The version of a cluster that names none.
pub const DEFAULT: &str = "1.35";
/// The tag of the VPC CNI's images.
pub const VPC_CNI: &str = "v1.23.1-eksbuild.1";
/// The tag of the network policy agent's image.
pub const NETWORK_POLICY_AGENT: &str = "v1.3.6-eksbuild.1";
/// The container runtime of the node images.
pub const CONTAINERD: &str = "containerd://2.2.4";
/// The account that serves the add-ons' images in most commercial regions.
pub const IMAGE_ACCOUNT: &str = "602401143452";

const VERSIONS: &[EksVersion] = &[
    EksVersion {
        minor: 36,
        control_plane: "1.36.2",
        kubelet: "1.36.2",
        coredns: "v1.14.3-eksbuild.11",
        kube_proxy: "v1.36.2-eksbuild.7",
        kernel: "6.18.36-69.138.amzn2023",
    },
    EksVersion {
        minor: 35,
        control_plane: "1.35.4",
        kubelet: "1.35.6",
        coredns: "v1.13.2-eksbuild.4",
        kube_proxy: "v1.35.3-eksbuild.2",
        kernel: "6.12.94-123.180.amzn2023",
    },
    EksVersion {
        minor: 34,
        control_plane: "1.34.6",
        kubelet: "1.34.9",
        coredns: "v1.13.2-eksbuild.4",
        kube_proxy: "v1.34.6-eksbuild.2",
        kernel: "6.12.94-123.180.amzn2023",
    },
    EksVersion {
        minor: 33,
        control_plane: "1.33.10",
        kubelet: "1.33.13",
        coredns: "v1.13.2-eksbuild.4",
        kube_proxy: "v1.33.10-eksbuild.2",
        kernel: "6.12.94-123.180.amzn2023",
    },
    EksVersion {
        minor: 32,
        control_plane: "1.32.13",
        kubelet: "1.32.13",
        coredns: "v1.11.4-eksbuild.33",
        kube_proxy: "v1.32.13-eksbuild.2",
        kernel: "6.1.176-221.360.amzn2023",
    },
];

/// The facts of a version such as `1.35`; `None` if Cove does not know it.
pub fn version(text: &str) -> Option<EksVersion> {
    let minor: u32 = text.strip_prefix("1.")?.parse().ok()?;
    VERSIONS.iter().copied().find(|v| v.minor == minor)
}

/// The facts of the version that a node image was made for. Images of unknown names count as the default version's.
pub fn of_image(name: &str) -> EksVersion {
    let found = name.split('-').find_map(version);
    found.or_else(|| version(DEFAULT)).unwrap_or(VERSIONS[0])
}

impl EksVersion {
    /// The version as the API server reports it: `v1.35.4-eks-1234567`.
    pub fn git_version(&self) -> String {
        format!("v{}-eks-{}", self.control_plane, build_of(self.control_plane))
    }

    /// The version as a node's kubelet reports it.
    pub fn kubelet_version(&self) -> String {
        format!("v{}-eks-{}", self.kubelet, build_of(self.kubelet))
    }
}

/// Seven hexadecimal digits that stand for EKS's build of a patch version.
fn build_of(patch: &str) -> String {
    cove_base::Seed::new(0).child("eks-build").hex(patch, 0, 7)
}
