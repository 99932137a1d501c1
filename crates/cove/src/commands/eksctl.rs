//! eksctl's verbs and flags: create, get, scale and delete of clusters and node groups.

use anyhow::Result;
use cove_base::hint::Hinted;
use serde_json::{Value, json};

use super::aws::Aws;
use super::make::{self, NodeGroup};
use crate::args::{Create, CreateCluster, CreateNodegroup, Delete, Get, Scale};
use crate::kubeconfig;
use crate::output::sayln;
use crate::output::{cell, print, table};
use crate::place::Place;
use crate::progress::step;

/// `cove create ...`.
pub async fn create(place: &Place, create: &Create) -> Result<()> {
    let aws = Aws::Socket(place);
    match create {
        Create::Cluster(args) => create_cluster(place, &aws, args).await,
        Create::Nodegroup(args) => {
            let group = group_of(args)?;
            let what = format!("node group {} of {} {} nodes", args.name, args.nodes, args.node_type);
            step(&what, make::node_group(&aws, &args.cluster, &group)).await
        }
    }
}

async fn create_cluster(place: &Place, aws: &Aws<'_>, args: &CreateCluster) -> Result<()> {
    step(&format!("cluster {}", args.name), make::cluster(aws, &args.name, args.version.as_deref())).await?;
    let described = aws.cluster(&args.name).await?.ok_or_else(|| make::no_cluster(&args.name))?;
    place.write_kubeconfig(&kubeconfig::of_cluster(place, &described)?)?;
    if let Some(nodes) = args.nodes {
        let name = args.nodegroup_name.clone().unwrap_or_else(|| format!("{}-ng", args.name));
        let group = NodeGroup {
            name: name.clone(),
            instance_type: args.node_type.clone(),
            sizes: (nodes, nodes, nodes.max(1)),
            labels: json!({}),
            spot: false,
            ami_type: None,
        };
        step(&format!("node group {name}"), make::node_group(aws, &args.name, &group)).await?;
    }
    sayln!("\nTry:  KUBECONFIG={} kubectl get nodes", place.kubeconfig().display());
    Ok(())
}

fn group_of(args: &CreateNodegroup) -> Result<NodeGroup> {
    if !args.managed {
        let hint = "Leave --managed away or set it to true.";
        return Err(Hinted::new("Cove makes managed node groups only", hint).into());
    }
    let mut labels = json!({});
    for label in &args.node_labels {
        let (key, value) = label
            .split_once('=')
            .ok_or_else(|| Hinted::new(format!("{label:?} is no label"), "Write --node-labels key=value,key=value."))?;
        labels[key] = value.into();
    }
    let (min, max) = (args.nodes_min.unwrap_or(args.nodes), args.nodes_max.unwrap_or(args.nodes.max(1)));
    Ok(NodeGroup {
        name: args.name.clone(),
        instance_type: args.node_type.clone(),
        sizes: (min, args.nodes, max),
        labels,
        spot: args.spot,
        ami_type: args.node_ami_family.as_deref().map(ami_type).transpose()?,
    })
}

/// eksctl's image families as EKS names them.
fn ami_type(family: &str) -> Result<String> {
    let known = [
        ("AmazonLinux2023", "AL2023_x86_64_STANDARD"),
        ("AmazonLinux2", "AL2_x86_64"),
        ("Bottlerocket", "BOTTLEROCKET_x86_64"),
    ];
    let found = known.iter().find(|(name, _)| *name == family).map(|(_, ami_type)| (*ami_type).to_string());
    found.ok_or_else(|| {
        let hint = "Take AmazonLinux2023, AmazonLinux2 or Bottlerocket.";
        Hinted::new(format!("unknown image family {family:?}"), hint).into()
    })
}

/// `cove get ...`.
pub async fn get(place: &Place, get: &Get) -> Result<()> {
    let aws = Aws::Socket(place);
    match get {
        Get::Cluster(args) => {
            let names = match &args.name {
                Some(name) => vec![name.clone()],
                None => strings(&aws.call("eks", "ListClusters", json!({})).await?["clusters"]),
            };
            let mut found = Vec::new();
            for name in names {
                found.push(aws.cluster(&name).await?.ok_or_else(|| make::no_cluster(&name))?);
            }
            print(args.output.output, &Value::Array(found), |clusters| {
                let columns = ["name", "version", "status", "endpoint"];
                rows(clusters, &["NAME", "VERSION", "STATUS", "ENDPOINT"], |c| columns.map(|m| cell(&c[m])).to_vec())
            })
        }
        Get::Nodegroup(args) => {
            let names = match &args.name {
                Some(name) => vec![name.clone()],
                None => {
                    let listed = aws.find("eks", "ListNodegroups", json!({"clusterName": args.cluster})).await?;
                    strings(&listed.ok_or_else(|| make::no_cluster(&args.cluster))?["nodegroups"])
                }
            };
            let mut found = Vec::new();
            for name in names {
                let group = aws.node_group(&args.cluster, &name).await?;
                found.push(group.ok_or_else(|| Hinted::new(format!("there is no node group {name}"), ""))?);
            }
            print(args.output.output, &Value::Array(found), |groups| rows(groups, GROUP_HEADERS, group_row))
        }
    }
}

const GROUP_HEADERS: &[&str] =
    &["CLUSTER", "NODEGROUP", "STATUS", "MIN", "MAX", "DESIRED", "INSTANCE TYPE", "AMI", "ASG"];

fn group_row(group: &Value) -> Vec<String> {
    let scaling = &group["scalingConfig"];
    vec![
        cell(&group["clusterName"]),
        cell(&group["nodegroupName"]),
        cell(&group["status"]),
        cell(&scaling["minSize"]),
        cell(&scaling["maxSize"]),
        cell(&scaling["desiredSize"]),
        cell(&group["instanceTypes"]),
        cell(&group["amiType"]),
        cell(&group["resources"]["autoScalingGroups"][0]["name"]),
    ]
}

fn rows(values: &Value, headers: &[&str], row: impl Fn(&Value) -> Vec<String>) -> String {
    let rows: Vec<Vec<String>> = values.as_array().into_iter().flatten().map(row).collect();
    if rows.is_empty() { "none\n".into() } else { table(headers, &rows) }
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_string).collect()
}

/// `cove scale ...`.
pub async fn scale(place: &Place, scale: &Scale) -> Result<()> {
    let Scale::Nodegroup(args) = scale;
    let aws = Aws::Socket(place);
    let group = aws.node_group(&args.cluster, &args.name).await?;
    let group = group.ok_or_else(|| Hinted::new(format!("there is no node group {}", args.name), ""))?;
    let size = |member: &str| group["scalingConfig"][member].as_u64().unwrap_or(0);
    let wanted = u64::from(args.nodes);
    // As eksctl: a wish beyond the bounds without new bounds is EKS's to refuse.
    let scaling = json!({
        "minSize": args.nodes_min.map_or(size("minSize"), u64::from),
        "maxSize": args.nodes_max.map_or(size("maxSize"), u64::from),
        "desiredSize": wanted,
    });
    let input = json!({"clusterName": args.cluster, "nodegroupName": args.name, "scalingConfig": scaling});
    aws.call("eks", "UpdateNodegroupConfig", input).await?;
    sayln!("node group {} will have {wanted} nodes", args.name);
    Ok(())
}

/// `cove delete ...`.
pub async fn delete(place: &Place, delete: &Delete) -> Result<()> {
    let aws = Aws::Socket(place);
    match delete {
        Delete::Cluster(args) => {
            step(&format!("cluster {} and its node groups deleted", args.name), make::delete_cluster(&aws, &args.name))
                .await
        }
        Delete::Nodegroup(args) => {
            let what = format!("node group {} deleted", args.name);
            step(&what, make::delete_node_group(&aws, &args.cluster, &args.name)).await
        }
    }
}
