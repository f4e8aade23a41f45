//! What the core asks of the world: a store, a clock, randomness, and a place for error lines.
//!
//! The component implements these over Spin's interfaces, the tests over models that are as weak as Spin's
//! backends. Nothing else in this crate reaches outside.

use crate::backend::Known;
use crate::ledger::Tickets;
use jiff::Timestamp;
use std::fmt;
use std::time::Duration;

/// All ports of one instance.
pub struct Ports {
    /// The key-value store.
    pub store: Box<dyn Store>,
    /// Time.
    pub clock: Box<dyn Clock>,
    /// Randomness fit for secrets.
    pub entropy: Box<dyn Entropy>,
    /// The operator's error output.
    pub log: Box<dyn Log>,
    /// What this instance knows of its store; nothing at first.
    pub known: Known,
    /// Turns that this instance has asked for and not had yet; none at first.
    pub tickets: Tickets,
}

/// The few verbs that every key-value backend of Spin keeps.
///
/// Keys are ours: at most 255 bytes of `A-Z a-z 0-9 - _ . :`. Spin's compare-and-swap is missing on purpose: two of the four
/// backends break it. What a store of a host of our own can do beyond Spin is [`Store::change_if`].
pub trait Store {
    /// The value of a key, or nothing where the key is absent.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Writes all pairs; whole or not at all on SQLite and Redis. Elsewhere in any order, some of them where it fails, and
    /// no more than [`BATCH_MAX`](crate::backend::BATCH_MAX) at once.
    fn set_many(&self, pairs: &[(String, Vec<u8>)]) -> Result<(), StoreError>;

    /// Deletes all keys; absent ones are no error.
    fn delete_many(&self, keys: &[String]) -> Result<(), StoreError>;

    /// Adds to a counter and answers its new value; an absent counter is 0. Exactly one caller sees each value.
    fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError>;

    /// Every key of the store, unordered. For the checker alone: it costs the whole store.
    fn list_keys(&self) -> Result<Vec<String>, StoreError>;

    /// Whether the store carries out [`Store::change_if`]. Spin's stores do not.
    fn is_guarded(&self) -> bool {
        false
    }

    /// Carries out all changes at once, or none of them where the key of the condition has another value by then. Answers
    /// whether the condition held.
    fn change_if(&self, condition: Condition<'_>, _changes: &[Change]) -> Result<bool, StoreError> {
        Err(StoreError(format!("{}: the store has no conditional batch", condition.key)))
    }
}

/// What a key has to hold at the moment in which changes are carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition<'c> {
    /// The key.
    pub key: &'c str,
    /// Its value, byte for byte; nothing where the key has to be absent.
    pub value: Option<&'c [u8]>,
}

/// A key, and the value that it gets; nothing where the key is deleted.
pub type Change = (String, Option<Vec<u8>>);

/// The backend's own words. They go to the error output, never to a client or into the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreError(pub String);

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Time, both kinds of it.
pub trait Clock {
    /// The time of day, to the millisecond.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment, never going back. What deadlines are measured with.
    fn elapsed(&self) -> Duration;

    /// Waits. Other requests of the same instance wait too, so callers keep it to milliseconds.
    fn pause(&self, duration: Duration);
}

/// Randomness fit for secrets.
pub trait Entropy {
    /// Fills the bytes.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operator's error output.
pub trait Log {
    /// Writes one line.
    fn line(&self, line: &str);
}
