//! DescribeClusterVersions.

use cove_aws_wire::fault::Fault;
use serde::{Deserialize, Serialize};

use crate::eks::catalog::{self, Support, Version};
use crate::eks::faults;
use crate::eks::paging::page;
use crate::eks::view::seconds;
use crate::operation::Cx;

/// The input of DescribeClusterVersions.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DescribeClusterVersionsInput {
    cluster_type: Option<String>,
    max_results: Option<usize>,
    next_token: Option<String>,
    default_only: Option<bool>,
    include_all: Option<bool>,
    #[serde(default)]
    cluster_versions: Vec<String>,
    status: Option<String>,
    version_status: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VersionView {
    cluster_version: &'static str,
    cluster_type: &'static str,
    default_platform_version: &'static str,
    default_version: bool,
    release_date: f64,
    end_of_standard_support_date: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_of_extended_support_date: Option<f64>,
    status: &'static str,
    version_status: &'static str,
    kubernetes_patch_version: &'static str,
}

/// The output of DescribeClusterVersions.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeClusterVersionsOutput {
    cluster_versions: Vec<VersionView>,
    next_token: Option<String>,
}

fn names(support: Support) -> (&'static str, &'static str) {
    match support {
        Support::Standard => ("standard-support", "STANDARD_SUPPORT"),
        Support::Extended => ("extended-support", "EXTENDED_SUPPORT"),
        Support::None => ("unsupported", "UNSUPPORTED"),
    }
}

/// DescribeClusterVersions, newest first.
pub async fn describe_cluster_versions(
    cx: Cx,
    input: DescribeClusterVersionsInput,
) -> Result<DescribeClusterVersionsOutput, Fault> {
    if let Some(kind) = input.cluster_type.as_deref().filter(|k| *k != "eks") {
        return Err(faults::parameter("", format!("Invalid cluster type: {kind}")));
    }
    let wanted = |version: &&Version| {
        let (old, new) = names(version.support(cx.rt.now()));
        let named = input.cluster_versions.iter().any(|n| n == version.name);
        (input.cluster_versions.is_empty() || named)
            && (!input.default_only.unwrap_or(false) || version.name == catalog::DEFAULT_VERSION)
            && input.status.as_deref().is_none_or(|s| s == old)
            && input.version_status.as_deref().is_none_or(|s| s == new)
            && (named || input.include_all.unwrap_or(false) || new != "UNSUPPORTED")
    };
    let versions: Vec<&Version> = catalog::versions().iter().filter(wanted).collect();
    let newest_first = |v: &&Version| format!("{:04}", 9999 - v.minor());
    let (versions, next_token) = page(versions, newest_first, input.max_results, input.next_token.as_deref())?;
    let view = |v: &Version| {
        let (status, version_status) = names(v.support(cx.rt.now()));
        VersionView {
            cluster_version: v.name,
            cluster_type: "eks",
            default_platform_version: v.platform_version,
            default_version: v.name == catalog::DEFAULT_VERSION,
            release_date: seconds(v.released),
            end_of_standard_support_date: seconds(v.end_standard),
            end_of_extended_support_date: v.end_extended.map(seconds),
            status,
            version_status,
            kubernetes_patch_version: v.patch,
        }
    };
    Ok(DescribeClusterVersionsOutput { cluster_versions: versions.into_iter().map(view).collect(), next_token })
}
