//! The core's ports over Spin's interfaces.

use crate::exports::bindings::wasi::keyvalue::{atomics, batch, store};
use jiff::Timestamp;
use rollcall_core::ports::{Clock, Entropy, Log, Ports, Store, StoreError};
use spin_sdk::wasip3;
use std::time::Duration;

/// The label of the store in spin.toml.
const LABEL: &str = "default";

/// Opens the store; the handle is kept as long as the instance lives.
pub(crate) fn open() -> Result<Ports, String> {
    let bucket = store::open(LABEL).map_err(|error| format!("key-value store \"{LABEL}\": {}", words(error).0))?;
    Ok(Ports {
        store: Box::new(KeyValue(bucket)),
        clock: Box::new(WasiClock),
        entropy: Box::new(WasiRandom),
        log: Box::new(ErrorOutput),
        known: rollcall_core::backend::Known::default(),
        tickets: rollcall_core::ledger::Tickets::default(),
    })
}

struct KeyValue(store::Bucket);

impl Store for KeyValue {
    /// A read that failed is tried once more: it changes nothing, and where the connection to Redis broke since the last
    /// request, the failed call is what makes a new one. Of a failed write nobody knows whether it was done, so it stays
    /// failed.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.get(key).or_else(|_| self.0.get(key)).map_err(words)
    }

    fn set_many(&self, pairs: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        batch::set_many(&self.0, pairs).map_err(words)
    }

    fn delete_many(&self, keys: &[String]) -> Result<(), StoreError> {
        batch::delete_many(&self.0, keys).map_err(words)
    }

    fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError> {
        atomics::increment(&self.0, key, delta).map_err(words)
    }

    fn list_keys(&self) -> Result<Vec<String>, StoreError> {
        let mut keys = Vec::new();
        let mut cursor = None;
        loop {
            let page = self.0.list_keys(cursor.as_deref()).map_err(words)?;
            keys.extend(page.keys);
            match page.cursor {
                Some(next) => cursor = Some(next),
                None => return Ok(keys),
            }
        }
    }
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
        let now = wasip3::clocks::system_clock::now();
        // To the millisecond, as everything that we print.
        let nanoseconds = i32::try_from(now.nanoseconds / 1_000_000 * 1_000_000).unwrap_or(0);
        Timestamp::new(now.seconds, nanoseconds).unwrap_or_default()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_nanos(wasip3::clocks::monotonic_clock::now())
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
            let random = wasip3::random::random::get_random_bytes(wanted);
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
}
