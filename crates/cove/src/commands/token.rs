//! `cove token` and `cove kubeconfig`: access to a cluster without the half second that the aws CLI takes to start.

use std::time::Duration;

use anyhow::Result;
use cove_base::tokio_runtime::wall_clock;
use serde_json::json;

use crate::args::ClusterArgs;
use crate::control::{Request, ask};
use crate::kubeconfig;
use crate::output::{say, sayln};
use crate::place::Place;

/// How long clients use a token: a minute less than it is good for, as the aws CLI says.
const LIFETIME: Duration = Duration::from_secs(14 * 60);

/// Prints an ExecCredential.
pub async fn token(place: &Place, args: &ClusterArgs) -> Result<()> {
    let (cluster, region) = (args.cluster.clone(), args.region.clone().unwrap_or_default());
    let token = ask(&place.socket(), &Request::Token { cluster, region }).await?;
    let expires = (wall_clock() + LIFETIME).rfc3339();
    sayln!("{}", kubeconfig::exec_credential(token.as_str().unwrap_or_default(), &expires));
    Ok(())
}

/// Prints a kubeconfig.
pub async fn kubeconfig(place: &Place, args: &ClusterArgs) -> Result<()> {
    let call = Request::Call {
        service: "eks".into(),
        operation: "DescribeCluster".into(),
        region: args.region.clone().unwrap_or_default(),
        input: json!({"name": args.cluster}),
    };
    let described = ask(&place.socket(), &call).await?;
    say!("{}", kubeconfig::of_cluster(place, &described["cluster"])?);
    Ok(())
}
