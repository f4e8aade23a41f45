//! A model of Spin's key-value store: as strong as SQLite at its best, and able to fail at every single call.

use rollcall_core::ports::{Store, StoreError};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Range;

/// The verbs of the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `get`
    Get,
    /// `set_many`
    SetMany,
    /// `delete_many`
    DeleteMany,
    /// `increment`
    Increment,
    /// `list_keys`
    ListKeys,
}

impl Verb {
    /// Whether it costs a write transaction on SQLite.
    pub fn writes(self) -> bool {
        match self {
            Verb::SetMany | Verb::DeleteMany | Verb::Increment => true,
            Verb::Get | Verb::ListKeys => false,
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

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing was done, and the caller is told so.
    Refused,
    /// It was done, and the caller is told that it was not.
    Lost,
}

/// The store. Everybody who holds it sees the same data.
#[derive(Default)]
pub struct Memory {
    data: RefCell<BTreeMap<String, Vec<u8>>>,
    calls: RefCell<Vec<Call>>,
    faults: RefCell<Vec<(Range<usize>, Fault)>>,
    interruption: RefCell<Option<Interruption>>,
    interrupted: Cell<bool>,
}

/// Something that happens once, right before a call.
struct Interruption {
    call: usize,
    act: Box<dyn FnOnce()>,
}

impl Memory {
    /// The calls since the beginning or the last [`Memory::forget_calls`], failed ones included.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.borrow().clone()
    }

    /// How many of these calls are write transactions.
    pub fn write_transactions(&self) -> usize {
        self.calls.borrow().iter().filter(|call| call.verb.writes()).count()
    }

    /// Counts from 0 again, and lets nothing fail any more.
    pub fn forget_calls(&self) {
        self.calls.borrow_mut().clear();
        self.faults.borrow_mut().clear();
        self.interruption.borrow_mut().take();
        self.interrupted.set(false);
    }

    /// Lets calls fail, counted from the last [`Memory::forget_calls`].
    pub fn fail(&self, calls: Range<usize>, fault: Fault) {
        self.faults.borrow_mut().push((calls, fault));
    }

    /// Lets something happen right before a call, as another instance would do it.
    pub fn interrupt(&self, call: usize, act: impl FnOnce() + 'static) {
        *self.interruption.borrow_mut() = Some(Interruption { call, act: Box::new(act) });
    }

    /// Whether the interruption took place.
    pub fn was_interrupted(&self) -> bool {
        self.interrupted.get()
    }

    /// The keys that have a value.
    pub fn keys(&self) -> Vec<String> {
        self.data.borrow().keys().cloned().collect()
    }

    /// The value of a key, without a call.
    pub fn value(&self, key: &str) -> Option<Vec<u8>> {
        self.data.borrow().get(key).cloned()
    }

    /// Notes a call and says how it is to fail.
    fn enter(&self, verb: Verb, keys: Vec<String>) -> Option<Fault> {
        let number = self.calls.borrow().len();
        self.calls.borrow_mut().push(Call { verb, keys });
        let due = self.interruption.borrow_mut().take_if(|interruption| interruption.call == number);
        if let Some(interruption) = due {
            self.interrupted.set(true);
            (interruption.act)();
        }
        self.faults.borrow().iter().find(|(calls, _)| calls.contains(&number)).map(|(_, fault)| *fault)
    }

    fn done<T>(fault: Option<Fault>, act: impl FnOnce() -> T) -> Result<T, StoreError> {
        match fault {
            None => Ok(act()),
            Some(Fault::Refused) => Err(StoreError("the disk said no".to_owned())),
            Some(Fault::Lost) => {
                act();
                Err(StoreError("the answer got lost".to_owned()))
            }
        }
    }
}

impl Store for Memory {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let fault = self.enter(Verb::Get, vec![key.to_owned()]);
        Memory::done(fault, || self.data.borrow().get(key).cloned())
    }

    fn set_many(&self, pairs: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        let fault = self.enter(Verb::SetMany, pairs.iter().map(|(key, _)| key.clone()).collect());
        Memory::done(fault, || self.data.borrow_mut().extend(pairs.iter().cloned()))
    }

    fn delete_many(&self, keys: &[String]) -> Result<(), StoreError> {
        let fault = self.enter(Verb::DeleteMany, keys.to_vec());
        Memory::done(fault, || {
            let mut data = self.data.borrow_mut();
            for key in keys {
                data.remove(key);
            }
        })
    }

    fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError> {
        let fault = self.enter(Verb::Increment, vec![key.to_owned()]);
        Memory::done(fault, || {
            let mut data = self.data.borrow_mut();
            // SQLite's form of a counter. Redis has another, so nobody may read one with `get`.
            let old = data.get(key).map_or(0, |bytes| i64::from_le_bytes(bytes.as_slice().try_into().unwrap()));
            data.insert(key.to_owned(), (old + delta).to_le_bytes().to_vec());
            old + delta
        })
    }

    fn list_keys(&self) -> Result<Vec<String>, StoreError> {
        let fault = self.enter(Verb::ListKeys, Vec::new());
        Memory::done(fault, || self.keys())
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
}
