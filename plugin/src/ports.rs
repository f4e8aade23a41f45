//! The core's ports over the platform's interfaces.

use crate::platform;
use crate::platform::keyvalue::{atomics, batch, store};
use jiff::Timestamp;
use rollcall_core::ports::{Clock, Condition, Entropy, KeyChange, KeyPage, Log, Ports, Store, StoreError};
use std::collections::HashMap;
use std::time::Duration;

/// The label of the store in spin.toml.
const LABEL: &str = "default";

/// The label of that store where the host offers conditional batches, which is an extension of this project's own host: the
/// first pair of a batch is a condition then. Spin refuses the label.
const GUARDED_LABEL: &str = "default+guarded";

/// A key that exists under the guarded label and nowhere else. A runtime that opens any label knows nothing of conditions.
const HANDSHAKE: &str = "=";

/// What a batch is refused with whose condition does not hold.
const CONDITION_FAILED: &str = "guarded: the condition does not hold";

/// Opens the store; the handle is kept as long as the instance lives.
pub(crate) fn open() -> Result<Ports, String> {
    Ok(Ports {
        store: Box::new(KeyValue::open()?),
        clock: Box::new(WasiClock),
        entropy: Box::new(WasiRandom),
        log: Box::new(ErrorOutput),
    })
}

struct KeyValue {
    bucket: store::Bucket,
    is_guarded: bool,
}

impl KeyValue {
    fn open() -> Result<KeyValue, String> {
        let guarded = store::open(GUARDED_LABEL).ok().filter(|bucket| matches!(bucket.exists(HANDSHAKE), Ok(true)));
        if let Some(bucket) = guarded {
            return Ok(KeyValue { bucket, is_guarded: true });
        }
        let bucket = store::open(LABEL).map_err(|error| format!("key-value store \"{LABEL}\": {}", words(error).0))?;
        Ok(KeyValue { bucket, is_guarded: false })
    }
}

impl Store for KeyValue {
    /// A read that failed is tried once more: it changes nothing, and where the connection to Redis broke since the last
    /// request, the failed call is what makes a new one. Of a failed write nobody knows whether it was done, so it stays
    /// failed.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.bucket.get(key).or_else(|_| self.bucket.get(key)).map_err(words)
    }

    /// Absent keys are not in the answer of every backend, and its order is the backend's own.
    fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let found = batch::get_many(&self.bucket, keys).or_else(|_| batch::get_many(&self.bucket, keys));
        let mut found: HashMap<String, Option<Vec<u8>>> = found.map_err(words)?.into_iter().collect();
        Ok(keys.iter().map(|key| found.remove(key).flatten()).collect())
    }

    fn set_many(&self, pairs: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        batch::set_many(&self.bucket, pairs).map_err(words)
    }

    fn delete_many(&self, keys: &[String]) -> Result<(), StoreError> {
        batch::delete_many(&self.bucket, keys).map_err(words)
    }

    fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError> {
        atomics::increment(&self.bucket, key, delta).map_err(words)
    }

    fn is_guarded(&self) -> bool {
        self.is_guarded
    }

    fn change_if(&self, condition: Condition<'_>, changes: &[KeyChange]) -> Result<bool, StoreError> {
        match batch::set_many(&self.bucket, &conditional(condition, changes)) {
            Ok(()) => Ok(true),
            Err(store::Error::Other(text)) if text == CONDITION_FAILED => Ok(false),
            Err(error) => Err(words(error)),
        }
    }

    fn list_page(&self, prefix: &str, cursor: Option<&str>) -> Result<KeyPage, StoreError> {
        if !self.is_guarded {
            return Ok(KeyPage::of_all(self.list_keys()?, prefix, cursor));
        }
        let cursor = [prefix, "=", cursor.unwrap_or_default()].concat();
        let page = self.bucket.list_keys(Some(&cursor)).map_err(words)?;
        let next = page.cursor.and_then(|next| next.split_once('=').map(|(_, next)| next.to_owned()));
        Ok(KeyPage { keys: page.keys, next, is_in_order: false })
    }

    fn list_keys(&self) -> Result<Vec<String>, StoreError> {
        let mut keys = Vec::new();
        let mut cursor = None;
        loop {
            let page = self.bucket.list_keys(cursor.as_deref()).map_err(words)?;
            keys.extend(page.keys);
            match page.cursor {
                Some(next) => cursor = Some(next),
                None => return Ok(keys),
            }
        }
    }
}

/// The pairs of a conditional batch: the condition, then what is deleted and what is written.
fn conditional(condition: Condition<'_>, changes: &[KeyChange]) -> Vec<(String, Vec<u8>)> {
    let expected = condition.value.map_or_else(Vec::new, |value| [b"+", value].concat());
    let mut pairs = Vec::with_capacity(changes.len() + 1);
    pairs.push((["=", condition.key].concat(), expected));
    pairs.extend(changes.iter().map(|(key, value)| match value {
        Some(value) => (key.clone(), value.clone()),
        None => (["!", key].concat(), Vec::new()),
    }));
    pairs
}

fn words(error: store::Error) -> StoreError {
    StoreError(match error {
        store::Error::NoSuchStore => "no such store".to_owned(),
        store::Error::AccessDenied => "access denied; spin.toml has to list the label in key_value_stores".to_owned(),
        store::Error::Other(text) => text,
    })
}

struct WasiClock;

impl Clock for WasiClock {
    fn now(&self) -> Timestamp {
        // To the millisecond, as everything that we print.
        let now = platform::time_of_day();
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }

    fn elapsed(&self) -> Duration {
        platform::elapsed()
    }

    fn pause(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

struct WasiRandom;

impl Entropy for WasiRandom {
    fn fill(&self, bytes: &mut [u8]) {
        let mut filled = 0;
        while filled < bytes.len() {
            let wanted = u64::try_from(bytes.len() - filled).unwrap_or(u64::MAX);
            let random = platform::random_bytes(wanted);
            let taken = random.len().min(bytes.len() - filled);
            bytes[filled..filled + taken].copy_from_slice(&random[..taken]);
            filled += taken;
        }
    }
}

struct ErrorOutput;

impl Log for ErrorOutput {
    fn line(&self, line: &str) {
        eprintln!("rollcall: {line}");
    }

    fn request(&self, line: &str) {
        eprintln!("{line}");
    }
}
