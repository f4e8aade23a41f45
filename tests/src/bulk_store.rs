//! The host's SQLite store as a store of the core, for whoever fills it: what is written waits in memory and reaches the
//! file in large batches, so that a million users do not cost a million flushes of the disk.
//!
//! It is for one process alone, and what it holds is lost with that process. Counters are written as Spin's SQLite store
//! writes them, so it fits no other backend.

use jiff::Timestamp;
use rollcall_core::ports::{Clock, Entropy, Log, Ports, Store, StoreError};
use rollcall_host::keyvalue;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// The store. Clones are the same.
#[derive(Clone)]
pub struct BulkStore {
    database: Arc<dyn keyvalue::Store>,
    /// What differs from the file; nothing for what is to be deleted.
    waiting: Rc<RefCell<BTreeMap<String, Option<Vec<u8>>>>>,
}

impl BulkStore {
    /// Fills this store.
    pub fn new(database: Arc<dyn keyvalue::Store>) -> BulkStore {
        BulkStore { database, waiting: Rc::default() }
    }

    /// This store, with this machine's time and randomness.
    pub fn ports(&self) -> Ports {
        Ports {
            store: Box::new(self.clone()),
            clock: Box::new(Here(Instant::now())),
            entropy: Box::new(Random),
            log: Box::new(ErrorOutput),
        }
    }

    /// Writes what waits.
    pub fn flush(&self) -> Result<(), StoreError> {
        let (mut pairs, mut gone) = (Vec::new(), Vec::new());
        for (key, value) in self.waiting.take() {
            match value {
                Some(value) => pairs.push((key, value)),
                None => gone.push(key),
            }
        }
        self.database.set_many(&pairs).map_err(words)?;
        self.database.delete_many(&gone).map_err(words)
    }
}

impl Store for BulkStore {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(value) = self.waiting.borrow().get(key) {
            return Ok(value.clone());
        }
        self.database.get(key).map_err(words)
    }

    fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        keys.iter().map(|key| self.get(key)).collect()
    }

    fn set_many(&self, pairs: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        self.waiting.borrow_mut().extend(pairs.iter().map(|(key, value)| (key.clone(), Some(value.clone()))));
        Ok(())
    }

    fn delete_many(&self, keys: &[String]) -> Result<(), StoreError> {
        self.waiting.borrow_mut().extend(keys.iter().map(|key| (key.clone(), None)));
        Ok(())
    }

    fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError> {
        let counter = match self.get(key)? {
            Some(bytes) => {
                i64::from_le_bytes(bytes.try_into().map_err(|_| StoreError(format!("{key}: expected a counter")))?)
            }
            None => 0,
        };
        let sum = counter.checked_add(delta).ok_or_else(|| StoreError(format!("{key}: the counter would overflow")))?;
        self.set_many(&[(key.to_owned(), sum.to_le_bytes().to_vec())])?;
        Ok(sum)
    }

    fn list_keys(&self) -> Result<Vec<String>, StoreError> {
        self.flush()?;
        self.database.list_keys().map_err(words)
    }
}

/// Time since it was made.
struct Here(Instant);

impl Clock for Here {
    #[expect(clippy::disallowed_methods, reason = "this is the port")]
    fn now(&self) -> Timestamp {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let milliseconds = i64::try_from(since_1970.as_millis()).unwrap_or_default();
        Timestamp::from_millisecond(milliseconds).unwrap_or_default()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn pause(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

struct Random;

impl Entropy for Random {
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).unwrap_or_else(|error| panic!("no random numbers: {error}"));
    }
}

struct ErrorOutput;

impl Log for ErrorOutput {
    fn line(&self, line: &str) {
        eprintln!("{line}");
    }
}

fn words(error: keyvalue::StoreError) -> StoreError {
    StoreError(error.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rollcall_host::keyvalue::Database;

    #[test]
    fn what_waits_is_read_and_reaches_the_file_as_a_single_write_would() {
        let database = Database::in_memory().unwrap().store("default");
        database.set("old", b"1").unwrap();
        let store = BulkStore::new(database.clone());
        store.set_many(&[("new".to_owned(), b"2".to_vec())]).unwrap();
        store.delete_many(&["old".to_owned()]).unwrap();
        assert_eq!([store.increment("n", 3), store.increment("n", 4)], [Ok(3), Ok(7)]);
        assert_eq!((store.get("new"), store.get("old")), (Ok(Some(b"2".to_vec())), Ok(None)));
        assert_eq!(database.list_keys().unwrap(), ["old"]);
        store.flush().unwrap();
        assert_eq!(database.list_keys().unwrap(), ["n", "new"]);
        assert_eq!(database.increment("n", 1), Ok(8));
    }
}
