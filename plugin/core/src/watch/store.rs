//! A store whose calls are counted.

use super::Counter;
use crate::ports::{Condition, KeyChange, KeyPage, Store, StoreError};
use std::rc::Rc;

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreCall {
    /// [`Store::get`]
    Get,
    /// [`Store::get_many`]
    GetMany,
    /// [`Store::set_many`]
    SetMany,
    /// [`Store::delete_many`]
    DeleteMany,
    /// [`Store::increment`]
    Increment,
    /// [`Store::list_keys`] and [`Store::list_page`]
    List,
    /// [`Store::change_if`]
    ChangeIf,
}

impl StoreCall {
    /// Every kind.
    pub(crate) const ALL: [StoreCall; 7] = [
        StoreCall::Get,
        StoreCall::GetMany,
        StoreCall::SetMany,
        StoreCall::DeleteMany,
        StoreCall::Increment,
        StoreCall::List,
        StoreCall::ChangeIf,
    ];

    /// Its name in `/metrics`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            StoreCall::Get => "get",
            StoreCall::GetMany => "get_many",
            StoreCall::SetMany => "set_many",
            StoreCall::DeleteMany => "delete_many",
            StoreCall::Increment => "increment",
            StoreCall::List => "list",
            StoreCall::ChangeIf => "change_if",
        }
    }
}

/// How often a store was called, and how often that failed, by the kind of call.
#[derive(Debug, Default)]
pub(crate) struct StoreCalls {
    made: [Counter; StoreCall::ALL.len()],
    failed: [Counter; StoreCall::ALL.len()],
}

impl StoreCalls {
    /// Calls of this kind, those that failed included.
    pub(crate) fn made(&self, call: StoreCall) -> u64 {
        self.made[call as usize].get()
    }

    /// Calls of this kind that failed.
    pub(crate) fn failed(&self, call: StoreCall) -> u64 {
        self.failed[call as usize].get()
    }

    fn counted<T>(&self, call: StoreCall, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        self.made[call as usize].count();
        if outcome.is_err() {
            self.failed[call as usize].count();
        }
        outcome
    }
}

/// A store whose calls are counted.
pub(crate) struct CountedStore {
    pub(crate) store: Box<dyn Store>,
    pub(crate) calls: Rc<StoreCalls>,
}

impl Store for CountedStore {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.calls.counted(StoreCall::Get, self.store.get(key))
    }

    fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.calls.counted(StoreCall::GetMany, self.store.get_many(keys))
    }

    fn set_many(&self, pairs: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        self.calls.counted(StoreCall::SetMany, self.store.set_many(pairs))
    }

    fn delete_many(&self, keys: &[String]) -> Result<(), StoreError> {
        self.calls.counted(StoreCall::DeleteMany, self.store.delete_many(keys))
    }

    fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError> {
        self.calls.counted(StoreCall::Increment, self.store.increment(key, delta))
    }

    fn list_keys(&self) -> Result<Vec<String>, StoreError> {
        self.calls.counted(StoreCall::List, self.store.list_keys())
    }

    fn list_page(&self, prefix: &str, cursor: Option<&str>) -> Result<KeyPage, StoreError> {
        self.calls.counted(StoreCall::List, self.store.list_page(prefix, cursor))
    }

    fn is_guarded(&self) -> bool {
        self.store.is_guarded()
    }

    fn change_if(&self, condition: Condition<'_>, changes: &[KeyChange]) -> Result<bool, StoreError> {
        self.calls.counted(StoreCall::ChangeIf, self.store.change_if(condition, changes))
    }
}
