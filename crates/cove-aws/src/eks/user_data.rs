//! The user data that EKS generates for the nodes of managed node groups, per image family.

use std::fmt::Write;

use super::catalog::AmiType;
use super::nodegroup_state::Nodegroup;
use super::state::Cluster;

/// What user data is made from.
pub struct NodeFacts<'a> {
    /// The cluster, which must have its endpoint.
    pub cluster: &'a Cluster,
    /// The node group.
    pub nodegroup: &'a Nodegroup,
    /// The image's id.
    pub image_id: &'a str,
    /// The caller's template and its version.
    pub source_template: Option<(&'a str, &'a str)>,
}

impl NodeFacts<'_> {
    /// The labels of a node: EKS's own, then the node group's.
    fn labels(&self) -> Vec<(String, String)> {
        let mut labels: Vec<(String, String)> = self.nodegroup.labels.clone().into_iter().collect();
        let mut own = |key: &str, value: &str| labels.push((format!("eks.amazonaws.com/{key}"), value.into()));
        own("nodegroup-image", self.image_id);
        own("capacityType", &self.nodegroup.capacity_type);
        own("nodegroup", &self.nodegroup.name);
        if let Some((id, version)) = self.source_template {
            own("sourceLaunchTemplateId", id);
            own("sourceLaunchTemplateVersion", version);
        }
        labels
    }

    fn label_flag(&self) -> String {
        let pairs: Vec<String> = self.labels().into_iter().map(|(k, v)| format!("{k}={v}")).collect();
        format!("--node-labels={}", pairs.join(","))
    }

    fn taint_flag(&self) -> Option<String> {
        let taint = |t: &super::nodegroup_state::Taint| {
            format!("{}={}:{}", t.key, t.value.as_deref().unwrap_or_default(), t.kubernetes_effect())
        };
        let taints: Vec<String> = self.nodegroup.taints.iter().map(taint).collect();
        (!taints.is_empty()).then(|| format!("--register-with-taints={}", taints.join(",")))
    }

    fn max_pods(&self) -> u32 {
        self.nodegroup.max_pods.unwrap_or(110)
    }

    fn certificate(&self) -> String {
        use base64::Engine;
        let pem = self.cluster.ca_pem.as_deref().unwrap_or_default();
        base64::engine::general_purpose::STANDARD.encode(pem)
    }

    fn endpoint(&self) -> &str {
        self.cluster.endpoint.as_deref().unwrap_or_default()
    }
}

/// The address of the cluster's DNS: the tenth of the service network.
pub fn dns_address(service_cidr: &str) -> String {
    let network: Option<ipnet::Ipv4Net> = service_cidr.parse().ok();
    let tenth = network.map(|n| std::net::Ipv4Addr::from(u32::from(n.network()) + 10));
    tenth.map(|ip| ip.to_string()).unwrap_or_default()
}

/// The complete user data: the caller's own with EKS's part, as the family merges them. For Bottlerocket the caller's
/// settings win, for the others all parts are kept, EKS's last.
pub fn generate(ami: &AmiType, facts: &NodeFacts, own: Option<&str>) -> String {
    match ami.family {
        "Bottlerocket" => bottlerocket(facts, own.unwrap_or_default()),
        "AL2" => mime(own, "text/x-shellscript; charset=\"us-ascii\"", &bootstrap_sh(facts)),
        _ => mime(own, "application/node.eks.aws", &node_config(facts)),
    }
}

fn node_config(facts: &NodeFacts) -> String {
    let mut text = String::from("---\napiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec:\n  cluster:\n");
    let dns = dns_address(&facts.cluster.service_cidr);
    // Writing to a String does not fail.
    let _ = write!(
        text,
        "    apiServerEndpoint: {}\n    certificateAuthority: {}\n    cidr: {}\n    name: {}\n  kubelet:\n    config:\n      \
         maxPods: {}\n      clusterDNS:\n      - {dns}\n    flags:\n    - \"{}\"\n",
        facts.endpoint(),
        facts.certificate(),
        facts.cluster.service_cidr,
        facts.cluster.name,
        facts.max_pods(),
        facts.label_flag(),
    );
    if let Some(taints) = facts.taint_flag() {
        let _ = writeln!(text, "    - \"{taints}\"");
    }
    text
}

fn bootstrap_sh(facts: &NodeFacts) -> String {
    let taints = facts.taint_flag().map(|t| format!(" {t}")).unwrap_or_default();
    format!(
        "#!/bin/bash\nset -ex\n/etc/eks/bootstrap.sh {} --kubelet-extra-args '{}{taints} --max-pods={}' --b64-cluster-ca {} \
         --apiserver-endpoint {} --dns-cluster-ip {} --use-max-pods false\n",
        facts.cluster.name,
        facts.label_flag(),
        facts.max_pods(),
        facts.certificate(),
        facts.endpoint(),
        dns_address(&facts.cluster.service_cidr),
    )
}

/// A MIME archive of the caller's parts and one more.
fn mime(own: Option<&str>, content_type: &str, part: &str) -> String {
    let mut text = String::from("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"//\"\n\n");
    for (own_type, own_part) in own.map(parts).unwrap_or_default() {
        let _ = write!(text, "--//\nContent-Type: {own_type}\n\n{own_part}\n");
    }
    let _ = write!(text, "--//\nContent-Type: {content_type}\n\n{part}\n--//--\n");
    text
}

/// The parts of the caller's user data: of its MIME archive, or the whole as one shell script or NodeConfig.
fn parts(own: &str) -> Vec<(String, String)> {
    let own = own.replace("\r\n", "\n");
    let boundary = own.split("boundary=").nth(1).and_then(|rest| rest.lines().next());
    let Some(boundary) = boundary.map(|b| b.trim().trim_matches('"').to_string()) else {
        let config = own.contains("node.eks.aws/");
        let kind = if config { "application/node.eks.aws" } else { "text/x-shellscript; charset=\"us-ascii\"" };
        return if own.trim().is_empty() { Vec::new() } else { vec![(kind.into(), own)] };
    };
    let mut out = Vec::new();
    for part in own.split(&format!("--{boundary}")).skip(1).filter(|p| !p.starts_with("--")) {
        let (head, body) = part.split_once("\n\n").unwrap_or((part, ""));
        let kind = head.lines().find_map(|l| l.strip_prefix("Content-Type:")).unwrap_or("text/plain").trim();
        out.push((kind.to_string(), body.trim_end().to_string()));
    }
    out
}

fn bottlerocket(facts: &NodeFacts, own: &str) -> String {
    let set = |key: &str| own.lines().any(|l| l.trim_start().trim_start_matches('"').starts_with(key));
    let mut text = String::new();
    let mut table = |name: &str, settings: Vec<(String, String)>| {
        let missing: Vec<_> = settings.into_iter().filter(|(key, _)| !set(key)).collect();
        if missing.is_empty() {
            return;
        }
        let _ = writeln!(text, "[{name}]");
        for (key, value) in missing {
            let quoted = if key.contains('/') || key.contains('.') { format!("\"{key}\"") } else { key };
            let _ = writeln!(text, "{quoted} = {value}");
        }
    };
    let quoted = |value: &str| format!("\"{value}\"");
    let kubernetes = vec![
        ("api-server".to_string(), quoted(facts.endpoint())),
        ("cluster-certificate".to_string(), quoted(&facts.certificate())),
        ("cluster-name".to_string(), quoted(&facts.cluster.name)),
        ("cluster-dns-ip".to_string(), quoted(&dns_address(&facts.cluster.service_cidr))),
        ("max-pods".to_string(), facts.max_pods().to_string()),
    ];
    table("settings.kubernetes", kubernetes);
    table("settings.kubernetes.node-labels", facts.labels().into_iter().map(|(k, v)| (k, quoted(&v))).collect());
    let taint = |t: &super::nodegroup_state::Taint| {
        let value = format!("[\"{}:{}\"]", t.value.as_deref().unwrap_or_default(), t.kubernetes_effect());
        (t.key.clone(), value)
    };
    table("settings.kubernetes.node-taints", facts.nodegroup.taints.iter().map(taint).collect());
    if own.trim().is_empty() { text } else { format!("{}\n{text}", own.trim_end()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_parts_are_kept() {
        assert_eq!(dns_address("10.100.0.0/16"), "10.100.0.10");
        let own = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"==B==\"\n\n--==B==\nContent-Type: \
                   text/x-shellscript\n\n#!/bin/sh\necho hello\n\n--==B==--\n";
        assert_eq!(parts(own), [("text/x-shellscript".to_string(), "#!/bin/sh\necho hello".to_string())]);
        assert_eq!(parts("#!/bin/bash\nls")[0].1, "#!/bin/bash\nls");
        assert!(parts("").is_empty());
        let merged = mime(Some(own), "application/node.eks.aws", "---\nkind: NodeConfig");
        assert_eq!(parts(&merged).len(), 2);
    }
}
