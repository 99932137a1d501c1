//! EC2's table of operations.

use cove_aws_wire::fault::Fault;
use serde_json::Value;

use super::{instances, run_instances};
use crate::ec2::default_vpc::ensure;
use crate::ec2::describe::describe;
use crate::ec2::groups::SecurityGroup;
use crate::ec2::instances::Interface;
use crate::ec2::reconcile;
use crate::ec2::state::{DhcpOptions, InternetGateway, NetworkAcl, RouteTable, Subnet, Vpc};
use crate::input::{permit, read};
use crate::operation::{Cx, Operation, Permission, Service};

/// What holds for every operation: the region has its default VPC, and a dry run ends here.
async fn begin(cx: &Cx, input: &mut Value) -> Result<(), Fault> {
    let dry = input.as_object_mut().and_then(|members| members.remove("DryRun")).is_some_and(|dry| dry == true);
    if dry {
        let message = "Request would have succeeded, but DryRun flag is set.";
        return Err(Fault::new(412, "DryRunOperation", message));
    }
    ensure(cx).await.map(|_| ())
}

macro_rules! row {
    ($name:literal, $permissions:expr, $function:path) => {
        Operation {
            name: $name,
            permissions: $permissions,
            run: |cx, mut input| {
                Box::pin(async move {
                    begin(&cx, &mut input).await?;
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
        row!("DescribeDhcpOptions", &[permit!("ec2:DescribeDhcpOptions", ["*"])], describe::<DhcpOptions>),
        row!("DescribeInstances", &[permit!("ec2:DescribeInstances", ["*"])], instances::describe_instances),
        row!(
            "DescribeInternetGateways",
            &[permit!("ec2:DescribeInternetGateways", ["*"])],
            describe::<InternetGateway>
        ),
        row!("DescribeNetworkAcls", &[permit!("ec2:DescribeNetworkAcls", ["*"])], describe::<NetworkAcl>),
        row!("DescribeNetworkInterfaces", &[permit!("ec2:DescribeNetworkInterfaces", ["*"])], describe::<Interface>),
        row!("DescribeRouteTables", &[permit!("ec2:DescribeRouteTables", ["*"])], describe::<RouteTable>),
        row!("DescribeSecurityGroups", &[permit!("ec2:DescribeSecurityGroups", ["*"])], describe::<SecurityGroup>),
        row!("DescribeSubnets", &[permit!("ec2:DescribeSubnets", ["*"])], describe::<Subnet>),
        row!("DescribeVpcs", &[permit!("ec2:DescribeVpcs", ["*"])], describe::<Vpc>),
        row!("RunInstances", RUN, run_instances::run_instances),
        row!("TerminateInstances", TERMINATE, instances::terminate_instances),
    ],
    start: reconcile::start,
};

const RUN: &[Permission] = &[
    permit!(
        "ec2:RunInstances",
        ["arn:aws:ec2:${Region}:${Account}:instance/*", "arn:aws:ec2:${Region}::image/${ImageId}"],
        [("ec2:InstanceType", "InstanceType")]
    ),
    permit!("ec2:CreateTags", ["arn:aws:ec2:${Region}:${Account}:instance/*"], [], if "TagSpecifications"),
];

const TERMINATE: &[Permission] =
    &[permit!("ec2:TerminateInstances", ["arn:aws:ec2:${Region}:${Account}:instance/${InstanceIds}"])];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_and_need_permission() {
        assert!(SERVICE.operations.is_sorted_by_key(|operation| operation.name));
        assert!(SERVICE.operations.iter().all(|operation| !operation.permissions.is_empty()));
    }
}
