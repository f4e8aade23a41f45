//! Spin's default backend: the same file, the same table, and writes one after the other.
//!
//! Spin has one connection for all, and SQLite's own choice of a journal, so that its reads wait while a change is put
//! together and written. Here the file has a write-ahead log, which the file itself says, so that Spin goes on with it:
//! reads wait for no change, and a change takes one flush of the disk.

use std::path::Path;
use std::sync::Arc;

use anyhow::{anyhow, bail};
use parking_lot::{Mutex, MutexGuard};
use rusqlite::{Connection, ErrorCode, OptionalExtension, ToSql, Transaction, TransactionBehavior, params};

use super::{Cas, Change, Condition, Deadline, KEYS_A_PAGE, KeyPage, Pair, Result, Store, StoreError, Swap, TOO_LATE};
use super::{value_within_limit, within_limit};
use crate::processors;

/// A database file, which holds one store for each label.
#[derive(Clone)]
pub struct Database(Arc<Connections>);

/// Their locks outlive a panic, which leaves no half-done transaction behind: one that is dropped rolls back.
struct Connections {
    writing: Mutex<Connection>,
    /// As many as can compute at a time. A database in memory has one connection for all.
    reading: Vec<Mutex<Connection>>,
}

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
        with_log(&connection, path)?;
        with_table(&connection)
            .and_then(|()| (0..processors()).map(|_| Connection::open(path)).collect())
            .map(|reading| Self::of(connection, reading))
            .map_err(|error| cannot_open(path, &error))
    }

    /// A database that ends with the process.
    pub fn in_memory() -> anyhow::Result<Self> {
        let connection = Connection::open_in_memory()?;
        with_table(&connection)?;
        Ok(Self::of(connection, Vec::new()))
    }

    /// The store with this label.
    pub fn store(&self, label: &str) -> Arc<dyn Store> {
        Arc::new(SqliteStore { label: label.to_owned(), database: self.clone() })
    }

    fn of(writing: Connection, reading: Vec<Connection>) -> Self {
        let reading = reading.into_iter().map(Mutex::new).collect();
        Self(Arc::new(Connections { writing: Mutex::new(writing), reading }))
    }

    /// A connection that nobody reads by at the moment.
    fn free_reader(&self) -> Option<MutexGuard<'_, Connection>> {
        self.readers().iter().find_map(Mutex::try_lock)
    }

    /// Where all are taken, the last one: whoever has it for long, such as a listing, is more likely to have the first.
    fn reader(&self) -> MutexGuard<'_, Connection> {
        self.free_reader().unwrap_or_else(|| self.readers().last().expect("there is one, if only that for all").lock())
    }

    fn readers(&self) -> &[Mutex<Connection>] {
        if self.0.reading.is_empty() { std::slice::from_ref(&self.0.writing) } else { &self.0.reading }
    }

    /// One transaction, which is the only one that writes from its start, so that what it reads is the newest. It waits for
    /// others, be they of this process or of another one, no longer than a call may take.
    fn write<R>(&self, change: impl FnOnce(&Transaction<'_>) -> Result<R>) -> Result<R> {
        let deadline = Deadline::of_a_call();
        let locked = self.0.writing.try_lock_for(deadline.left());
        let mut connection = locked.ok_or_else(|| StoreError(TOO_LATE.to_owned()))?;
        connection.busy_timeout(deadline.left_to_send()?)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let changed = change(&transaction)?;
        transaction.commit()?;
        Ok(changed)
    }
}

/// Gives the file a write-ahead log. A commit waits for the disk, as it does by SQLite's own choice.
fn with_log(connection: &Connection, path: &Path) -> anyhow::Result<()> {
    let mode: String = connection
        .execute_batch("PRAGMA synchronous = FULL")
        .and_then(|()| connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)))
        .map_err(|error| cannot_open(path, &error))?;
    if mode != "wal" {
        bail!("{} cannot have a write-ahead log, which needs a local file system", path.display());
    }
    Ok(())
}

fn with_table(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS spin_key_value (
            store TEXT NOT NULL,
            key TEXT NOT NULL,
            value BLOB NOT NULL,
            PRIMARY KEY (store, key)
        )",
    )
}

const COLUMNS: [&str; 3] = ["store", "key", "value"];

const GET: &str = "SELECT value FROM spin_key_value WHERE store = ?1 AND key = ?2";
const SET: &str = "INSERT INTO spin_key_value (store, key, value) VALUES (?1, ?2, ?3)
    ON CONFLICT (store, key) DO UPDATE SET value = ?3";
const DELETE: &str = "DELETE FROM spin_key_value WHERE store = ?1 AND key = ?2";
const KEYS: &str = "SELECT key FROM spin_key_value WHERE store = ?1";
const KEYS_FROM: &str = "SELECT key FROM spin_key_value WHERE store = ?1 AND key >= ?2 ORDER BY key LIMIT ?3";
const REPLACE: &str = "UPDATE spin_key_value SET value = ?4 WHERE store = ?1 AND key = ?2 AND value = ?3";

struct SqliteStore {
    label: String,
    database: Database,
}

impl Store for SqliteStore {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        value_within_limit(read(&self.database.reader(), &self.label, key)?)
    }

    fn get_at_once(&self, key: &str) -> Option<Result<Option<Vec<u8>>>> {
        let connection = self.database.free_reader()?;
        Some(read(&connection, &self.label, key).map_err(StoreError::from).and_then(value_within_limit))
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<()> {
        self.database.write(|transaction| {
            run(transaction, SET, params![self.label, key, value])?;
            Ok(())
        })
    }

    fn delete(&self, key: &str) -> Result<()> {
        self.delete_many(&[key.to_owned()])
    }

    fn exists(&self, key: &str) -> Result<bool> {
        Ok(read(&self.database.reader(), &self.label, key)?.is_some())
    }

    fn list_keys(&self) -> Result<Vec<String>> {
        let connection = self.database.reader();
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

    /// The cursor is the last key of the page before. A page costs its own size.
    fn list_page(&self, prefix: &str, cursor: Option<&str>) -> Result<KeyPage> {
        // No text is between the last key and this one, and no key with the prefix before the prefix.
        let from = cursor.map(|last| [last, "\0"].concat()).filter(|from| from.as_str() > prefix);
        let limit = i64::try_from(KEYS_A_PAGE).unwrap_or(i64::MAX);
        let connection = self.database.reader();
        let mut statement = connection.prepare_cached(KEYS_FROM)?;
        let rows = statement
            .query_map(params![self.label, from.as_deref().unwrap_or(prefix), limit], |row| row.get::<_, String>(0))?;
        let mut keys = rows.collect::<rusqlite::Result<Vec<String>>>()?;
        keys.retain(|key| key.starts_with(prefix));
        let next = keys.last().filter(|_| keys.len() == KEYS_A_PAGE).cloned();
        Ok((keys, next))
    }

    /// As in Spin an absent key is not in the answer at all, a key asked for twice is there once, and the order is
    /// the table's, not the caller's.
    fn get_many(&self, keys: &[String]) -> Result<Vec<Pair<Option<Vec<u8>>>>> {
        let mut wanted: Vec<&String> = keys.iter().collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mut connection = self.database.reader();
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
        self.database.write(|transaction| {
            let mut set = transaction.prepare_cached(SET)?;
            for (key, value) in pairs {
                set.execute(params![self.label, key, value])?;
            }
            Ok(())
        })
    }

    fn delete_many(&self, keys: &[String]) -> Result<()> {
        self.database.write(|transaction| {
            for key in keys {
                run(transaction, DELETE, params![self.label, key])?;
            }
            Ok(())
        })
    }

    fn increment(&self, key: &str, delta: i64) -> Result<i64> {
        self.database.write(|transaction| {
            let counter = match read(transaction, &self.label, key)? {
                Some(bytes) => i64::from_le_bytes(bytes.try_into().map_err(|bytes: Vec<u8>| {
                    StoreError(format!("{key}: expected a counter of 8 bytes, found {} bytes", bytes.len()))
                })?),
                None => 0,
            };
            let overflow = || StoreError(format!("{key}: the counter would overflow"));
            let sum = counter.checked_add(delta).ok_or_else(overflow)?;
            run(transaction, SET, params![self.label, key, sum.to_le_bytes()])?;
            Ok(sum)
        })
    }

    fn is_guarded(&self) -> bool {
        true
    }

    fn change_if(&self, condition: &Condition, changes: &[Change]) -> Result<bool> {
        self.database.write(|transaction| {
            if read(transaction, &self.label, &condition.key)? != condition.value {
                return Ok(false);
            }
            let (mut set, mut delete) = (transaction.prepare_cached(SET)?, transaction.prepare_cached(DELETE)?);
            for (key, value) in changes {
                match value {
                    Some(value) => set.execute(params![self.label, key, value])?,
                    None => delete.execute(params![self.label, key])?,
                };
            }
            Ok(true)
        })
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
        self.expected = read(&self.database.reader(), &self.label, &self.key)?;
        value_within_limit(self.expected.clone())
    }

    fn swap(&mut self, value: &[u8]) -> Result<Swap> {
        let written = self.database.write(|transaction| match &self.expected {
            Some(expected) => run(transaction, REPLACE, params![self.label, self.key, expected, value]),
            // As in Spin this overwrites what a second creator has written meanwhile, and both are told that they won.
            None => run(transaction, SET, params![self.label, self.key, value]),
        })?;
        Ok(if written == 1 { Swap::Done } else { Swap::Failed })
    }
}

fn read(connection: &Connection, label: &str, key: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    connection.prepare_cached(GET)?.query_row([label, key], |row| row.get(0)).optional()
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
    fn the_keys_of_a_prefix_come_in_pages_each_of_them_once() {
        let database = Database::in_memory().unwrap();
        let store = database.store("default");
        let of =
            |prefix: &str, count: usize| (0..count).map(|n| pair(&format!("{prefix}{n:04}"), "")).collect::<Vec<_>>();
        for count in [0, 1, KEYS_A_PAGE, KEYS_A_PAGE + 1] {
            let prefix = format!("t.{count}.");
            let expected = of(&prefix, count);
            store
                .set_many(&[expected.clone(), of("s.", 3), of("u.", 3), of(&format!("t.{count}"), 3)].concat())
                .unwrap();
            database.store("other").set_many(&of(&format!("{prefix}x"), 3)).unwrap();
            let (mut found, mut cursor, mut pages) = (Vec::new(), None, 0);
            loop {
                let (keys, next) = store.list_page(&prefix, cursor.as_deref()).unwrap();
                assert!(keys.len() <= KEYS_A_PAGE);
                found.extend(keys);
                pages += 1;
                match next {
                    Some(next) => cursor = Some(next),
                    None => break,
                }
            }
            assert_eq!(found, expected.into_iter().map(|(key, _)| key).collect::<Vec<_>>());
            assert!(pages <= count / KEYS_A_PAGE + 1, "{pages} for {count}");
        }
        // A cursor of others leads to no key of theirs.
        assert_eq!(store.list_page("t.1.", Some("a")).unwrap().0, ["t.1.0000"]);
        assert_eq!(store.list_page("t.1.", Some("u.")).unwrap(), (Vec::new(), None));
    }

    #[test]
    fn labels_share_a_file_and_no_key() {
        let database = Database::in_memory().unwrap();
        database.store("default").set("a", b"1").unwrap();
        assert_eq!(database.store("other").get("a"), Ok(None));
        assert_eq!(database.store("other").list_keys(), Ok(vec![]));
    }

    #[test]
    fn a_value_is_read_as_it_was_while_a_batch_is_put_together() {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::open(&directory.path().join(Database::FILE_NAME)).unwrap();
        let store = database.store("default");
        store.set("a", b"1").unwrap();
        database
            .write(|transaction| {
                run(transaction, SET, params!["default", "a", b"2"])?;
                assert_eq!(store.get("a"), Ok(Some(b"1".to_vec())));
                assert_eq!(store.get_at_once("a"), Some(Ok(Some(b"1".to_vec()))));
                Ok(())
            })
            .unwrap();
        assert_eq!(store.get("a"), Ok(Some(b"2".to_vec())));
    }

    #[test]
    fn a_value_is_read_at_once_or_not_at_all_while_all_readers_read() {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::open(&directory.path().join(Database::FILE_NAME)).unwrap();
        let store = database.store("default");
        store.set("a", b"1").unwrap();
        let mut reading: Vec<_> = database.0.reading.iter().map(Mutex::lock).collect();
        assert_eq!(store.get_at_once("a"), None);
        reading.pop();
        assert_eq!(store.get_at_once("a"), Some(Ok(Some(b"1".to_vec()))));
    }

    #[test]
    fn a_value_is_read_as_it_was_while_another_process_changes_the_file_and_a_change_waits_for_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(Database::FILE_NAME);
        let store = Database::open(&path).unwrap().store("default");
        store.increment("n", 1).unwrap();
        let another_process = Connection::open(&path).unwrap();
        another_process
            .execute_batch("BEGIN EXCLUSIVE; UPDATE spin_key_value SET value = X'0500000000000000'")
            .unwrap();
        assert_eq!(store.get_at_once("n"), Some(Ok(Some(1i64.to_le_bytes().to_vec()))));
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| store.increment("n", 1));
            another_process.execute_batch("COMMIT").unwrap();
            assert_eq!(waits.join().unwrap(), Ok(6));
        });
    }

    #[test]
    fn a_batch_that_outgrows_memory_is_written_whole_beside_readers() {
        const PAGE_BYTES: usize = 4_096;
        let directory = tempfile::tempdir().unwrap();
        let store = Database::open(&directory.path().join(Database::FILE_NAME)).unwrap().store("default");
        // SQLite keeps 2 MB in memory.
        let batch =
            |value: u8| -> Vec<_> { (0..2_048).map(|key| (key.to_string(), vec![value; PAGE_BYTES])).collect() };
        store.set_many(&batch(0)).unwrap();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| (1..4).try_for_each(|value| store.set_many(&batch(value))));
            while !writer.is_finished() {
                let values = store.get_many(&["0".to_owned(), "2047".to_owned()]).unwrap();
                assert_eq!(values[0].1, values[1].1);
            }
            assert_eq!(writer.join().unwrap(), Ok(()));
        });
        assert_eq!(store.get("0"), Ok(Some(vec![3; PAGE_BYTES])));
    }

    #[test]
    fn a_file_without_a_log_gets_one_and_a_file_system_that_can_have_none_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(Database::FILE_NAME);
        let of_spin = Connection::open(&path).unwrap();
        with_table(&of_spin).unwrap();
        of_spin.execute("INSERT INTO spin_key_value VALUES ('default', 'a', X'31')", []).unwrap();
        drop(of_spin);
        assert_eq!(Database::open(&path).unwrap().store("default").get("a"), Ok(Some(b"1".to_vec())));
        let opened = Connection::open(&path).unwrap();
        let mode: String = opened.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");

        let elsewhere = format!("file:{}/elsewhere.db?vfs=unix-dotfile", directory.path().display());
        let refusal = Database::open(Path::new(&elsewhere)).err().unwrap();
        assert_eq!(
            refusal.to_string(),
            format!("{elsewhere} cannot have a write-ahead log, which needs a local file system")
        );
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
    fn a_conditional_batch_is_carried_out_whole_or_not_at_all() {
        let store = store();
        assert!(store.is_guarded());
        let condition = |value: Option<&str>| Condition { key: "head".to_owned(), value: value.map(Into::into) };
        let change = |key: &str, value: Option<&str>| (key.to_owned(), value.map(Into::into));
        let first = [change("head", Some("1")), change("a", Some("x")), change("absent", None)];
        assert_eq!(store.change_if(&condition(Some("0")), &first), Ok(false));
        assert_eq!(store.list_keys(), Ok(vec![]));
        assert_eq!(store.change_if(&condition(None), &first), Ok(true));
        assert_eq!(store.change_if(&condition(None), &first), Ok(false));
        let second = [change("head", Some("2")), change("a", None), change("b", Some(""))];
        assert_eq!(store.change_if(&condition(Some("1")), &second), Ok(true));
        assert_eq!((store.get("head"), store.get("a")), (Ok(Some(b"2".to_vec())), Ok(None)));
        assert_eq!(store.change_if(&condition(Some("1")), &first), Ok(false));
        assert_eq!((store.get("a"), store.get("b")), (Ok(None), Ok(Some(Vec::new()))));
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
