//! A world for tests: a store, a clock, randomness and an error output that a test holds in its hand.
//!
//! The store is no stronger than Spin's: its counters are text as Redis has them, it lists its keys in no order that means
//! anything, it writes a batch whole and nothing more. A model of each backend, which fails and lets others in at every
//! step, is in the crate `acceptance`.

use crate::ports::{Clock, Entropy, Log, Ports, Store, StoreError};
use crate::settings::Settings;
use jiff::{SignedDuration, Timestamp};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::rc::Rc;
use std::time::Duration;

/// The admin secret of every world.
pub const ADMIN_SECRET: &str = "the-admin-secret-of-the-tests";

/// The world of an instance. Clones are the same world.
#[derive(Clone, Default)]
pub struct World {
    /// The store.
    pub store: MemoryStore,
    /// The time.
    pub time: Time,
    /// The randomness.
    pub random: Random,
    /// The error output.
    pub log: Lines,
}

impl World {
    /// What an instance has of the world.
    pub fn ports(&self) -> Ports {
        Ports {
            store: Box::new(self.store.clone()),
            clock: Box::new(self.time.clone()),
            entropy: Box::new(self.random.clone()),
            log: Box::new(self.log.clone()),
        }
    }

    /// What the operator has set: the admin secret alone.
    pub fn settings() -> Settings {
        let given = |name: &str| (name == "admin_secret").then(|| ADMIN_SECRET.to_owned());
        Settings::read(given).expect("the admin secret is all that is needed")
    }
}

/// A store in memory.
#[derive(Clone, Default)]
pub struct MemoryStore {
    data: Rc<RefCell<BTreeMap<String, Vec<u8>>>>,
    writes_left: Rc<Cell<Option<usize>>>,
}

impl MemoryStore {
    /// What stands under each key.
    pub fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        self.data.borrow().clone()
    }

    /// Sets or removes a value behind everybody's back.
    pub fn plant(&self, key: &str, value: Option<Vec<u8>>) {
        match value {
            Some(value) => drop(self.data.borrow_mut().insert(key.to_owned(), value)),
            None => drop(self.data.borrow_mut().remove(key)),
        }
    }

    /// Takes so many batches from now on, and refuses what comes after them; nothing for any number.
    pub fn take_batches(&self, count: Option<usize>) {
        self.writes_left.set(count);
    }
}

impl Store for MemoryStore {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.data.borrow().get(key).cloned())
    }

    fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        keys.iter().map(|key| self.get(key)).collect()
    }

    fn set_many(&self, pairs: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        if let Some(left) = self.writes_left.get() {
            let left = left.checked_sub(1).ok_or_else(|| StoreError("the disk said no".to_owned()))?;
            self.writes_left.set(Some(left));
        }
        self.data.borrow_mut().extend(pairs.iter().cloned());
        Ok(())
    }

    fn delete_many(&self, keys: &[String]) -> Result<(), StoreError> {
        self.data.borrow_mut().retain(|key, _| !keys.contains(key));
        Ok(())
    }

    fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError> {
        let mut data = self.data.borrow_mut();
        let before = data.get(key).map_or(Some(0), |bytes| String::from_utf8_lossy(bytes).parse().ok());
        let before: i64 = before.ok_or_else(|| StoreError("ERR value is not an integer or out of range".to_owned()))?;
        data.insert(key.to_owned(), (before + delta).to_string().into_bytes());
        Ok(before + delta)
    }

    fn list_keys(&self) -> Result<Vec<String>, StoreError> {
        let mut keys: Vec<String> = self.data.borrow().keys().cloned().collect();
        keys.sort_by_key(|key| {
            let mut hasher = DefaultHasher::new();
            key.hash(&mut hasher);
            hasher.finish()
        });
        Ok(keys)
    }
}

/// Time that passes when it is told to, or when somebody waits. It begins at 2026-11-24T09:00:00Z.
#[derive(Clone, Default)]
pub struct Time(Rc<Cell<Duration>>);

const BEGINNING: i64 = 1_795_510_800;

impl Time {
    /// Lets time pass.
    pub fn pass(&self, duration: Duration) {
        self.0.set(self.0.get() + duration);
    }
}

impl Clock for Time {
    fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.0.get()).unwrap_or_default();
        Timestamp::from_second(BEGINNING).and_then(|begun| begun.checked_add(passed)).unwrap_or(Timestamp::MAX)
    }

    fn elapsed(&self) -> Duration {
        self.0.get()
    }

    fn pause(&self, duration: Duration) {
        self.pass(duration);
    }
}

/// Bytes that differ from each other and are the same in every run.
#[derive(Clone, Default)]
pub struct Random(Rc<Cell<u64>>);

impl Entropy for Random {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill_with(|| {
            // SplitMix64 of the place in the stream.
            let mut mixed = self.0.replace(self.0.get() + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (mixed ^ (mixed >> 31)).to_le_bytes()[0]
        });
    }
}

/// The lines of the error output.
#[derive(Clone, Default)]
pub struct Lines(Rc<RefCell<Vec<String>>>);

impl Lines {
    /// What was said until now.
    pub fn all(&self) -> Vec<String> {
        self.0.borrow().clone()
    }
}

impl Log for Lines {
    fn line(&self, line: &str) {
        self.0.borrow_mut().push(line.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_takes_one_more_batch_refuses_the_next_and_keeps_the_first() {
        let store = MemoryStore::default();
        store.take_batches(Some(1));
        let pair = |key: &str| [(key.to_owned(), b"1".to_vec())];
        assert_eq!(store.set_many(&pair("a")), Ok(()));
        assert!(store.set_many(&pair("b")).is_err());
        assert_eq!(store.contents().len(), 1);
    }

    #[test]
    fn a_counter_is_text_and_what_is_none_does_not_count() {
        let store = MemoryStore::default();
        assert_eq!([store.increment("n", 2), store.increment("n", -1)], [Ok(2), Ok(1)]);
        assert_eq!(store.get("n"), Ok(Some(b"1".to_vec())));
        store.plant("n", Some(b"x".to_vec()));
        assert!(store.increment("n", 1).is_err());
    }

    #[test]
    fn keys_are_listed_in_no_order() {
        let store = MemoryStore::default();
        let pairs: Vec<_> = (0..20).map(|n| (format!("k{n:02}"), b"1".to_vec())).collect();
        store.set_many(&pairs).unwrap();
        assert!(!store.list_keys().unwrap().is_sorted());
    }
}
