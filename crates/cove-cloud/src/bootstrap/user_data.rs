//! User data of the three image families: AL2023's NodeConfig (plain or MIME), AL2's `bootstrap.sh`, Bottlerocket's
//! TOML (facts: `eks.md` 1.1 and 1.2; amazon-eks-ami v20260714).

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// The family of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OsFamily {
    /// Amazon Linux 2023.
    Al2023,
    /// Amazon Linux 2.
    Al2,
    /// Bottlerocket.
    Bottlerocket,
}

/// A taint from the user data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taint {
    /// The key.
    pub key: String,
    /// The value, may be empty.
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}

/// What user data says about the node to be.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeConfig {
    /// Who wrote it.
    pub family: OsFamily,
    /// The cluster's name.
    pub cluster: String,
    /// The API server, such as `https://127.0.0.1:16443`. AL2 may leave it out and asks EKS then.
    pub endpoint: Option<String>,
    /// The most pods; `None` for the type's default.
    pub max_pods: Option<u64>,
    /// Labels the node registers with.
    pub labels: BTreeMap<String, String>,
    /// Taints the node registers with.
    pub taints: Vec<Taint>,
}

/// The user data does not make a node. Printed on the console.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserDataError {
    /// There is none, or none of a form that a node image understands.
    #[error("no node configuration in the user data")]
    Absent,
    /// A part cannot be read.
    #[error("{0}")]
    Malformed(String),
    /// A mandatory member is missing: nodeadm's own words.
    #[error("{0} in cluster configuration")]
    Missing(&'static str),
}

/// Reads user data.
pub fn parse(user_data: &[u8]) -> Result<NodeConfig, UserDataError> {
    let text = String::from_utf8_lossy(user_data);
    let trimmed = text.trim_start();
    if trimmed.starts_with("MIME-Version:") || trimmed.starts_with("Content-Type: multipart/") {
        return parse_mime(trimmed);
    }
    parse_part(trimmed, "")
}

fn parse_part(text: &str, content_type: &str) -> Result<NodeConfig, UserDataError> {
    if content_type.starts_with("application/node.eks.aws") || text.contains("kind: NodeConfig") {
        return node_config(&[decode_part(text)?]);
    }
    if text.contains("/etc/eks/bootstrap.sh") {
        return bootstrap_sh(text);
    }
    if text.contains("[settings.kubernetes]") {
        return bottlerocket(text);
    }
    Err(UserDataError::Absent)
}

/// A NodeConfig part may be base64 of the YAML.
fn decode_part(text: &str) -> Result<String, UserDataError> {
    if text.contains(':') {
        return Ok(text.to_string());
    }
    let packed: String = text.split_whitespace().collect();
    let bytes = STANDARD.decode(packed).map_err(|e| UserDataError::Malformed(format!("NodeConfig part: {e}")))?;
    String::from_utf8(bytes).map_err(|e| UserDataError::Malformed(format!("NodeConfig part: {e}")))
}

/// NodeConfig parts are merged in order; a shell part with `bootstrap.sh` counts if there is none.
fn parse_mime(text: &str) -> Result<NodeConfig, UserDataError> {
    let boundary = text
        .split_once("boundary=")
        .map(|(_, rest)| rest.trim_start_matches('"'))
        .and_then(|rest| rest.split(['"', '\r', '\n', ';']).next())
        .ok_or_else(|| UserDataError::Malformed("multipart user data without a boundary".into()))?;
    let delimiter = format!("--{boundary}");
    let mut configs = Vec::new();
    let mut other = Err(UserDataError::Absent);
    for part in text.replace("\r\n", "\n").split(&format!("\n{delimiter}")).skip(1) {
        let Some((headers, body)) = part.split_once("\n\n") else { continue };
        let content_type = headers.lines().find_map(|l| l.trim().strip_prefix("Content-Type:")).unwrap_or("").trim();
        if content_type.starts_with("application/node.eks.aws") {
            configs.push(decode_part(body)?);
        } else if other.is_err() {
            other = parse_part(body, content_type);
        }
    }
    if configs.is_empty() { other } else { node_config(&configs) }
}

fn node_config(documents: &[String]) -> Result<NodeConfig, UserDataError> {
    let mut merged = Value::Null;
    for document in documents {
        let value: Value = serde_saphyr::from_str(document)
            .map_err(|e| UserDataError::Malformed(format!("NodeConfig is no valid YAML: {e}")))?;
        merge(&mut merged, value);
    }
    let spec = &merged["spec"];
    let required = |member: &str, missing: &'static str| {
        let found = spec["cluster"][member].as_str().filter(|v| !v.is_empty());
        found.map(str::to_string).ok_or(UserDataError::Missing(missing))
    };
    let cluster = required("name", "Name is missing")?;
    let endpoint = required("apiServerEndpoint", "Apiserver endpoint is missing")?;
    required("certificateAuthority", "Certificate authority is missing")?;
    required("cidr", "CIDR is missing")?;
    let kubelet = &spec["kubelet"];
    let flags = kubelet["flags"].as_array().cloned().unwrap_or_default();
    let flags: Vec<&str> = flags.iter().filter_map(Value::as_str).collect();
    Ok(NodeConfig {
        family: OsFamily::Al2023,
        cluster,
        endpoint: Some(endpoint),
        max_pods: kubelet["config"]["maxPods"].as_u64(),
        labels: flags.iter().filter_map(|f| f.strip_prefix("--node-labels=")).flat_map(label_list).collect(),
        taints: flags
            .iter()
            .filter_map(|f| f.strip_prefix("--register-with-taints="))
            .flat_map(taint_list)
            .chain(config_taints(&kubelet["config"]["registerWithTaints"]))
            .collect(),
    })
}

/// Objects are merged member by member, everything else is replaced.
fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

fn label_list(text: &str) -> Vec<(String, String)> {
    text.split(',').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (k.to_string(), v.to_string())).collect()
}

/// `key=value:Effect`, separated by commas.
fn taint_list(text: &str) -> Vec<Taint> {
    let one = |item: &str| {
        let (pair, effect) = item.rsplit_once(':')?;
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some(Taint { key: key.into(), value: value.into(), effect: effect.into() })
    };
    text.split(',').filter_map(one).collect()
}

fn config_taints(list: &Value) -> Vec<Taint> {
    let text = |taint: &Value, member: &str| taint[member].as_str().unwrap_or_default().to_string();
    let taints = list.as_array().into_iter().flatten();
    taints.map(|t| Taint { key: text(t, "key"), value: text(t, "value"), effect: text(t, "effect") }).collect()
}

/// `/etc/eks/bootstrap.sh CLUSTER --flag 'value' ...`, possibly over several lines.
fn bootstrap_sh(text: &str) -> Result<NodeConfig, UserDataError> {
    let joined = text.replace("\\\n", " ");
    let line = joined.lines().find(|l| l.contains("/etc/eks/bootstrap.sh")).ok_or(UserDataError::Absent)?;
    let words = shell_words(line);
    let mut words = words.iter().skip_while(|w| !w.ends_with("/etc/eks/bootstrap.sh")).skip(1);
    let (mut cluster, mut endpoint, mut kubelet) = (String::new(), None, String::new());
    while let Some(word) = words.next() {
        match word.as_str() {
            "--apiserver-endpoint" => endpoint = words.next().cloned(),
            "--kubelet-extra-args" => kubelet = words.next().cloned().unwrap_or_default(),
            flag if flag.starts_with("--") => drop(words.next()),
            name if cluster.is_empty() => cluster = name.to_string(),
            _ => {}
        }
    }
    if cluster.is_empty() {
        return Err(UserDataError::Malformed("bootstrap.sh: missing cluster name".into()));
    }
    let flags: Vec<&str> = kubelet.split_whitespace().collect();
    let flag = |name: &'static str| flags.iter().filter_map(move |f| f.strip_prefix(name));
    Ok(NodeConfig {
        family: OsFamily::Al2,
        cluster,
        endpoint,
        max_pods: flag("--max-pods=").find_map(|n| n.parse().ok()),
        labels: flag("--node-labels=").flat_map(label_list).collect(),
        taints: flag("--register-with-taints=").flat_map(taint_list).collect(),
    })
}

/// Words of a shell line: quotes group, variables are left as they are.
fn shell_words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// The few settings of `[settings.kubernetes]` that make a node; other tables are Bottlerocket's own business.
fn bottlerocket(text: &str) -> Result<NodeConfig, UserDataError> {
    let mut section = "";
    let mut config = NodeConfig {
        family: OsFamily::Bottlerocket,
        cluster: String::new(),
        endpoint: None,
        max_pods: None,
        labels: BTreeMap::new(),
        taints: Vec::new(),
    };
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            section = name;
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        let unquote = |text: &str| text.trim().trim_matches(['[', ']', ' ']).trim_matches('"').to_string();
        let (key, value) = (unquote(key), unquote(value));
        match (section, key.as_str()) {
            ("settings.kubernetes", "cluster-name") => config.cluster = value,
            ("settings.kubernetes", "api-server") => config.endpoint = Some(value),
            ("settings.kubernetes", "max-pods") => config.max_pods = value.parse().ok(),
            ("settings.kubernetes.node-labels", _) => drop(config.labels.insert(key, value)),
            ("settings.kubernetes.node-taints", _) => {
                let (value, effect) = value.rsplit_once(':').unwrap_or(("", value.as_str()));
                config.taints.push(Taint { key, value: value.into(), effect: effect.into() });
            }
            _ => {}
        }
    }
    if config.cluster.is_empty() { Err(UserDataError::Missing("cluster-name is missing")) } else { Ok(config) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE_CONFIG: &str = "---\napiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec:\n  cluster:\n    \
        apiServerEndpoint: https://127.0.0.1:16443\n    certificateAuthority: Y2E=\n    cidr: 10.100.0.0/16\n    name: \
        my-cluster\n  kubelet:\n    config:\n      maxPods: 17\n      clusterDNS:\n      - 10.100.0.10\n    flags:\n    \
        - \"--node-labels=eks.amazonaws.com/nodegroup=ng,a=b\"\n    - \"--register-with-taints=k=v:NoSchedule\"\n";

    fn check(config: &NodeConfig, family: OsFamily) {
        assert_eq!(config.family, family);
        assert_eq!(config.cluster, "my-cluster");
        assert_eq!(config.endpoint.as_deref(), Some("https://127.0.0.1:16443"));
        assert_eq!(config.max_pods, Some(17));
        assert_eq!(config.labels["eks.amazonaws.com/nodegroup"], "ng");
        assert_eq!(config.taints, [Taint { key: "k".into(), value: "v".into(), effect: "NoSchedule".into() }]);
    }

    #[test]
    fn al2023_plain_and_mime() {
        check(&parse(NODE_CONFIG.as_bytes()).expect("plain"), OsFamily::Al2023);
        let mime = format!(
            "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"//\"\n\n--//\nContent-Type: \
             application/node.eks.aws\n\n{NODE_CONFIG}\n--//--\n"
        );
        check(&parse(mime.as_bytes()).expect("MIME"), OsFamily::Al2023);
        check(&parse(mime.replace('\n', "\r\n").as_bytes()).expect("CRLF"), OsFamily::Al2023);
    }

    #[test]
    fn al2_bootstrap_script() {
        let script = "#!/bin/bash\nset -ex\n/etc/eks/bootstrap.sh my-cluster --apiserver-endpoint \
                      https://127.0.0.1:16443 --b64-cluster-ca Y2E= \\\n --kubelet-extra-args \
                      '--node-labels=eks.amazonaws.com/nodegroup=ng --register-with-taints=k=v:NoSchedule \
                      --max-pods=17'\n";
        check(&parse(script.as_bytes()).expect("script"), OsFamily::Al2);
    }

    #[test]
    fn bottlerocket_toml() {
        let toml = "[settings.kubernetes]\ncluster-name = \"my-cluster\"\napi-server = \
                    \"https://127.0.0.1:16443\"\nmax-pods = 17\n[settings.kubernetes.node-labels]\n\
                    \"eks.amazonaws.com/nodegroup\" = \"ng\"\n[settings.kubernetes.node-taints]\n\"k\" = \
                    [\"v:NoSchedule\"]\n";
        check(&parse(toml.as_bytes()).expect("TOML"), OsFamily::Bottlerocket);
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(parse(b""), Err(UserDataError::Absent));
        assert_eq!(parse(b"#!/bin/sh\necho hello\n"), Err(UserDataError::Absent));
        let nameless = NODE_CONFIG.replace("name: my-cluster", "name: \"\"");
        let error = parse(nameless.as_bytes()).expect_err("no name");
        assert_eq!(error.to_string(), "Name is missing in cluster configuration");
        assert!(matches!(parse(b"kind: NodeConfig\n  : [bad"), Err(UserDataError::Malformed(_))));
    }
}
