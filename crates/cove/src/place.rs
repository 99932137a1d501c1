//! Where a region's state lives on this machine (design section 4).

use std::fs::OpenOptions;
use std::io::Write;
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

    /// The flag, after a space, that leads another command to this region; empty where it would come here by itself.
    pub fn flag(&self) -> String {
        let here = |name: &str| Self::of(std::env::var_os("COVE_DATA_DIR").as_deref().map(Path::new), name);
        let unnamed = here(&std::env::var("COVE_NAME").unwrap_or_else(|_| "default".into()));
        match (unnamed, Self::of(None, &self.name)) {
            (Ok(place), _) if place.root == self.root => String::new(),
            (_, Ok(place)) if place.root == self.root => format!(" --name {}", self.name),
            _ => format!(" --data-dir '{}'", self.root.display()),
        }
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

    /// Makes the directories, for the owner only. One that is there already keeps its mode: it may be `/tmp`.
    pub fn make(&self) -> Result<()> {
        for dir in [self.root.clone(), self.logs()] {
            make_private(&dir, true).with_context(|| format!("making {}", dir.display()))?;
        }
        Ok(())
    }

    /// Writes Cove's own kubeconfig, for the owner only: kubectl and helm warn of others.
    pub fn write_kubeconfig(&self, text: &str) -> Result<()> {
        let path = self.kubeconfig();
        let file = private().write(true).truncate(true).open(&path);
        let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
        written.with_context(|| path.display().to_string())?;
        restrict(&path, 0o600)
    }
}

/// Makes a directory for the owner only, with its parents if `recursive`; without, it must not exist yet.
pub fn make_private(dir: &Path, recursive: bool) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(recursive);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// How a file for the owner only is opened; whoever opens it says how it is written.
pub fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Gives what exists a mode.
#[cfg(unix)]
pub fn restrict(path: &Path, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).with_context(|| path.display().to_string())
}

/// Gives what exists a mode: nothing to do here.
#[cfg(not(unix))]
pub fn restrict(_path: &Path, _mode: u32) -> Result<()> {
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

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).expect("it exists").permissions().mode() & 0o777
    }

    #[test]
    fn what_is_made_is_the_owners_alone() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("changed");
        let place = Place::of(Some(&dir.path().join("a/b")), "default").expect("a place");
        place.make().expect("made");
        std::fs::write(place.kubeconfig(), "old").expect("written");
        place.write_kubeconfig("new").expect("written");
        assert_eq!(std::fs::read_to_string(place.kubeconfig()).expect("read"), "new");
        assert_eq!([mode(&place.root), mode(&place.logs()), mode(&place.kubeconfig())], [0o700, 0o700, 0o600]);
        assert_eq!(mode(dir.path()), 0o755);
        assert!(make_private(&place.root, false).is_err());
    }

    #[test]
    fn names_are_no_paths() {
        assert!(["", "..", "a/b", "a b"].iter().all(|name| Place::of(None, name).is_err()));
    }
}
