//! The start of a container: the process that becomes its program, pid 1 of a pid namespace of its own.
//!
//! It reads its [`ContainerRun`] from standard input, takes mount, uts and ipc namespaces of its own, a root with the
//! built-in image, and the capabilities that container runtimes leave by default. The network namespace is the
//! instance's, which has none but itself.

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::{CapabilitySet, UnshareFlags, remove_capability_from_bounding_set};
use serde::{Deserialize, Serialize};

use super::protocol::{ContainerRun, Library};
use super::{image, namespaces};

/// Where a container's root is mounted. All have the same place, each in its own mount namespace.
const ROOT: &str = "/run/container";

/// What standard input says.
#[derive(Serialize, Deserialize)]
pub(super) struct Start {
    pub run: ContainerRun,
    pub libraries: Vec<Library>,
}

/// Runs the verb. Returns only with an error.
pub(super) fn run() -> io::Result<ExitCode> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let mut text = Vec::new();
    io::stdin().read_to_end(&mut text)?;
    let Start { run, libraries } = serde_json::from_slice(&text)?;
    namespaces::unshare(UnshareFlags::NEWNS | UnshareFlags::NEWUTS | UnshareFlags::NEWIPC)?;
    namespaces::make_mounts_private()?;
    std::fs::create_dir_all(ROOT)?;
    image::mount_root(Path::new(ROOT), Path::new(image::BINARY), &libraries)?;
    std::fs::write(Path::new(ROOT).join("etc/hostname"), format!("{}\n", run.hostname))?;
    namespaces::enter_root(Path::new(ROOT))?;
    rustix::system::sethostname(run.hostname.as_bytes())?;
    rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
    become_program(&run)
}

fn become_program(run: &ContainerRun) -> io::Result<ExitCode> {
    let (name, arguments) = run.argv.split_first().ok_or_else(|| io::Error::other("no command specified"))?;
    // Runtimes make a working directory that the image lacks.
    std::fs::create_dir_all(&run.working_dir)?;
    std::env::set_current_dir(&run.working_dir)?;
    let path = run.env.iter().find(|(key, _)| key == "PATH").map(|(_, value)| value.as_str()).unwrap_or_default();
    let program = find(name, path)
        .ok_or_else(|| io::Error::other(format!("exec: {name:?}: executable file not found in $PATH")))?;
    drop_capabilities()?;
    Err(Command::new(program).args(arguments).env_clear().envs(run.env.iter().cloned()).exec())
}

/// A program by its path, or by its name in `PATH`.
fn find(name: &str, path: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|p| p.is_file());
    }
    path.split(':').map(|dir| Path::new(dir).join(name)).find(|p| p.is_file())
}

/// Leaves what container runtimes leave by default. Root's capabilities after `exec` are those of the bounding set.
fn drop_capabilities() -> io::Result<()> {
    let kept = CapabilitySet::CHOWN
        | CapabilitySet::DAC_OVERRIDE
        | CapabilitySet::FSETID
        | CapabilitySet::FOWNER
        | CapabilitySet::MKNOD
        | CapabilitySet::NET_RAW
        | CapabilitySet::SETGID
        | CapabilitySet::SETUID
        | CapabilitySet::SETFCAP
        | CapabilitySet::SETPCAP
        | CapabilitySet::NET_BIND_SERVICE
        | CapabilitySet::SYS_CHROOT
        | CapabilitySet::KILL
        | CapabilitySet::AUDIT_WRITE;
    for capability in CapabilitySet::all().iter().filter(|c| c.bits().count_ones() == 1 && !kept.contains(*c)) {
        match remove_capability_from_bounding_set(capability) {
            // One that this kernel does not know.
            Err(rustix::io::Errno::INVAL) => {}
            other => other?,
        }
    }
    Ok(())
}
