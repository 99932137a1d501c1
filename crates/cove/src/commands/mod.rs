//! One file per command, one list.

mod aws;
mod bench;
mod demo;
mod down;
mod eksctl;
mod env;
mod logs;
mod make;
mod status;
mod token;
mod topology;
mod up;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use crate::args::{Args, Command};
use crate::output::sayln;
use crate::place::Place;

/// Runs the command that the arguments name.
pub async fn run(args: Args) -> Result<ExitCode> {
    let dir = args.data_dir.as_deref();
    match args.command {
        Command::Up(up) => up::run(&place(dir, &up.place.name)?, up).await?,
        Command::Down(down) => down::run(&place(dir, &down.place.name)?, &down).await?,
        Command::Status(status) => status::run(&place(dir, &status.place.name)?, &status).await?,
        Command::Env(env) => env::run(&place(dir, &env.place.name)?, &env).await?,
        Command::Demo(demo) => demo::run(&demo).await?,
        Command::Topology(topology) => topology::run(&place(dir, &topology.place.name)?, &topology).await?,
        Command::Logs(logs) => logs::run(&place(dir, &logs.place.name)?, &logs).await?,
        Command::Kubeconfig(cluster) => token::kubeconfig(&place(dir, &cluster.place.name)?, &cluster).await?,
        Command::Token(cluster) => token::token(&place(dir, &cluster.place.name)?, &cluster).await?,
        Command::Create(create) => eksctl::create(&Place::of_environment(dir)?, &create).await?,
        Command::Get(get) => eksctl::get(&Place::of_environment(dir)?, &get).await?,
        Command::Scale(scale) => eksctl::scale(&Place::of_environment(dir)?, &scale).await?,
        Command::Delete(delete) => eksctl::delete(&Place::of_environment(dir)?, &delete).await?,
        Command::Bench(bench) => bench::run(dir, &bench).await?,
        Command::Version => sayln!("cove {}", env!("CARGO_PKG_VERSION")),
    }
    Ok(ExitCode::SUCCESS)
}

fn place(dir: Option<&Path>, name: &str) -> Result<Place> {
    Place::of(dir, name)
}
