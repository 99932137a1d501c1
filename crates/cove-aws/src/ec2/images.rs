//! Machine images: the EKS-optimized ones of every family, Kubernetes version and architecture.
//!
//! Names and release versions of AL2023 are AWS's (from data). Nobody publishes image ids of all regions, so an id
//! derives from region and name and is the same in every Cove.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use cove_base::Seed;

use super::catalog::Table;

/// A machine image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// `ami-...`.
    pub id: String,
    /// Such as `amazon-eks-node-al2023-x86_64-standard-1.35-v20260714`.
    pub name: String,
    /// `x86_64` or `arm64`.
    pub arch: &'static str,
    /// EKS's AMI type, such as `AL2023_x86_64_STANDARD`.
    pub ami_type: &'static str,
    /// The Kubernetes minor version, such as `1.35`.
    pub kubernetes: String,
    /// EKS's release version, such as `1.35.6-20260714`.
    pub release_version: String,
    /// The day of its release, `YYYYMMDD`.
    pub day: String,
}

/// A kind of image.
struct Kind {
    ami_type: &'static str,
    arch: &'static str,
    prefix: &'static str,
    family: Family,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Al2023,
    Al2,
    Bottlerocket,
}

const fn kind(ami_type: &'static str, arch: &'static str, prefix: &'static str, family: Family) -> Kind {
    Kind { ami_type, arch, prefix, family }
}

const KINDS: &[Kind] = &[
    kind("AL2023_x86_64_STANDARD", "x86_64", "amazon-eks-node-al2023-x86_64-standard", Family::Al2023),
    kind("AL2023_ARM_64_STANDARD", "arm64", "amazon-eks-node-al2023-arm64-standard", Family::Al2023),
    kind("AL2023_x86_64_NVIDIA", "x86_64", "amazon-eks-node-al2023-x86_64-nvidia", Family::Al2023),
    kind("AL2023_ARM_64_NVIDIA", "arm64", "amazon-eks-node-al2023-arm64-nvidia", Family::Al2023),
    kind("AL2023_x86_64_NEURON", "x86_64", "amazon-eks-node-al2023-x86_64-neuron", Family::Al2023),
    kind("AL2_x86_64", "x86_64", "amazon-eks-node", Family::Al2),
    kind("AL2_x86_64_GPU", "x86_64", "amazon-eks-gpu-node", Family::Al2),
    kind("AL2_ARM_64", "arm64", "amazon-eks-arm64-node", Family::Al2),
    kind("BOTTLEROCKET_x86_64", "x86_64", "bottlerocket-aws-k8s-{k8s}-x86_64", Family::Bottlerocket),
    kind("BOTTLEROCKET_ARM_64", "arm64", "bottlerocket-aws-k8s-{k8s}-aarch64", Family::Bottlerocket),
    kind("BOTTLEROCKET_x86_64_FIPS", "x86_64", "bottlerocket-aws-k8s-{k8s}-fips-x86_64", Family::Bottlerocket),
    kind("BOTTLEROCKET_ARM_64_FIPS", "arm64", "bottlerocket-aws-k8s-{k8s}-fips-aarch64", Family::Bottlerocket),
    kind("BOTTLEROCKET_x86_64_NVIDIA", "x86_64", "bottlerocket-aws-k8s-{k8s}-nvidia-x86_64", Family::Bottlerocket),
    kind("BOTTLEROCKET_ARM_64_NVIDIA", "arm64", "bottlerocket-aws-k8s-{k8s}-nvidia-aarch64", Family::Bottlerocket),
    kind(
        "BOTTLEROCKET_x86_64_NVIDIA_FIPS",
        "x86_64",
        "bottlerocket-aws-k8s-{k8s}-nvidia-fips-x86_64",
        Family::Bottlerocket,
    ),
    kind(
        "BOTTLEROCKET_ARM_64_NVIDIA_FIPS",
        "arm64",
        "bottlerocket-aws-k8s-{k8s}-nvidia-fips-aarch64",
        Family::Bottlerocket,
    ),
];

/// AL2 images end with Kubernetes 1.32 and were last released before AWS's end of support (2025-11-26).
const AL2_LAST: (&str, &str) = ("1.32", "20251120");
/// The Bottlerocket release that Cove's images carry, and its day.
const BOTTLEROCKET: (&str, &str) = ("1.62.1", "20260707");

/// (tag, Kubernetes minor, release version, name prefixes), newest first as in the data.
static RELEASES: LazyLock<Vec<[String; 4]>> = LazyLock::new(|| {
    let table = Table::read(include_bytes!("../../data/ami-releases.tsv.gz"));
    let columns = ["tag", "kubernetes", "release_version", "ami_name_prefixes"];
    table.rows().map(|row| columns.map(|column| row.text(column).to_string())).collect()
});

fn images_of(region: &str) -> Vec<Image> {
    let mut out = Vec::new();
    for [tag, kubernetes, release, prefixes] in RELEASES.iter() {
        let day = tag.trim_start_matches('v');
        for kind in KINDS.iter().filter(|k| k.family == Family::Al2023 && prefixes.split(' ').any(|p| p == k.prefix)) {
            out.push(image(region, kind, format!("{}-{kubernetes}-{tag}", kind.prefix), kubernetes, release, day));
        }
    }
    let mut minors: Vec<&str> = RELEASES.iter().map(|release| release[1].as_str()).collect();
    minors.sort_unstable();
    minors.dedup();
    for minor in minors {
        // Both are two-digit minors of 1.x, so text order is version order.
        for kind in KINDS.iter().filter(|k| k.family == Family::Al2 && minor <= AL2_LAST.0) {
            let patch = RELEASES.iter().find(|r| r[1] == minor).and_then(|r| r[2].split('-').next()).unwrap_or(minor);
            let name = format!("{}-{minor}-v{}", kind.prefix, AL2_LAST.1);
            out.push(image(region, kind, name, minor, &format!("{patch}-{}", AL2_LAST.1), AL2_LAST.1));
        }
        for kind in KINDS.iter().filter(|k| k.family == Family::Bottlerocket) {
            let build = Seed::new(0).hex(BOTTLEROCKET.0, 0, 8);
            let release = format!("{}-{build}", BOTTLEROCKET.0);
            let name = format!("{}-v{release}", kind.prefix.replace("{k8s}", minor));
            out.push(image(region, kind, name, minor, &release, BOTTLEROCKET.1));
        }
    }
    out
}

fn image(region: &str, kind: &Kind, name: String, kubernetes: &str, release: &str, day: &str) -> Image {
    Image {
        id: format!("ami-0{}", Seed::new(0).child(region).hex(&name, 0, 16)),
        name,
        arch: kind.arch,
        ami_type: kind.ami_type,
        kubernetes: kubernetes.into(),
        release_version: release.into(),
        day: day.into(),
    }
}

/// The images of one region, made once per process.
// A lock, not a message: readers need the value at once, and it never changes once made.
static BY_REGION: LazyLock<Mutex<BTreeMap<String, Arc<Vec<Image>>>>> = LazyLock::new(Mutex::default);

/// All images of a region.
pub fn images(region: &str) -> Arc<Vec<Image>> {
    let mut made = BY_REGION.lock().unwrap_or_else(PoisonError::into_inner);
    made.entry(region.into()).or_insert_with(|| Arc::new(images_of(region))).clone()
}

/// An image by its id.
pub fn image_by_id(region: &str, id: &str) -> Option<Image> {
    images(region).iter().find(|image| image.id == id).cloned()
}

/// The image that a managed node group of this AMI type and Kubernetes minor version gets: the given release, or the
/// newest.
pub fn eks_image(region: &str, ami_type: &str, kubernetes: &str, release_version: Option<&str>) -> Option<Image> {
    let images = images(region);
    let fitting = images.iter().filter(|image| {
        image.ami_type == ami_type
            && image.kubernetes == kubernetes
            && release_version.is_none_or(|release| image.release_version == release)
    });
    fitting.max_by(|a, b| a.day.cmp(&b.day)).cloned()
}

impl Image {
    /// The device that the root volume is.
    pub fn root_device(&self) -> &'static str {
        "/dev/xvda"
    }

    /// The size of the root volume in GiB as the image has it.
    pub fn root_gib(&self) -> u64 {
        if self.ami_type.starts_with("BOTTLEROCKET") { 2 } else { 20 }
    }

    /// The account that publishes it.
    pub fn owner(&self) -> &'static str {
        if self.ami_type.starts_with("BOTTLEROCKET") { "092701018921" } else { "602401143452" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_release_of_each_kind() {
        let image = eks_image("us-west-2", "AL2023_x86_64_STANDARD", "1.35", None).expect("an image");
        assert_eq!(image.name, "amazon-eks-node-al2023-x86_64-standard-1.35-v20260714");
        assert_eq!(image.release_version, "1.35.6-20260714");
        assert_eq!(image_by_id("us-west-2", &image.id), Some(image.clone()));
        let elsewhere = eks_image("eu-west-1", "AL2023_x86_64_STANDARD", "1.35", None).expect("an image");
        assert_ne!(elsewhere.id, image.id);
        assert!(eks_image("us-west-2", "AL2_x86_64", "1.32", None).is_some());
        assert_eq!(eks_image("us-west-2", "AL2_x86_64", "1.33", None), None);
        assert!(eks_image("us-west-2", "BOTTLEROCKET_ARM_64", "1.36", None).is_some());
        assert_eq!(
            eks_image("us-west-2", "AL2023_x86_64_STANDARD", "1.35", Some("1.35.6-20260625")).map(|i| i.day),
            Some("20260625".into())
        );
    }
}
