//! EKS through its operations, on the virtual clock, over the real EC2, IAM, STS and Auto Scaling services.

use std::time::Duration;

use serde_json::{Value, json};

use crate::testing::Bench;

const CLUSTER_ROLE: &str = "arn:aws:iam::123456789012:role/eks-cluster";
const NODE_ROLE: &str = "arn:aws:iam::123456789012:role/eks-node";

fn trust(service: &str) -> String {
    json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}],
    })
    .to_string()
}

fn subnets(bench: &Bench, zones: usize) -> Vec<String> {
    let found = bench.ok("ec2", "DescribeSubnets", json!({}));
    let ids =
        found["Subnets"].as_array().expect("subnets").iter().map(|s| s["SubnetId"].as_str().expect("an id").into());
    ids.take(zones).collect()
}

/// A region with the two roles, its services running.
fn bench() -> Bench {
    let bench = Bench::new();
    for service in crate::services() {
        (service.start)(&bench.cx);
    }
    for (name, service) in [("eks-cluster", "eks.amazonaws.com"), ("eks-node", "ec2.amazonaws.com")] {
        bench.ok("iam", "CreateRole", json!({"RoleName": name, "AssumeRolePolicyDocument": trust(service)}));
    }
    bench
}

fn cluster_input(bench: &Bench) -> Value {
    json!({"name": "my-cluster", "roleArn": CLUSTER_ROLE, "resourcesVpcConfig": {"subnetIds": subnets(bench, 3)}})
}

/// A region with an active cluster.
fn with_cluster(mode: &str) -> Bench {
    let bench = bench();
    let mut input = cluster_input(&bench);
    input["accessConfig"] = json!({"authenticationMode": mode});
    bench.ok("eks", "CreateCluster", input);
    bench.driver.run_for(Duration::from_secs(1));
    assert_eq!(cluster(&bench)["status"], "ACTIVE");
    bench
}

fn cluster(bench: &Bench) -> Value {
    bench.ok("eks", "DescribeCluster", json!({"name": "my-cluster"}))["cluster"].take()
}

fn security_groups(bench: &Bench) -> Vec<String> {
    let found = bench.ok("ec2", "DescribeSecurityGroups", json!({}));
    let names = found["SecurityGroups"].as_array().into_iter().flatten().map(|g| g["GroupName"].as_str());
    names.flatten().map(Into::into).collect()
}

#[test]
fn a_cluster_is_made_and_deleted() {
    let bench = bench();
    let made = bench.ok("eks", "CreateCluster", cluster_input(&bench));
    let made = &made["cluster"];
    assert_eq!((made["status"].as_str(), made["version"].as_str()), (Some("CREATING"), Some("1.35")));
    assert_eq!(made["kubernetesNetworkConfig"]["serviceIpv4Cidr"], "10.100.0.0/16");
    assert_eq!(made["accessConfig"]["bootstrapClusterCreatorAdminPermissions"], true);
    assert_eq!(made["accessConfig"]["authenticationMode"], "CONFIG_MAP");
    assert!(made.get("endpoint").is_none() && made.get("identity").is_none());
    bench.driver.run_for(Duration::from_secs(1));
    let active = cluster(&bench);
    assert_eq!(
        (active["status"].as_str(), active["endpoint"].as_str()),
        (Some("ACTIVE"), Some("https://127.0.0.1:16443"))
    );
    assert_eq!(active["certificateAuthority"]["data"], "UEVN");
    let issuer = active["identity"]["oidc"]["issuer"].as_str().expect("an issuer");
    assert!(issuer.starts_with("https://oidc.eks.us-west-2.amazonaws.com/id/") && issuer.len() == 76, "{issuer}");
    assert!(active["resourcesVpcConfig"]["clusterSecurityGroupId"].as_str().is_some_and(|g| g.starts_with("sg-")));
    assert!(security_groups(&bench).iter().any(|g| g.starts_with("eks-cluster-sg-my-cluster-")));
    assert_eq!(bench.ok("eks", "ListClusters", json!({}))["clusters"], json!(["my-cluster"]));

    let deleted = bench.ok("eks", "DeleteCluster", json!({"name": "my-cluster"}));
    assert_eq!(deleted["cluster"]["status"], "DELETING");
    bench.driver.run_for(Duration::from_secs(5));
    let gone = bench.call("eks", "DescribeCluster", json!({"name": "my-cluster"})).expect_err("gone");
    assert_eq!((gone.status, gone.message.as_str()), (404, "No cluster found for name: my-cluster."));
    assert_eq!(gone.members["clusterName"], "my-cluster");
    assert_eq!(security_groups(&bench), ["default"]);
    assert!(bench.clusters.facts().running.is_empty());
}

#[test]
fn bad_clusters_are_refused_in_eks_words() {
    let bench = bench();
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut input = cluster_input(&bench);
        change(&mut input);
        bench.err("eks", "CreateCluster", input)
    };
    let text = refused(&|i| i["version"] = json!("1.20"));
    assert_eq!(text, "InvalidParameterException: unsupported Kubernetes version");
    let one_zone = subnets(&bench, 1);
    let text = refused(&|i| i["resourcesVpcConfig"]["subnetIds"] = json!(one_zone));
    assert_eq!(text, "InvalidParameterException: Subnets specified must be in at least two different AZs");
    let text = refused(&|i| i["resourcesVpcConfig"]["subnetIds"] = json!(["subnet-0123456789abcdef0"]));
    assert_eq!(text, "InvalidParameterException: The subnet ID 'subnet-0123456789abcdef0' does not exist");
    for role in [NODE_ROLE, "arn:aws:iam::123456789012:role/none"] {
        let text = refused(&|i| i["roleArn"] = json!(role));
        assert_eq!(
            text,
            format!(
                "InvalidParameterException: Role with arn: {role}, could not be assumed because it does not exist or the \
                 trusted entity is not correct"
            )
        );
    }
    let off = json!({"authenticationMode": "CONFIG_MAP", "bootstrapClusterCreatorAdminPermissions": false});
    let text = refused(&|i| i["accessConfig"] = off.clone());
    assert!(text.ends_with("must be true if cluster authentication mode is set to CONFIG_MAP"), "{text}");
    assert!(refused(&|i| i["name"] = json!("-x")).starts_with("InvalidParameterException: The name can contain only"));
    let keys = json!([{"resources": ["secrets"], "provider": {"keyArn": "k"}}]);
    assert!(refused(&|i| i["encryptionConfig"] = keys.clone()).starts_with("NotImplementedException"));
    bench.ok("eks", "CreateCluster", cluster_input(&bench));
    let again = bench.err("eks", "CreateCluster", cluster_input(&bench));
    assert_eq!(again, "ResourceInUseException: Cluster already exists with name: my-cluster");
}

#[test]
fn a_cluster_comes_back_after_a_crash() {
    let bench = bench();
    bench.ok("eks", "CreateCluster", cluster_input(&bench));
    // The region dies before any reconciler has run: another one is started over the same store.
    let next = Bench::on(bench.cx.store.clone(), bench.driver.clone(), bench.cx.rt.clone());
    for service in crate::services() {
        (service.start)(&next.cx);
    }
    next.driver.run_for(Duration::from_secs(1));
    assert_eq!(cluster(&next)["status"], "ACTIVE");
    let third = Bench::on(next.cx.store.clone(), next.driver.clone(), next.cx.rt.clone());
    (super::SERVICE.start)(&third.cx);
    third.driver.run_for(Duration::from_secs(1));
    assert!(third.clusters.facts().running.contains_key("my-cluster"));
}

#[test]
fn updates_of_a_cluster() {
    let bench = with_cluster("CONFIG_MAP");
    let update = |input: Value| {
        let mut input = input;
        input["name"] = json!("my-cluster");
        bench.call("eks", "UpdateClusterConfig", input)
    };
    let logging = json!({"logging": {"clusterLogging": [{"types": ["api"], "enabled": true}]}});
    let made = update(logging.clone()).expect("an update")["update"].take();
    assert_eq!((made["type"].as_str(), made["status"].as_str()), (Some("LoggingUpdate"), Some("InProgress")));
    bench.driver.run_for(Duration::from_secs(1));
    let id = made["id"].as_str().expect("an id");
    let found = bench.ok("eks", "DescribeUpdate", json!({"name": "my-cluster", "updateId": id}));
    assert_eq!(found["update"]["status"], "Successful");
    assert_eq!(cluster(&bench)["logging"]["clusterLogging"][0], json!({"types": ["api"], "enabled": true}));
    assert_eq!(update(logging).expect_err("the same").message, "No changes needed for the logging config provided");
    let both = json!({"deletionProtection": true, "upgradePolicy": {"supportType": "STANDARD"}});
    assert_eq!(update(both).expect_err("two").message, "Only one type of update can be allowed.");
    let mode = |mode: &str| json!({"accessConfig": {"authenticationMode": mode}});
    let leap = update(mode("API")).expect_err("a leap").message;
    assert_eq!(leap, "Unsupported authentication mode update from CONFIG_MAP to API");
    update(mode("API_AND_CONFIG_MAP")).expect("a step");
    bench.driver.run_for(Duration::from_secs(1));
    assert_eq!(cluster(&bench)["accessConfig"]["authenticationMode"], "API_AND_CONFIG_MAP");
    update(json!({"deletionProtection": true})).expect("protected");
    bench.driver.run_for(Duration::from_secs(1));
    let kept = bench.err("eks", "DeleteCluster", json!({"name": "my-cluster"}));
    assert!(kept.starts_with("InvalidRequestException"), "{kept}");
    let all = bench.ok("eks", "ListUpdates", json!({"name": "my-cluster"}));
    assert_eq!(all["updateIds"].as_array().map(Vec::len), Some(3));
}

#[test]
fn access_entries_and_their_policies() {
    let bench = with_cluster("API");
    let entries = |bench: &Bench| {
        bench.ok("eks", "ListAccessEntries", json!({"clusterName": "my-cluster"}))["accessEntries"].take()
    };
    assert_eq!(entries(&bench), json!(["arn:aws:iam::123456789012:root"]));
    bench.ok("iam", "CreateUser", json!({"UserName": "dev"}));
    let dev = "arn:aws:iam::123456789012:user/dev";
    let input = json!({"clusterName": "my-cluster", "principalArn": dev, "kubernetesGroups": ["viewers"]});
    let made = bench.ok("eks", "CreateAccessEntry", input.clone())["accessEntry"].take();
    assert_eq!((made["username"].as_str(), made["type"].as_str()), (Some(dev), Some("STANDARD")));
    assert!(
        made["accessEntryArn"].as_str().is_some_and(|a| a.contains(":access-entry/my-cluster/user/123456789012/dev/"))
    );
    let twice = bench.err("eks", "CreateAccessEntry", input);
    assert_eq!(twice, "ResourceInUseException: The specified access entry resource is already in use on this cluster.");
    let nobody = json!({"clusterName": "my-cluster", "principalArn": "arn:aws:iam::123456789012:user/nobody"});
    let text = bench.err("eks", "CreateAccessEntry", nobody);
    assert_eq!(text, "InvalidParameterException: The specified principalArn is invalid: invalid principal.");
    let policy = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy";
    let scope = json!({"type": "namespace", "namespaces": ["dev-*"]});
    let input = json!({"clusterName": "my-cluster", "principalArn": dev, "policyArn": policy, "accessScope": scope});
    let associated = bench.ok("eks", "AssociateAccessPolicy", input);
    assert_eq!(associated["associatedAccessPolicy"]["accessScope"], scope);
    let list = json!({"clusterName": "my-cluster", "principalArn": dev});
    let listed = bench.ok("eks", "ListAssociatedAccessPolicies", list.clone());
    assert_eq!(listed["associatedAccessPolicies"][0]["policyArn"], policy);
    let out = json!({"clusterName": "my-cluster", "principalArn": dev, "policyArn": policy});
    bench.ok("eks", "DisassociateAccessPolicy", out.clone());
    assert!(bench.err("eks", "DisassociateAccessPolicy", out).starts_with("ResourceNotFoundException"));
    bench.ok("eks", "DeleteAccessEntry", list.clone());
    assert!(bench.err("eks", "DescribeAccessEntry", list).contains("The specified principalArn could not be found"));

    // In CONFIG_MAP mode only the authenticator sees entries, and only the creator has one.
    let closed = with_cluster("CONFIG_MAP");
    let creator = json!({"clusterName": "my-cluster", "principalArn": "arn:aws:iam::123456789012:root"});
    let cx = closed.cx.clone();
    let service = cove_aws_wire::door::Caller::service("eks.amazonaws.com");
    let seen = closed.run(async move { cx.call(service, "eks", "ListAssociatedAccessPolicies", creator).await });
    assert_eq!(seen.expect("seen")["associatedAccessPolicies"][0]["policyArn"], policy);
    let text = closed.err("eks", "ListAccessEntries", json!({"clusterName": "my-cluster"}));
    assert!(text.contains("must be set to one of [API, API_AND_CONFIG_MAP] to perform this operation."), "{text}");
}

#[test]
fn tags_and_versions() {
    let bench = with_cluster("API");
    let arn = cluster(&bench)["arn"].as_str().expect("an ARN").to_string();
    bench.ok("eks", "TagResource", json!({"resourceArn": arn, "tags": {"team": "a", "stage": "b"}}));
    bench.ok("eks", "UntagResource", json!({"resourceArn": arn, "tagKeys": ["team"]}));
    let tags = bench.ok("eks", "ListTagsForResource", json!({"resourceArn": arn}));
    assert_eq!(tags["tags"], json!({"stage": "b"}));
    let missing = bench.err("eks", "ListTagsForResource", json!({"resourceArn": arn.replace("my-", "your-")}));
    assert!(missing.starts_with("NotFoundException"), "{missing}");
    let versions = bench.ok("eks", "DescribeClusterVersions", json!({}))["clusterVersions"].take();
    assert_eq!(versions[0]["clusterVersion"], "1.36");
    assert!(
        versions.as_array().into_iter().flatten().any(|v| v["defaultVersion"] == true && v["clusterVersion"] == "1.35")
    );
}

fn nodegroup_input(bench: &Bench, name: &str, sizes: (u32, u32, u32)) -> Value {
    let (min, max, desired) = sizes;
    json!({
        "clusterName": "my-cluster", "nodegroupName": name, "nodeRole": NODE_ROLE, "subnets": subnets(bench, 3),
        "scalingConfig": {"minSize": min, "maxSize": max, "desiredSize": desired},
    })
}

fn nodegroup(bench: &Bench, name: &str) -> Value {
    let input = json!({"clusterName": "my-cluster", "nodegroupName": name});
    bench.ok("eks", "DescribeNodegroup", input)["nodegroup"].take()
}

fn group(bench: &Bench) -> Value {
    bench.ok("autoscaling", "DescribeAutoScalingGroups", json!({}))["AutoScalingGroups"][0].take()
}

fn wait(bench: &Bench, seconds: u64) {
    bench.driver.run_for(Duration::from_secs(seconds));
}

fn with_nodegroup(mode: &str) -> Bench {
    let bench = with_cluster(mode);
    bench.ok("eks", "CreateNodegroup", nodegroup_input(&bench, "my-ng", (2, 5, 3)));
    wait(&bench, 2);
    assert_eq!(nodegroup(&bench, "my-ng")["status"], "ACTIVE");
    bench
}

/// Everything that EC2, Auto Scaling, IAM and EKS still hold.
fn leftovers(bench: &Bench) -> Vec<String> {
    let lists = [
        ("autoscaling", "DescribeAutoScalingGroups", "AutoScalingGroups"),
        ("ec2", "DescribeLaunchTemplates", "LaunchTemplates"),
        ("ec2", "DescribeNetworkInterfaces", "NetworkInterfaces"),
        ("iam", "ListInstanceProfiles", "InstanceProfiles"),
    ];
    let mut left = Vec::new();
    for (service, operation, member) in lists {
        let found = bench.ok(service, operation, json!({}));
        left.extend(found[member].as_array().into_iter().flatten().map(|v| format!("{operation}: {v}")));
    }
    left.extend(bench.machines.running());
    left.extend(bench.clusters.facts().nodes.keys().cloned());
    left.extend(bench.clusters.facts().roles.clone());
    left
}

#[test]
fn a_node_group_is_made_of_what_eks_makes_it_of() {
    let bench = with_nodegroup("CONFIG_MAP");
    let ng = nodegroup(&bench, "my-ng");
    assert_eq!((ng["amiType"].as_str(), ng["diskSize"].as_u64()), (Some("AL2023_x86_64_STANDARD"), Some(20)));
    assert_eq!((ng["releaseVersion"].as_str(), ng["version"].as_str()), (Some("1.35.6-20260714"), Some("1.35")));
    assert_eq!((ng["capacityType"].as_str(), &ng["instanceTypes"]), (Some("ON_DEMAND"), &json!(["t3.medium"])));
    assert_eq!((&ng["health"]["issues"], &ng["updateConfig"]), (&json!([]), &json!({"maxUnavailable": 1})));
    let uuid = ng["nodegroupArn"].as_str().and_then(|a| a.rsplit('/').next()).expect("a UUID").to_string();
    let group = group(&bench);
    assert_eq!(group["AutoScalingGroupName"], format!("eks-my-ng-{uuid}"));
    assert_eq!(ng["resources"]["autoScalingGroups"][0]["name"], group["AutoScalingGroupName"]);
    let zones: std::collections::BTreeSet<&str> =
        group["Instances"].as_array().into_iter().flatten().filter_map(|i| i["AvailabilityZone"].as_str()).collect();
    assert_eq!((zones.len(), group["Instances"][0]["LifecycleState"].as_str()), (3, Some("InService")));
    let profile = bench.ok("iam", "GetInstanceProfile", json!({"InstanceProfileName": format!("eks-{uuid}")}));
    assert_eq!(profile["InstanceProfile"]["Roles"][0]["RoleName"], "eks-node");
    assert_eq!(bench.clusters.facts().roles, [NODE_ROLE]);
    let id = group["Instances"][0]["InstanceId"].as_str().expect("an id");
    let spec = bench.machines.spec(id).expect("a machine");
    let text = String::from_utf8(spec.user_data).expect("text");
    for part in [
        "kind: NodeConfig",
        "name: my-cluster",
        "maxPods: 17",
        "- 10.100.0.10",
        "cidr: 10.100.0.0/16",
        "eks.amazonaws.com/nodegroup=my-ng",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(spec.tags.get("kubernetes.io/cluster/my-cluster").map(String::as_str), Some("owned"));
    assert_eq!(spec.role_name.as_deref(), Some("eks-node"));
    let hooks = bench.ok(
        "autoscaling",
        "DescribeLifecycleHooks",
        json!({"AutoScalingGroupName": group["AutoScalingGroupName"]}),
    );
    assert_eq!(hooks["LifecycleHooks"].as_array().map(Vec::len), Some(2));
    let text = bench.err("eks", "DeleteCluster", json!({"name": "my-cluster"}));
    assert_eq!(text, "ResourceInUseException: Cluster has nodegroups attached");
}

#[test]
fn deletion_leaves_nothing() {
    for mode in ["CONFIG_MAP", "API"] {
        let bench = with_nodegroup(mode);
        let deleted =
            bench.ok("eks", "DeleteNodegroup", json!({"clusterName": "my-cluster", "nodegroupName": "my-ng"}));
        assert_eq!(deleted["nodegroup"]["status"], "DELETING");
        wait(&bench, 10);
        let text =
            bench.err("eks", "DescribeNodegroup", json!({"clusterName": "my-cluster", "nodegroupName": "my-ng"}));
        assert_eq!(text, "ResourceNotFoundException: No node group found for name: my-ng.");
        assert_eq!(leftovers(&bench), Vec::<String>::new());
        assert_eq!(bench.clusters.facts().drains.len(), 3);
        if mode == "API" {
            let entries = bench.ok("eks", "ListAccessEntries", json!({"clusterName": "my-cluster"}));
            assert_eq!(entries["accessEntries"].as_array().map(Vec::len), Some(1));
        }
        bench.ok("eks", "DeleteCluster", json!({"name": "my-cluster"}));
        wait(&bench, 5);
        assert_eq!(security_groups(&bench), ["default"]);
        let space = bench.cx.store.clone();
        let keys = bench.run(async move {
            let space = space.space("aws/us-west-2").await.expect("a space");
            let range = space.range(cove_store::Range::prefix("")).await.expect("a range");
            let keys = range.entries.iter().map(|e| e.key.to_string());
            keys.filter(|k| k.starts_with("eks/") || k.starts_with("autoscaling/")).collect::<Vec<_>>()
        });
        assert_eq!(keys, Vec::<String>::new());
    }
}

#[test]
fn nodes_join_by_an_access_entry_in_the_api_modes() {
    let bench = with_nodegroup("API_AND_CONFIG_MAP");
    let entry = json!({"clusterName": "my-cluster", "principalArn": NODE_ROLE});
    let entry = bench.ok("eks", "DescribeAccessEntry", entry)["accessEntry"].take();
    assert_eq!(entry["type"], "EC2_LINUX");
    assert_eq!(entry["username"], "system:node:{{EC2PrivateDNSName}}");
    assert!(bench.clusters.facts().roles.is_empty());
}

#[test]
fn growing_shrinking_and_replacing() {
    let bench = with_nodegroup("CONFIG_MAP");
    let update = |sizes: Value| {
        let input = json!({"clusterName": "my-cluster", "nodegroupName": "my-ng", "scalingConfig": sizes});
        bench.ok("eks", "UpdateNodegroupConfig", input)["update"].take()
    };
    let made = update(json!({"minSize": 2, "maxSize": 5, "desiredSize": 5}));
    assert_eq!(made["type"], "ConfigUpdate");
    wait(&bench, 2);
    let input = json!({"name": "my-cluster", "nodegroupName": "my-ng", "updateId": made["id"]});
    assert_eq!(bench.ok("eks", "DescribeUpdate", input)["update"]["status"], "Successful");
    assert_eq!((bench.machines.running().len(), nodegroup(&bench, "my-ng")["status"].as_str()), (5, Some("ACTIVE")));

    let victim = bench.machines.running()[0].clone();
    bench.ok("ec2", "TerminateInstances", json!({"InstanceIds": [victim]}));
    wait(&bench, 3);
    let running = bench.machines.running();
    assert_eq!((running.len(), running.contains(&victim)), (5, false));
    assert!(!bench.clusters.facts().nodes.contains_key(&victim), "its node is forgotten");
    let activities = bench.ok("autoscaling", "DescribeScalingActivities", json!({}))["Activities"].take();
    let texts: Vec<&str> = activities.as_array().into_iter().flatten().filter_map(|a| a["Cause"].as_str()).collect();
    assert!(
        texts
            .iter()
            .any(|c| c.contains("in response to an EC2 health check indicating it has been terminated or stopped"))
    );

    update(json!({"minSize": 2, "maxSize": 5, "desiredSize": 2}));
    wait(&bench, 5);
    assert_eq!(bench.machines.running().len(), 2);
    assert_eq!(bench.clusters.facts().drains.len(), 3);
    // Two are left, in two zones.
    let group = group(&bench);
    assert_ne!(group["Instances"][0]["AvailabilityZone"], group["Instances"][1]["AvailabilityZone"]);
    let input = json!({"clusterName": "my-cluster", "nodegroupName": "my-ng", "scalingConfig": {"desiredSize": 9}});
    let text = bench.err("eks", "UpdateNodegroupConfig", input);
    assert_eq!(text, "InvalidParameterException: desired capacity 9 can't be greater than max size 5");
}

#[test]
fn a_budget_holds_an_instance_for_the_drain_timeout_and_no_longer() {
    let bench = with_nodegroup("CONFIG_MAP");
    bench.clusters.facts().stubborn_pods = 1;
    let input = json!({"clusterName": "my-cluster", "nodegroupName": "my-ng", "scalingConfig": {"desiredSize": 2}});
    bench.ok("eks", "UpdateNodegroupConfig", input);
    wait(&bench, 14 * 60);
    assert_eq!(bench.machines.running().len(), 3);
    wait(&bench, 70);
    assert_eq!(bench.machines.running().len(), 2);
}

#[test]
fn nodes_that_do_not_join() {
    let bench = with_cluster("CONFIG_MAP");
    bench.clusters.facts().strangers = true;
    bench.ok("eks", "CreateNodegroup", nodegroup_input(&bench, "my-ng", (1, 3, 2)));
    wait(&bench, 14 * 60);
    assert_eq!(nodegroup(&bench, "my-ng")["status"], "CREATING");
    wait(&bench, 75);
    let ng = nodegroup(&bench, "my-ng");
    let issue = &ng["health"]["issues"][0];
    assert_eq!((ng["status"].as_str(), issue["code"].as_str()), (Some("CREATE_FAILED"), Some("NodeCreationFailure")));
    assert_eq!(issue["message"], "Instances failed to join the kubernetes cluster");
    assert_eq!(issue["resourceIds"].as_array().map(Vec::len), Some(2));

    let later = with_nodegroup("CONFIG_MAP");
    later.clusters.facts().strangers = true;
    let victim = later.machines.running()[0].clone();
    later.ok("ec2", "TerminateInstances", json!({"InstanceIds": [victim]}));
    wait(&later, 14 * 60);
    assert_eq!(nodegroup(&later, "my-ng")["status"], "ACTIVE");
    wait(&later, 100);
    let ng = nodegroup(&later, "my-ng");
    assert_eq!(
        (ng["status"].as_str(), ng["health"]["issues"][0]["code"].as_str()),
        (Some("DEGRADED"), Some("NodeCreationFailure"))
    );
    later.clusters.facts().strangers = false;
    wait(&later, 60);
    assert_eq!(nodegroup(&later, "my-ng")["status"], "ACTIVE");
}

#[test]
fn a_node_group_larger_than_its_subnets() {
    let bench = with_cluster("CONFIG_MAP");
    let vpc = cluster(&bench)["resourcesVpcConfig"]["vpcId"].take();
    let small = json!({"VpcId": vpc, "CidrBlock": "172.31.200.0/28", "AvailabilityZone": "us-west-2a"});
    let small = bench.ok("ec2", "CreateSubnet", small)["Subnet"]["SubnetId"].take();
    let mut input = nodegroup_input(&bench, "my-ng", (1, 20, 20));
    input["subnets"] = json!([small]);
    bench.ok("eks", "CreateNodegroup", input);
    wait(&bench, 120);
    let ng = nodegroup(&bench, "my-ng");
    assert_eq!(
        (ng["status"].as_str(), ng["health"]["issues"][0]["code"].as_str()),
        (Some("CREATE_FAILED"), Some("InsufficientFreeAddresses"))
    );
    assert_eq!(bench.machines.running().len(), 11);
    bench.ok("eks", "DeleteNodegroup", json!({"clusterName": "my-cluster", "nodegroupName": "my-ng"}));
    wait(&bench, 20);
    assert_eq!(leftovers(&bench), Vec::<String>::new());
}

#[test]
fn labels_and_taints_reach_nodes_and_template() {
    let bench = with_nodegroup("CONFIG_MAP");
    let taint = json!({"key": "gpu", "value": "yes", "effect": "NO_SCHEDULE"});
    bench.ok(
        "eks",
        "UpdateNodegroupConfig",
        json!({
            "clusterName": "my-cluster", "nodegroupName": "my-ng",
            "labels": {"addOrUpdateLabels": {"role": "web"}}, "taints": {"addOrUpdateTaints": [taint]},
        }),
    );
    wait(&bench, 2);
    let ng = nodegroup(&bench, "my-ng");
    assert_eq!(
        (&ng["labels"], &ng["taints"], ng["status"].as_str()),
        (&json!({"role": "web"}), &json!([taint]), Some("ACTIVE"))
    );
    assert_eq!(bench.clusters.facts().changes.len(), 3);
    let victim = bench.machines.running()[0].clone();
    bench.ok("ec2", "TerminateInstances", json!({"InstanceIds": [victim]}));
    wait(&bench, 2);
    let newest = group(&bench)["Instances"][2]["InstanceId"].as_str().expect("an id").to_string();
    let text = String::from_utf8(bench.machines.spec(&newest).expect("a machine").user_data).expect("text");
    assert!(text.contains("role=web") && text.contains("--register-with-taints=gpu=yes:NoSchedule"), "{text}");
}

#[test]
fn a_node_group_comes_back_after_a_crash() {
    let bench = with_cluster("CONFIG_MAP");
    bench.ok("eks", "CreateNodegroup", nodegroup_input(&bench, "my-ng", (2, 5, 3)));
    let next = Bench::on(bench.cx.store.clone(), bench.driver.clone(), bench.cx.rt.clone());
    drop(bench);
    for service in crate::services() {
        (service.start)(&next.cx);
    }
    wait(&next, 5);
    assert_eq!(nodegroup(&next, "my-ng")["status"], "ACTIVE");
    assert_eq!(next.machines.running().len(), 3);
}

#[test]
fn the_three_families_and_own_templates() {
    let bench = with_cluster("CONFIG_MAP");
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut input = nodegroup_input(&bench, "x", (1, 2, 1));
        change(&mut input);
        bench.err("eks", "CreateNodegroup", input)
    };
    let text = refused(&|i| i["amiType"] = json!("AL2_x86_64"));
    assert!(text.ends_with("AMI Type AL2_x86_64 is only supported for kubernetes versions 1.32 or earlier"), "{text}");
    let text = refused(&|i| i["instanceTypes"] = json!(["m6g.large"]));
    assert!(
        text.ends_with("[m6g.large] is not a valid instance type for requested amiType AL2023_x86_64_STANDARD"),
        "{text}"
    );
    let text = refused(&|i| i["instanceTypes"] = json!(["t9.huge"]));
    assert!(text.ends_with("The following supplied instance types do not exist: [t9.huge]"), "{text}");
    let text = refused(&|i| i["nodeRole"] = json!("arn:aws:iam::123456789012:role/none"));
    assert!(text.ends_with("The role with name none cannot be found."), "{text}");
    let text = refused(&|i| i["releaseVersion"] = json!("1.35.6-19990101"));
    assert!(
        text.ends_with("Requested release version 1.35.6-19990101 is not valid for kubernetes version 1.35"),
        "{text}"
    );

    let mut input = nodegroup_input(&bench, "rocket", (1, 2, 1));
    input["amiType"] = json!("BOTTLEROCKET_x86_64");
    bench.ok("eks", "CreateNodegroup", input);
    let data = json!({"InstanceType": "m5.large", "UserData": "IyEvYmluL2Jhc2gKZWNobyBvd24K"});
    let template =
        bench.ok("ec2", "CreateLaunchTemplate", json!({"LaunchTemplateName": "mine", "LaunchTemplateData": data}));
    let mut input = nodegroup_input(&bench, "own", (1, 2, 1));
    input["launchTemplate"] = json!({"id": template["LaunchTemplate"]["LaunchTemplateId"], "version": "1"});
    let text = refused(&|i| {
        i["launchTemplate"] = json!({"name": "mine"});
        i["diskSize"] = json!(50);
    });
    assert!(text.ends_with("Disk size must be specified within the launch template."), "{text}");
    bench.ok("eks", "CreateNodegroup", input);
    wait(&bench, 5);
    for name in ["rocket", "own"] {
        assert_eq!(nodegroup(&bench, name)["status"], "ACTIVE", "{name}");
    }
    assert_eq!(nodegroup(&bench, "own")["launchTemplate"]["name"], "mine");
    let texts: Vec<String> = bench
        .machines
        .running()
        .iter()
        .map(|id| String::from_utf8(bench.machines.spec(id).expect("a machine").user_data).expect("text"))
        .collect();
    assert!(texts.iter().any(|t| t.contains("[settings.kubernetes]") && t.contains("max-pods = 17")));
    assert!(texts.iter().any(|t| t.contains("echo own") && t.contains("maxPods: 29")));
}
