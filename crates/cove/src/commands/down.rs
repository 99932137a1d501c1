//! `cove down`: stops the region.

use std::time::Duration;

use anyhow::{Context, Result};
use cove_base::Seed;
use cove_base::hint::Hinted;
use cove_base::tokio_runtime::TokioDriver;

use crate::args::DownArgs;
use crate::control::{Request, ask};
use crate::output::sayln;
use crate::place::Place;

/// How long a stop may take.
const STOP: Duration = Duration::from_secs(30);

/// Runs the command.
pub async fn run(place: &Place, args: &DownArgs) -> Result<()> {
    let asked = ask(&place.socket(), &Request::Down).await;
    if let Err(error) = asked
        && !args.delete
    {
        return Err(error);
    }
    let rt = TokioDriver::runtime(Seed::new(0));
    let deadline = rt.now() + STOP;
    while place.socket().exists() && ask(&place.socket(), &Request::Env).await.is_ok() {
        if rt.now() >= deadline {
            return Err(Hinted::new("the region is still stopping", "See `cove status`.").into());
        }
        rt.sleep(Duration::from_millis(20)).await;
    }
    if args.delete {
        delete(place)?;
        sayln!("the region is stopped and its state deleted");
    } else {
        sayln!("the region is stopped; its state stays in {}", place.root.display());
    }
    Ok(())
}

/// Deletes what Cove made in the data directory, and the directory if nothing else is in it.
fn delete(place: &Place) -> Result<()> {
    for dir in [place.store(), place.logs()] {
        if dir.exists() {
            std::fs::remove_dir_all(&dir).with_context(|| dir.display().to_string())?;
        }
    }
    for file in [place.socket(), place.kubeconfig()] {
        let _ = std::fs::remove_file(file);
    }
    let _ = std::fs::remove_dir(&place.root);
    Ok(())
}
