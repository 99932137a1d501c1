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
    assert!(bench.err("ec2", "DescribeVpcs", json!({"DryRun": true})).starts_with("DryRunOperation: Request would"));
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
