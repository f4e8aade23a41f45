//! What Spin's other backends do not keep, taken away from a store that would keep it.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::{Cas, Pair, Result, Store, StoreError, Swap};

/// How a backend falls short, one field for each oddity.
#[derive(Clone, Copy, Debug)]
pub struct Weakness {
    /// `set-many` and `delete-many` go out in batches of this many, and others see what lies between two of them.
    /// Nothing where a call is all or nothing.
    pub batch: Option<NonZeroUsize>,
    /// What callers of `increment` get in each other's way.
    pub increment: Increment,
    /// A counter is decimal text when it is read as a value.
    pub counters_are_text: bool,
    /// `get-many` is always an error.
    pub get_many_fails: bool,
    /// A swap of a key that was absent overwrites what another creator has written meanwhile.
    pub swap_overwrites_creation: bool,
    /// A swap does what it should, and answers `cas-failed` whatever it did.
    pub swap_always_answers_failed: bool,
    /// Keys with `/ \ ? #` are refused, and so are those with a quote, which would end a SQL text, and those
    /// over 255 bytes.
    pub keys_are_restricted: bool,
}

/// How increments of the same key at the same time end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Increment {
    /// One after the other.
    Atomic,
    /// With an error for whoever has read a value that is no longer there.
    FailsOnConflict,
    /// Right, except that all who find the counter absent are told that they are the first.
    FirstCallersTie,
}

impl Weakness {
    /// Spin's default.
    pub const SQLITE: Self = Self {
        batch: None,
        increment: Increment::Atomic,
        counters_are_text: false,
        get_many_fails: false,
        swap_overwrites_creation: true,
        swap_always_answers_failed: false,
        keys_are_restricted: false,
    };

    /// Spin's `key-value-redis`.
    pub const REDIS: Self = Self {
        counters_are_text: true,
        get_many_fails: true,
        swap_overwrites_creation: false,
        swap_always_answers_failed: true,
        ..Self::SQLITE
    };

    /// Spin's `key-value-aws`.
    pub const DYNAMODB: Self = Self {
        batch: NonZeroUsize::new(25),
        increment: Increment::FailsOnConflict,
        swap_overwrites_creation: false,
        ..Self::SQLITE
    };

    /// Spin's `key-value-azure`.
    pub const COSMOS: Self = Self {
        batch: NonZeroUsize::new(1),
        increment: Increment::FirstCallersTie,
        swap_overwrites_creation: false,
        keys_are_restricted: true,
        ..Self::SQLITE
    };

    /// The store, made as weak as this. A [`Probe`](super::Probe) belongs around the result; within, it would see how
    /// the weakness is made.
    pub fn of(self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(WeakStore(Arc::new(Weakened { store, weakness: self, writing: Mutex::new(()) })))
    }
}

/// How long an increment that is not atomic waits between its read and its write: long enough for all that start
/// together to read the same.
const RACE: Duration = Duration::from_millis(5);

const KEY_BYTES_MAX: usize = 255;

struct WeakStore(Arc<Weakened>);

struct Weakened {
    store: Arc<dyn Store>,
    weakness: Weakness,
    /// Held by every write, so that a check and the write that follows from it are one step where they should be.
    writing: Mutex<()>,
}

impl Weakened {
    fn writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(&self, key: &str) -> Result<()> {
        let refused = |c| matches!(c, '/' | '\\' | '?' | '#' | '\'');
        if self.weakness.keys_are_restricted && (key.len() > KEY_BYTES_MAX || key.contains(refused)) {
            return Err(StoreError(format!("the key {key:?} is not allowed")));
        }
        Ok(())
    }

    fn batch(&self) -> usize {
        self.weakness.batch.map_or(usize::MAX, NonZeroUsize::get)
    }

    fn add(&self, key: &str, seen: Option<&[u8]>, delta: i64) -> Result<i64> {
        let counter = seen.map_or(Ok(0), |bytes| self.parse(key, bytes))?;
        let sum = counter.checked_add(delta).ok_or_else(|| StoreError(format!("{key}: the counter would overflow")))?;
        let bytes =
            if self.weakness.counters_are_text { sum.to_string().into_bytes() } else { sum.to_le_bytes().to_vec() };
        self.store.set(key, &bytes)?;
        Ok(sum)
    }

    fn parse(&self, key: &str, bytes: &[u8]) -> Result<i64> {
        let counter = if self.weakness.counters_are_text {
            str::from_utf8(bytes).ok().and_then(|text| text.parse().ok())
        } else {
            bytes.try_into().ok().map(i64::from_le_bytes)
        };
        counter.ok_or_else(|| StoreError(format!("{key}: the value is not a counter")))
    }
}

impl Store for WeakStore {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.0.accept(key)?;
        self.0.store.get(key)
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<()> {
        self.0.accept(key)?;
        let _writing = self.0.writing();
        self.0.store.set(key, value)
    }

    fn delete(&self, key: &str) -> Result<()> {
        self.0.accept(key)?;
        let _writing = self.0.writing();
        self.0.store.delete(key)
    }

    fn exists(&self, key: &str) -> Result<bool> {
        self.0.accept(key)?;
        self.0.store.exists(key)
    }

    fn list_keys(&self) -> Result<Vec<String>> {
        self.0.store.list_keys()
    }

    fn get_many(&self, keys: &[String]) -> Result<Vec<Pair<Option<Vec<u8>>>>> {
        if self.0.weakness.get_many_fails {
            return Err(StoreError("wrong number of arguments for 'keys' command".to_owned()));
        }
        keys.iter().try_for_each(|key| self.0.accept(key))?;
        self.0.store.get_many(keys)
    }

    fn set_many(&self, pairs: &[Pair<Vec<u8>>]) -> Result<()> {
        for batch in pairs.chunks(self.0.batch()) {
            // Refused keys end the call where they stand: earlier batches are written.
            batch.iter().try_for_each(|(key, _)| self.0.accept(key))?;
            let _writing = self.0.writing();
            self.0.store.set_many(batch)?;
        }
        Ok(())
    }

    fn delete_many(&self, keys: &[String]) -> Result<()> {
        for batch in keys.chunks(self.0.batch()) {
            batch.iter().try_for_each(|key| self.0.accept(key))?;
            let _writing = self.0.writing();
            self.0.store.delete_many(batch)?;
        }
        Ok(())
    }

    fn increment(&self, key: &str, delta: i64) -> Result<i64> {
        let weak = &self.0;
        weak.accept(key)?;
        if weak.weakness.increment == Increment::Atomic {
            let _writing = weak.writing();
            return weak.add(key, weak.store.get(key)?.as_deref(), delta);
        }
        let seen = weak.store.get(key)?;
        thread::sleep(RACE);
        let _writing = weak.writing();
        let present = weak.store.get(key)?;
        match weak.weakness.increment {
            Increment::FailsOnConflict if seen != present => {
                Err(StoreError(format!("{key}: the counter was changed by another caller")))
            }
            Increment::FirstCallersTie if seen.is_none() => weak.add(key, None, delta),
            Increment::Atomic | Increment::FailsOnConflict | Increment::FirstCallersTie => {
                weak.add(key, present.as_deref(), delta)
            }
        }
    }

    fn compare_and_swap(&self, key: &str) -> Result<Box<dyn Cas>> {
        self.0.accept(key)?;
        Ok(Box::new(WeakCas {
            attempt: self.0.store.compare_and_swap(key)?,
            key: key.to_owned(),
            expects_absent: true,
            weak: self.0.clone(),
        }))
    }
}

struct WeakCas {
    attempt: Box<dyn Cas>,
    key: String,
    expects_absent: bool,
    weak: Arc<Weakened>,
}

impl Cas for WeakCas {
    fn current(&mut self) -> Result<Option<Vec<u8>>> {
        let value = self.attempt.current()?;
        self.expects_absent = value.is_none();
        Ok(value)
    }

    fn swap(&mut self, value: &[u8]) -> Result<Swap> {
        let weakness = self.weak.weakness;
        let _writing = self.weak.writing();
        let lost = !weakness.swap_overwrites_creation && self.expects_absent && self.weak.store.exists(&self.key)?;
        let swap = if lost { Swap::Failed } else { self.attempt.swap(value)? };
        Ok(if weakness.swap_always_answers_failed { Swap::Failed } else { swap })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;
    use crate::keyvalue::{Database, Fault, Probe};

    fn store(weakness: Weakness) -> Arc<dyn Store> {
        weakness.of(Database::in_memory().unwrap().store("default"))
    }

    fn pairs(count: usize) -> Vec<Pair<Vec<u8>>> {
        (0..count).map(|n| (format!("k{n}"), b"1".to_vec())).collect()
    }

    fn increments_at_once(store: &dyn Store, callers: usize) -> Vec<Result<i64>> {
        let start = Barrier::new(callers);
        let call = || {
            start.wait();
            store.increment("n", 1)
        };
        thread::scope(|scope| {
            let callers: Vec<_> = (0..callers).map(|_| scope.spawn(call)).collect();
            callers.into_iter().map(|c| c.join().unwrap()).collect()
        })
    }

    /// Two attempts to create the same key; what each was told, and the value at the end.
    fn two_creations(weakness: Weakness) -> (Swap, Swap, Vec<u8>) {
        let store = store(weakness);
        let mut first = store.compare_and_swap("a").unwrap();
        let mut second = store.compare_and_swap("a").unwrap();
        first.current().unwrap();
        second.current().unwrap();
        (first.swap(b"1").unwrap(), second.swap(b"2").unwrap(), store.get("a").unwrap().unwrap())
    }

    #[test]
    fn creation_by_swap_is_an_upsert_on_sqlite_alone() {
        use Swap::{Done, Failed};
        let two = b"2".to_vec();
        let one = b"1".to_vec();
        assert_eq!(two_creations(Weakness::SQLITE), (Done, Done, two));
        assert_eq!(two_creations(Weakness::REDIS), (Failed, Failed, one.clone()));
        assert_eq!(two_creations(Weakness::DYNAMODB), (Done, Failed, one.clone()));
        assert_eq!(two_creations(Weakness::COSMOS), (Done, Failed, one));
    }

    #[test]
    fn redis_answers_cas_failed_while_it_writes() {
        let store = store(Weakness::REDIS);
        store.set("a", b"1").unwrap();
        let mut attempt = store.compare_and_swap("a").unwrap();
        let mut late = store.compare_and_swap("a").unwrap();
        attempt.current().unwrap();
        late.current().unwrap();
        assert_eq!(attempt.swap(b"2"), Ok(Swap::Failed));
        assert_eq!(store.get("a"), Ok(Some(b"2".to_vec())));
        assert_eq!(late.swap(b"3"), Ok(Swap::Failed));
        assert_eq!(store.get("a"), Ok(Some(b"2".to_vec())));
    }

    #[test]
    fn redis_cannot_get_many() {
        let store = store(Weakness::REDIS);
        assert!(store.get_many(&["a".to_owned()]).is_err());
    }

    #[test]
    fn redis_counters_are_text_and_exactly_one_caller_sees_1() {
        let store = store(Weakness::REDIS);
        let answers = increments_at_once(&*store, 16);
        assert_eq!(answers.iter().filter(|n| **n == Ok(1)).count(), 1);
        assert_eq!(store.get("n"), Ok(Some(b"16".to_vec())));
    }

    #[test]
    fn dynamodb_increments_fail_on_conflict_and_count_no_caller_twice() {
        let store = store(Weakness::DYNAMODB);
        let answers = increments_at_once(&*store, 16);
        let won = answers.iter().filter(|n| n.is_ok()).count();
        assert!((1..16).contains(&won), "{answers:?}");
        assert_eq!(answers.iter().filter(|n| **n == Ok(1)).count(), 1);
        assert_eq!(store.increment("n", 0), Ok(won as i64));
    }

    #[test]
    fn cosmos_tells_several_first_callers_1_and_is_right_from_then_on() {
        let store = store(Weakness::COSMOS);
        let answers = increments_at_once(&*store, 4);
        assert!(answers.iter().filter(|n| **n == Ok(1)).count() > 1, "{answers:?}");
        let counter = store.increment("n", 0).unwrap();
        increments_at_once(&*store, 4);
        assert_eq!(store.increment("n", 0), Ok(counter + 4));
    }

    #[test]
    fn dynamodb_writes_25_at_a_time_and_cosmos_one() {
        for (weakness, written) in [(Weakness::SQLITE, 0), (Weakness::DYNAMODB, 50), (Weakness::COSMOS, 59)] {
            let probe = Probe::new(Database::in_memory().unwrap().store("default"));
            let store = weakness.of(probe.clone());
            let batch = weakness.batch.map_or(60, NonZeroUsize::get);
            probe.fail(59 / batch.., Fault::Refused);
            assert!(store.set_many(&pairs(60)).is_err());
            probe.heal();
            assert_eq!(store.list_keys().unwrap().len(), written, "{weakness:?}");
        }
    }

    #[test]
    fn cosmos_refuses_keys_that_the_others_take() {
        for key in ["a/b", "a\\b", "a?b", "a#b", "it's", &"k".repeat(256)] {
            let cosmos = store(Weakness::COSMOS);
            assert!(cosmos.set(key, b"1").is_err(), "{key}");
            assert!(cosmos.get(key).is_err(), "{key}");
            assert!(cosmos.increment(key, 1).is_err(), "{key}");
            for weakness in [Weakness::SQLITE, Weakness::REDIS, Weakness::DYNAMODB] {
                assert_eq!(store(weakness).set(key, b"1"), Ok(()), "{key}");
            }
        }
        assert_eq!(store(Weakness::COSMOS).set(&"k".repeat(255), b"1"), Ok(()));
    }
}
