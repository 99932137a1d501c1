//! Where a region's state lives on this machine (design section 4).

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cove_base::hint::Hinted;

/// The paths of one region.
#[derive(Clone, Debug)]
pub struct Place {
    /// The region's name.
    pub name: String,
    /// The data directory.
    pub root: PathBuf,
}

impl Place {
    /// The place of a region by name, or at the directory that was given.
    pub fn of(data_dir: Option<&Path>, name: &str) -> Result<Self> {
        let name = name.to_string();
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            let hint = "Use letters, digits and hyphens.";
            return Err(Hinted::new(format!("{name:?} cannot be the name of a region"), hint).into());
        }
        let root = match data_dir {
            Some(dir) => std::path::absolute(dir).context("the data directory")?,
            None => state_home()?.join("cove").join(&name),
        };
        Ok(Self { name, root })
    }

    /// The place of eksctl's verbs, whose `--name` means something else: `COVE_NAME` decides.
    pub fn of_environment(data_dir: Option<&Path>) -> Result<Self> {
        Self::of(data_dir, &std::env::var("COVE_NAME").unwrap_or_else(|_| "default".into()))
    }

    /// The store's directory.
    pub fn store(&self) -> PathBuf {
        self.root.join("store")
    }

    /// The directory of the logs.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// What real instances keep while they run.
    pub fn instances(&self) -> PathBuf {
        self.root.join("instances")
    }

    /// The socket that answers `status`, `env`, `down`.
    pub fn socket(&self) -> PathBuf {
        self.root.join("control.sock")
    }

    /// The kubeconfig that `cove env` points kubectl at: Cove's own, never `~/.kube/config`.
    pub fn kubeconfig(&self) -> PathBuf {
        self.root.join("kubeconfig")
    }

    /// Makes the directories, for the owner only.
    pub fn make(&self) -> Result<()> {
        for dir in [self.root.clone(), self.logs()] {
            std::fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
        }
        restrict(&self.root)
    }
}

#[cfg(unix)]
fn restrict(dir: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)).with_context(|| dir.display().to_string())
}

#[cfg(not(unix))]
fn restrict(_dir: &Path) -> Result<()> {
    Ok(())
}

fn state_home() -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("XDG_STATE_HOME").filter(|d| !d.is_empty()) {
        return Ok(dir.into());
    }
    let home = std::env::var_os("HOME").or_else(|| std::env::var_os("USERPROFILE"));
    let home = home.ok_or_else(|| Hinted::new("there is no home directory", "Say where with --data-dir."))?;
    Ok(PathBuf::from(home).join(".local/state"))
}
