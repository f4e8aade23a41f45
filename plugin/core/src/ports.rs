//! What the core asks of the world: a store, a clock, randomness, and a place for error lines.
//!
//! The component implements these over Spin's interfaces, the tests over models that are as weak as Spin's
//! backends. Nothing else in this crate reaches outside.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
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
}

/// The few verbs that every key-value backend of Spin keeps.
///
/// Keys are ours: at most 255 bytes of `A-Z a-z 0-9 - _ . :`. Spin's compare-and-swap is missing on purpose: two of the
/// four backends break it. What a store of a host of our own can do beyond Spin is [`Store::change_if`].
pub trait Store {
    /// The value of a key, or nothing where the key is absent.
    ///
    /// # Errors
    /// The store does not answer.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// The values of several keys, [`READS_MAX`] at most and none of them twice, in the order of the keys. They may be of
    /// different moments. Spin's Redis store always fails; whoever asks has seen a test of the store pass.
    ///
    /// # Errors
    /// The store does not answer, or cannot do this.
    fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError>;

    /// Writes all pairs; whole or not at all on SQLite and Redis. Elsewhere in any order, some of them where it fails, and
    /// no more than [`BATCH_MAX`] at once.
    ///
    /// # Errors
    /// The store does not answer; some pairs may be written all the same.
    fn set_many(&self, pairs: &[(String, Vec<u8>)]) -> Result<(), StoreError>;

    /// Deletes all keys; absent ones are no error.
    ///
    /// # Errors
    /// The store does not answer; some keys may be gone all the same.
    fn delete_many(&self, keys: &[String]) -> Result<(), StoreError>;

    /// Adds to a counter and answers its new value; an absent counter is 0. Exactly one caller sees each value.
    ///
    /// # Errors
    /// The store does not answer, or the key holds no counter; the counter may have been added to all the same.
    fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError>;

    /// Every key of the store, unordered. It costs the whole store, and a store may have too many for one answer.
    ///
    /// # Errors
    /// The store does not answer, or has more keys than one answer holds.
    fn list_keys(&self) -> Result<Vec<String>, StoreError>;

    /// Some keys that begin with a prefix, from the cursor of the page before on. A key that is there as long as the pages
    /// are read is in one of them at least. A store that has no pages lists all its keys for each.
    ///
    /// # Errors
    /// The store does not answer, or has more keys than one answer holds.
    fn list_page(&self, prefix: &str, cursor: Option<&str>) -> Result<KeyPage, StoreError> {
        Ok(KeyPage::of_all(self.list_keys()?, prefix, cursor))
    }

    /// Whether the store carries out [`Store::change_if`]. Spin's stores do not.
    fn is_guarded(&self) -> bool {
        false
    }

    /// Carries out all changes at once, or none of them where the key of the condition has another value by then. Answers
    /// whether the condition held.
    ///
    /// # Errors
    /// The store does not answer, and the changes may be carried out all the same; or it has no condition.
    fn change_if(&self, condition: Condition<'_>, _changes: &[KeyChange]) -> Result<bool, StoreError> {
        Err(StoreError(format!("{}: the store has no conditional batch", condition.key)))
    }
}

/// Keys that every store takes in one call: DynamoDB refuses more in one BatchWriteItem, and Spin passes them on as they
/// are.
pub const BATCH_MAX: usize = 25;

/// Keys whose values every store that reads many reads in one call: DynamoDB refuses more in one BatchGetItem.
pub const READS_MAX: usize = 100;

/// The largest value that every store takes, with its key: DynamoDB's item.
pub const VALUE_BYTES_MAX: usize = 400 * 1024;

/// How a store takes several pairs in one call.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Batches {
    /// All or none of them.
    Whole,
    /// In any order, up to [`BATCH_MAX`] at once, and a failure leaves some of them written.
    Parts,
}

/// Keys in a page of a store that lists all its keys for each: so many that the listing is the smaller part.
pub const KEYS_A_PAGE_OF_ALL: usize = 8_000;

/// A page of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPage {
    /// The keys. There may be none although there are further pages.
    pub keys: Vec<String>,
    /// Where the next page begins; nothing after the last one.
    pub next: Option<String>,
    /// Whether the keys are in their order, and each of them is a cursor: what follows it is the next page.
    pub is_in_order: bool,
}

impl KeyPage {
    /// A page of a store that lists all its keys. The cursor is the last key of the page before.
    pub fn of_all(mut keys: Vec<String>, prefix: &str, cursor: Option<&str>) -> KeyPage {
        keys.retain(|key| key.starts_with(prefix) && cursor.is_none_or(|cursor| key.as_str() > cursor));
        let more = keys.len() > KEYS_A_PAGE_OF_ALL;
        if more {
            keys.select_nth_unstable(KEYS_A_PAGE_OF_ALL);
            keys.truncate(KEYS_A_PAGE_OF_ALL);
        }
        keys.sort_unstable();
        KeyPage { next: keys.last().filter(|_| more).cloned(), keys, is_in_order: true }
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
pub type KeyChange = (String, Option<Vec<u8>>);

impl StoreError {
    /// Whether the store has more keys than it lists in one answer. Spin's stores, and this project's own host, say that a
    /// limit is exceeded.
    pub fn is_too_much(&self) -> bool {
        self.0.contains("exceed")
    }
}

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

    /// Writes one line of the request log, which is JSON and nothing else.
    fn request(&self, line: &str) {
        self.line(line);
    }
}
