//! EKS: what is no cluster, what is no node group, and what only shows when the instances start.

use cove_aws_wire::protocol::HttpRequest;
use serde_json::{Value, json};

use super::aws::{Case, check};
use super::kubernetes;
use crate::doors::{Aws, Kube, elements, now};
use crate::http::Answer;
use crate::region::{Region, until};

/// A region with a cluster `c` and a node group of one node.
struct Fixture {
    aws: Aws,
    cluster: Value,
    group: Value,
    zone_twins: [String; 2],
}

impl Fixture {
    fn of(region: &Region) -> Self {
        let aws = Aws::of(region);
        let group = aws.eks("GET", "/clusters/c/node-groups", &Value::Null).json()["nodegroups"][0].clone();
        let group = format!("/clusters/c/node-groups/{}", group.as_str().expect("a name"));
        let group = aws.eks("GET", &group, &Value::Null).json()["nodegroup"].take();
        let cluster = aws.eks("GET", "/clusters/c", &Value::Null).json()["cluster"].take();
        // Sixteen addresses, of which EC2 keeps five, in the zone of the first default subnet.
        let vpc = cluster["resourcesVpcConfig"]["vpcId"].as_str().expect("a VPC");
        let zone = [("CidrBlock", "172.31.200.0/28"), ("VpcId", vpc), ("AvailabilityZone", "us-west-2a")];
        let small = aws.query("ec2", "CreateSubnet", &zone);
        let small = elements(&small.body, "subnetId").pop().unwrap_or_else(|| panic!("{small:?}"));
        let filter = [("Filter.1.Name", "default-for-az"), ("Filter.1.Value.1", "true")];
        let zone_filter = [("Filter.2.Name", "availability-zone"), ("Filter.2.Value.1", "us-west-2a")];
        let first = aws.query("ec2", "DescribeSubnets", &[filter, zone_filter].concat());
        let first = elements(&first.body, "subnetId").pop().unwrap_or_else(|| panic!("{first:?}"));
        Self { aws, cluster, group, zone_twins: [first, small] }
    }

    fn eks(&self, method: &str, target: &str, body: &str) -> HttpRequest {
        let json = [("content-type", "application/json")];
        self.aws.sign(self.aws.request(method, target, &json, body.as_bytes()), "eks", now())
    }

    /// A node group that is in order, but for what `changed` says.
    fn node_group(&self, changed: &Value) -> HttpRequest {
        let mut wanted = json!({
            "nodegroupName": "left-behind", "nodeRole": self.group["nodeRole"],
            "subnets": self.group["subnets"], "scalingConfig": {"minSize": 1, "maxSize": 1, "desiredSize": 1},
        });
        merge(&mut wanted, changed);
        self.eks("POST", "/clusters/c/node-groups", &wanted.to_string())
    }

    /// A cluster that is in order, but for what `changed` says.
    fn cluster(&self, changed: &Value) -> HttpRequest {
        let subnets = &self.cluster["resourcesVpcConfig"]["subnetIds"];
        let mut wanted = json!({
            "name": "left-behind", "roleArn": self.cluster["roleArn"], "resourcesVpcConfig": {"subnetIds": subnets},
        });
        merge(&mut wanted, changed);
        self.eks("POST", "/clusters", &wanted.to_string())
    }
}

/// Later members replace earlier ones; null takes one away.
fn merge(into: &mut Value, changed: &Value) {
    let members = into.as_object_mut().expect("an object");
    for (name, value) in changed.as_object().expect("an object") {
        match value {
            Value::Null => drop(members.remove(name)),
            value => drop(members.insert(name.clone(), value.clone())),
        }
    }
}

fn bodies(f: &Fixture) -> Vec<Case> {
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    let parse = "Unable to parse the request body";
    let serialization = "SerializationException";
    let eks = |body: &str| f.eks("POST", "/clusters", body);
    vec![
        ("broken JSON", eks("{\"name\": "), 400, serialization, parse),
        ("JSON that is too deep", eks(&deep), 400, serialization, parse),
        ("bytes that are no text", eks("\u{0}\u{1}"), 400, serialization, parse),
        ("a list", eks("[]"), 400, serialization, "Start of list found where not expected"),
        (
            "a number for a name",
            f.cluster(&json!({"name": 7})),
            400,
            serialization,
            "NUMBER_VALUE can not be converted to a String",
        ),
        (
            "a text for a number",
            f.node_group(&json!({"diskSize": "x"})),
            400,
            serialization,
            "STRING_VALUE can not be converted to a Integer",
        ),
        (
            "a text for a number in the query",
            f.eks("GET", "/clusters?maxResults=x", ""),
            400,
            serialization,
            "Value 'x' of parameter 'maxResults' has the wrong type",
        ),
    ]
}

fn clusters(f: &Fixture) -> Vec<Case> {
    let invalid = "InvalidParameterException";
    let in_one_zone = json!({"resourcesVpcConfig": {"subnetIds": f.zone_twins}});
    let of_nowhere = json!({"resourcesVpcConfig": {"subnetIds": ["subnet-0123456789abcdef0"]}});
    vec![
        (
            "no name and no role",
            f.cluster(&json!({"name": null, "roleArn": null})),
            400,
            invalid,
            "2 validation errors detected: Value null at 'name' failed to satisfy constraint: Member must not be null; \
             Value null at 'roleArn' failed to satisfy constraint: Member must not be null",
        ),
        (
            "a name over length",
            f.cluster(&json!({"name": "x".repeat(101)})),
            400,
            invalid,
            "1 validation error detected: Value 'xxx…",
        ),
        (
            "a name with a blank",
            f.cluster(&json!({"name": "a b"})),
            400,
            invalid,
            "1 validation error detected: Value 'a b' at 'name' failed to satisfy constraint: Member must satisfy \
             regular expression pattern: ^[0-9A-Za-z][A-Za-z0-9\\-_]*",
        ),
        (
            "subnets of one zone",
            f.cluster(&in_one_zone),
            400,
            invalid,
            "Subnets specified must be in at least two different AZs",
        ),
        (
            "a subnet that is not there",
            f.cluster(&of_nowhere),
            400,
            invalid,
            "The subnet ID 'subnet-0123456789abcdef0' does not exist",
        ),
        (
            "a version that EKS has not",
            f.cluster(&json!({"version": "1.7"})),
            400,
            invalid,
            "unsupported Kubernetes version",
        ),
        (
            "a cluster that is there",
            f.cluster(&json!({"name": "c"})),
            409,
            "ResourceInUseException",
            "Cluster already exists with name: c",
        ),
        (
            "a cluster that is not there",
            f.eks("GET", "/clusters/nothing", ""),
            404,
            "ResourceNotFoundException",
            "No cluster found for name: nothing.",
        ),
        (
            "deleting a cluster with node groups",
            f.eks("DELETE", "/clusters/c", ""),
            409,
            "ResourceInUseException",
            "Cluster has nodegroups attached",
        ),
    ]
}

fn node_groups(f: &Fixture) -> Vec<Case> {
    let invalid = "InvalidParameterException";
    let sizes = |min: u32, max: u32, desired: u32| json!({"scalingConfig": {"minSize": min, "maxSize": max, "desiredSize": desired}});
    vec![
        (
            "a name over length",
            f.node_group(&json!({"nodegroupName": "x".repeat(64)})),
            400,
            invalid,
            "The nodegroup name can't be longer than 63 characters. It must start with letter or digit, but can also \
             include hyphens and underscores for the remaining characters",
        ),
        ("no subnets", f.node_group(&json!({"subnets": []})), 400, invalid, "Subnets cannot be empty"),
        (
            "more than it may have",
            f.node_group(&sizes(1, 2, 3)),
            400,
            invalid,
            "desired capacity 3 can't be greater than max size 2",
        ),
        (
            "less than none",
            f.node_group(&json!({"scalingConfig": {"minSize": -1, "maxSize": 1, "desiredSize": 1}})),
            400,
            invalid,
            "1 validation error detected: Value '-1' at 'scalingConfig.minSize' failed to satisfy constraint: Member \
             must have value greater than or equal to 0",
        ),
        (
            "an instance type that is none",
            f.node_group(&json!({"instanceTypes": ["t99.coffee"]})),
            400,
            invalid,
            "The following supplied instance types do not exist: [t99.coffee]",
        ),
        (
            "an image for another processor",
            f.node_group(&json!({"instanceTypes": ["m6g.large"], "amiType": "AL2023_x86_64_STANDARD"})),
            400,
            invalid,
            "[m6g.large] is not a valid instance type for requested amiType AL2023_x86_64_STANDARD",
        ),
        (
            "a cluster that is not there",
            f.eks("GET", "/clusters/nothing/node-groups", ""),
            404,
            "ResourceNotFoundException",
            "No cluster found for name: nothing.",
        ),
        (
            "a node group that is not there",
            f.eks("DELETE", "/clusters/c/node-groups/nothing", ""),
            404,
            "ResourceNotFoundException",
            "No node group found for name: nothing.",
        ),
    ]
}

/// EKS takes such a node group, and says in its health why it fails. Deleting it leaves nothing.
fn larger_than_its_subnets(f: &Fixture) {
    let sizes = json!({"minSize": 12, "maxSize": 12, "desiredSize": 12});
    let wanted = json!({"nodegroupName": "large", "subnets": [f.zone_twins[1]], "scalingConfig": sizes});
    let before = f.aws.query("ec2", "DescribeLaunchTemplates", &[]).body;
    let made = f.aws.send(&f.node_group(&wanted));
    assert_eq!(made.status, 200, "{made:?}");
    let described = || f.aws.eks("GET", "/clusters/c/node-groups/large", &Value::Null);
    let has_issue = |answer: &Answer| answer.json()["nodegroup"]["health"]["issues"][0].is_object();
    let group = until(described, has_issue).json()["nodegroup"].take();
    // EKS gives up, with CREATE_FAILED, only after fifteen minutes.
    assert_eq!(group["status"], "CREATING", "{group:#}");
    let issue = &group["health"]["issues"][0];
    assert_eq!(issue["code"], "InsufficientFreeAddresses", "{issue}");
    let told = "Amazon Autoscaling was unable to launch instances because there are not enough free addresses in the \
                subnet associated with your AutoScaling group(s).";
    assert_eq!(issue["message"], told);
    let deleted = f.aws.eks("DELETE", "/clusters/c/node-groups/large", &Value::Null);
    assert_eq!(deleted.status, 200, "{deleted:?}");
    until(described, |answer| answer.status == 404);
    let templates = |body: &str| elements(body, "launchTemplateId");
    let after = f.aws.query("ec2", "DescribeLaunchTemplates", &[]).body;
    assert_eq!(templates(&before), templates(&after));
    let filter = [("Filter.1.Name", "subnet-id"), ("Filter.1.Value.1", f.zone_twins[1].as_str())];
    let interfaces = f.aws.query("ec2", "DescribeNetworkInterfaces", &filter).body;
    assert_eq!(elements(&interfaces, "networkInterfaceId"), Vec::<String>::new());
    let subnet = f.aws.query("ec2", "DeleteSubnet", &[("SubnetId", f.zone_twins[1].as_str())]);
    assert_eq!(subnet.status, 200, "its addresses are free again: {subnet:?}");
}

#[test]
fn a_cluster_refuses_by_name() {
    let region = Region::up(&["--drain-timeout", "1s"]);
    let created = region.cove(&["create", "cluster", "--name", "c", "--nodes", "1"]);
    assert!(created.status.success(), "{created:?}");
    let fixture = Fixture::of(&region);
    for make in [bodies, clusters, node_groups] {
        check(&fixture.aws, make(&fixture));
    }
    kubernetes::refuses_by_name(&Kube::of(&region, "c"));
    larger_than_its_subnets(&fixture);
}
