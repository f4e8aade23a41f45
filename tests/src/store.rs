//! A model of Spin's key-value stores: each as strong as the backend at its best and as weak as it at its worst, and able
//! to fail, or to let somebody else in, at every single step. The same steps can be those of a real Redis.

use crate::real::Real;
use crate::world::Time;
use rollcall_core::ports::{BATCH_MAX, READS_MAX};
use rollcall_core::ports::{Condition, KeyChange, KeyPage, Store, StoreError};
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, Range};
use std::time::Duration;

/// The verbs of the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `get`
    Get,
    /// `get_many`
    GetMany,
    /// `set_many`
    SetMany,
    /// `delete_many`
    DeleteMany,
    /// `increment`
    Increment,
    /// `list_keys`
    ListKeys,
    /// `change_if`
    ChangeIf,
}

impl Verb {
    /// Whether it costs a write transaction on SQLite.
    pub fn writes(self) -> bool {
        match self {
            Verb::SetMany | Verb::DeleteMany | Verb::Increment | Verb::ChangeIf => true,
            Verb::Get | Verb::GetMany | Verb::ListKeys => false,
        }
    }
}

/// One call and the keys that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What was called.
    pub verb: Verb,
    /// With which keys.
    pub keys: Vec<String>,
}

/// What a backend does in its own way; read in Spin's source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backend {
    /// What it is called.
    pub name: &'static str,
    /// Whether a batch is one step. Elsewhere each of its pairs is a step of its own.
    pub whole: bool,
    /// Whether a batch may be longer than [`BATCH_MAX`], name a key twice, and hold values of any size.
    pub unlimited: bool,
    counters: Counters,
    /// Whether a read may miss the steps right before it.
    stale: bool,
    /// Whether it is no model: the data are in a Redis server.
    real: bool,
    /// Whether it is as the project's own host offers it, which refuses commits that come late.
    pub guarded: bool,
}

/// How a backend counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counters {
    /// In one step, eight bytes.
    Bytes,
    /// In one step, decimal text.
    Text,
    /// Reads, then writes unless somebody else did meanwhile: that is an error.
    Conditional,
    /// Adds, then reads. Who meets nobody creates, and is told the first number even if somebody else was faster. Is no
    /// value that can be read.
    Patched,
}

impl Backend {
    /// Spin's default.
    pub const SQLITE: Backend = Backend {
        name: "SQLite",
        whole: true,
        unlimited: true,
        counters: Counters::Bytes,
        stale: false,
        real: false,
        guarded: false,
    };

    /// Spin's `key-value-redis`: MSET, DEL, INCRBY.
    pub const REDIS: Backend = Backend { name: "Redis", counters: Counters::Text, ..Backend::SQLITE };

    /// Spin's `key-value-aws` with `consistent_read`: BatchWriteItem in any order.
    pub const DYNAMODB: Backend = Backend {
        name: "DynamoDB",
        whole: false,
        unlimited: false,
        counters: Counters::Conditional,
        stale: false,
        real: false,
        guarded: false,
    };

    /// DynamoDB without `consistent_read`, as Spin has it where nothing is set.
    pub const DYNAMODB_STALE: Backend = Backend { name: "DynamoDB, stale", stale: true, ..Backend::DYNAMODB };

    /// Spin's `key-value-azure`: one pair after the other.
    pub const COSMOS_DB: Backend = Backend {
        name: "Cosmos DB",
        whole: false,
        unlimited: true,
        counters: Counters::Patched,
        stale: false,
        real: false,
        guarded: false,
    };

    /// A Redis server, a database of it for each store.
    pub const REAL_REDIS: Backend = Backend { name: "a real Redis", real: true, ..Backend::REDIS };

    /// SQLite as the project's own host offers it.
    pub const GUARDED_SQLITE: Backend = Backend { name: "guarded SQLite", guarded: true, ..Backend::SQLITE };

    /// A Redis server as the project's own host offers it.
    pub const GUARDED_REAL_REDIS: Backend =
        Backend { name: "a real Redis, guarded", guarded: true, ..Backend::REAL_REDIS };

    /// Models of those that may be written to.
    pub const FIT: [Backend; 4] = [Backend::SQLITE, Backend::REDIS, Backend::DYNAMODB, Backend::GUARDED_SQLITE];

    /// [`Backend::FIT`], and a real Redis where there is one; where there is none, this says so.
    pub fn all_fit() -> Vec<Backend> {
        Backend::FIT.into_iter().chain(Backend::real_redis()).collect()
    }

    /// The default, which is quick to try everything on, and a real Redis where there is one.
    pub fn default_and_real() -> Vec<Backend> {
        [Backend::SQLITE].into_iter().chain(Backend::real_redis()).collect()
    }

    /// A real Redis, where there is one, as Spin and as the project's own host offer it.
    pub fn real_redis() -> Vec<Backend> {
        if Real::is_there() { vec![Backend::REAL_REDIS, Backend::GUARDED_REAL_REDIS] } else { Vec::new() }
    }
}

impl Default for Backend {
    fn default() -> Backend {
        Backend::SQLITE
    }
}

/// How a step fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing was done, and the caller is told so.
    Refused,
    /// It was done, and the caller is told that it was not.
    Lost,
    /// It is done so much later, and the caller is told at once that it was not.
    Late(Duration),
}

/// Keys in a page of a guarded store.
const KEYS_A_PAGE: usize = 7;

/// The largest item of DynamoDB, key included.
const ITEM_BYTES_MAX: usize = 400 * 1024;

/// The store. Everybody who holds it sees the same data.
#[derive(Default)]
pub struct Memory {
    backend: Backend,
    data: RefCell<BTreeMap<String, Vec<u8>>>,
    /// Where the data are instead.
    real: Option<Real>,
    /// Keys that are counters.
    counters: RefCell<BTreeSet<String>>,
    /// What the latest write replaced, for reads that miss it.
    missed: RefCell<Option<(String, Option<Vec<u8>>)>>,
    calls: RefCell<Vec<Call>>,
    steps: RefCell<Vec<Verb>>,
    /// The steps with which calls begin.
    starts: RefCell<BTreeSet<usize>>,
    faults: RefCell<Vec<(Range<usize>, Fault)>>,
    interruptions: RefCell<Vec<Interruption>>,
    interrupted: Cell<bool>,
    /// Whether the steps are those of an interruption.
    inside: Cell<bool>,
    /// Whether there are more keys than one answer may list.
    too_many_keys: Cell<bool>,
    /// Writes that are still on their way, and when they arrive.
    late: RefCell<Vec<(Duration, Write)>>,
    /// The time by which they arrive.
    time: OnceCell<Time>,
}

/// A step that changes something, whenever it is done.
#[derive(Clone, Debug)]
enum Write {
    Set(Vec<(String, Vec<u8>)>),
    Delete(Vec<String>),
    Increment(String, i64),
    ChangeIf(String, Option<Vec<u8>>, Vec<KeyChange>),
}

/// Something that happens once, right before or right after a step.
struct Interruption {
    step: usize,
    after: bool,
    act: Box<dyn FnOnce()>,
}

impl Memory {
    /// An empty store.
    pub fn new(backend: Backend) -> Memory {
        Memory { backend, real: backend.real.then(Real::empty), ..Memory::default() }
    }

    /// A store that others share: what a server at this URL holds.
    pub fn at(url: &str) -> Memory {
        Memory { backend: Backend::REAL_REDIS, real: Some(Real::at(url)), ..Memory::default() }
    }

    /// What it is a model of.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// A store with the same data, that goes its own way from here.
    pub fn fork(&self) -> Memory {
        self.arrive();
        let (data, counters, late) = (self.data.clone(), self.counters.clone(), self.late.clone());
        Memory {
            backend: self.backend,
            data,
            counters,
            late,
            real: self.real.as_ref().map(Real::copy),
            ..Memory::default()
        }
    }

    /// The calls since the beginning or the last [`Memory::forget_calls`], failed ones included.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.borrow().clone()
    }

    /// The steps of these calls, without those of interruptions. A step is what is done whole or not at all.
    pub fn steps(&self) -> Vec<Verb> {
        self.steps.borrow().clone()
    }

    /// The steps after which their caller hears of it: the last ones of calls.
    pub fn ends(&self) -> Vec<usize> {
        let (steps, starts) = (self.steps.borrow().len(), self.starts.borrow());
        (0..steps).filter(|step| step + 1 == steps || starts.contains(&(step + 1))).collect()
    }

    /// How many of these calls are write transactions.
    pub fn write_transactions(&self) -> usize {
        self.calls.borrow().iter().filter(|call| call.verb.writes()).count()
    }

    /// Counts from 0 again, and lets nothing fail any more.
    pub fn forget_calls(&self) {
        self.calls.borrow_mut().clear();
        self.steps.borrow_mut().clear();
        self.starts.borrow_mut().clear();
        self.faults.borrow_mut().clear();
        self.interruptions.borrow_mut().clear();
        self.interrupted.set(false);
    }

    /// Lets steps fail, counted from the last [`Memory::forget_calls`].
    pub fn fail(&self, steps: Range<usize>, fault: Fault) {
        self.faults.borrow_mut().push((steps, fault));
    }

    /// From now on there are more keys than one answer may list.
    pub fn list_no_keys(&self) {
        self.too_many_keys.set(true);
    }

    /// Lets something happen right before a step, as another instance would do it.
    pub fn interrupt(&self, step: usize, act: impl FnOnce() + 'static) {
        self.interruptions.borrow_mut().push(Interruption { step, after: false, act: Box::new(act) });
    }

    /// Lets something happen between a step and whatever the caller does next.
    pub fn interrupt_after(&self, step: usize, act: impl FnOnce() + 'static) {
        self.interruptions.borrow_mut().push(Interruption { step, after: true, act: Box::new(act) });
    }

    /// Whether an interruption took place.
    pub fn was_interrupted(&self) -> bool {
        self.interrupted.get()
    }

    /// The keys that have a value.
    pub fn keys(&self) -> Vec<String> {
        self.arrive();
        match &self.real {
            Some(real) => real.keys(),
            None => self.data.borrow().keys().cloned().collect(),
        }
    }

    /// The value of a key, without a call.
    pub fn value(&self, key: &str) -> Option<Vec<u8>> {
        self.arrive();
        match &self.real {
            Some(real) => real.value(key),
            None => self.data.borrow().get(key).cloned(),
        }
    }

    /// Damages the store: sets or removes a value behind everybody's back.
    pub fn plant(&self, key: &str, value: Option<Vec<u8>>) {
        if let Some(real) = &self.real {
            return real.plant(key, value);
        }
        match value {
            Some(value) => self.data.borrow_mut().insert(key.to_owned(), value),
            None => self.data.borrow_mut().remove(key),
        };
    }

    fn note(&self, verb: Verb, keys: Vec<String>) {
        self.calls.borrow_mut().push(Call { verb, keys });
        if !self.inside.get() {
            self.starts.borrow_mut().insert(self.steps.borrow().len());
        }
    }

    /// By whose time writes arrive that are late.
    pub fn lives_in(&self, time: &Time) {
        // A store has one world.
        let _ = self.time.set(time.clone());
    }

    /// Lets the writes arrive whose time has come.
    fn arrive(&self) {
        let Some(now) = self.time.get().map(Time::passed) else {
            return;
        };
        let arrived: Vec<(Duration, Write)> = self.late.borrow_mut().extract_if(.., |(due, _)| *due <= now).collect();
        arrived.into_iter().for_each(|(_, write)| drop(self.perform(&write)));
    }

    /// Whether a write is still on its way.
    pub fn has_late_writes(&self) -> bool {
        !self.late.borrow().is_empty()
    }

    fn perform(&self, write: &Write) -> Result<bool, StoreError> {
        match write {
            Write::Set(pairs) => match &self.real {
                Some(real) => real.set_many(pairs)?,
                None => pairs.iter().for_each(|(key, value)| self.write(key, Some(value))),
            },
            Write::Delete(keys) => match &self.real {
                Some(real) => real.delete_many(keys)?,
                None => keys.iter().for_each(|key| self.write(key, None)),
            },
            Write::Increment(key, delta) => match &self.real {
                Some(real) => drop(real.increment(key, *delta)?),
                None => self.count(key, self.counted(key)? + delta),
            },
            Write::ChangeIf(key, expected, changes) => match &self.real {
                Some(real) => return real.change_if(Condition { key, value: expected.as_deref() }, changes),
                None if self.data.borrow().get(key) != expected.as_ref() => return Ok(false),
                None => changes.iter().for_each(|(key, value)| self.write(key, value.as_deref())),
            },
        }
        Ok(true)
    }

    /// Does a step that changes something. One that is late is done when its time comes.
    fn write_step<T>(&self, verb: Verb, write: impl Fn() -> Write, act: impl FnOnce() -> T) -> Result<T, StoreError> {
        let number = self.steps.borrow().len();
        let late = match self.fault_at(number) {
            Some(Fault::Late(by)) if !self.inside.get() => Some(by),
            Some(Fault::Refused | Fault::Lost | Fault::Late(_)) | None => None,
        };
        if let (Some(by), Some(time)) = (late, self.time.get()) {
            self.late.borrow_mut().push((time.passed() + by, write()));
        }
        self.step(verb, act)
    }

    fn fault_at(&self, number: usize) -> Option<Fault> {
        self.faults.borrow().iter().find(|(steps, _)| steps.contains(&number)).map(|(_, fault)| *fault)
    }

    /// Does a step, as far as it is let.
    fn step<T>(&self, verb: Verb, act: impl FnOnce() -> T) -> Result<T, StoreError> {
        self.arrive();
        if self.inside.get() {
            return Ok(act());
        }
        let number = self.steps.borrow().len();
        self.steps.borrow_mut().push(verb);
        self.let_in(number, false);
        let done = match self.fault_at(number) {
            None => Ok(act()),
            Some(Fault::Late(_)) => Err(StoreError("no answer in time".to_owned())),
            Some(Fault::Refused) => Err(StoreError("the disk said no".to_owned())),
            Some(Fault::Lost) => {
                act();
                Err(StoreError("the answer got lost".to_owned()))
            }
        };
        self.let_in(number, true);
        done
    }

    fn let_in(&self, number: usize, after: bool) {
        let due = |interruption: &Interruption| interruption.step == number && interruption.after == after;
        let place = self.interruptions.borrow().iter().position(due);
        let Some(place) = place else {
            return;
        };
        let interruption = self.interruptions.borrow_mut().remove(place);
        self.interrupted.set(true);
        self.inside.set(true);
        (interruption.act)();
        self.inside.set(false);
    }

    fn write(&self, key: &str, value: Option<&[u8]>) {
        let mut data = self.data.borrow_mut();
        let before = match value {
            Some(value) => data.insert(key.to_owned(), value.to_vec()),
            None => data.remove(key),
        };
        self.counters.borrow_mut().remove(key);
        *self.missed.borrow_mut() = Some((key.to_owned(), before));
    }

    /// Does something with each item: at once, or one after the other in an order that nobody knows.
    fn batch<T: Clone>(
        &self,
        verb: Verb,
        items: &[T],
        late: impl Fn(Vec<T>) -> Write,
        act: impl Fn(&T),
    ) -> Result<(), StoreError> {
        if self.backend.whole {
            return self.write_step(verb, || late(items.to_vec()), || items.iter().for_each(act));
        }
        let ordered = self.backend.unlimited;
        let seed = self.calls.borrow().len();
        let mut order: Vec<usize> = (0..items.len()).collect();
        if !ordered {
            order.sort_by_key(|place| (place + 1).wrapping_mul(seed.wrapping_mul(0x9e37_79b9) | 1) % 8_191);
        }
        order
            .into_iter()
            .try_for_each(|place| self.write_step(verb, || late(vec![items[place].clone()]), || act(&items[place])))
    }

    /// What the backend says to keys before it does anything.
    fn accept<'k>(&self, keys: impl Iterator<Item = &'k String>) -> Result<(), StoreError> {
        let keys: Vec<&String> = keys.collect();
        if self.backend.counters == Counters::Patched && keys.iter().any(|key| key.contains(['/', '\\', '?', '#'])) {
            return Err(StoreError("Key contains an illegal character".to_owned()));
        }
        if self.backend.unlimited {
            return Ok(());
        }
        if keys.len() > BATCH_MAX {
            return Err(StoreError(format!("Member must have length less than or equal to {BATCH_MAX}")));
        }
        if keys.iter().collect::<BTreeSet<_>>().len() < keys.len() {
            return Err(StoreError("Provided list of item keys contains duplicates".to_owned()));
        }
        Ok(())
    }

    fn counted(&self, key: &str) -> Result<i64, StoreError> {
        let bytes = self.data.borrow().get(key).cloned();
        let number = match (&bytes, self.backend.counters) {
            (None, _) => Some(0),
            (Some(bytes), Counters::Bytes) => bytes.as_slice().try_into().ok().map(i64::from_le_bytes),
            (Some(bytes), _) => std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok()),
        };
        number.ok_or_else(|| StoreError("the value is not a number".to_owned()))
    }

    fn count(&self, key: &str, number: i64) {
        let bytes = match self.backend.counters {
            Counters::Bytes => number.to_le_bytes().to_vec(),
            Counters::Text | Counters::Conditional | Counters::Patched => number.to_string().into_bytes(),
        };
        self.write(key, Some(&bytes));
        self.counters.borrow_mut().insert(key.to_owned());
    }
}

impl Store for Memory {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.note(Verb::Get, vec![key.to_owned()]);
        if self.backend.counters == Counters::Patched && self.counters.borrow().contains(key) {
            return Err(StoreError("invalid type: integer, expected a sequence".to_owned()));
        }
        if let Some(real) = &self.real {
            return self.step(Verb::Get, || real.get(key))?;
        }
        self.step(Verb::Get, || {
            // Every third read goes to the replica that has not heard of the latest write.
            let missed = self.missed.borrow().clone().filter(|_| self.backend.stale);
            match missed.filter(|(latest, _)| latest == key && self.calls.borrow().len().is_multiple_of(3)) {
                Some((_, before)) => before,
                None => self.value(key),
            }
        })
    }

    /// One step where the backend reads from a snapshot, and elsewhere a step for each key.
    fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.note(Verb::GetMany, keys.to_vec());
        if matches!(self.backend.counters, Counters::Text) {
            return Err(StoreError("wrong number of arguments for 'keys' command".to_owned()));
        }
        if !self.backend.unlimited && keys.len() > READS_MAX {
            return Err(StoreError(format!("Member must have length less than or equal to {READS_MAX}")));
        }
        let distinct = keys.iter().collect::<BTreeSet<_>>().len();
        if !self.backend.unlimited && distinct < keys.len() {
            return Err(StoreError("Provided list of item keys contains duplicates".to_owned()));
        }
        if self.backend.whole {
            return self.step(Verb::GetMany, || keys.iter().map(|key| self.value(key)).collect());
        }
        keys.iter().map(|key| self.step(Verb::GetMany, || self.value(key))).collect()
    }

    fn set_many(&self, pairs: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        self.note(Verb::SetMany, pairs.iter().map(|(key, _)| key.clone()).collect());
        if let Some(real) = &self.real {
            return self.write_step(Verb::SetMany, || Write::Set(pairs.to_vec()), || real.set_many(pairs))?;
        }
        self.accept(pairs.iter().map(|(key, _)| key))?;
        if !self.backend.unlimited && pairs.iter().any(|(key, value)| 8 + key.len() + value.len() > ITEM_BYTES_MAX) {
            return Err(StoreError("Item size has exceeded the maximum allowed size".to_owned()));
        }
        self.batch(Verb::SetMany, pairs, Write::Set, |(key, value)| self.write(key, Some(value)))
    }

    fn delete_many(&self, keys: &[String]) -> Result<(), StoreError> {
        self.note(Verb::DeleteMany, keys.to_vec());
        if let Some(real) = &self.real {
            return self.write_step(Verb::DeleteMany, || Write::Delete(keys.to_vec()), || real.delete_many(keys))?;
        }
        self.accept(keys.iter())?;
        self.batch(Verb::DeleteMany, keys, Write::Delete, |key| self.write(key, None))
    }

    fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError> {
        self.note(Verb::Increment, vec![key.to_owned()]);
        let late = || Write::Increment(key.to_owned(), delta);
        if let Some(real) = &self.real {
            return self.write_step(Verb::Increment, late, || real.increment(key, delta))?;
        }
        let add = || {
            let sum = self.counted(key)? + delta;
            self.count(key, sum);
            Ok(sum)
        };
        match self.backend.counters {
            Counters::Bytes | Counters::Text => self.write_step(Verb::Increment, late, add)?,
            Counters::Conditional => {
                let seen = self.step(Verb::Get, || self.counted(key))??;
                self.write_step(Verb::Increment, late, || {
                    if self.counted(key)? != seen {
                        return Err(StoreError("TransactionCanceledException: ConditionalCheckFailed".to_owned()));
                    }
                    add()
                })?
            }
            Counters::Patched => {
                let absent = self.step(Verb::Get, || self.value(key).is_none())?;
                self.write_step(Verb::Increment, late, add)??;
                if absent { Ok(delta) } else { self.step(Verb::Get, || self.counted(key))? }
            }
        }
    }

    fn list_keys(&self) -> Result<Vec<String>, StoreError> {
        self.note(Verb::ListKeys, Vec::new());
        if self.too_many_keys.get() {
            return Err(StoreError("query result exceeds limit of 134217728 bytes".to_owned()));
        }
        self.step(Verb::ListKeys, || self.keys())
    }

    /// Guarded stores have pages of their own, short ones here, so that much is on the border of two.
    fn list_page(&self, prefix: &str, cursor: Option<&str>) -> Result<KeyPage, StoreError> {
        if !self.backend.guarded {
            return Ok(KeyPage::of_all(self.list_keys()?, prefix, cursor));
        }
        self.note(Verb::ListKeys, Vec::new());
        if let Some(real) = &self.real {
            return self.step(Verb::ListKeys, || real.list_page(prefix, cursor))?;
        }
        self.step(Verb::ListKeys, || {
            let from = cursor.map_or(Bound::Included(prefix), Bound::Excluded);
            let data = self.data.borrow();
            let behind = data.range::<str, _>((from, Bound::Unbounded)).map(|(key, _)| key);
            let keys: Vec<String> =
                behind.take_while(|key| key.starts_with(prefix)).take(KEYS_A_PAGE).cloned().collect();
            KeyPage { next: keys.last().filter(|_| keys.len() == KEYS_A_PAGE).cloned(), keys, is_in_order: false }
        })
    }

    fn is_guarded(&self) -> bool {
        self.backend.guarded
    }

    fn change_if(&self, condition: Condition<'_>, changes: &[KeyChange]) -> Result<bool, StoreError> {
        self.note(Verb::ChangeIf, changes.iter().map(|(key, _)| key.clone()).collect());
        let expected = condition.value.map(<[u8]>::to_vec);
        let write = || Write::ChangeIf(condition.key.to_owned(), expected.clone(), changes.to_vec());
        self.write_step(Verb::ChangeIf, write, || self.perform(&write()))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_answer_is_a_write_all_the_same() {
        let store = Memory::default();
        store.fail(0..1, Fault::Refused);
        store.fail(1..2, Fault::Lost);
        assert!(store.increment("k", 1).is_err());
        assert!(store.increment("k", 1).is_err());
        assert_eq!(store.increment("k", 1), Ok(2));
        assert_eq!(store.write_transactions(), 3);
    }

    #[test]
    fn an_interruption_comes_before_its_call_and_only_once() {
        let store = std::rc::Rc::new(Memory::default());
        let other = store.clone();
        store.interrupt(1, move || other.set_many(&[("k".into(), b"other".to_vec())]).unwrap());
        assert_eq!(store.get("k"), Ok(None));
        assert_eq!(store.get("k"), Ok(Some(b"other".to_vec())));
        assert!(store.was_interrupted());
        assert_eq!(store.calls().len(), 3);
    }

    #[test]
    fn a_batch_that_is_not_written_whole_fails_at_any_of_its_pairs() {
        let pairs: Vec<_> = (0..BATCH_MAX).map(|n| (format!("k{n}"), b"1".to_vec())).collect();
        for (backend, written) in [(Backend::SQLITE, 0), (Backend::DYNAMODB, 7), (Backend::COSMOS_DB, 7)] {
            let store = Memory::new(backend);
            store.fail(if backend.whole { 0..1 } else { 7..8 }, Fault::Refused);
            assert!(store.set_many(&pairs).is_err());
            assert_eq!(store.keys().len(), written, "{}", backend.name);
        }
    }

    #[test]
    fn dynamodb_refuses_long_batches_repeated_keys_and_large_values() {
        let store = Memory::new(Backend::DYNAMODB);
        let pair = |n: usize, bytes: usize| (format!("k{n}"), vec![b'x'; bytes]);
        let many: Vec<_> = (0..BATCH_MAX + 1).map(|n| pair(n, 1)).collect();
        for refused in [many, vec![pair(0, 1), pair(0, 2)], vec![pair(0, 1), pair(1, ITEM_BYTES_MAX)]] {
            assert!(store.set_many(&refused).is_err());
            assert_eq!(store.keys(), [] as [String; 0]);
            assert_eq!(Memory::new(Backend::REDIS).set_many(&refused), Ok(()));
        }
    }

    /// What two are told who ask for a number at the same time.
    fn two_at_once(backend: Backend) -> [Result<i64, ()>; 2] {
        let store = std::rc::Rc::new(Memory::new(backend));
        let told = std::rc::Rc::new(Cell::new(None));
        let (other, kept) = (store.clone(), told.clone());
        // Between its read and its write, where it has both.
        let step = usize::from(!backend.whole);
        store.interrupt(step, move || kept.set(Some(other.increment("n", 1).map_err(drop))));
        [store.increment("n", 1).map_err(drop), told.take().unwrap()]
    }

    #[test]
    fn two_who_count_at_once_are_told_different_numbers_but_on_cosmos_db() {
        assert_eq!(two_at_once(Backend::SQLITE), [Ok(2), Ok(1)]);
        assert_eq!(two_at_once(Backend::REDIS), [Ok(2), Ok(1)]);
        assert_eq!(two_at_once(Backend::DYNAMODB), [Err(()), Ok(1)]);
        assert_eq!(two_at_once(Backend::COSMOS_DB), [Ok(1), Ok(1)]);
    }
}
