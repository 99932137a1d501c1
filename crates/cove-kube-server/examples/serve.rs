//! One API server over a store in memory, on loopback, for trying clients by hand:
//! `cargo run -p cove-kube-server --example serve -- 16443 /tmp/kubeconfig`.
#![allow(clippy::print_stdout)] // A program for people.

use std::net::Ipv4Addr;

use cove_base::seed::Seed;
use cove_base::tokio_runtime::TokioDriver;
use cove_kube_server::bootstrap::bootstrap;
use cove_kube_server::config::Config;
use cove_kube_server::front::listen;
use cove_kube_server::pki::{self, ClusterKeys};
use cove_kube_server::server::ApiServer;

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().as_deref().unwrap_or("16443").parse()?;
    let kubeconfig = arguments.next().unwrap_or_else(|| "kubeconfig".into());
    let rt = TokioDriver::runtime(Seed::new(1));
    let space = cove_store::memory().space("cluster").await?;
    let names = pki::server_names(&["10.100.0.1".into()]);
    let keys = ClusterKeys::open(&space, &names, rt.now(), pki::signing_key).await?;
    let config = Config {
        advertise: (Ipv4Addr::LOCALHOST, port),
        signing_key: Some(keys.signing_key.clone()),
        authority_certificate: keys.authority.certificate.clone(),
        ..Config::new(35)
    };
    let server = ApiServer::new(rt.clone(), space, config);
    bootstrap(&server).await?;
    let client = pki::client(&keys.authority, "admin", "system:masters", rt.now())?;
    std::fs::write(&kubeconfig, render(port, &keys, &client))?;
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("serving on https://127.0.0.1:{port}; export KUBECONFIG={kubeconfig}");
    listen::serve(server, listener, listen::tls(&keys)?).await;
    Ok(())
}

fn render(port: u16, keys: &ClusterKeys, client: &pki::Pair) -> String {
    use base64::Engine as _;
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters:\n- name: c\n  cluster:\n    server: https://127.0.0.1:{port}\n    \
         certificate-authority-data: {}\ncontexts:\n- name: c\n  context: {{cluster: c, user: u}}\nusers:\n- name: u\n  user:\n    \
         client-certificate-data: {}\n    client-key-data: {}\n",
        encode(&keys.authority.certificate),
        encode(&client.certificate),
        encode(&client.key)
    )
}
