//! EC2 through its operations.

use std::time::Duration;

use serde_json::{Value, json};

use super::images::eks_image;
use crate::testing::Bench;

fn ec2(bench: &Bench, operation: &'static str, input: Value) -> Value {
    bench.ok("ec2", operation, input)
}

fn count(value: &Value) -> usize {
    value.as_array().map_or(0, Vec::len)
}

fn image(arch: &str) -> String {
    let ami_type = if arch == "arm64" { "AL2023_ARM_64_STANDARD" } else { "AL2023_x86_64_STANDARD" };
    eks_image("us-west-2", ami_type, "1.35", None).expect("an image").id
}

fn filter(name: &str, value: &str) -> Value {
    json!([{"Name": name, "Values": [value]}])
}

fn launch(bench: &Bench, n: usize) -> Value {
    ec2(
        bench,
        "RunInstances",
        json!({"ImageId": image("x86_64"), "InstanceType": "t3.medium", "MinCount": n, "MaxCount": n}),
    )
}

#[test]
fn a_region_has_its_default_vpc() {
    let bench = Bench::new();
    let vpcs = ec2(&bench, "DescribeVpcs", json!({"Filters": filter("is-default", "true")}));
    assert_eq!(vpcs["Vpcs"][0]["CidrBlock"], "172.31.0.0/16");
    let subnets = ec2(&bench, "DescribeSubnets", json!({"Filters": filter("default-for-az", "true")}));
    assert_eq!(count(&subnets["Subnets"]), 4);
    assert_eq!(subnets["Subnets"][0]["AvailableIpAddressCount"], 4091);
    let tables = ec2(&bench, "DescribeRouteTables", json!({"Filters": filter("association.main", "true")}));
    assert_eq!(count(&tables["RouteTables"][0]["Routes"]), 2);
    assert_eq!(count(&ec2(&bench, "DescribeNetworkAcls", json!({}))["NetworkAcls"][0]["Associations"]), 4);
    let group = ec2(&bench, "DescribeSecurityGroups", json!({"Filters": filter("group-name", "def*")}));
    let group = &group["SecurityGroups"][0];
    assert_eq!(group["IpPermissions"][0]["UserIdGroupPairs"][0]["GroupId"], group["GroupId"]);
    assert_eq!(
        bench.err("ec2", "DescribeVpcs", json!({"Filters": filter("colour", "red")})),
        "InvalidParameterValue: The filter 'colour' is invalid"
    );
    assert_eq!(
        bench.err("ec2", "DescribeVpcs", json!({"VpcIds": ["vpc-12345678"]})),
        "InvalidVpcID.NotFound: The vpc ID 'vpc-12345678' does not exist"
    );
    assert_eq!(
        bench.err("ec2", "DescribeSubnets", json!({"SubnetIds": ["foo"]})),
        "InvalidSubnetID.Malformed: Invalid id: \"foo\" (expecting \"subnet-...\")"
    );
}

#[test]
fn an_instance_lives_and_dies() {
    let bench = Bench::new();
    (super::SERVICE.start)(&bench.cx);
    let launched = launch(&bench, 3);
    assert_eq!(count(&launched["Instances"]), 3);
    let first = &launched["Instances"][0];
    assert_eq!(first["State"], json!({"Code": 0, "Name": "pending"}));
    let ip = first["PrivateIpAddress"].as_str().expect("an address").replace('.', "-");
    assert_eq!(first["PrivateDnsName"], format!("ip-{ip}.us-west-2.compute.internal"));
    bench.driver.run_for(Duration::from_secs(1));
    let running = ec2(&bench, "DescribeInstances", json!({"Filters": filter("instance-state-name", "running")}));
    assert_eq!((count(&running["Reservations"]), count(&running["Reservations"][0]["Instances"])), (1, 3));
    assert!(running["Reservations"][0]["Instances"][0].get("CoveReservation").is_none());
    let id = first["InstanceId"].as_str().expect("an id").to_string();
    assert_eq!(
        bench.machines.spec(&id).map(|spec| spec.private_dns_name),
        first["PrivateDnsName"].as_str().map(String::from)
    );
    assert_eq!(count(&ec2(&bench, "DescribeNetworkInterfaces", json!({}))["NetworkInterfaces"]), 3);

    let ended = ec2(&bench, "TerminateInstances", json!({"InstanceIds": [id]}));
    assert_eq!(ended["TerminatingInstances"][0]["PreviousState"]["Name"], "running");
    assert_eq!(ended["TerminatingInstances"][0]["CurrentState"]["Name"], "shutting-down");
    bench.driver.run_for(Duration::from_secs(1));
    assert_eq!(bench.machines.running().len(), 2);
    let gone = ec2(&bench, "DescribeInstances", json!({"InstanceIds": [id]}));
    let gone = &gone["Reservations"][0]["Instances"][0];
    assert_eq!((gone["State"]["Name"].as_str(), gone.get("PrivateIpAddress")), (Some("terminated"), None));
    assert_eq!(count(&ec2(&bench, "DescribeNetworkInterfaces", json!({}))["NetworkInterfaces"]), 2);
    bench.driver.run_for(Duration::from_secs(3601));
    assert_eq!(
        bench.err("ec2", "DescribeInstances", json!({"InstanceIds": [id]})),
        format!("InvalidInstanceID.NotFound: The instance ID '{id}' does not exist")
    );
}

#[test]
fn a_restart_adopts_what_should_run() {
    let bench = Bench::new();
    (super::SERVICE.start)(&bench.cx);
    launch(&bench, 2);
    bench.driver.run_for(Duration::from_secs(1));
    let restarted = Bench::on(bench.cx.store.clone(), bench.driver.clone(), bench.cx.rt.clone());
    (super::SERVICE.start)(&restarted.cx);
    bench.driver.run_for(Duration::from_secs(1));
    assert_eq!(restarted.machines.running(), bench.machines.running());
    assert_eq!(restarted.machines.running().len(), 2);
}

#[test]
fn a_machine_that_does_not_start_ends_its_instance() {
    let bench = Bench::new();
    (super::SERVICE.start)(&bench.cx);
    *bench.machines.broken.lock().expect("lock") = true;
    launch(&bench, 1);
    bench.driver.run_for(Duration::from_secs(1));
    let found = ec2(&bench, "DescribeInstances", json!({}));
    let instance = &found["Reservations"][0]["Instances"][0];
    assert_eq!(instance["State"]["Name"], "terminated");
    assert_eq!(instance["StateReason"]["Message"], "Server.InternalError: no room");
}

#[test]
fn launches_are_refused_in_ec2s_words() {
    let bench = Bench::new();
    let run = |changes: Value| {
        let mut input = json!({"ImageId": image("x86_64"), "InstanceType": "t3.medium", "MinCount": 1, "MaxCount": 1});
        input.as_object_mut().expect("object").extend(changes.as_object().expect("object").clone());
        bench.err("ec2", "RunInstances", input)
    };
    assert_eq!(
        run(json!({"ImageId": "ami-12345678"})),
        "InvalidAMIID.NotFound: The image id '[ami-12345678]' does not exist"
    );
    assert_eq!(
        run(json!({"InstanceType": "t9.huge"})),
        "InvalidParameterValue: Invalid value 't9.huge' for InstanceType."
    );
    assert!(
        run(json!({"ImageId": image("arm64")})).starts_with("InvalidParameterValue: The architecture 'x86_64' of the")
    );
    assert!(run(json!({"UserData": "%"})).starts_with("InvalidUserData.Malformed"));
    assert!(run(json!({"IamInstanceProfile": {"Name": "x"}})).ends_with("Invalid IAM Instance Profile name"));
    assert_eq!(
        run(json!({"SubnetId": "subnet-12345678"})),
        "InvalidSubnetID.NotFound: The subnet ID 'subnet-12345678' does not exist"
    );
    assert_eq!(
        run(json!({"KernelId": "aki-1"})),
        "UnsupportedParameter: Cove does not support the parameter KernelId of RunInstances yet"
    );
    assert!(
        run(json!({"InstanceType": "g5.48xlarge", "MinCount": 100, "MaxCount": 100}))
            .starts_with("VcpuLimitExceeded: ")
    );
}

#[test]
fn a_client_token_makes_one_reservation() {
    let bench = Bench::new();
    let input = |count: usize| json!({"ImageId": image("x86_64"), "InstanceType": "t3.medium", "MinCount": count, "MaxCount": count, "ClientToken": "t"});
    let first = ec2(&bench, "RunInstances", input(1));
    assert_eq!(ec2(&bench, "RunInstances", input(1))["ReservationId"], first["ReservationId"]);
    assert!(bench.err("ec2", "RunInstances", input(2)).starts_with("IdempotentParameterMismatch"));
    assert_eq!(count(&ec2(&bench, "DescribeInstances", json!({}))["Reservations"]), 1);
}

fn first_vpc(bench: &Bench) -> String {
    ec2(bench, "DescribeVpcs", json!({}))["Vpcs"][0]["VpcId"].as_str().expect("a VPC").to_string()
}

#[test]
fn rules_of_security_groups() {
    let bench = Bench::new();
    let vpc = first_vpc(&bench);
    let made = ec2(
        &bench,
        "CreateSecurityGroup",
        json!({"GroupName": "web", "Description": "d", "VpcId": vpc, "TagSpecifications": [
            {"ResourceType": "security-group", "Tags": [{"Key": "Name", "Value": "web"}]}]}),
    );
    let id = made["GroupId"].as_str().expect("an id").to_string();
    assert_eq!(
        bench.err("ec2", "CreateSecurityGroup", json!({"GroupName": "web", "Description": "d", "VpcId": vpc})),
        format!("InvalidGroup.Duplicate: The security group 'web' already exists for VPC '{vpc}'")
    );
    let https = json!([{"IpProtocol": "6", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "10.1.2.3/8"}],
                        "UserIdGroupPairs": [{"GroupId": id, "Description": "self"}]}]);
    let allowed = ec2(&bench, "AuthorizeSecurityGroupIngress", json!({"GroupId": id, "IpPermissions": https}));
    assert_eq!(allowed["SecurityGroupRules"][0]["CidrIpv4"], "10.0.0.0/8");
    assert_eq!(
        bench.err("ec2", "AuthorizeSecurityGroupIngress", json!({"GroupId": id, "IpPermissions": https})),
        "InvalidPermission.Duplicate: the specified rule \"peer: 10.0.0.0/8, TCP, from port: 443, to port: 443, ALLOW\" already exists"
    );
    let rules = ec2(&bench, "DescribeSecurityGroupRules", json!({"Filters": filter("group-id", &id)}));
    assert_eq!(count(&rules["SecurityGroupRules"]), 3);
    let group = ec2(&bench, "DescribeSecurityGroups", json!({"GroupIds": [id]}));
    let permission = &group["SecurityGroups"][0]["IpPermissions"][0];
    assert_eq!((count(&permission["IpRanges"]), count(&permission["UserIdGroupPairs"])), (1, 1));
    let rule = allowed["SecurityGroupRules"][1]["SecurityGroupRuleId"].clone();
    ec2(&bench, "RevokeSecurityGroupIngress", json!({"GroupId": id, "SecurityGroupRuleIds": [rule]}));
    assert_eq!(
        bench.err("ec2", "RevokeSecurityGroupIngress", json!({"GroupId": id, "IpPermissions": https})),
        "InvalidPermission.NotFound: The specified rule does not exist in this security group."
    );
    let other = ec2(&bench, "CreateSecurityGroup", json!({"GroupName": "db", "Description": "d", "VpcId": vpc}));
    let from_web = json!([{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": id}]}]);
    ec2(&bench, "AuthorizeSecurityGroupIngress", json!({"GroupId": other["GroupId"], "IpPermissions": from_web}));
    assert_eq!(
        bench.err("ec2", "DeleteSecurityGroup", json!({"GroupId": id})),
        format!("DependencyViolation: resource {id} has a dependent object")
    );
    ec2(&bench, "DeleteSecurityGroup", json!({"GroupId": other["GroupId"]}));
    ec2(&bench, "DeleteSecurityGroup", json!({"GroupId": id}));
    assert_eq!(
        bench.err("ec2", "DescribeSecurityGroups", json!({"GroupIds": [id]})),
        format!("InvalidGroup.NotFound: The security group '{id}' does not exist")
    );
}

#[test]
fn vpcs_and_subnets() {
    let bench = Bench::new();
    let vpc = ec2(&bench, "CreateVpc", json!({"CidrBlock": "10.0.0.0/16"}));
    let vpc = vpc["Vpc"]["VpcId"].as_str().expect("a VPC").to_string();
    assert_eq!(
        bench.err("ec2", "CreateVpc", json!({"CidrBlock": "10.0.0.0/8"})),
        "InvalidVpc.Range: The CIDR '10.0.0.0/8' is invalid."
    );
    let subnet = |block: &str| json!({"VpcId": vpc, "CidrBlock": block, "AvailabilityZone": "us-west-2b"});
    let made = ec2(&bench, "CreateSubnet", subnet("10.0.0.0/28"));
    let id = made["Subnet"]["SubnetId"].as_str().expect("a subnet").to_string();
    assert_eq!(made["Subnet"]["AvailableIpAddressCount"], 11);
    assert_eq!(
        bench.err("ec2", "CreateSubnet", subnet("10.0.0.0/24")),
        "InvalidSubnet.Conflict: The CIDR '10.0.0.0/24' conflicts with another subnet"
    );
    assert_eq!(
        bench.err("ec2", "CreateSubnet", subnet("10.1.0.0/24")),
        "InvalidSubnet.Range: The CIDR '10.1.0.0/24' is invalid."
    );
    let run = |least: usize, most: usize| json!({"ImageId": image("x86_64"), "InstanceType": "t3.medium", "SubnetId": id, "MinCount": least, "MaxCount": most});
    assert_eq!(
        bench.err("ec2", "RunInstances", run(12, 12)),
        format!(
            "InsufficientFreeAddressesInSubnet: There are not enough free addresses in subnet '{id}' to satisfy the requested number of instances."
        )
    );
    assert_eq!(count(&ec2(&bench, "RunInstances", run(1, 20))["Instances"]), 11);
    let left = ec2(&bench, "DescribeSubnets", json!({"SubnetIds": [id]}));
    assert_eq!(left["Subnets"][0]["AvailableIpAddressCount"], 0);
    assert_eq!(
        bench.err("ec2", "DeleteSubnet", json!({"SubnetId": id})),
        format!("DependencyViolation: The subnet '{id}' has dependencies and cannot be deleted.")
    );
    assert!(bench.err("ec2", "DeleteVpc", json!({"VpcId": vpc})).starts_with("DependencyViolation: The vpc"));
    let found = ec2(&bench, "DescribeInstances", json!({"Filters": filter("subnet-id", &id)}));
    let ids: Vec<Value> = found["Reservations"][0]["Instances"]
        .as_array()
        .expect("instances")
        .iter()
        .map(|i| i["InstanceId"].clone())
        .collect();
    (super::SERVICE.start)(&bench.cx);
    ec2(&bench, "TerminateInstances", json!({"InstanceIds": ids}));
    bench.driver.run_for(Duration::from_secs(1));
    ec2(&bench, "DeleteSubnet", json!({"SubnetId": id}));
    ec2(&bench, "DeleteVpc", json!({"VpcId": vpc}));
    assert_eq!(count(&ec2(&bench, "DescribeRouteTables", json!({}))["RouteTables"]), 1);
    let attribute = json!({"VpcId": first_vpc(&bench), "Attribute": "enableDnsHostnames"});
    assert_eq!(ec2(&bench, "DescribeVpcAttribute", attribute)["EnableDnsHostnames"], json!({"Value": true}));
}

#[test]
fn instances_from_a_launch_template() {
    let bench = Bench::new();
    let data = json!({
        "ImageId": image("x86_64"), "InstanceType": "m5.large", "UserData": "aGVsbG8=",
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 3},
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 80, "VolumeType": "gp3"}}],
        "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "a", "Value": "template"}, {"Key": "b", "Value": "template"}]}],
    });
    let made = ec2(&bench, "CreateLaunchTemplate", json!({"LaunchTemplateName": "web", "LaunchTemplateData": data}));
    let id = made["LaunchTemplate"]["LaunchTemplateId"].as_str().expect("an id").to_string();
    assert_eq!(
        bench.err("ec2", "CreateLaunchTemplate", json!({"LaunchTemplateName": "web", "LaunchTemplateData": data})),
        "InvalidLaunchTemplateName.AlreadyExistsException: Launch template name already in use."
    );
    let second =
        json!({"LaunchTemplateId": id, "SourceVersion": "1", "LaunchTemplateData": {"InstanceType": "t3.medium"}});
    assert_eq!(ec2(&bench, "CreateLaunchTemplateVersion", second)["LaunchTemplateVersion"]["VersionNumber"], 2);
    let versions =
        ec2(&bench, "DescribeLaunchTemplateVersions", json!({"LaunchTemplateName": "web", "Versions": ["$Latest"]}));
    assert_eq!(versions["LaunchTemplateVersions"][0]["LaunchTemplateData"]["UserData"], "aGVsbG8=");
    assert_eq!(
        bench.err("ec2", "DescribeLaunchTemplateVersions", json!({"LaunchTemplateId": id, "Versions": ["9"]})),
        format!(
            "InvalidLaunchTemplateId.VersionNotFound: Could not find the specified version 9 for the launch template with ID {id}."
        )
    );
    let launched = ec2(
        &bench,
        "RunInstances",
        json!({"LaunchTemplate": {"LaunchTemplateId": id, "Version": "$Latest"}, "MinCount": 1, "MaxCount": 1,
               "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "a", "Value": "call"}]}]}),
    );
    let instance = &launched["Instances"][0];
    assert_eq!(instance["InstanceType"], "t3.medium");
    assert_eq!(instance["MetadataOptions"]["HttpPutResponseHopLimit"], 3);
    let tags = instance["Tags"].as_array().expect("tags");
    let tag = |key: &str| tags.iter().find(|tag| tag["Key"] == key).map(|tag| tag["Value"].clone());
    assert_eq!((tag("a"), tag("b")), (Some(json!("call")), Some(json!("template"))));
    assert_eq!(tag("aws:ec2launchtemplate:version"), Some(json!("2")));
    ec2(&bench, "DeleteLaunchTemplate", json!({"LaunchTemplateName": "web"}));
    assert_eq!(
        bench.err("ec2", "DescribeLaunchTemplates", json!({"LaunchTemplateIds": [id]})),
        format!(
            "InvalidLaunchTemplateId.NotFound: The specified launch template, with template ID {id}, does not exist."
        )
    );
}

#[test]
fn tags_of_everything() {
    let bench = Bench::new();
    let vpc = first_vpc(&bench);
    let launched = launch(&bench, 1);
    let instance = launched["Instances"][0]["InstanceId"].as_str().expect("an id").to_string();
    let tags = json!([{"Key": "env", "Value": "test"}]);
    ec2(&bench, "CreateTags", json!({"Resources": [vpc, instance], "Tags": tags}));
    let found = ec2(&bench, "DescribeTags", json!({"Filters": filter("tag:env", "t*")}));
    assert_eq!(count(&found["Tags"]), 2);
    assert_eq!(
        count(&ec2(&bench, "DescribeInstances", json!({"Filters": filter("tag:env", "test")}))["Reservations"]),
        1
    );
    assert_eq!(
        bench.err(
            "ec2",
            "CreateTags",
            json!({"Resources": [vpc, "subnet-12345678"], "Tags": [{"Key": "x", "Value": ""}]})
        ),
        "InvalidSubnetID.NotFound: The subnet ID 'subnet-12345678' does not exist"
    );
    assert_eq!(
        count(&ec2(&bench, "DescribeTags", json!({"Filters": filter("key", "x")}))["Tags"]),
        0,
        "all or nothing"
    );
    assert!(
        bench
            .err("ec2", "CreateTags", json!({"Resources": [vpc], "Tags": [{"Key": "aws:x", "Value": ""}]}))
            .starts_with("InvalidParameterValue: Tag keys")
    );
    ec2(&bench, "DeleteTags", json!({"Resources": [vpc], "Tags": [{"Key": "env"}]}));
    assert_eq!(count(&ec2(&bench, "DescribeTags", json!({}))["Tags"]), 1);
}

#[test]
fn what_aws_offers() {
    let bench = Bench::new();
    assert_eq!(count(&ec2(&bench, "DescribeAvailabilityZones", json!({}))["AvailabilityZones"]), 4);
    assert_eq!(count(&ec2(&bench, "DescribeRegions", json!({"RegionNames": ["eu-west-1"]}))["Regions"]), 1);
    let t3 = ec2(&bench, "DescribeInstanceTypes", json!({"InstanceTypes": ["t3.medium"]}));
    assert_eq!(t3["InstanceTypes"][0]["VCpuInfo"]["DefaultVCpus"], 2);
    assert_eq!(t3["InstanceTypes"][0]["NetworkInfo"]["Ipv4AddressesPerInterface"], 6);
    assert_eq!(
        bench.err("ec2", "DescribeInstanceTypes", json!({"InstanceTypes": ["t9.huge"]})),
        "InvalidInstanceType: The following supplied instance types do not exist: [t9.huge]"
    );
    let offered = ec2(
        &bench,
        "DescribeInstanceTypeOfferings",
        json!({"LocationType": "availability-zone", "Filters": filter("instance-type", "t3.medium")}),
    );
    assert_eq!(count(&offered["InstanceTypeOfferings"]), 4);
    let images = ec2(
        &bench,
        "DescribeImages",
        json!({"Owners": ["amazon"], "Filters": filter("name", "amazon-eks-node-al2023-x86_64-standard-1.35-v*")}),
    );
    assert!(count(&images["Images"]) >= 2);
    assert_eq!(images["Images"][0]["Architecture"], "x86_64");
    let page = ec2(&bench, "DescribeImages", json!({"MaxResults": 5}));
    let next = ec2(&bench, "DescribeImages", json!({"MaxResults": 5, "NextToken": page["NextToken"]}));
    assert_eq!((count(&page["Images"]), count(&next["Images"])), (5, 5));
    assert!(!next["Images"].as_array().expect("images").contains(&page["Images"][4]));
    assert!(bench.err("ec2", "DescribeImages", json!({"MaxResults": 4})).contains("Expecting a value greater than 5"));
}

#[test]
fn a_profile_is_passed_only_by_who_may() {
    let mut bench = Bench::new();
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    bench.ok("iam", "CreateRole", json!({"RoleName": "node", "AssumeRolePolicyDocument": trust.to_string()}));
    bench.ok("iam", "CreateInstanceProfile", json!({"InstanceProfileName": "p"}));
    bench.ok("iam", "AddRoleToInstanceProfile", json!({"InstanceProfileName": "p", "RoleName": "node"}));
    let user = bench.ok("iam", "CreateUser", json!({"UserName": "ann"}))["User"].clone();
    let text = |member: &str| user[member].as_str().unwrap_or_default().to_string();
    bench.cx.caller.principal =
        cove_aws_wire::door::Principal::User { name: "ann".into(), arn: text("Arn"), id: text("UserId") };
    let input = json!({"ImageId": image("x86_64"), "InstanceType": "t3.medium", "MinCount": 1, "MaxCount": 1, "IamInstanceProfile": {"Name": "p"}});
    let refused = bench.err("ec2", "RunInstances", input.clone());
    assert!(
        refused.contains("is not authorized to perform: iam:PassRole on resource: arn:aws:iam::123456789012:role/node"),
        "{refused}"
    );
    bench.cx.caller.principal = cove_aws_wire::door::Principal::Root;
    let launched = ec2(&bench, "RunInstances", input);
    assert_eq!(launched["Instances"][0]["IamInstanceProfile"]["Arn"], "arn:aws:iam::123456789012:instance-profile/p");
}

#[test]
fn a_protected_instance_stays() {
    let bench = Bench::new();
    let launched = launch(&bench, 1);
    let id = launched["Instances"][0]["InstanceId"].as_str().expect("an id").to_string();
    let protect = |value: bool| json!({"InstanceId": id, "DisableApiTermination": {"Value": value}});
    ec2(&bench, "ModifyInstanceAttribute", protect(true));
    let refused = bench.err("ec2", "TerminateInstances", json!({"InstanceIds": [id]}));
    assert!(refused.starts_with("OperationNotPermitted: The instance '"), "{refused}");
    ec2(&bench, "ModifyInstanceAttribute", protect(false));
    let attribute = json!({"InstanceId": id, "Attribute": "disableApiTermination"});
    assert_eq!(ec2(&bench, "DescribeInstanceAttribute", attribute)["DisableApiTermination"], json!({"Value": false}));
    assert_eq!(ec2(&bench, "GetConsoleOutput", json!({"InstanceId": id}))["Output"], "");
    ec2(&bench, "TerminateInstances", json!({"InstanceIds": [id]}));
}

#[test]
fn hostile_filters_and_tokens_never_panic() {
    let bench = Bench::new();
    launch(&bench, 1);
    for value in ["", "*", "?", "\\", "\\*", "**?**", "\u{1F980}*", "[a-z]+", "%00"] {
        for name in ["tag:", "tag:x", "tag-key", "instance-id", "launch-index", "block-device-mapping.volume-id"] {
            ec2(&bench, "DescribeInstances", json!({"Filters": filter(name, value)}));
        }
    }
    for token in ["", "!", "AA==", "//8="] {
        let reply = bench.call("ec2", "DescribeInstances", json!({"NextToken": token}));
        assert!(reply.is_ok() || reply.is_err_and(|fault| fault.code == "InvalidNextToken"));
    }
    for block in ["", "10.0.0.0", "10.0.0.0/33", "::/0", "999.1.1.1/8", "10.0.0.0/-1"] {
        let permission = json!([{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 2, "IpRanges": [{"CidrIp": block}]}]);
        let group = ec2(&bench, "DescribeSecurityGroups", json!({}))["SecurityGroups"][0]["GroupId"].clone();
        let refused =
            bench.err("ec2", "AuthorizeSecurityGroupIngress", json!({"GroupId": group, "IpPermissions": permission}));
        assert!(refused.starts_with("InvalidParameterValue: CIDR block "), "{refused}");
        let vpc = json!({"CidrBlock": block});
        assert!(bench.err("ec2", "CreateVpc", vpc).starts_with("InvalidParameterValue: Value ("));
    }
}
