//! A store that is watched: it counts what the component asks for, and fails where a test wants it to.

use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Cas, Change, Condition, KeyPage, Pair, Result, Store, StoreError, Swap};

/// Stands before a store. Clones watch the same calls.
#[derive(Clone)]
pub struct Probe {
    store: Arc<dyn Store>,
    log: Arc<Mutex<Log>>,
}

/// A call that the component made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Which one.
    pub operation: Operation,
    /// The keys that it names.
    pub keys: Vec<String>,
}

/// The calls of `wasi:keyvalue`, which those of `spin:key-value` are a part of.
#[allow(missing_docs, reason = "the names are those of the interface")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Get,
    Set,
    Delete,
    Exists,
    ListKeys,
    GetMany,
    SetMany,
    DeleteMany,
    Increment,
    ChangeIf,
    Current,
    Swap,
}

impl Operation {
    /// Whether SQLite needs a write transaction for it, and with it a disk flush.
    pub fn writes(self) -> bool {
        match self {
            Self::Set
            | Self::Delete
            | Self::SetMany
            | Self::DeleteMany
            | Self::Increment
            | Self::ChangeIf
            | Self::Swap => true,
            Self::Get | Self::Exists | Self::ListKeys | Self::GetMany | Self::Current => false,
        }
    }
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does nothing.
    Refused,
    /// It is done in full, and only its answer is lost.
    Lost,
    /// It stops after this many keys of `set-many` or `delete-many`; any other call does nothing. Only a backend
    /// whose batches are not atomic fails in this way.
    Partial(usize),
}

impl Probe {
    /// Watches a store.
    pub fn new(store: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self { store, log: Arc::default() })
    }

    /// The calls since the beginning or since [`Probe::reset`], failed ones included.
    pub fn calls(&self) -> Vec<Call> {
        self.log().calls.clone()
    }

    /// How many of these calls are write transactions.
    pub fn write_transactions(&self) -> usize {
        let log = self.log();
        log.calls.iter().filter(|call| call.operation.writes()).count()
    }

    /// Forgets the calls and the faults.
    pub fn reset(&self) {
        *self.log() = Log::default();
    }

    /// Lets the calls with these numbers fail; the next call has number 0. An open range is a store that stays away,
    /// or a component that dies there.
    pub fn fail(&self, calls: impl RangeBounds<usize>, fault: Fault) {
        let mut log = self.log();
        let calls = log.counted(&calls);
        log.faults.push((calls, fault));
    }

    /// Lets the calls with these numbers take so long before they are done.
    pub fn stall(&self, calls: impl RangeBounds<usize>, duration: Duration) {
        let mut log = self.log();
        let calls = log.counted(&calls);
        log.stalls.push((calls, duration));
    }

    /// Lets no further call fail or take long.
    pub fn heal(&self) {
        let mut log = self.log();
        log.faults.clear();
        log.stalls.clear();
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the call and says how it is to fail.
    fn note(&self, operation: Operation, keys: Vec<String>) -> Option<Fault> {
        let mut log = self.log();
        let number = log.calls.len();
        log.calls.push(Call { operation, keys });
        let due = log.faults.iter().find(|(calls, _)| calls.contains(&number)).map(|(_, fault)| *fault);
        let stall = log.stalls.iter().find(|(calls, _)| calls.contains(&number)).map(|(_, duration)| *duration);
        drop(log);
        if let Some(duration) = stall {
            std::thread::sleep(duration);
        }
        due
    }

    fn call<T>(&self, operation: Operation, key: &str, call: impl FnOnce() -> Result<T>) -> Result<T> {
        match self.note(operation, vec![key.to_owned()]) {
            None => call(),
            Some(Fault::Refused | Fault::Partial(_)) => Err(injected()),
            Some(Fault::Lost) => call().and_then(|_| Err(injected())),
        }
    }

    fn batch<T>(
        &self,
        operation: Operation,
        keys: Vec<String>,
        items: &[T],
        call: impl FnOnce(&[T]) -> Result<()>,
    ) -> Result<()> {
        match self.note(operation, keys) {
            None => call(items),
            Some(Fault::Refused) => Err(injected()),
            Some(Fault::Lost) => call(items).and_then(|()| Err(injected())),
            Some(Fault::Partial(count)) => call(&items[..count.min(items.len())]).and_then(|()| Err(injected())),
        }
    }
}

#[derive(Default)]
struct Log {
    calls: Vec<Call>,
    faults: Vec<(Calls, Fault)>,
    stalls: Vec<(Calls, Duration)>,
}

impl Log {
    /// Calls that are counted from the next one on.
    fn counted(&self, calls: &impl RangeBounds<usize>) -> Calls {
        let bound = |bound: Bound<&usize>| bound.map(|number| self.calls.len() + number);
        (bound(calls.start_bound()), bound(calls.end_bound()))
    }
}

/// From which number to which.
type Calls = (Bound<usize>, Bound<usize>);

fn injected() -> StoreError {
    StoreError("injected fault".to_owned())
}

impl Store for Probe {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.call(Operation::Get, key, || self.store.get(key))
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<()> {
        self.call(Operation::Set, key, || self.store.set(key, value))
    }

    fn delete(&self, key: &str) -> Result<()> {
        self.call(Operation::Delete, key, || self.store.delete(key))
    }

    fn exists(&self, key: &str) -> Result<bool> {
        self.call(Operation::Exists, key, || self.store.exists(key))
    }

    fn list_keys(&self) -> Result<Vec<String>> {
        match self.note(Operation::ListKeys, vec![]) {
            None => self.store.list_keys(),
            Some(Fault::Refused | Fault::Lost | Fault::Partial(_)) => Err(injected()),
        }
    }

    fn get_many(&self, keys: &[String]) -> Result<Vec<Pair<Option<Vec<u8>>>>> {
        match self.note(Operation::GetMany, keys.to_vec()) {
            None => self.store.get_many(keys),
            Some(Fault::Refused | Fault::Lost | Fault::Partial(_)) => Err(injected()),
        }
    }

    fn set_many(&self, pairs: &[Pair<Vec<u8>>]) -> Result<()> {
        let keys = pairs.iter().map(|(key, _)| key.clone()).collect();
        self.batch(Operation::SetMany, keys, pairs, |pairs| self.store.set_many(pairs))
    }

    fn delete_many(&self, keys: &[String]) -> Result<()> {
        self.batch(Operation::DeleteMany, keys.to_vec(), keys, |keys| self.store.delete_many(keys))
    }

    fn increment(&self, key: &str, delta: i64) -> Result<i64> {
        self.call(Operation::Increment, key, || self.store.increment(key, delta))
    }

    fn is_guarded(&self) -> bool {
        self.store.is_guarded()
    }

    fn list_page(&self, prefix: &str, cursor: Option<&str>) -> Result<KeyPage> {
        match self.note(Operation::ListKeys, vec![]) {
            None => self.store.list_page(prefix, cursor),
            Some(Fault::Refused | Fault::Partial(_) | Fault::Lost) => Err(injected()),
        }
    }

    fn change_if(&self, condition: &Condition, changes: &[Change]) -> Result<bool> {
        let keys = changes.iter().map(|(key, _)| key.clone()).collect();
        match self.note(Operation::ChangeIf, keys) {
            None => self.store.change_if(condition, changes),
            Some(Fault::Refused | Fault::Partial(_)) => Err(injected()),
            Some(Fault::Lost) => self.store.change_if(condition, changes).and_then(|_| Err(injected())),
        }
    }

    fn compare_and_swap(&self, key: &str) -> Result<Box<dyn Cas>> {
        Ok(Box::new(WatchedCas {
            attempt: self.store.compare_and_swap(key)?,
            key: key.to_owned(),
            probe: self.clone(),
        }))
    }
}

struct WatchedCas {
    attempt: Box<dyn Cas>,
    key: String,
    probe: Probe,
}

impl Cas for WatchedCas {
    fn current(&mut self) -> Result<Option<Vec<u8>>> {
        self.probe.call(Operation::Current, &self.key, || self.attempt.current())
    }

    fn swap(&mut self, value: &[u8]) -> Result<Swap> {
        self.probe.call(Operation::Swap, &self.key, || self.attempt.swap(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyvalue::Database;

    fn probe() -> Arc<Probe> {
        Probe::new(Database::in_memory().unwrap().store("default"))
    }

    fn pairs(keys: [&str; 3]) -> [Pair<Vec<u8>>; 3] {
        keys.map(|key| (key.to_owned(), b"1".to_vec()))
    }

    #[test]
    fn calls_are_counted_and_writes_told_from_reads() {
        let probe = probe();
        probe.set_many(&pairs(["a", "b", "c"])).unwrap();
        probe.get("a").unwrap();
        probe.increment("n", 1).unwrap();
        let mut attempt = probe.compare_and_swap("a").unwrap();
        attempt.current().unwrap();
        attempt.swap(b"2").unwrap();
        let operations: Vec<_> = probe.calls().iter().map(|call| call.operation).collect();
        assert_eq!(
            operations,
            [Operation::SetMany, Operation::Get, Operation::Increment, Operation::Current, Operation::Swap]
        );
        assert_eq!(probe.calls()[0].keys, ["a", "b", "c"]);
        assert_eq!(probe.write_transactions(), 3);
        probe.reset();
        assert_eq!(probe.calls(), []);
    }

    #[test]
    fn the_call_with_the_given_number_fails_and_no_other() {
        let probe = probe();
        probe.get("a").unwrap();
        probe.fail(1..=1, Fault::Refused);
        probe.set("a", b"1").unwrap();
        assert_eq!(probe.set("b", b"1"), Err(injected()));
        probe.set("c", b"1").unwrap();
        assert_eq!(probe.list_keys().unwrap(), ["a", "c"]);
    }

    #[test]
    fn a_lost_answer_belongs_to_a_write_that_was_done() {
        let probe = probe();
        probe.fail(0..2, Fault::Lost);
        assert_eq!(probe.set("a", b"1"), Err(injected()));
        assert_eq!(probe.increment("n", 1), Err(injected()));
        assert_eq!(probe.get("a"), Ok(Some(b"1".to_vec())));
        assert_eq!(probe.increment("n", 1), Ok(2));
    }

    #[test]
    fn a_batch_can_stop_half_way() {
        let probe = probe();
        probe.fail(0.., Fault::Partial(2));
        assert_eq!(probe.set_many(&pairs(["a", "b", "c"])), Err(injected()));
        assert_eq!(probe.delete_many(&["a".to_owned()]), Err(injected()));
        assert_eq!(probe.set("d", b"1"), Err(injected()));
        probe.heal();
        assert_eq!(probe.list_keys().unwrap(), ["b"]);
    }
}
