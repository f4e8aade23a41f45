//! Spin's default backend: the same file, the same table, the same journal mode (none is set), and one connection
//! behind one mutex for the whole process.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{anyhow, bail};
use rusqlite::{Connection, ErrorCode, OptionalExtension, ToSql, params};

use super::{Cas, Pair, Result, Store, StoreError, Swap, within_limit};

/// A database file, which holds one store for each label.
#[derive(Clone)]
pub struct Database(Arc<Mutex<Connection>>);

impl Database {
    /// The name of the file in the state directory, as Spin has it.
    pub const FILE_NAME: &'static str = "sqlite_key_value.db";

    /// Opens the file, creates it where it is absent, and refuses one that belongs to something else.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let connection = Connection::open(path)
            .and_then(|connection| {
                // A flush and a lock, but no change: it finds files that cannot be read or written before a request does.
                connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK")?;
                Ok(connection)
            })
            .map_err(|error| cannot_open(path, &error))?;
        refuse_foreign(&connection, path)?;
        Self::with_table(connection).map_err(|error| cannot_open(path, &error))
    }

    /// A database that ends with the process.
    pub fn in_memory() -> anyhow::Result<Self> {
        Ok(Connection::open_in_memory().and_then(Self::with_table)?)
    }

    /// The store with this label.
    pub fn store(&self, label: &str) -> Arc<dyn Store> {
        Arc::new(SqliteStore { label: label.to_owned(), database: self.clone() })
    }

    fn with_table(connection: Connection) -> rusqlite::Result<Self> {
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS spin_key_value (
                store TEXT NOT NULL,
                key TEXT NOT NULL,
                value BLOB NOT NULL,
                PRIMARY KEY (store, key)
            )",
        )?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // A panic elsewhere leaves no half-done transaction behind: they roll back when they are dropped.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const COLUMNS: [&str; 3] = ["store", "key", "value"];

const GET: &str = "SELECT value FROM spin_key_value WHERE store = ?1 AND key = ?2";
const SET: &str = "INSERT INTO spin_key_value (store, key, value) VALUES (?1, ?2, ?3)
    ON CONFLICT (store, key) DO UPDATE SET value = ?3";
const DELETE: &str = "DELETE FROM spin_key_value WHERE store = ?1 AND key = ?2";
const KEYS: &str = "SELECT key FROM spin_key_value WHERE store = ?1";
const REPLACE: &str = "UPDATE spin_key_value SET value = ?4 WHERE store = ?1 AND key = ?2 AND value = ?3";

struct SqliteStore {
    label: String,
    database: Database,
}

impl Store for SqliteStore {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let value = read(&self.database.lock(), &self.label, key)?;
        within_limit(value.as_ref().map_or(0, Vec::len))?;
        Ok(value)
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<()> {
        run(&self.database.lock(), SET, params![self.label, key, value])?;
        Ok(())
    }

    fn delete(&self, key: &str) -> Result<()> {
        run(&self.database.lock(), DELETE, params![self.label, key])?;
        Ok(())
    }

    fn exists(&self, key: &str) -> Result<bool> {
        Ok(read(&self.database.lock(), &self.label, key)?.is_some())
    }

    fn list_keys(&self) -> Result<Vec<String>> {
        let connection = self.database.lock();
        let mut statement = connection.prepare_cached(KEYS)?;
        let mut rows = statement.query([&self.label])?;
        let (mut keys, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            let key: String = row.get(0)?;
            bytes += size_of::<String>() + key.len();
            within_limit(bytes)?;
            keys.push(key);
        }
        Ok(keys)
    }

    /// As in Spin an absent key is not in the answer at all, a key asked for twice is there once, and the order is
    /// the table's, not the caller's.
    fn get_many(&self, keys: &[String]) -> Result<Vec<Pair<Option<Vec<u8>>>>> {
        let mut wanted: Vec<&String> = keys.iter().collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mut connection = self.database.lock();
        let snapshot = connection.transaction()?;
        let (mut found, mut bytes) = (Vec::new(), 0);
        for key in wanted {
            if let Some(value) = read(&snapshot, &self.label, key)? {
                bytes += size_of::<Pair<Option<Vec<u8>>>>() + key.len() + value.len();
                within_limit(bytes)?;
                found.push((key.clone(), Some(value)));
            }
        }
        Ok(found)
    }

    fn set_many(&self, pairs: &[Pair<Vec<u8>>]) -> Result<()> {
        let mut connection = self.database.lock();
        let transaction = connection.transaction()?;
        for (key, value) in pairs {
            run(&transaction, SET, params![self.label, key, value])?;
        }
        Ok(transaction.commit()?)
    }

    fn delete_many(&self, keys: &[String]) -> Result<()> {
        let mut connection = self.database.lock();
        let transaction = connection.transaction()?;
        for key in keys {
            run(&transaction, DELETE, params![self.label, key])?;
        }
        Ok(transaction.commit()?)
    }

    fn increment(&self, key: &str, delta: i64) -> Result<i64> {
        let mut connection = self.database.lock();
        let transaction = connection.transaction()?;
        let counter = match read(&transaction, &self.label, key)? {
            Some(bytes) => i64::from_le_bytes(bytes.try_into().map_err(|bytes: Vec<u8>| {
                StoreError(format!("{key}: expected a counter of 8 bytes, found {} bytes", bytes.len()))
            })?),
            None => 0,
        };
        let sum = counter.checked_add(delta).ok_or_else(|| StoreError(format!("{key}: the counter would overflow")))?;
        run(&transaction, SET, params![self.label, key, sum.to_le_bytes()])?;
        transaction.commit()?;
        Ok(sum)
    }

    fn compare_and_swap(&self, key: &str) -> Result<Box<dyn Cas>> {
        Ok(Box::new(SqliteCas {
            label: self.label.clone(),
            key: key.to_owned(),
            expected: None,
            database: self.database.clone(),
        }))
    }
}

struct SqliteCas {
    label: String,
    key: String,
    expected: Option<Vec<u8>>,
    database: Database,
}

impl Cas for SqliteCas {
    fn current(&mut self) -> Result<Option<Vec<u8>>> {
        self.expected = read(&self.database.lock(), &self.label, &self.key)?;
        within_limit(self.expected.as_ref().map_or(0, Vec::len))?;
        Ok(self.expected.clone())
    }

    fn swap(&mut self, value: &[u8]) -> Result<Swap> {
        let connection = self.database.lock();
        let written = match &self.expected {
            Some(expected) => run(&connection, REPLACE, params![self.label, self.key, expected, value])?,
            // As in Spin this overwrites what a second creator has written meanwhile, and both are told that they won.
            None => run(&connection, SET, params![self.label, self.key, value])?,
        };
        Ok(if written == 1 { Swap::Done } else { Swap::Failed })
    }
}

fn read(connection: &Connection, label: &str, key: &str) -> Result<Option<Vec<u8>>> {
    let mut statement = connection.prepare_cached(GET)?;
    Ok(statement.query_row([label, key], |row| row.get(0)).optional()?)
}

fn run(connection: &Connection, sql: &str, parameters: &[&dyn ToSql]) -> Result<usize> {
    Ok(connection.prepare_cached(sql)?.execute(parameters)?)
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self(error.to_string())
    }
}

fn cannot_open(path: &Path, error: &rusqlite::Error) -> anyhow::Error {
    let path = path.display();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => anyhow!("{path} is not a SQLite database"),
        Some(ErrorCode::DatabaseBusy) => anyhow!("{path} is locked by another process"),
        _ => anyhow!("{path} cannot be opened for reading and writing: {error}"),
    }
}

/// An empty database becomes ours; one with content has to have Spin's table.
fn refuse_foreign(connection: &Connection, path: &Path) -> anyhow::Result<()> {
    let names = |sql: &str| -> rusqlite::Result<Vec<String>> {
        connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
    };
    let tables =
        names("SELECT name FROM sqlite_schema WHERE type = 'table'").map_err(|error| cannot_open(path, &error))?;
    if tables.is_empty() {
        return Ok(());
    }
    let path = path.display();
    if !tables.iter().any(|table| table == "spin_key_value") {
        bail!("{path} is a database of something else: expected the table spin_key_value, found {}", tables.join(", "));
    }
    let columns = names("SELECT name FROM pragma_table_info('spin_key_value') ORDER BY cid")?;
    if columns != COLUMNS {
        bail!(
            "{path}: expected the columns {} in the table spin_key_value, found {}",
            COLUMNS.join(", "),
            columns.join(", ")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> Arc<dyn Store> {
        Database::in_memory().unwrap().store("default")
    }

    fn pair(key: &str, value: &str) -> Pair<Vec<u8>> {
        (key.to_owned(), value.into())
    }

    #[test]
    fn a_value_is_read_as_it_was_written_until_it_is_deleted() {
        let store = store();
        assert_eq!(store.get("a"), Ok(None));
        store.set("a", b"1").unwrap();
        store.set("a", b"2").unwrap();
        assert_eq!(store.get("a"), Ok(Some(b"2".to_vec())));
        assert_eq!(store.exists("a"), Ok(true));
        store.delete("a").unwrap();
        store.delete("a").unwrap();
        assert_eq!(store.exists("a"), Ok(false));
    }

    #[test]
    fn labels_share_a_file_and_no_key() {
        let database = Database::in_memory().unwrap();
        database.store("default").set("a", b"1").unwrap();
        assert_eq!(database.store("other").get("a"), Ok(None));
        assert_eq!(database.store("other").list_keys(), Ok(vec![]));
    }

    #[test]
    fn get_many_leaves_absent_keys_out() {
        let store = store();
        store.set_many(&[pair("b", "2"), pair("a", "1")]).unwrap();
        let keys = ["b", "absent", "a", "b"].map(str::to_owned);
        assert_eq!(
            store.get_many(&keys),
            Ok(vec![("a".to_owned(), Some(b"1".to_vec())), ("b".to_owned(), Some(b"2".to_vec())),])
        );
        store.delete_many(&keys).unwrap();
        assert_eq!(store.list_keys(), Ok(vec![]));
    }

    #[test]
    fn a_counter_is_eight_little_endian_bytes_and_one_caller_sees_1() {
        let store = store();
        let firsts = std::thread::scope(|scope| {
            let callers: Vec<_> = (0..64).map(|_| scope.spawn(|| store.increment("n", 1).unwrap())).collect();
            callers.into_iter().filter_map(|caller| (caller.join().unwrap() == 1).then_some(())).count()
        });
        assert_eq!(firsts, 1);
        assert_eq!(store.increment("n", -60), Ok(4));
        assert_eq!(store.get("n"), Ok(Some(4i64.to_le_bytes().to_vec())));
    }

    #[test]
    fn a_value_that_is_no_counter_cannot_be_incremented() {
        let store = store();
        store.set("n", b"abc").unwrap();
        let error = store.increment("n", 1).unwrap_err();
        assert_eq!(error.0, "n: expected a counter of 8 bytes, found 3 bytes");
        store.set("n", &i64::MAX.to_le_bytes()).unwrap();
        assert_eq!(store.increment("n", 1).unwrap_err().0, "n: the counter would overflow");
    }

    #[test]
    fn a_swap_fails_once_somebody_else_has_written() {
        let store = store();
        store.set("a", b"1").unwrap();
        let mut late = store.compare_and_swap("a").unwrap();
        assert_eq!(late.current(), Ok(Some(b"1".to_vec())));
        let mut early = store.compare_and_swap("a").unwrap();
        early.current().unwrap();
        assert_eq!(early.swap(b"2"), Ok(Swap::Done));
        assert_eq!(late.swap(b"3"), Ok(Swap::Failed));
        assert_eq!(store.get("a"), Ok(Some(b"2".to_vec())));
    }

    #[test]
    fn two_creators_by_swap_are_both_told_that_they_won() {
        let store = store();
        let mut attempts = [(); 2].map(|()| store.compare_and_swap("a").unwrap());
        for attempt in &mut attempts {
            assert_eq!(attempt.current(), Ok(None));
        }
        assert_eq!(attempts[0].swap(b"1"), Ok(Swap::Done));
        assert_eq!(attempts[1].swap(b"2"), Ok(Swap::Done));
        assert_eq!(store.get("a"), Ok(Some(b"2".to_vec())));
    }

    #[test]
    fn a_listing_of_keys_ends_at_128_mib() {
        let store = store();
        let key = |n: u8| char::from(n).to_string().repeat((1 << 20) - size_of::<String>());
        let full: Vec<_> = (0..128).map(|n| (key(n), vec![])).collect();
        store.set_many(&full).unwrap();
        assert_eq!(store.list_keys().unwrap().len(), 128);
        store.set("one more", b"").unwrap();
        assert_eq!(store.list_keys().unwrap_err().0, "the result exceeds 134217728 bytes");
    }

    #[test]
    fn a_file_keeps_its_data_and_a_foreign_one_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(Database::FILE_NAME);
        let refusal = || match Database::open(&path) {
            Ok(_) => String::new(),
            Err(error) => format!("{error:#}").replace(&path.display().to_string(), "FILE"),
        };
        assert_eq!(refusal(), "");
        Database::open(&path).unwrap().store("default").set("a", b"1").unwrap();
        assert_eq!(Database::open(&path).unwrap().store("default").get("a"), Ok(Some(b"1".to_vec())));

        let foreign = |sql: &str| {
            std::fs::remove_file(&path).unwrap();
            Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        };
        foreign("CREATE TABLE songs (title TEXT)");
        assert_eq!(refusal(), "FILE is a database of something else: expected the table spin_key_value, found songs");
        foreign("CREATE TABLE spin_key_value (key TEXT, value TEXT)");
        assert_eq!(
            refusal(),
            "FILE: expected the columns store, key, value in the table spin_key_value, found key, value"
        );
        std::fs::write(&path, "This is a text of more than a hundred characters. ".repeat(20)).unwrap();
        assert_eq!(refusal(), "FILE is not a SQLite database");
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert_eq!(refusal(), "FILE cannot be opened for reading and writing: unable to open database file: FILE");
    }
}
