//! The table of EKS operations with their permissions (service authorization reference).
//!
//! The name of an access entry's or a node group's ARN ends with a UUID that callers do not know; there the resource
//! ends with `*`, as AWS does it for ids that it does not know yet.

use super::ops::{
    access_entry, access_policy, cluster, cluster_config, nodegroup, nodegroup_config, tag, update, version,
};
use super::{reconcile_cluster, reconcile_nodegroup};
use crate::operation;
use crate::operation::{Operation, Permission, Service};

const CLUSTER_BY_NAME: &[&str] = &["arn:aws:eks:${Region}:${Account}:cluster/${name}"];
const CLUSTER: &[&str] = &["arn:aws:eks:${Region}:${Account}:cluster/${clusterName}"];
const ACCESS_ENTRY: &[&str] = &["arn:aws:eks:${Region}:${Account}:access-entry/${clusterName}/*"];
const NODEGROUP: &[&str] = &["arn:aws:eks:${Region}:${Account}:nodegroup/${clusterName}/${nodegroupName}/*"];
const NAMED_ARN: &[&str] = &["${resourceArn}"];
const ANY: &[&str] = &["*"];

const fn on(action: &'static str, resources: &'static [&'static str]) -> Permission {
    Permission { action, resources, conditions: &[], only_if: "" }
}

const fn tagging(resources: &'static [&'static str]) -> Permission {
    Permission { action: "eks:TagResource", resources, conditions: &[], only_if: "tags" }
}

const fn pass_role(resources: &'static [&'static str], only_if: &'static str) -> Permission {
    Permission { action: "iam:PassRole", resources, conditions: &[], only_if }
}

const CREATE_CLUSTER: Permission = Permission {
    action: "eks:CreateCluster",
    resources: CLUSTER_BY_NAME,
    conditions: &[
        ("eks:authenticationMode", "accessConfig.authenticationMode"),
        ("eks:bootstrapClusterCreatorAdminPermissions", "accessConfig.bootstrapClusterCreatorAdminPermissions"),
        ("eks:bootstrapSelfManagedAddons", "bootstrapSelfManagedAddons"),
        ("eks:deletionProtection", "deletionProtection"),
        ("eks:endpointPrivateAccess", "resourcesVpcConfig.endpointPrivateAccess"),
        ("eks:endpointPublicAccess", "resourcesVpcConfig.endpointPublicAccess"),
        ("eks:kubernetesVersion", "version"),
        ("eks:supportType", "upgradePolicy.supportType"),
    ],
    only_if: "",
};

const UPDATE_CLUSTER_CONFIG: Permission = Permission {
    action: "eks:UpdateClusterConfig",
    resources: CLUSTER_BY_NAME,
    conditions: &[
        ("eks:authenticationMode", "accessConfig.authenticationMode"),
        ("eks:deletionProtection", "deletionProtection"),
        ("eks:endpointPrivateAccess", "resourcesVpcConfig.endpointPrivateAccess"),
        ("eks:endpointPublicAccess", "resourcesVpcConfig.endpointPublicAccess"),
        ("eks:supportType", "upgradePolicy.supportType"),
    ],
    only_if: "",
};

const CREATE_ACCESS_ENTRY: Permission = Permission {
    action: "eks:CreateAccessEntry",
    resources: CLUSTER,
    conditions: &[
        ("eks:accessEntryType", "type"),
        ("eks:kubernetesGroups", "kubernetesGroups"),
        ("eks:principalArn", "principalArn"),
        ("eks:username", "username"),
    ],
    only_if: "",
};

const fn access_policy(action: &'static str) -> Permission {
    let conditions = &[
        ("eks:accessScope", "accessScope.type"),
        ("eks:namespaces", "accessScope.namespaces"),
        ("eks:policyArn", "policyArn"),
    ];
    Permission { action, resources: ACCESS_ENTRY, conditions, only_if: "" }
}

/// The EKS service.
pub const SERVICE: Service = Service {
    name: "eks",
    operations: OPERATIONS,
    start: |cx| {
        reconcile_cluster::CLUSTERS.start(cx);
        reconcile_nodegroup::NODEGROUPS.start(cx);
    },
};

const OPERATIONS: &[Operation] = &[
    operation!(
        "AssociateAccessPolicy",
        &[access_policy("eks:AssociateAccessPolicy")],
        access_policy::associate_access_policy
    ),
    operation!("CreateAccessEntry", &[CREATE_ACCESS_ENTRY, tagging(ACCESS_ENTRY)], access_entry::create_access_entry),
    operation!(
        "CreateCluster",
        &[CREATE_CLUSTER, pass_role(&["${roleArn}"], "roleArn"), tagging(CLUSTER_BY_NAME)],
        cluster::create_cluster
    ),
    operation!(
        "CreateNodegroup",
        &[on("eks:CreateNodegroup", CLUSTER), pass_role(&["${nodeRole}"], "nodeRole"), tagging(NODEGROUP),],
        nodegroup::create_nodegroup
    ),
    operation!("DeleteAccessEntry", &[on("eks:DeleteAccessEntry", ACCESS_ENTRY)], access_entry::delete_access_entry),
    operation!("DeleteCluster", &[on("eks:DeleteCluster", CLUSTER_BY_NAME)], cluster::delete_cluster),
    operation!("DeleteNodegroup", &[on("eks:DeleteNodegroup", NODEGROUP)], nodegroup::delete_nodegroup),
    operation!(
        "DescribeAccessEntry",
        &[on("eks:DescribeAccessEntry", ACCESS_ENTRY)],
        access_entry::describe_access_entry
    ),
    operation!("DescribeCluster", &[on("eks:DescribeCluster", CLUSTER_BY_NAME)], cluster::describe_cluster),
    operation!(
        "DescribeClusterVersions",
        &[on("eks:DescribeClusterVersions", ANY)],
        version::describe_cluster_versions
    ),
    operation!("DescribeNodegroup", &[on("eks:DescribeNodegroup", NODEGROUP)], nodegroup::describe_nodegroup),
    operation!("DescribeUpdate", &[on("eks:DescribeUpdate", CLUSTER_BY_NAME)], update::describe_update),
    operation!(
        "DisassociateAccessPolicy",
        &[access_policy("eks:DisassociateAccessPolicy")],
        access_policy::disassociate_access_policy
    ),
    operation!("ListAccessEntries", &[on("eks:ListAccessEntries", CLUSTER)], access_entry::list_access_entries),
    operation!("ListAccessPolicies", &[on("eks:ListAccessPolicies", ANY)], access_policy::list_access_policies),
    operation!(
        "ListAssociatedAccessPolicies",
        &[on("eks:ListAssociatedAccessPolicies", ACCESS_ENTRY)],
        access_policy::list_associated_access_policies
    ),
    operation!("ListClusters", &[on("eks:ListClusters", ANY)], cluster::list_clusters),
    operation!("ListNodegroups", &[on("eks:ListNodegroups", CLUSTER)], nodegroup::list_nodegroups),
    operation!("ListTagsForResource", &[on("eks:ListTagsForResource", NAMED_ARN)], tag::list_tags_for_resource),
    operation!("ListUpdates", &[on("eks:ListUpdates", CLUSTER_BY_NAME)], update::list_updates),
    operation!("TagResource", &[on("eks:TagResource", NAMED_ARN)], tag::tag_resource),
    operation!("UntagResource", &[on("eks:UntagResource", NAMED_ARN)], tag::untag_resource),
    operation!("UpdateAccessEntry", &[on("eks:UpdateAccessEntry", ACCESS_ENTRY)], access_entry::update_access_entry),
    operation!("UpdateClusterConfig", &[UPDATE_CLUSTER_CONFIG], cluster_config::update_cluster_config),
    operation!(
        "UpdateNodegroupConfig",
        &[on("eks:UpdateNodegroupConfig", NODEGROUP)],
        nodegroup_config::update_nodegroup_config
    ),
];
