//! `cove topology`: the region as a text diagram, zones as columns.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Value, json};

use super::aws::Aws;
use crate::args::TopologyArgs;
use crate::output::say;
use crate::place::Place;

/// The width of a zone's column, without its frame.
const COLUMN: usize = 34;

/// Runs the command.
pub async fn run(place: &Place, args: &TopologyArgs) -> Result<()> {
    say!("{}", draw(&Aws::Socket(place), args.who).await?);
    Ok(())
}

/// One node as it is drawn.
#[derive(Clone, Debug, Default)]
struct Node {
    zone: String,
    group: String,
    name: String,
    kind: String,
    ready: bool,
    /// Running pods by the name of their workload.
    pods: BTreeMap<String, usize>,
}

/// The whole region. `who` marks each part as run by AWS (here: Cove) or by you.
pub async fn draw(aws: &Aws<'_>, who: bool) -> Result<String> {
    let zones = aws.call("ec2", "DescribeAvailabilityZones", json!({})).await?;
    let zones: Vec<String> = texts(&zones["AvailabilityZones"], "ZoneName");
    let mut text = String::new();
    for name in aws.call("eks", "ListClusters", json!({})).await?["clusters"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap_or_default();
        let Some(cluster) = aws.cluster(name).await? else { continue };
        let nodes = nodes(aws, name).await?;
        text.push_str(&header(&cluster, who));
        text.push_str(&columns(&used(&zones, &nodes), &nodes));
        text.push_str(&who_runs_what(who));
    }
    if text.is_empty() {
        text = "no clusters yet: `cove create cluster --name NAME` makes one\n".into();
    }
    Ok(text)
}

fn texts(list: &Value, member: &str) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|v| v[member].as_str()).map(str::to_string).collect()
}

fn header(cluster: &Value, who: bool) -> String {
    let text = |member: &str| cluster[member].as_str().unwrap_or("-");
    let mark = if who { "  [AWS runs it; here: Cove]" } else { "" };
    let (name, version) = (text("name"), text("version"));
    format!("cluster {name}  Kubernetes {version}  {}  {}{mark}\n", text("status"), text("endpoint"))
}

fn who_runs_what(who: bool) -> String {
    if !who {
        return "\n".into();
    }
    "control plane, node groups' scaling: AWS (here: Cove) · node operating system updates, pods, their settings: you\n\n"
        .into()
}

/// Zones that hold nodes, or the first three if none does.
fn used(zones: &[String], nodes: &[Node]) -> Vec<String> {
    let used: Vec<String> = zones.iter().filter(|z| nodes.iter().any(|n| n.zone == **z)).cloned().collect();
    if used.is_empty() { zones.iter().take(3).cloned().collect() } else { used }
}

async fn nodes(aws: &Aws<'_>, cluster: &str) -> Result<Vec<Node>> {
    let mut nodes: Vec<Node> = aws.objects(cluster, "nodes").await?.iter().map(node).collect();
    for pod in aws.objects(cluster, "pods").await? {
        let on = pod["spec"]["nodeName"].as_str().unwrap_or_default();
        if pod["status"]["phase"] == "Running"
            && let Some(node) = nodes.iter_mut().find(|n| n.name == on)
        {
            *node.pods.entry(workload(&pod)).or_insert(0) += 1;
        }
    }
    nodes.sort_by(|a, b| (&a.group, &a.name).cmp(&(&b.group, &b.name)));
    Ok(nodes)
}

fn node(object: &Value) -> Node {
    let label = |key: &str| object["metadata"]["labels"][key].as_str().unwrap_or_default().to_string();
    let conditions = object["status"]["conditions"].as_array();
    Node {
        zone: label("topology.kubernetes.io/zone"),
        group: label("eks.amazonaws.com/nodegroup"),
        name: object["metadata"]["name"].as_str().unwrap_or_default().into(),
        kind: label("node.kubernetes.io/instance-type"),
        ready: conditions.is_some_and(|all| all.iter().any(|c| c["type"] == "Ready" && c["status"] == "True")),
        pods: BTreeMap::new(),
    }
}

/// The name of what made a pod: its Deployment without the template's hash, else its owner, else itself.
fn workload(pod: &Value) -> String {
    let owner = &pod["metadata"]["ownerReferences"][0];
    let name = owner["name"].as_str().or_else(|| pod["metadata"]["name"].as_str()).unwrap_or_default();
    let hash = pod["metadata"]["labels"]["pod-template-hash"].as_str();
    match hash.and_then(|h| name.strip_suffix(h)) {
        Some(deployment) => deployment.trim_end_matches('-').to_string(),
        None => name.to_string(),
    }
}

/// The frame with one column per zone.
fn columns(zones: &[String], nodes: &[Node]) -> String {
    let cells: Vec<Vec<String>> = zones.iter().map(|zone| column(zone, nodes)).collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    let rule = |left: &str, middle: &str, right: &str, titles: bool| {
        let parts: Vec<String> = zones
            .iter()
            .map(|zone| {
                let title = if titles { format!("─ {zone} ") } else { String::new() };
                let dashes = (COLUMN + 2).saturating_sub(title.chars().count());
                format!("{title}{}", "─".repeat(dashes))
            })
            .collect();
        format!("{left}{}{right}\n", parts.join(middle))
    };
    let mut text = rule("┌", "┬", "┐", true);
    for line in 0..height {
        let row: Vec<String> = cells.iter().map(|c| fit(c.get(line).map_or("", String::as_str))).collect();
        text.push_str(&format!("│ {} │\n", row.join(" │ ")));
    }
    text.push_str(&rule("└", "┴", "┘", false));
    text
}

fn column(zone: &str, nodes: &[Node]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut group = None;
    for node in nodes.iter().filter(|n| n.zone == zone) {
        if group != Some(&node.group) {
            lines.push(format!("▸ {}", if node.group.is_empty() { "no node group" } else { &node.group }));
            group = Some(&node.group);
        }
        let short = node.name.split('.').next().unwrap_or(&node.name);
        let mark = if node.ready { "●" } else { "○" };
        lines.push(format!("  {mark} {short}  {}", node.kind));
        lines.extend(wrap(&node.pods));
    }
    lines
}

/// Pods as `name ×n`, as many on a line as fit.
fn wrap(pods: &BTreeMap<String, usize>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (name, count) in pods {
        let item = if *count == 1 { name.clone() } else { format!("{name} ×{count}") };
        match lines.last_mut().filter(|l| l.chars().count() + item.chars().count() + 2 <= COLUMN) {
            Some(line) => line.push_str(&format!("  {item}")),
            None => lines.push(format!("      {item}")),
        }
    }
    lines
}

/// Exactly [`COLUMN`] characters: padded, or cut with an ellipsis.
fn fit(text: &str) -> String {
    let length = text.chars().count();
    if length <= COLUMN {
        return format!("{text}{}", " ".repeat(COLUMN - length));
    }
    let kept: String = text.chars().take(COLUMN - 1).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_columns_of_equal_width() {
        let node = |zone: &str, name: &str, pods: &[(&str, usize)]| Node {
            zone: zone.into(),
            group: "app".into(),
            name: name.into(),
            kind: "m5.large".into(),
            ready: true,
            pods: pods.iter().map(|(n, c)| ((*n).to_string(), *c)).collect(),
        };
        let nodes = [
            node("us-west-2a", "ip-172-31-0-5.us-west-2.compute.internal", &[("aws-node", 1), ("web", 2)]),
            node(
                "us-west-2b",
                "ip-172-31-16-5.us-west-2.compute.internal",
                &[("a-workload-with-a-very-long-name-indeed", 1)],
            ),
        ];
        let text = columns(&["us-west-2a".into(), "us-west-2b".into()], &nodes);
        let widths: Vec<usize> = text.lines().map(|l| l.chars().count()).collect();
        assert!(widths.windows(2).all(|w| w[0] == w[1]), "{text}");
        assert!(text.contains("aws-node  web ×2") && text.contains("● ip-172-31-0-5  m5.large") && text.contains('…'));
    }
}
