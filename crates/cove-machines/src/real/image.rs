//! The built-in image: this binary and the libraries it links, nothing else. Instances and containers live in it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::mount::{MountFlags, mount, mount_bind, mount_remount};

use super::protocol::Library;

/// Where the binary is in the image.
pub(super) const BINARY: &str = "/usr/bin/cove";
/// Devices that every root has, bound from the outer one.
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];
/// Parts of `/proc` that speak to the host's kernel: read-only, as container runtimes have them.
const PROC_READ_ONLY: [&str; 5] = ["bus", "fs", "irq", "sys", "sysrq-trigger"];
/// Parts of `/proc` that tell the host's secrets: hidden.
const PROC_HIDDEN: [&str; 3] = ["kcore", "keys", "timer_list"];
const LINKS: [(&str, &str); 4] = [("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")];

/// The libraries that a binary links, as the dynamic loader itself lists them (what `ldd` does). None if it links none.
pub(super) fn libraries(binary: &Path) -> io::Result<Vec<Library>> {
    let listed = Command::new(binary)
        .arg("version")
        .env_clear()
        .env("LD_TRACE_LOADED_OBJECTS", "1")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()?;
    Ok(parse_listing(&String::from_utf8_lossy(&listed.stdout)))
}

/// `name => /path (address)`, or `/path (address)` for the loader itself; the kernel's own (vdso) has no path.
fn parse_listing(listing: &str) -> Vec<Library> {
    let path = |line: &str| {
        let found = line.rsplit(" => ").next()?.trim().split(" (").next()?;
        found.starts_with('/').then(|| Library(PathBuf::from(found)))
    };
    listing.lines().filter(|line| line.contains(" (0x")).filter_map(path).collect()
}

/// Mounts a root filesystem at a directory: an empty tmpfs with the image (read-only), `/proc` and a few devices. The
/// binary and libraries are taken from where this process sees them, `binary` being its own.
pub(super) fn mount_root(root: &Path, binary: &Path, libraries: &[Library]) -> io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount("tmpfs", root, "tmpfs", flags, c"mode=755,size=64m").map_err(|e| at(root, e.into()))?;
    bind_read_only(binary, &inside(root, Path::new(BINARY)))?;
    for Library(path) in libraries {
        bind_read_only(path, &inside(root, path))?;
    }
    for dir in ["proc", "dev", "etc", "run", "tmp"] {
        fs::create_dir_all(root.join(dir))?;
    }
    mount("proc", root.join("proc"), "proc", flags | MountFlags::NOEXEC, None)?;
    protect_proc(&root.join("proc"))?;
    devices(&root.join("dev"))
}

/// Mounts something, in a mount namespace that nobody else is in.
pub(super) fn try_mount() -> io::Result<()> {
    mount("tmpfs", "/tmp", "tmpfs", MountFlags::NOSUID, None).map_err(io::Error::from)
}

fn protect_proc(proc: &Path) -> io::Result<()> {
    let there = |names: &'static [&str]| names.iter().map(|name| proc.join(name)).filter(|path| path.exists());
    for path in there(&PROC_READ_ONLY) {
        mount_bind(&path, &path).map_err(|e| at(&path, e.into()))?;
        read_only(&path)?;
    }
    for path in there(&PROC_HIDDEN) {
        mount_bind("/dev/null", &path).map_err(|e| at(&path, e.into()))?;
    }
    Ok(())
}

fn devices(dev: &Path) -> io::Result<()> {
    for name in DEVICES {
        let target = dev.join(name);
        File::create(&target)?;
        mount_bind(Path::new("/dev").join(name), &target).map_err(|e| at(&target, e.into()))?;
    }
    LINKS.iter().try_for_each(|(name, to)| symlink(to, dev.join(name)))
}

/// An absolute path below a root.
fn inside(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn bind_read_only(source: &Path, target: &Path) -> io::Result<()> {
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    File::create(target)?;
    mount_bind(source, target).map_err(|e| at(source, e.into()))?;
    read_only(target)
}

/// Makes a bind mount read-only, which takes a second call.
fn read_only(target: &Path) -> io::Result<()> {
    let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
    mount_remount(target, flags, "").map_err(|e| at(target, e.into()))
}

fn at(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loaders_listing_is_read() {
        let listing = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\
                       \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let paths = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"];
        assert_eq!(parse_listing(listing), paths.map(|p| Library(p.into())).to_vec());
        // A static binary runs, and says its version.
        assert_eq!(parse_listing("cove 0.1.0\n"), []);
    }

    #[test]
    fn paths_stay_below_their_root() {
        assert_eq!(inside(Path::new("/r"), Path::new("/usr/lib/x.so")), Path::new("/r/usr/lib/x.so"));
    }
}
