//! What a region leaves behind: nothing of a cluster that was deleted.

use std::sync::Weak;
use std::time::Duration;

use cove_base::virtual_runtime::VirtualDriver;
use cove_base::{Seed, Timestamp};
use cove_kube_server::server::ApiServer;

use super::*;
use crate::config::NodeKind;

async fn start(rt: Runtime) -> Region {
    let config = RegionConfig {
        region: "us-west-2".into(),
        nodes: NodeKind::Simulated,
        boot: Duration::from_secs(20),
        drain_timeout: Duration::from_secs(60),
        admin: None,
        listen: None,
    };
    Region::start(rt, cove_store::memory(), config).await.expect("a region")
}

async fn aws(region: &Region, service: &str, operation: &str, input: Value) -> Value {
    region.call("", service, operation, input).await.unwrap_or_else(|fault| panic!("{operation}: {fault}"))
}

async fn create_cluster(rt: &Runtime, region: &Region) {
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ]});
    let role = json!({"RoleName": "r", "AssumeRolePolicyDocument": trust.to_string()});
    let role = aws(region, "iam", "CreateRole", role).await;
    let policy = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy";
    aws(region, "iam", "AttachRolePolicy", json!({"RoleName": "r", "PolicyArn": policy})).await;
    let subnets = aws(region, "ec2", "DescribeSubnets", json!({})).await;
    let subnets: Vec<&Value> = subnets["Subnets"].as_array().into_iter().flatten().map(|s| &s["SubnetId"]).collect();
    let input =
        json!({"name": "c", "roleArn": role["Role"]["Arn"], "resourcesVpcConfig": {"subnetIds": &subnets[..2]}});
    aws(region, "eks", "CreateCluster", input).await;
    until(rt, region, |described| described.is_ok_and(|d| d["cluster"]["status"] == "ACTIVE")).await;
}

/// Waits, in virtual time, until the cluster's description (or its absence) is as wanted.
async fn until(rt: &Runtime, region: &Region, wanted: impl Fn(Result<Value, Fault>) -> bool) {
    for _ in 0..600 {
        if wanted(region.call("", "eks", "DescribeCluster", json!({"name": "c"})).await) {
            return;
        }
        rt.sleep(Duration::from_secs(1)).await;
    }
    panic!("the cluster did not come or go in ten minutes");
}

#[test]
fn a_deleted_cluster_ends_with_all_its_tasks() {
    let driver = VirtualDriver::new(Timestamp::from_secs(1_767_225_600));
    let rt = driver.runtime(Seed::new(1));
    let server: Weak<ApiServer> = driver.block_on({
        let rt = rt.clone();
        async move {
            let region = start(rt.clone()).await;
            create_cluster(&rt, &region).await;
            let cluster = region.clusters.get("us-west-2", "c").expect("it runs");
            let server = Arc::downgrade(&cluster.server);
            drop(cluster);
            aws(&region, "eks", "DeleteCluster", json!({"name": "c"})).await;
            until(&rt, &region, |described| described.is_err()).await;
            server
        }
    });
    driver.run_for(Duration::from_secs(1));
    // Every controller, cache and port is a client of the server: whatever went on would keep it alive.
    assert_eq!(server.strong_count(), 0);
}
