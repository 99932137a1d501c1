//! EC2's table of operations.

use cove_aws_wire::fault::Fault;

use super::{
    instance_attributes, instances, launch_templates, networks, offers, run_instances, security_groups, tag_ops,
};
use crate::ec2::default_vpc::ensure;
use crate::ec2::describe::describe;
use crate::ec2::instances::Interface;
use crate::ec2::reconcile;
use crate::ec2::state::{DhcpOptions, InternetGateway, NetworkAcl, RouteTable, Subnet, Vpc};
use crate::input::{permit, read};
use crate::operation::{Operation, Permission, Service};

macro_rules! row {
    ($name:literal, $permissions:expr, $function:path) => {
        Operation {
            name: $name,
            permissions: $permissions,
            run: |cx, input| {
                Box::pin(async move {
                    // Whatever is asked first of a region, it has its default VPC.
                    ensure(&cx).await?;
                    let output = $function(cx, read($name, input)?).await?;
                    serde_json::to_value(output).map_err(Fault::internal)
                })
            },
        }
    };
}

/// The service.
pub const SERVICE: Service = Service {
    name: "ec2",
    operations: &[
        row!(
            "AuthorizeSecurityGroupEgress",
            &[
                permit!(
                    "ec2:AuthorizeSecurityGroupEgress",
                    ["arn:aws:ec2:${Region}:${Account}:security-group/${GroupId}"]
                ),
                permit!("ec2:CreateTags", ["arn:aws:ec2:${Region}:${Account}:security-group-rule/*"], [], if "TagSpecifications")
            ],
            security_groups::authorize_egress
        ),
        row!(
            "AuthorizeSecurityGroupIngress",
            &[
                permit!(
                    "ec2:AuthorizeSecurityGroupIngress",
                    ["arn:aws:ec2:${Region}:${Account}:security-group/${GroupId}"]
                ),
                permit!("ec2:CreateTags", ["arn:aws:ec2:${Region}:${Account}:security-group-rule/*"], [], if "TagSpecifications")
            ],
            security_groups::authorize_ingress
        ),
        row!(
            "CreateLaunchTemplate",
            &[
                permit!("ec2:CreateLaunchTemplate", ["arn:aws:ec2:${Region}:${Account}:launch-template/*"]),
                permit!("ec2:CreateTags", ["arn:aws:ec2:${Region}:${Account}:launch-template/*"], [], if "TagSpecifications")
            ],
            launch_templates::create
        ),
        row!(
            "CreateLaunchTemplateVersion",
            &[permit!(
                "ec2:CreateLaunchTemplateVersion",
                ["arn:aws:ec2:${Region}:${Account}:launch-template/${LaunchTemplateId}"]
            )],
            launch_templates::create_version
        ),
        row!(
            "CreateSecurityGroup",
            &[
                permit!(
                    "ec2:CreateSecurityGroup",
                    [
                        "arn:aws:ec2:${Region}:${Account}:security-group/*",
                        "arn:aws:ec2:${Region}:${Account}:vpc/${VpcId}"
                    ]
                ),
                permit!("ec2:CreateTags", ["arn:aws:ec2:${Region}:${Account}:security-group/*"], [], if "TagSpecifications")
            ],
            security_groups::create
        ),
        row!(
            "CreateSubnet",
            &[
                permit!(
                    "ec2:CreateSubnet",
                    ["arn:aws:ec2:${Region}:${Account}:subnet/*", "arn:aws:ec2:${Region}:${Account}:vpc/${VpcId}"]
                ),
                permit!("ec2:CreateTags", ["arn:aws:ec2:${Region}:${Account}:subnet/*"], [], if "TagSpecifications")
            ],
            networks::create_subnet
        ),
        row!(
            "CreateTags",
            &[permit!("ec2:CreateTags", ["arn:aws:ec2:${Region}:${Account}:*/${Resources}"])],
            tag_ops::create
        ),
        row!(
            "CreateVpc",
            &[
                permit!("ec2:CreateVpc", ["arn:aws:ec2:${Region}:${Account}:vpc/*"]),
                permit!("ec2:CreateTags", ["arn:aws:ec2:${Region}:${Account}:vpc/*"], [], if "TagSpecifications")
            ],
            networks::create_vpc
        ),
        row!(
            "DeleteLaunchTemplate",
            &[permit!(
                "ec2:DeleteLaunchTemplate",
                ["arn:aws:ec2:${Region}:${Account}:launch-template/${LaunchTemplateId}"]
            )],
            launch_templates::delete
        ),
        row!(
            "DeleteLaunchTemplateVersions",
            &[permit!(
                "ec2:DeleteLaunchTemplateVersions",
                ["arn:aws:ec2:${Region}:${Account}:launch-template/${LaunchTemplateId}"]
            )],
            launch_templates::delete_versions
        ),
        row!(
            "DeleteSecurityGroup",
            &[permit!("ec2:DeleteSecurityGroup", ["arn:aws:ec2:${Region}:${Account}:security-group/${GroupId}"])],
            security_groups::delete
        ),
        row!(
            "DeleteSubnet",
            &[permit!("ec2:DeleteSubnet", ["arn:aws:ec2:${Region}:${Account}:subnet/${SubnetId}"])],
            networks::delete_subnet
        ),
        row!(
            "DeleteTags",
            &[permit!("ec2:DeleteTags", ["arn:aws:ec2:${Region}:${Account}:*/${Resources}"])],
            tag_ops::delete
        ),
        row!(
            "DeleteVpc",
            &[permit!("ec2:DeleteVpc", ["arn:aws:ec2:${Region}:${Account}:vpc/${VpcId}"])],
            networks::delete_vpc
        ),
        row!("DescribeAvailabilityZones", &[permit!("ec2:DescribeAvailabilityZones", ["*"])], offers::describe_zones),
        row!("DescribeDhcpOptions", &[permit!("ec2:DescribeDhcpOptions", ["*"])], describe::<DhcpOptions>),
        row!("DescribeImages", &[permit!("ec2:DescribeImages", ["*"])], offers::describe_images),
        row!(
            "DescribeInstanceAttribute",
            &[permit!("ec2:DescribeInstanceAttribute", ["arn:aws:ec2:${Region}:${Account}:instance/${InstanceId}"])],
            instance_attributes::describe
        ),
        row!("DescribeInstanceStatus", &[permit!("ec2:DescribeInstanceStatus", ["*"])], instances::describe_status),
        row!(
            "DescribeInstanceTypeOfferings",
            &[permit!("ec2:DescribeInstanceTypeOfferings", ["*"])],
            offers::describe_offerings
        ),
        row!("DescribeInstanceTypes", &[permit!("ec2:DescribeInstanceTypes", ["*"])], offers::describe_types),
        row!("DescribeInstances", &[permit!("ec2:DescribeInstances", ["*"])], instances::describe_instances),
        row!(
            "DescribeInternetGateways",
            &[permit!("ec2:DescribeInternetGateways", ["*"])],
            describe::<InternetGateway>
        ),
        row!(
            "DescribeLaunchTemplateVersions",
            &[permit!("ec2:DescribeLaunchTemplateVersions", ["*"])],
            launch_templates::describe_versions
        ),
        row!(
            "DescribeLaunchTemplates",
            &[permit!("ec2:DescribeLaunchTemplates", ["*"])],
            launch_templates::describe_templates
        ),
        row!("DescribeNetworkAcls", &[permit!("ec2:DescribeNetworkAcls", ["*"])], describe::<NetworkAcl>),
        row!("DescribeNetworkInterfaces", &[permit!("ec2:DescribeNetworkInterfaces", ["*"])], describe::<Interface>),
        row!("DescribeRegions", &[permit!("ec2:DescribeRegions", ["*"])], offers::describe_regions),
        row!("DescribeRouteTables", &[permit!("ec2:DescribeRouteTables", ["*"])], describe::<RouteTable>),
        row!(
            "DescribeSecurityGroupRules",
            &[permit!("ec2:DescribeSecurityGroupRules", ["*"])],
            security_groups::describe_rules
        ),
        row!(
            "DescribeSecurityGroups",
            &[permit!("ec2:DescribeSecurityGroups", ["*"])],
            security_groups::describe_groups
        ),
        row!("DescribeSubnets", &[permit!("ec2:DescribeSubnets", ["*"])], describe::<Subnet>),
        row!("DescribeTags", &[permit!("ec2:DescribeTags", ["*"])], tag_ops::describe_tags),
        row!(
            "DescribeVpcAttribute",
            &[permit!("ec2:DescribeVpcAttribute", ["arn:aws:ec2:${Region}:${Account}:vpc/${VpcId}"])],
            networks::describe_vpc_attribute
        ),
        row!("DescribeVpcs", &[permit!("ec2:DescribeVpcs", ["*"])], describe::<Vpc>),
        row!(
            "GetConsoleOutput",
            &[permit!("ec2:GetConsoleOutput", ["arn:aws:ec2:${Region}:${Account}:instance/${InstanceId}"])],
            instance_attributes::console_output
        ),
        row!(
            "ModifyInstanceAttribute",
            &[permit!("ec2:ModifyInstanceAttribute", ["arn:aws:ec2:${Region}:${Account}:instance/${InstanceId}"])],
            instance_attributes::modify
        ),
        row!(
            "ModifyLaunchTemplate",
            &[permit!(
                "ec2:ModifyLaunchTemplate",
                ["arn:aws:ec2:${Region}:${Account}:launch-template/${LaunchTemplateId}"]
            )],
            launch_templates::modify
        ),
        row!(
            "ModifySubnetAttribute",
            &[permit!("ec2:ModifySubnetAttribute", ["arn:aws:ec2:${Region}:${Account}:subnet/${SubnetId}"])],
            networks::modify_subnet_attribute
        ),
        row!(
            "ModifyVpcAttribute",
            &[permit!("ec2:ModifyVpcAttribute", ["arn:aws:ec2:${Region}:${Account}:vpc/${VpcId}"])],
            networks::modify_vpc_attribute
        ),
        row!(
            "RevokeSecurityGroupEgress",
            &[permit!("ec2:RevokeSecurityGroupEgress", ["arn:aws:ec2:${Region}:${Account}:security-group/${GroupId}"])],
            security_groups::revoke_egress
        ),
        row!(
            "RevokeSecurityGroupIngress",
            &[permit!(
                "ec2:RevokeSecurityGroupIngress",
                ["arn:aws:ec2:${Region}:${Account}:security-group/${GroupId}"]
            )],
            security_groups::revoke_ingress
        ),
        row!("RunInstances", RUN, run_instances::run_instances),
        row!(
            "TerminateInstances",
            &[permit!("ec2:TerminateInstances", ["arn:aws:ec2:${Region}:${Account}:instance/${InstanceIds}"])],
            instances::terminate_instances
        ),
    ],
    start: reconcile::start,
};

/// `iam:PassRole` for an instance profile is checked by the operation: the role is known only when the profile is.
const RUN: &[Permission] = &[
    permit!(
        "ec2:RunInstances",
        [
            "arn:aws:ec2:${Region}:${Account}:instance/*",
            "arn:aws:ec2:${Region}::image/${ImageId}",
            "arn:aws:ec2:${Region}:${Account}:network-interface/*",
            "arn:aws:ec2:${Region}:${Account}:security-group/${SecurityGroupIds}",
            "arn:aws:ec2:${Region}:${Account}:subnet/${SubnetId}",
            "arn:aws:ec2:${Region}:${Account}:volume/*"
        ],
        [("ec2:InstanceType", "InstanceType")]
    ),
    permit!(
        "ec2:RunInstances",
        ["arn:aws:ec2:${Region}:${Account}:launch-template/${LaunchTemplate.LaunchTemplateId}"],
        [],
        if "LaunchTemplate"
    ),
    permit!("ec2:CreateTags", ["arn:aws:ec2:${Region}:${Account}:instance/*"], [], if "TagSpecifications"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_and_need_permission() {
        assert!(SERVICE.operations.is_sorted_by_key(|operation| operation.name));
        assert!(SERVICE.operations.iter().all(|operation| !operation.permissions.is_empty()));
    }
}
