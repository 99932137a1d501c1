//! Writes a copy of all spaces into a directory of its own, which `open` accepts. Called by `store.rs`.
//!
//! Always holds: the directory is complete or does not exist. Revisions and versions are the original's; the history
//! is not copied, so a space of the copy is compacted at its revision.

use std::path::{Path, PathBuf};

use crate::api::StoreError;
use crate::directory::{DataDirectory, engine, sync_directory};
use crate::index::Write;
use crate::limits::SWEEP_SLICE;
use crate::log::{Change, Log};
use crate::sqlite::SqliteLog;
use crate::writer::SpaceCopy;

/// See the head of the file.
pub(crate) fn write(spaces: &[SpaceCopy], to: &Path) -> Result<(), StoreError> {
    if to.exists() {
        return Err(StoreError::Invalid(format!("{} exists already", to.display())));
    }
    let partial = partial_name(to);
    let written = fill(spaces, &partial).and_then(|()| {
        std::fs::rename(&partial, to).map_err(engine)?;
        sync_directory(to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))
    });
    if written.is_err() {
        let _ = std::fs::remove_dir_all(&partial);
    }
    written
}

fn partial_name(to: &Path) -> PathBuf {
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    to.with_file_name(name)
}

fn fill(spaces: &[SpaceCopy], partial: &Path) -> Result<(), StoreError> {
    let mut log = SqliteLog::open(DataDirectory::lock(partial)?)?;
    let mut seq = 0;
    for (id, space) in (1..).zip(spaces) {
        let compacted = Change::Compacted { space: id, revision: space.revision };
        log.commit(&[Change::Space { id, name: space.name.clone() }, compacted])?;
        for entries in space.entries.chunks(SWEEP_SLICE) {
            let changes: Vec<Change> = entries
                .iter()
                .map(|entry| {
                    seq += 1;
                    Change::Write { space: id, write: Write { seq, entry: entry.clone(), deleted: false } }
                })
                .collect();
            log.commit(&changes)?;
        }
    }
    log.close()?;
    DataDirectory::forget_lock_file(partial);
    Ok(())
}
