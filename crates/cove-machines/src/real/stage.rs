//! The stage of an instance: makes its namespaces, starts its init in them, and waits for its end.
//!
//! It ends when init has ended and the kernel has killed all of the instance: who waits for the stage waits for that.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode};

use rustix::thread::UnshareFlags;

use super::protocol::FromInit;
use super::{image, namespaces, verbs};

/// Runs the verb; `spec` is handed on to init. Standard input is the socket to the region.
pub(super) fn run(spec: &str) -> io::Result<ExitCode> {
    namespaces::keep_files_from_children()?;
    namespaces::unshare(of_an_instance())?;
    let mut init = Command::new("/proc/self/exe").arg(verbs::INIT).arg(spec).env_clear().spawn()?;
    let pid = i32::try_from(init.id()).map_err(io::Error::other)?;
    let mut said = serde_json::to_vec(&FromInit::Stage { pid })?;
    said.push(b'\n');
    UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?).write_all(&said)?;
    // From here on only init holds the socket: its end is the instance's end.
    rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
    init.wait()?;
    Ok(ExitCode::SUCCESS)
}

/// The namespaces that an instance has of its own.
fn of_an_instance() -> UnshareFlags {
    UnshareFlags::NEWPID | UnshareFlags::NEWNS | UnshareFlags::NEWUTS | UnshareFlags::NEWIPC | UnshareFlags::NEWNET
}

/// Runs the verb that does what needs privileges, and ends: whoever lacks them is told before an instance is wanted.
pub(super) fn trial() -> io::Result<ExitCode> {
    namespaces::unshare(of_an_instance()).map_err(|e| io::Error::other(format!("making namespaces: {e}")))?;
    let mounted = namespaces::make_mounts_private().and_then(|()| image::try_mount());
    mounted.map_err(|e| io::Error::other(format!("mounting: {e}")))?;
    Ok(ExitCode::SUCCESS)
}
