//! What a region holds, to compare it before and after.

use crate::doors::{Aws, Kube, elements};
use serde_json::Value;

/// Ids and names of the AWS side.
#[derive(Debug, PartialEq)]
pub struct AwsState(Vec<(&'static str, Vec<String>)>);

/// Service, action, the elements that tell what there is.
const LISTS: &[(&str, &str, &str)] = &[
    ("iam", "ListRoles", "Arn"),
    ("iam", "ListUsers", "Arn"),
    ("iam", "ListPolicies", "UpdateDate"),
    ("iam", "ListInstanceProfiles", "Arn"),
    ("ec2", "DescribeVpcs", "vpcId"),
    ("ec2", "DescribeSubnets", "subnetId"),
    ("ec2", "DescribeSecurityGroups", "groupId"),
    ("ec2", "DescribeLaunchTemplates", "launchTemplateId"),
    ("ec2", "DescribeInstances", "instanceId"),
    ("ec2", "DescribeNetworkInterfaces", "networkInterfaceId"),
    ("autoscaling", "DescribeAutoScalingGroups", "AutoScalingGroupARN"),
];

impl AwsState {
    /// As it is now.
    pub fn of(aws: &Aws) -> Self {
        let mut state: Vec<(&'static str, Vec<String>)> = Vec::new();
        for (service, action, element) in LISTS {
            let answer = aws.query(service, action, &[]);
            assert_eq!(answer.status, 200, "{action}: {answer:?}");
            state.push((action, elements(&answer.body, element)));
        }
        let clusters = aws.eks("GET", "/clusters", &Value::Null).json();
        let names = clusters["clusters"].as_array().expect("names").iter().filter_map(Value::as_str).map(String::from);
        for name in names.collect::<Vec<_>>() {
            let described = aws.eks("GET", &format!("/clusters/{name}"), &Value::Null).json();
            let groups = aws.eks("GET", &format!("/clusters/{name}/node-groups"), &Value::Null).json();
            let entries = aws.eks("GET", &format!("/clusters/{name}/access-entries"), &Value::Null).json();
            let texts = [described["cluster"]["status"].to_string(), groups.to_string(), entries.to_string()];
            state.push(("cluster", [vec![name], texts.to_vec()].concat()));
        }
        Self(state)
    }
}

/// Names and revisions of objects that nothing but their author changes.
pub fn kubernetes(kube: &Kube) -> Vec<String> {
    let paths = [
        "/api/v1/configmaps",
        "/api/v1/secrets",
        "/api/v1/services",
        "/api/v1/serviceaccounts",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
        "/apis/rbac.authorization.k8s.io/v1/rolebindings",
    ];
    let mut seen = Vec::new();
    for path in paths {
        let list = kube.get(path);
        for item in list["items"].as_array().expect("items") {
            let meta = &item["metadata"];
            seen.push(format!("{path} {} {} {}", meta["namespace"], meta["name"], meta["resourceVersion"]));
        }
    }
    let namespaces = kube.get("/api/v1/namespaces");
    seen.extend(namespaces["items"].as_array().expect("items").iter().map(|n| n["metadata"]["name"].to_string()));
    seen
}
