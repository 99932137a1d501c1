//! The command line. Every flag has an environment variable, except those that eksctl's verbs have from eksctl.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

/// A managed-Kubernetes cloud on your own machine: an EKS-compatible region in one binary.
#[derive(Debug, Parser)]
#[command(name = "cove", version, disable_help_subcommand = true, after_help = EXAMPLES)]
pub struct Args {
    /// Where the region's state lives [default: $XDG_STATE_HOME/cove/NAME]
    #[arg(long, global = true, env = "COVE_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  cove demo                          a whole region, shown and taken down again
  cove up --detach                   start a region that stays
  eval \"$(cove env)\"                 point aws, boto3 and terraform at it
  cove create cluster --name dev     a cluster with roles and access, as eksctl makes it
  cove down                          stop it; the state stays";

/// Which region on this machine, by name. eksctl's verbs have a `--name` of their own and take `COVE_NAME` only.
#[derive(Clone, Debug, ClapArgs)]
pub struct NameArgs {
    /// Separates regions on one machine
    #[arg(long = "name", id = "region-name", env = "COVE_NAME", value_name = "NAME", default_value = "default")]
    pub name: String,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the region; it stays in the foreground until Ctrl-C
    Up(UpArgs),
    /// Stop the region
    Down(DownArgs),
    /// Say whether the region runs, and what is in it
    Status(StatusArgs),
    /// Print the environment that points clients at the region
    Env(EnvArgs),
    /// Show a whole region in a few seconds, then take it down
    Demo(DemoArgs),
    /// Draw the region: zones as columns; node groups, nodes, pods
    Topology(TopologyArgs),
    /// Show the requests that the region has answered
    Logs(LogsArgs),
    /// Print a kubeconfig for a cluster whose tokens come from `cove token`
    Kubeconfig(ClusterArgs),
    /// Print a token for a cluster, as `aws eks get-token` does
    Token(ClusterArgs),
    /// Make a cluster or a node group, with eksctl's flags
    #[command(subcommand)]
    Create(Create),
    /// List clusters or node groups
    #[command(subcommand)]
    Get(Get),
    /// Change the size of a node group
    #[command(subcommand)]
    Scale(Scale),
    /// Delete a cluster or a node group
    #[command(subcommand)]
    Delete(Delete),
    /// Measure how fast Cove is on this machine, in regions of its own
    Bench(BenchArgs),
    /// Print the version
    Version,
}

/// How long a simulated machine takes to boot if nobody says otherwise.
pub const BOOT_TIME: &str = "100ms";

/// What machines are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Nodes {
    /// State machines: no kernel, no containers, thousands of them
    Simulated,
    /// Processes in namespaces of their own, on Linux as root; simulated where that cannot be
    Real,
}

#[derive(Clone, Debug, ClapArgs)]
pub struct UpArgs {
    #[command(flatten)]
    pub place: NameArgs,
    /// The port of the AWS endpoint; 0 lets the system choose
    #[arg(long, env = "COVE_PORT", default_value_t = 4566)]
    pub port: u16,
    /// What instances are
    #[arg(long, env = "COVE_NODES", value_enum, default_value = "simulated")]
    pub nodes: Nodes,
    /// The AWS region to start in; every other region answers too, from its first use on
    #[arg(long, env = "COVE_REGION", default_value = "us-west-2")]
    pub region: String,
    /// How long a node of a node group may take to lose its pods (EKS: 15m)
    #[arg(long, env = "COVE_DRAIN_TIMEOUT", value_parser = duration, default_value = "15m")]
    pub drain_timeout: Duration,
    /// How long a simulated machine takes to boot
    #[arg(long, env = "COVE_BOOT_TIME", value_parser = duration, default_value = BOOT_TIME)]
    pub boot_time: Duration,
    /// The admin user's key pair, ID:SECRET, for people who come from other emulators [default: random]
    #[arg(long, env = "COVE_CREDENTIALS", value_name = "ID:SECRET")]
    pub credentials: Option<String>,
    /// Makes everything random but keys repeatable
    #[arg(long, env = "COVE_SEED", default_value_t = 1)]
    pub seed: u64,
    /// The first port that a cluster may get
    #[arg(long, env = "COVE_CLUSTER_PORT", default_value_t = cove_region::config::FIRST_CLUSTER_PORT)]
    pub cluster_port: u16,
    /// Return when the region is ready; it goes on in the background
    #[arg(long, env = "COVE_DETACH")]
    pub detach: bool,
}

#[derive(Debug, ClapArgs)]
pub struct DownArgs {
    #[command(flatten)]
    pub place: NameArgs,
    /// Delete the region's state too
    #[arg(long, env = "COVE_DELETE")]
    pub delete: bool,
}

#[derive(Debug, ClapArgs)]
pub struct StatusArgs {
    #[command(flatten)]
    pub place: NameArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, ClapArgs)]
pub struct OutputArgs {
    /// For programs
    #[arg(long, short, env = "COVE_OUTPUT", value_enum, default_value = "text")]
    pub output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    Text,
    /// JSON
    Json,
    /// YAML
    Yaml,
}

#[derive(Debug, ClapArgs)]
pub struct EnvArgs {
    #[command(flatten)]
    pub place: NameArgs,
    /// The shell to write for
    #[arg(long, env = "COVE_SHELL", value_enum, default_value = "bash")]
    pub shell: Shell,
    /// Take the settings back instead
    #[arg(long, env = "COVE_UNSET")]
    pub unset: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// bash, zsh, sh
    Bash,
    /// fish
    Fish,
    /// PowerShell
    Powershell,
}

#[derive(Debug, ClapArgs)]
pub struct DemoArgs {
    /// Leave the region running in the foreground afterwards
    #[arg(long, env = "COVE_DEMO_STAY")]
    pub stay: bool,
}

#[derive(Debug, ClapArgs)]
pub struct BenchArgs {
    /// How often each figure is measured
    #[arg(long, env = "COVE_BENCH_RUNS", default_value_t = 5)]
    pub runs: usize,
    /// How long the idle region is watched; 0s leaves it out
    #[arg(long, env = "COVE_BENCH_IDLE", value_parser = duration, default_value = "30s")]
    pub idle: Duration,
}

#[derive(Debug, ClapArgs)]
pub struct TopologyArgs {
    #[command(flatten)]
    pub place: NameArgs,
    /// Mark each part as run by AWS (here: Cove) or by you
    #[arg(long, env = "COVE_TOPOLOGY_WHO")]
    pub who: bool,
}

#[derive(Debug, ClapArgs)]
pub struct LogsArgs {
    #[command(flatten)]
    pub place: NameArgs,
    /// Go on with what comes
    #[arg(long, short, env = "COVE_LOGS_FOLLOW")]
    pub follow: bool,
    /// Only requests to this service (`eks`, `ec2`, `kubernetes`, ...)
    #[arg(long, env = "COVE_LOGS_SERVICE")]
    pub service: Option<String>,
    /// Only what failed
    #[arg(long, env = "COVE_LOGS_ERRORS")]
    pub errors: bool,
}

#[derive(Debug, ClapArgs)]
pub struct ClusterArgs {
    #[command(flatten)]
    pub place: NameArgs,
    /// The cluster
    #[arg(long, env = "COVE_CLUSTER")]
    pub cluster: String,
    /// Its region [default: the region's own]
    #[arg(long, env = "AWS_REGION")]
    pub region: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Create {
    /// Make a cluster with its roles and access
    Cluster(CreateCluster),
    /// Make a managed node group with its role
    Nodegroup(CreateNodegroup),
}

#[derive(Debug, ClapArgs)]
pub struct CreateCluster {
    /// The cluster's name
    #[arg(long)]
    pub name: String,
    /// The Kubernetes version [default: 1.35]
    #[arg(long)]
    pub version: Option<String>,
    /// Make a node group with it, of this many nodes
    #[arg(long)]
    pub nodes: Option<u32>,
    /// The instance type of that node group
    #[arg(long, default_value = "m5.large")]
    pub node_type: String,
    /// The name of that node group [default: CLUSTER-ng]
    #[arg(long)]
    pub nodegroup_name: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub struct CreateNodegroup {
    /// The cluster
    #[arg(long)]
    pub cluster: String,
    /// The node group's name
    #[arg(long, short)]
    pub name: String,
    /// The instance type
    #[arg(long, short = 't', default_value = "m5.large")]
    pub node_type: String,
    /// How many nodes
    #[arg(long, short = 'N', default_value_t = 2)]
    pub nodes: u32,
    /// The fewest [default: --nodes]
    #[arg(long, short = 'm')]
    pub nodes_min: Option<u32>,
    /// The most [default: --nodes]
    #[arg(long, short = 'M')]
    pub nodes_max: Option<u32>,
    /// A managed node group: the only kind that Cove makes by itself
    #[arg(long, default_value_t = true, default_missing_value = "true", num_args = 0..=1, action = clap::ArgAction::Set)]
    pub managed: bool,
    /// Labels, `key=value,...`
    #[arg(long, value_delimiter = ',')]
    pub node_labels: Vec<String>,
    /// Spot capacity
    #[arg(long)]
    pub spot: bool,
    /// The image family, such as `AmazonLinux2023` or `Bottlerocket`
    #[arg(long)]
    pub node_ami_family: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Get {
    /// List clusters
    Cluster(GetCluster),
    /// List node groups
    Nodegroup(GetNodegroup),
}

#[derive(Debug, ClapArgs)]
pub struct GetCluster {
    /// Only this one
    #[arg(long)]
    pub name: Option<String>,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, ClapArgs)]
pub struct GetNodegroup {
    /// The cluster
    #[arg(long)]
    pub cluster: String,
    /// Only this one
    #[arg(long, short)]
    pub name: Option<String>,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Subcommand)]
pub enum Scale {
    /// Change the size of a node group
    Nodegroup(ScaleNodegroup),
}

#[derive(Debug, ClapArgs)]
pub struct ScaleNodegroup {
    /// The cluster
    #[arg(long)]
    pub cluster: String,
    /// The node group
    #[arg(long, short)]
    pub name: String,
    /// How many nodes
    #[arg(long, short = 'N')]
    pub nodes: u32,
    /// The fewest
    #[arg(long, short = 'm')]
    pub nodes_min: Option<u32>,
    /// The most
    #[arg(long, short = 'M')]
    pub nodes_max: Option<u32>,
}

#[derive(Debug, Subcommand)]
pub enum Delete {
    /// Delete a cluster with its node groups and the roles made for it
    Cluster(DeleteCluster),
    /// Delete a node group
    Nodegroup(DeleteNodegroup),
}

#[derive(Debug, ClapArgs)]
pub struct DeleteCluster {
    /// The cluster
    #[arg(long)]
    pub name: String,
}

#[derive(Debug, ClapArgs)]
pub struct DeleteNodegroup {
    /// The cluster
    #[arg(long)]
    pub cluster: String,
    /// The node group
    #[arg(long, short)]
    pub name: String,
}

/// `5s`, `15m`, `1h30m`, `250ms`.
fn duration(text: &str) -> Result<Duration, String> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest[..digits].parse().map_err(|_| format!("{text:?} is no duration such as 5s or 15m"))?;
        let (unit, unit_len) = match &rest[digits..] {
            tail if tail.starts_with("ms") => (Duration::from_millis(1), 2),
            tail if tail.starts_with('s') => (Duration::from_secs(1), 1),
            tail if tail.starts_with('m') => (Duration::from_secs(60), 1),
            tail if tail.starts_with('h') => (Duration::from_secs(3_600), 1),
            _ => return Err(format!("{text:?} needs a unit: ms, s, m or h")),
        };
        let part = u32::try_from(number).ok().and_then(|n| unit.checked_mul(n));
        total = part.and_then(|p| total.checked_add(p)).ok_or_else(|| format!("{text:?} is too long"))?;
        rest = &rest[digits + unit_len..];
    }
    if text.is_empty() { Err("a duration such as 5s or 15m is missing".into()) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn durations() {
        assert_eq!(duration("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        for bad in ["", "5", "s", "5 s", "99999999999h"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn eksctl_flags_are_understood() {
        let line = "cove create nodegroup --cluster c --name ng --node-type m5.large --nodes 3 --nodes-min 2 --nodes-max 5 --managed";
        let args = Args::try_parse_from(line.split(' ')).expect("understood");
        let Command::Create(Create::Nodegroup(ng)) = args.command else { panic!("another command") };
        assert_eq!((ng.nodes, ng.nodes_min, ng.nodes_max, ng.managed), (3, Some(2), Some(5), true));
    }
}
