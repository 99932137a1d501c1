//! The format number of the data on disk. Called by `sqlite.rs` when it opens a file.
//!
//! Always holds: data of an older format is copied beside itself, then migrated step by step in one transaction; data
//! of a newer one is left alone and refused by name.

use rusqlite::{Connection, Transaction};

use crate::api::StoreError;
use crate::directory::{DataDirectory, open_private, sync_directory};
use crate::sqlite::error;

/// Brings data from one format to the next.
pub(crate) type Migration = fn(&Transaction<'_>) -> rusqlite::Result<()>;

/// `MIGRATIONS[n]` brings format n + 1 to n + 2. A new format is a new line here and a change to [`CREATE`].
pub(crate) const MIGRATIONS: &[Migration] = &[];

/// The tables of the current format. A space's revision is the greatest of its writes' and the compacted one.
const CREATE: &str = "
    CREATE TABLE spaces (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, compacted INTEGER NOT NULL) STRICT;
    CREATE TABLE writes (seq INTEGER PRIMARY KEY, space INTEGER NOT NULL, revision INTEGER NOT NULL, key TEXT NOT NULL,
        value BLOB, created INTEGER NOT NULL, version INTEGER NOT NULL) STRICT;";

/// Makes the tables, migrates, or refuses.
pub(crate) fn prepare(
    connection: &mut Connection,
    directory: &DataDirectory,
    migrations: &[Migration],
) -> Result<(), StoreError> {
    let known = u32::try_from(migrations.len()).unwrap_or(u32::MAX) + 1;
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(error)?;
    match found {
        _ if found == known => Ok(()),
        _ if found > known => Err(StoreError::NewerFormat { found, known }),
        0 => step(connection, known, |transaction| transaction.execute_batch(CREATE)),
        _ => {
            copy(connection, directory, found)?;
            let steps = &migrations[found as usize - 1..];
            step(connection, known, |transaction| steps.iter().try_for_each(|migrate| migrate(transaction)))
        }
    }
}

fn step(
    connection: &mut Connection,
    format: u32,
    change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
) -> Result<(), StoreError> {
    let transaction = connection.transaction().map_err(error)?;
    change(&transaction).map_err(error)?;
    transaction.pragma_update(None, "user_version", format).map_err(error)?;
    transaction.commit().map_err(error)
}

fn copy(connection: &Connection, directory: &DataDirectory, format: u32) -> Result<(), StoreError> {
    let path = directory.copy_file(format);
    let file = open_private(&path)?;
    connection.execute("VACUUM INTO ?", [path.to_string_lossy()]).map_err(error)?;
    file.sync_all().map_err(crate::directory::engine)?;
    path.parent().map_or(Ok(()), sync_directory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::SqliteLog;

    fn rename(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        transaction.execute("UPDATE spaces SET name = name || '2'", []).map(drop)
    }

    fn fail(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        rename(transaction)?;
        transaction.execute_batch("this is not SQL")
    }

    fn name(path: &std::path::Path) -> (String, u32) {
        let connection = Connection::open(path).unwrap();
        let format = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        (connection.query_row("SELECT name FROM spaces", [], |row| row.get(0)).unwrap(), format)
    }

    #[test]
    fn older_data_is_copied_then_migrated_whole() {
        let place = tempfile::tempdir().unwrap();
        drop(SqliteLog::open(DataDirectory::lock(place.path()).unwrap()).unwrap());
        let directory = DataDirectory::lock(place.path()).unwrap();
        let (data, copy) = (directory.data_file().unwrap(), place.path().join("store.db.format-1"));
        let mut connection = Connection::open(&data).unwrap();
        connection.execute("INSERT INTO spaces VALUES (1, 's', 0)", []).unwrap();
        assert!(prepare(&mut connection, &directory, &[rename, fail]).is_err());
        assert_eq!(name(&data), ("s".to_owned(), 1), "a migration that fails changes nothing");
        prepare(&mut connection, &directory, &[rename, rename]).unwrap();
        assert_eq!(name(&data), ("s22".to_owned(), 3));
        assert_eq!(name(&copy), ("s".to_owned(), 1));
        let refused = prepare(&mut connection, &directory, &[rename]);
        assert!(matches!(refused, Err(StoreError::NewerFormat { found: 3, known: 2 })));
    }
}
