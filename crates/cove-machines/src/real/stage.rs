//! The stage of an instance: makes its namespaces, starts its init in them, and waits for its end.
//!
//! It ends when init has ended and the kernel has killed all of the instance: who waits for the stage waits for that.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode};

use rustix::thread::UnshareFlags;

use super::namespaces;
use super::protocol::FromInit;
use super::verbs;

/// Runs the verb; `spec` is handed on to init. Standard input is the socket to the region.
pub(super) fn run(spec: &str) -> io::Result<ExitCode> {
    namespaces::keep_files_from_children()?;
    let flags =
        UnshareFlags::NEWPID | UnshareFlags::NEWNS | UnshareFlags::NEWUTS | UnshareFlags::NEWIPC | UnshareFlags::NEWNET;
    namespaces::unshare(flags)?;
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
