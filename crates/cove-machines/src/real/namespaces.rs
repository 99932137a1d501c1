//! The namespace calls of the hidden verbs, which all run with one thread.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::io::FdFlags;
use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_change, unmount};
use rustix::process::pivot_root;
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

/// Takes this process (for pid: its children) into new namespaces.
#[allow(unsafe_code)]
pub(super) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: the file table is not unshared (`FILES`), which is the one thing that could surprise other threads.
    unsafe { rustix::thread::unshare_unsafe(flags) }.map_err(io::Error::from)
}

/// Lets none of the open files but the standard ones pass into the programs that this process starts: whoever started
/// the region may have left some of the host's open.
#[allow(unsafe_code)]
pub(super) fn keep_files_from_children() -> io::Result<()> {
    let open = std::fs::read_dir("/proc/self/fd")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    for number in open.collect::<Vec<i32>>().into_iter().filter(|number| *number > 2) {
        // SAFETY: only a flag is changed, by number; one that has been closed since is an error, which says nothing.
        let _ = rustix::io::fcntl_setfd(unsafe { BorrowedFd::borrow_raw(number) }, FdFlags::CLOEXEC);
    }
    Ok(())
}

/// This process's own pid namespace, to come back to.
pub(super) fn own_pid_namespace() -> io::Result<File> {
    File::open("/proc/self/ns/pid")
}

/// Later children are born in this pid namespace.
pub(super) fn children_in(namespace: &File) -> io::Result<()> {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::ProcessID)).map_err(io::Error::from)
}

/// Nothing that is mounted from here on is seen outside of this mount namespace.
pub(super) fn make_mounts_private() -> io::Result<()> {
    let flags = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", flags).map_err(io::Error::from)
}

/// Makes a mounted directory the root, and forgets the old one.
pub(super) fn enter_root(root: &Path) -> io::Result<()> {
    std::env::set_current_dir(root)?;
    // The old root is stacked on the new one at the same place, and then taken off.
    pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    std::env::set_current_dir("/")
}
