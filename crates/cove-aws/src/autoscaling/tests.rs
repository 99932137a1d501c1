//! Auto Scaling through its operations, on the virtual clock, over the real EC2 service.

use std::time::Duration;

use serde_json::{Value, json};

use crate::ec2::images::eks_image;
use crate::testing::Bench;

fn autoscaling(bench: &Bench, operation: &'static str, input: Value) -> Value {
    bench.ok("autoscaling", operation, input)
}

/// A region with a launch template and the group `web` over the zones a, b and c.
fn bench(desired: u32) -> Bench {
    let bench = Bench::new();
    for service in crate::services() {
        (service.start)(&bench.cx);
    }
    let image = eks_image("us-west-2", "AL2023_x86_64_STANDARD", "1.35", None).expect("an image").id;
    let data = json!({"ImageId": image, "InstanceType": "t3.medium"});
    bench.ok("ec2", "CreateLaunchTemplate", json!({"LaunchTemplateName": "web", "LaunchTemplateData": data}));
    autoscaling(&bench, "CreateAutoScalingGroup", group_input("web", desired));
    bench
}

fn group_input(name: &str, desired: u32) -> Value {
    json!({
        "AutoScalingGroupName": name, "MinSize": 1, "MaxSize": 6, "DesiredCapacity": desired,
        "LaunchTemplate": {"LaunchTemplateName": "web", "Version": "$Latest"},
        "AvailabilityZones": ["us-west-2a", "us-west-2b", "us-west-2c"],
        "Tags": [{"Key": "role", "Value": "web", "PropagateAtLaunch": true}],
    })
}

fn group(bench: &Bench) -> Value {
    let mut found = autoscaling(bench, "DescribeAutoScalingGroups", json!({}));
    found["AutoScalingGroups"].get_mut(0).map(Value::take).unwrap_or_default()
}

fn wait(bench: &Bench, seconds: u64) {
    bench.driver.run_for(Duration::from_secs(seconds));
}

fn members(group: &Value, member: &str) -> Vec<String> {
    let instances = group["Instances"].as_array().into_iter().flatten();
    instances.filter_map(|i| i[member].as_str().map(Into::into)).collect()
}

#[test]
fn a_group_keeps_its_size_over_its_zones() {
    let bench = bench(5);
    wait(&bench, 2);
    let before = group(&bench);
    assert_eq!(members(&before, "LifecycleState"), ["InService"; 5]);
    let mut zones = members(&before, "AvailabilityZone");
    zones.sort();
    assert_eq!(zones, ["us-west-2a", "us-west-2a", "us-west-2b", "us-west-2b", "us-west-2c"]);
    let id = members(&before, "InstanceId")[0].clone();
    let spec = bench.machines.spec(&id).expect("a machine");
    assert_eq!(spec.tags.get("role").map(String::as_str), Some("web"));
    assert_eq!(spec.tags.get("aws:autoscaling:groupName").map(String::as_str), Some("web"));
    let activity =
        autoscaling(&bench, "DescribeScalingActivities", json!({"AutoScalingGroupName": "web"}))["Activities"][0]
            .take();
    assert!(activity["Description"].as_str().is_some_and(|d| d.starts_with("Launching a new EC2 instance: i-")));
    assert_eq!((activity["StatusCode"].as_str(), activity["Progress"].as_u64()), (Some("Successful"), Some(100)));
    let cause = activity["Cause"].as_str().expect("a cause");
    assert!(
        cause.contains("a user request created an AutoScalingGroup changing the desired capacity from 0 to 5."),
        "{cause}"
    );
    assert!(cause.ends_with("increasing the capacity from 0 to 5."), "{cause}");

    bench.ok("ec2", "TerminateInstances", json!({"InstanceIds": [id]}));
    wait(&bench, 2);
    let after = group(&bench);
    assert_eq!((members(&after, "InstanceId").len(), members(&after, "InstanceId").contains(&id)), (5, false));
    let mut same = members(&after, "AvailabilityZone");
    same.sort();
    assert_eq!(same, zones);

    autoscaling(&bench, "SetDesiredCapacity", json!({"AutoScalingGroupName": "web", "DesiredCapacity": 3}));
    wait(&bench, 2);
    let mut zones = members(&group(&bench), "AvailabilityZone");
    zones.sort();
    assert_eq!(zones, ["us-west-2a", "us-west-2b", "us-west-2c"]);
    assert_eq!(bench.machines.running().len(), 3);
}

#[test]
fn hooks_hold_instances() {
    let bench = bench(1);
    let hook = |name: &str, transition: &str| {
        json!({
            "AutoScalingGroupName": "web", "LifecycleHookName": name, "DefaultResult": "CONTINUE", "HeartbeatTimeout": 600,
            "LifecycleTransition": format!("autoscaling:EC2_INSTANCE_{transition}"),
        })
    };
    wait(&bench, 2);
    autoscaling(&bench, "PutLifecycleHook", hook("up", "LAUNCHING"));
    autoscaling(&bench, "PutLifecycleHook", hook("down", "TERMINATING"));
    autoscaling(&bench, "SetDesiredCapacity", json!({"AutoScalingGroupName": "web", "DesiredCapacity": 2}));
    wait(&bench, 2);
    let held = group(&bench);
    assert_eq!(members(&held, "LifecycleState"), ["InService", "Pending:Wait"]);
    let ids = members(&held, "InstanceId");
    let done = |id: &str, hook: &str| json!({"AutoScalingGroupName": "web", "LifecycleHookName": hook, "InstanceId": id, "LifecycleActionResult": "CONTINUE"});
    autoscaling(&bench, "CompleteLifecycleAction", done(&ids[1], "up"));
    wait(&bench, 1);
    assert_eq!(members(&group(&bench), "LifecycleState"), ["InService"; 2]);
    let text = bench.err("autoscaling", "CompleteLifecycleAction", done(&ids[1], "up"));
    assert_eq!(text, format!("ValidationError: No active Lifecycle Action found with instance ID {}", ids[1]));

    let input = json!({"InstanceId": ids[0], "ShouldDecrementDesiredCapacity": true});
    let activity = autoscaling(&bench, "TerminateInstanceInAutoScalingGroup", input)["Activity"].take();
    let cause = activity["Cause"].as_str().expect("a cause");
    assert!(cause.ends_with("in response to a user request, shrinking the capacity from 2 to 1."), "{cause}");
    wait(&bench, 590);
    assert_eq!(members(&group(&bench), "LifecycleState"), ["Terminating:Wait", "InService"]);
    assert_eq!(bench.machines.running().len(), 2);
    wait(&bench, 20);
    assert_eq!(members(&group(&bench), "InstanceId"), [ids[1].clone()]);
    assert_eq!(bench.machines.running(), [ids[1].clone()]);
}

#[test]
fn deletion_and_suspension() {
    let bench = bench(2);
    wait(&bench, 2);
    let delete = json!({"AutoScalingGroupName": "web"});
    assert!(
        bench
            .err("autoscaling", "DeleteAutoScalingGroup", delete.clone())
            .starts_with("ResourceInUse: You cannot delete")
    );
    let processes = json!({"AutoScalingGroupName": "web", "ScalingProcesses": ["Launch"]});
    autoscaling(&bench, "SuspendProcesses", processes.clone());
    autoscaling(&bench, "SetDesiredCapacity", json!({"AutoScalingGroupName": "web", "DesiredCapacity": 4}));
    wait(&bench, 5);
    assert_eq!(bench.machines.running().len(), 2);
    autoscaling(&bench, "ResumeProcesses", processes);
    wait(&bench, 5);
    assert_eq!(bench.machines.running().len(), 4);
    let force = json!({"AutoScalingGroupName": "web", "ForceDelete": true});
    autoscaling(&bench, "DeleteAutoScalingGroup", force);
    wait(&bench, 5);
    assert!(bench.machines.running().is_empty() && group(&bench).is_null());
    assert_eq!(
        bench.err("autoscaling", "DeleteAutoScalingGroup", delete),
        "ValidationError: AutoScalingGroup 'web' not found"
    );
}

#[test]
fn bad_groups_are_refused() {
    let bench = bench(1);
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut input = group_input("other", 1);
        change(&mut input);
        bench.err("autoscaling", "CreateAutoScalingGroup", input)
    };
    assert_eq!(
        refused(&|i| i["DesiredCapacity"] = json!(9)),
        "ValidationError: Desired capacity:9 must be between the specified min size:1 and max size:6"
    );
    assert!(
        refused(&|i| i["LaunchTemplate"]["LaunchTemplateName"] = json!("none"))
            .starts_with("ValidationError: You must use a valid")
    );
    assert!(
        refused(&|i| i["TargetGroupARNs"] = json!(["arn"]))
            .starts_with("NotImplemented: Cove does not support TargetGroupARNs")
    );
    assert!(
        refused(&|i| i["AutoScalingGroupName"] = json!("web"))
            .starts_with("AlreadyExists: AutoScalingGroup by this name")
    );
    let text =
        bench.err("autoscaling", "SetDesiredCapacity", json!({"AutoScalingGroupName": "web", "DesiredCapacity": 9}));
    assert_eq!(text, "ValidationError: New SetDesiredCapacity value 9 is above max value 6 for the AutoScalingGroup.");
    let tag = json!({"ResourceId": "web", "ResourceType": "auto-scaling-group", "Key": "stage", "Value": "a", "PropagateAtLaunch": false});
    autoscaling(&bench, "CreateOrUpdateTags", json!({"Tags": [tag]}));
    let found = autoscaling(&bench, "DescribeTags", json!({"Filters": [{"Name": "key", "Values": ["stage"]}]}));
    assert_eq!(found["Tags"], json!([tag]));
    autoscaling(
        &bench,
        "DeleteTags",
        json!({"Tags": [{"ResourceId": "web", "ResourceType": "auto-scaling-group", "Key": "stage"}]}),
    );
    assert_eq!(group(&bench)["Tags"].as_array().map(Vec::len), Some(1));
}
