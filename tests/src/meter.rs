//! A store that is counted while it works at full speed: how often it is asked, and for how many bytes.

use rollcall_host::keyvalue::{Cas, Pair, Result, Store};
use std::ops::Sub;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Stands before a store of the host.
pub struct Meter {
    store: Arc<dyn Store>,
    calls: AtomicU64,
    writes: AtomicU64,
    bytes_read: AtomicU64,
    bytes_written: AtomicU64,
}

/// What a meter shows, or what it has counted between two looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Calls of any kind.
    pub calls: u64,
    /// Those that are a write transaction on SQLite.
    pub writes: u64,
    /// Bytes of values that were read.
    pub bytes_read: u64,
    /// Bytes of values that were written.
    pub bytes_written: u64,
}

impl Sub for Reading {
    type Output = Reading;

    fn sub(self, earlier: Reading) -> Reading {
        Reading {
            calls: self.calls - earlier.calls,
            writes: self.writes - earlier.writes,
            bytes_read: self.bytes_read - earlier.bytes_read,
            bytes_written: self.bytes_written - earlier.bytes_written,
        }
    }
}

impl Meter {
    /// Counts the calls of a store.
    pub fn new(store: Arc<dyn Store>) -> Arc<Meter> {
        Arc::new(Meter {
            store,
            calls: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            bytes_read: AtomicU64::new(0),
            bytes_written: AtomicU64::new(0),
        })
    }

    /// What was counted since the beginning.
    pub fn read(&self) -> Reading {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Reading {
            calls: of(&self.calls),
            writes: of(&self.writes),
            bytes_read: of(&self.bytes_read),
            bytes_written: of(&self.bytes_written),
        }
    }

    fn reads(&self, value: Option<&Vec<u8>>) {
        add(&self.calls, 1);
        add(&self.bytes_read, value.map_or(0, Vec::len));
    }

    fn writes(&self, bytes: usize) {
        add(&self.calls, 1);
        add(&self.writes, 1);
        add(&self.bytes_written, bytes);
    }
}

fn add(counter: &AtomicU64, amount: usize) {
    counter.fetch_add(amount as u64, Ordering::Relaxed);
}

impl Store for Meter {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.store.get(key).inspect(|value| self.reads(value.as_ref()))
    }

    fn get_at_once(&self, key: &str) -> Option<Result<Option<Vec<u8>>>> {
        Some(self.store.get_at_once(key)?.inspect(|value| self.reads(value.as_ref())))
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<()> {
        self.writes(value.len());
        self.store.set(key, value)
    }

    fn delete(&self, key: &str) -> Result<()> {
        self.writes(0);
        self.store.delete(key)
    }

    fn exists(&self, key: &str) -> Result<bool> {
        self.reads(None);
        self.store.exists(key)
    }

    fn list_keys(&self) -> Result<Vec<String>> {
        let keys = self.store.list_keys()?;
        add(&self.calls, 1);
        add(&self.bytes_read, keys.iter().map(String::len).sum());
        Ok(keys)
    }

    fn get_many(&self, keys: &[String]) -> Result<Vec<Pair<Option<Vec<u8>>>>> {
        let found = self.store.get_many(keys)?;
        add(&self.calls, 1);
        add(&self.bytes_read, found.iter().filter_map(|(_, value)| value.as_ref()).map(Vec::len).sum());
        Ok(found)
    }

    fn set_many(&self, pairs: &[Pair<Vec<u8>>]) -> Result<()> {
        self.writes(pairs.iter().map(|(_, value)| value.len()).sum());
        self.store.set_many(pairs)
    }

    fn delete_many(&self, keys: &[String]) -> Result<()> {
        self.writes(0);
        self.store.delete_many(keys)
    }

    fn increment(&self, key: &str, delta: i64) -> Result<i64> {
        self.writes(8);
        self.store.increment(key, delta)
    }

    /// The component swaps nothing, so this is not counted.
    fn compare_and_swap(&self, key: &str) -> Result<Box<dyn Cas>> {
        self.store.compare_and_swap(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rollcall_host::keyvalue::Database;

    #[test]
    fn calls_transactions_and_bytes_are_counted() {
        let meter = Meter::new(Database::in_memory().unwrap().store("default"));
        meter.set_many(&[("a".to_owned(), vec![1; 3]), ("b".to_owned(), vec![2; 4])]).unwrap();
        let before = meter.read();
        assert_eq!(before, Reading { calls: 1, writes: 1, bytes_read: 0, bytes_written: 7 });
        meter.get("a").unwrap();
        meter.get("absent").unwrap();
        meter.increment("n", 1).unwrap();
        assert_eq!(meter.read() - before, Reading { calls: 3, writes: 1, bytes_read: 3, bytes_written: 8 });
    }
}
