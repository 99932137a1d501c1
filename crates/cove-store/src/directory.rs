//! The data directory of the embedded back end: who may use it, and its files. Called by `sqlite.rs` and `embedded.rs`.
//!
//! Always holds: one process has a directory at a time (a lock that the kernel drops with the process, so a killed one
//! leaves nothing behind); everything in it is the owner's alone (0700, files 0600).

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::api::StoreError;

const LOCK_FILE: &str = "lock";
const DATA_FILE: &str = "store.db";

/// A directory that this process holds.
#[derive(Debug)]
pub(crate) struct DataDirectory {
    path: PathBuf,
    lock: File,
}

impl DataDirectory {
    /// Makes the directory if there is none and takes it.
    pub fn lock(path: &Path) -> Result<Self, StoreError> {
        make(path)?;
        let mut lock = open_private(&path.join(LOCK_FILE))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse { pid: holder(&mut lock) }),
            Err(TryLockError::Error(error)) => return Err(engine(error)),
        }
        // The pid is for people only; on a full disk the lock holds without it.
        let _ = lock.set_len(0).and_then(|()| write!(lock, "{}", std::process::id()));
        Ok(Self { path: path.to_owned(), lock })
    }

    /// The file with the data, made if there is none.
    pub fn data_file(&self) -> Result<PathBuf, StoreError> {
        let path = self.path.join(DATA_FILE);
        if !path.exists() {
            // The engine gives its side files the mode of this one.
            open_private(&path)?.sync_all().map_err(engine)?;
            sync_directory(&self.path)?;
        }
        Ok(path)
    }

    /// A file that does not exist yet, for a copy of data of an older format.
    pub fn copy_file(&self, format: u32) -> PathBuf {
        let name = |n: u32| {
            self.path
                .join(format!("{DATA_FILE}.format-{format}{}", if n == 0 { String::new() } else { format!(".{n}") }))
        };
        (0..).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(u32::MAX))
    }

    /// Removes the lock file of a directory that is not held any more and that nobody else knows of yet.
    pub fn forget_lock_file(path: &Path) {
        let _ = std::fs::remove_file(path.join(LOCK_FILE));
    }
}

impl Drop for DataDirectory {
    fn drop(&mut self) {
        // Closing the file is not enough: a child that this process is just starting has it open until its `exec`.
        let _ = self.lock.unlock();
    }
}

fn holder(lock: &mut File) -> Option<u32> {
    let mut pid = String::new();
    lock.read_to_string(&mut pid).ok()?;
    pid.trim().parse().ok()
}

fn make(path: &Path) -> Result<(), StoreError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(engine)
}

pub(crate) fn open_private(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(engine)
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(engine)
}

/// An error of the file system as the store reports it.
pub(crate) fn engine(error: std::io::Error) -> StoreError {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => StoreError::Full,
        _ => StoreError::Engine(error.to_string()),
    }
}
