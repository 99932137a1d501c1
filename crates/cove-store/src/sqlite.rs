//! The log in an SQLite file (write-ahead log, `synchronous=FULL`): one transaction per commit.
//! Used by the embedded back end on the writer's thread, and by `snapshot.rs`. Every call may block on the disk.
//!
//! Always holds: a commit that returned `Ok` survives the process and the machine; of one that did not, nothing is
//! found again. The engine cuts off a torn last commit by itself.

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior, ffi, params};

use crate::api::{Record, StoreError};
use crate::directory::DataDirectory;
use crate::format;
use crate::index::Write;
use crate::log::{Change, Log};

/// See the head of the file.
pub(crate) struct SqliteLog {
    connection: Option<Connection>,
    /// Let go after the connection.
    directory: Option<DataDirectory>,
}

/// A write as it is found on disk. The value of a deletion is not there.
pub(crate) struct Row {
    pub space: u64,
    pub revision: u64,
    pub seq: u64,
    pub record: Option<Record>,
    pub key: String,
}

impl SqliteLog {
    /// Opens the data of a directory, brings it to the current format, or makes it.
    pub fn open(directory: DataDirectory) -> Result<Self, StoreError> {
        let mut connection = Connection::open(directory.data_file()?).map_err(error)?;
        // Exclusive: the directory's lock keeps others out, and the engine needs no shared memory file.
        connection
            .execute_batch(
                "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
                 PRAGMA temp_store=MEMORY; PRAGMA journal_size_limit=67108864;",
            )
            .map_err(error)?;
        connection.set_prepared_statement_cache_capacity(16);
        format::prepare(&mut connection, &directory, format::MIGRATIONS)?;
        Ok(Self { connection: Some(connection), directory: Some(directory) })
    }

    /// All spaces: id, name, compacted revision.
    pub fn spaces(&self) -> Result<Vec<(u64, String, u64)>, StoreError> {
        let mut statement = self.connection()?.prepare("SELECT id, name, compacted FROM spaces").map_err(error)?;
        let rows = statement.query_map([], |row| Ok((get(row, 0)?, row.get(1)?, get(row, 2)?))).map_err(error)?;
        rows.collect::<Result<_, _>>().map_err(error)
    }

    /// All writes in the order in which they happened.
    pub fn rows(&self, mut visit: impl FnMut(Row)) -> Result<(), StoreError> {
        let sql = "SELECT seq, space, revision, key, value, created, version FROM writes ORDER BY seq";
        let mut statement = self.connection()?.prepare(sql).map_err(error)?;
        let mut rows = statement.query([]).map_err(error)?;
        while let Some(row) = rows.next().map_err(error)? {
            visit(read_row(row).map_err(error)?);
        }
        Ok(())
    }

    fn connection(&self) -> Result<&Connection, StoreError> {
        self.connection.as_ref().ok_or(StoreError::Closed)
    }

    /// For tests: lets the file grow to so many pages.
    #[cfg(test)]
    pub fn set_max_pages(&self, pages: i64) {
        let connection = self.connection().expect("open");
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).expect("pragma");
    }
}

impl Log for SqliteLog {
    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let connection = self.connection.as_mut().ok_or(StoreError::Closed)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(error)?;
        changes.iter().try_for_each(|change| put(&transaction, change)).map_err(error)?;
        transaction.commit().map_err(error)
    }

    fn close(&mut self) -> Result<(), StoreError> {
        let closed = self.connection.take().map_or(Ok(()), |open| open.close().map_err(|(_, why)| error(why)));
        drop(self.directory.take());
        closed
    }
}

impl Drop for SqliteLog {
    fn drop(&mut self) {
        // Everything acknowledged is on disk already; the engine only tidies up here.
        let _ = self.close();
    }
}

fn put(transaction: &Transaction<'_>, change: &Change) -> rusqlite::Result<()> {
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| transaction.prepare_cached(sql)?.execute(values).map(drop);
    match change {
        Change::Space { id, name } => {
            run("INSERT INTO spaces (id, name, compacted) VALUES (?, ?, 0)", params![signed(*id), name])
        }
        Change::DropSpace { id } => run("DELETE FROM spaces WHERE id = ?", params![signed(*id)]),
        Change::Compacted { space, revision } => {
            run("UPDATE spaces SET compacted = ? WHERE id = ?", params![signed(*revision), signed(*space)])
        }
        Change::Forget { seq } => run("DELETE FROM writes WHERE seq = ?", params![signed(*seq)]),
        Change::Write { space, write: Write { seq, entry, deleted } } => run(
            "INSERT INTO writes (seq, space, revision, key, value, created, version) VALUES (?, ?, ?, ?, ?, ?, ?)",
            params![
                signed(*seq),
                signed(*space),
                signed(entry.mod_revision),
                &*entry.key,
                (!deleted).then_some(&entry.value[..]),
                signed(entry.create_revision),
                signed(entry.version),
            ],
        ),
    }
}

fn read_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let (key, revision): (String, u64) = (row.get(3)?, get(row, 2)?);
    let value: Option<Vec<u8>> = row.get(4)?;
    let (created, version) = (get(row, 5)?, get(row, 6)?);
    let record = value.map(|value| Record::new(key.as_str().into(), value.into(), created, revision, version));
    Ok(Row { space: get(row, 1)?, revision, seq: get(row, 0)?, record, key })
}

/// SQLite's integers are signed; ours stay far below the sign.
fn signed(number: u64) -> i64 {
    number.cast_signed()
}

fn get(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

/// An error of the engine as the store reports it.
pub(crate) fn error(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error() {
        // A full disk shows as the first when a file should grow, as the second when the log's index should.
        Some(ffi::Error { code: ErrorCode::DiskFull, .. }) => StoreError::Full,
        Some(ffi::Error { extended_code: ffi::SQLITE_IOERR_SHMSIZE, .. }) => StoreError::Full,
        _ => StoreError::Engine(error.to_string()),
    }
}
